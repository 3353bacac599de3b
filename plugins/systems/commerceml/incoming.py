"""What the other side's documents say: states of orders that it was given, and orders of its own."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Finding, Order, Ref, SeenOrder, SystemEnv, T, Where, Who
from plugins.commerceml.documents import (
    CANCELLED,
    OrderRules,
    State,
    documents_of,
    has_lines,
    is_order,
    read_order,
    state_of,
)
from plugins.commerceml.order_out import canonical, file_of, set_requisites
from plugins.commerceml.words import Parsed, open_file, text
from plugins.systems.commerceml.outbox import statuses_of
from plugins.systems.commerceml.settings import CommerceMLSettings
from plugins.systems.commerceml.store import Store, dump

NAMELESS = "no-id:"  #: how the id of an order begins that its shop gave none
_SEVERAL = "<Контейнер>"


def put_documents(db: sqlite3.Connection, parsed: Parsed, now: datetime, *, own: bool) -> list[Finding]:
    """Keep each document, in the caller's transaction; gives what is to be told of some.

    Args:
        own: we hand documents out, and the other side tells what became of them; else orders are the other side's, and
            each is kept, also one that cannot be read: it waits for a person then, and holds up no other.
    """
    if not own:
        return _keep_orders(db, parsed, now.isoformat())
    wrong: list[Finding] = []
    stamp = now.isoformat()
    for element in documents_of(parsed):
        state = state_of(element)
        if not state.id:
            what = T("The document {number} has no <Ид>.", number=state.number or "—")
            wrong.append(Finding("no-id", what, parsed.where(element), None, Who.ACCOUNTANT))
            continue
        ours = db.execute("SELECT 1 FROM documents WHERE id = ?", [state.id]).fetchone() is not None
        if ours:
            _keep_state(db, state, stamp)
        elif has_lines(element) and is_order(element):
            _keep_order(db, state.id, canonical(element), stamp)
        elif is_order(element):
            wrong.append(
                Finding(
                    "unknown-order",
                    T("A status came for the order {id}, which was never handed out.", id=state.id),
                    parsed.where(element, order=state.id),
                    who=Who.ACCOUNTANT,
                )
            )
    return wrong


def _keep_orders(db: sqlite3.Connection, parsed: Parsed, stamp: str) -> list[Finding]:
    """The orders of a shop's file, whatever is wrong with them.

    One without ``Ид`` is kept under its number, else under its content; several that share an ``Ид`` and differ are
    kept as one that nobody can read. A status (no goods) of an order that is known changes that order's requisites.
    """
    told: list[Finding] = []
    bodies: dict[str, list[str]] = {}
    for element in documents_of(parsed):
        if not is_order(element):
            kind = text(element, "ХозОперация")
            what = T("A document of {kind} was passed over: it is no order.", kind=kind)
            told.append(Finding("other-document", what, parsed.where(element)))
            continue
        state = state_of(element)
        bare = not has_lines(element)
        body = canonical(element).decode()
        own_id = state.id or f"{NAMELESS}{state.number or hashlib.sha256(body.encode()).hexdigest()[:16]}"
        row = db.execute("SELECT body FROM orders WHERE id = ?", [own_id]).fetchone()
        before = bodies.get(own_id) or ([row["body"]] if row else [])
        if bare and state.id and before:
            if len(before) == 1 and not before[0].startswith(_SEVERAL):
                words = {**state.said, CANCELLED[0]: "true"} if state.cancelled else state.said
                bodies[own_id] = [set_requisites(before[0], words)]
        elif body not in bodies.setdefault(own_id, []):
            bodies[own_id].append(body)
    for own_id, several in bodies.items():
        joined = several[0] if len(several) == 1 else f"{_SEVERAL}{''.join(several)}</Контейнер>"
        _keep_order(db, own_id, joined.encode(), stamp)
    return told


def _keep_state(db: sqlite3.Connection, state: State, stamp: str) -> None:
    told = dump(
        {
            "number": state.number_1c, "date": state.date_1c, "status": state.status, "cancelled": state.cancelled,
            "paid": state.paid, "shipped": state.shipped, "tracking": state.tracking, "said": dict(state.said),
        }
    )  # fmt: skip
    revision = hashlib.sha256(told.encode()).hexdigest()[:16]
    before = db.execute("SELECT revision FROM states WHERE id = ?", [state.id]).fetchone()
    if before is None or before["revision"] != revision:
        row = [state.id, state.number_1c, told, revision, stamp]
        db.execute("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?)", row)


def _keep_order(db: sqlite3.Connection, own: str, body: bytes, stamp: str) -> None:
    revision = hashlib.sha256(body).hexdigest()[:16]
    before = db.execute("SELECT revision FROM orders WHERE id = ?", [own]).fetchone()
    if before is None or before["revision"] != revision:
        db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", [own, body.decode(), revision, stamp])


class Incoming:
    """The orders of an exchange, and the states of those that it was given."""

    def __init__(self, store: Store, settings: CommerceMLSettings, env: SystemEnv) -> None:
        self._store, self._settings, self._env = store, settings, env
        self._rules = OrderRules(
            zone=ZoneInfo(env.timezone),
            currency=settings.currency or env.currency,
            source=env.name,
            delivery=frozenset((settings.delivery_id,)),
            fee=frozenset((settings.fee_id,)),
            statuses=statuses_of(settings),
            code=settings.code,
        )

    def orders(self, since: datetime | None, until: datetime | None, statuses: Collection[str]) -> Iterator[SeenOrder]:
        """Those that came or changed since, oldest change first."""
        with self._store.reading() as db:
            states = {row["id"]: row for row in db.execute("SELECT * FROM states")}
            ours = {row["id"]: row for row in db.execute("SELECT * FROM documents")}
            rows = [*db.execute("SELECT * FROM orders"), *states.values()]
        found = []
        for row in rows:
            changed = datetime.fromisoformat(row["changed"])
            if (since is not None and changed < since) or (until is not None and changed >= until):
                continue
            seen = self._state(row, ours[row["id"]], changed) if row["id"] in ours else self._order(row, changed)
            if seen is not None and (not statuses or seen.status in statuses):
                found.append((changed, seen.id, seen))
        return iter([seen for _, _, seen in sorted(found, key=lambda one: one[:2])])

    def statuses(self) -> list[Ref]:
        """Those that the connection names, and those that were seen."""
        names = {said: Ref(ours, ours, said) for said, ours in self._rules.statuses.items()}
        with self._store.reading() as db:
            told = [json.loads(row["told"])["status"] for row in db.execute("SELECT told FROM states ORDER BY id")]
        for said in told:
            if said and said not in names:
                names[said] = Ref(said, said, said)
        return list(names.values())

    def _order(self, row: sqlite3.Row, changed: datetime) -> SeenOrder:
        order, findings, number, status = self._read(row["body"])
        return SeenOrder(
            id=row["id"], number=number or row["id"], status=status, order=order, findings=findings, updated_at=changed,
            revision=row["revision"], raw="" if order else row["body"],
        )  # fmt: skip

    def _state(self, row: sqlite3.Row, ours: sqlite3.Row, changed: datetime) -> SeenOrder:
        """What the accounting program says of an order that it was given: that order with its answer."""
        told: dict[str, Any] = json.loads(row["told"])
        order, findings, _, _ = self._read(ours["body"])
        said = self._rules.statuses.get(told["status"], told["status"])
        status = "cancelled" if told["cancelled"] else said or ours["status"]
        if order is not None:
            payment = replace(order.payment, status="paid") if told["paid"] else order.payment
            delivery = replace(order.delivery, tracking=told["tracking"] or order.delivery.tracking)
            extra = {**order.extra, **told["said"]}
            order = replace(
                order, id=ours["order_id"], source=ours["source"], status=status, payment=payment, delivery=delivery,
                extra=extra, updated_at=changed,
            )  # fmt: skip
        return SeenOrder(
            id=ours["order_id"], number=told["number"] or ours["number"], status=status, order=order, findings=findings,
            updated_at=changed, revision=row["revision"],
        )  # fmt: skip

    def _read(self, body: str) -> tuple[Order | None, tuple[Finding, ...], str, str]:
        """The order, what is wrong with it, its number, and its status."""
        data = file_of([body], version="2.05", encoding="utf-8", formed=self._env.clock.now())
        parsed = open_file(data, self._env.name)
        first, *others = documents_of(parsed)
        read = read_order(parsed, first, self._rules)
        findings = tuple(_placed(one) for one in read.findings)
        if others:
            what = T("Several documents of the file have the Ид {id}, and they differ.", id=read.id)
            hint = T("Each order needs an Ид of its own, which stays the same.")
            findings = (*findings, Finding("twice", what, _place(parsed.where(first, order=read.id)), hint))
        return None if findings else read.order, findings, read.number, read.status


def _placed(finding: Finding) -> Finding:
    """As it is told of an order of an exchange: by element and position, as no file is left that has its line."""
    hint = finding.hint
    if finding.code == "no-lines":
        hint = T("An order is given with its goods, each time that it is given.")
    return replace(finding, where=_place(finding.where), hint=hint)


def _place(where: Where) -> Where:
    return replace(where, line=None)
