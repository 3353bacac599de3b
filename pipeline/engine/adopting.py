"""A document that a person has found, or made by hand, becomes that of an order that waits: ``resolve N --document``.

Where the target can list its documents, the number is looked up there; elsewhere the person's word counts. Nothing is
changed in the target. From then on the order is as any that has its document: it is never made again, and what comes of
it later is known or an amendment.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from pipeline.engine import carrying, deciding, patience, telling
from pipeline.engine.booking import document_columns
from pipeline.engine.carrying import Came
from pipeline.engine.context import Progress, no_progress
from pipeline.engine.deciding import OF_ORDER, Resolved
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError
from pipeline.ledger import acts, cards, decisions
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState, orders
from pipeline.model import cents
from pipeline.ports import DocumentList, DocumentRef, ListedDocument
from pipeline.texts import T, Text

Row = dict[str, Any]
CODE = "document"  #: what is written down as accepted


def adopt(
    client: Client, card: Row, number: str, *, by: str, why: str | None = None, report: Progress = no_progress
) -> Resolved:
    """Take document ``number`` of the target for the order of the card.

    Raises ConfigError when the card is about no waiting order, or the target has no such document, several, or one of
    another order; Transient or Refused when the target cannot be asked.
    """
    if card["state"] != "open":
        return Resolved(card["id"], (deciding.closed_words(card, client),), before=True)
    if card["kind"] not in OF_ORDER:
        raise deciding.refusal(card, T("Card {n} is not about an order that waits.", n=card["id"]))
    with client.ledger.read() as conn:
        order = order_rows.by_ids(conn, [card["order_row"]])[card["order_row"]]
        file = file_rows.by_id(conn, order["file_id"])
    if order["document_number"]:
        raise deciding.refusal(
            card, T("№{number} has its document already: {document}.", number=order["number"],
                    document=order["document_number"]),
        )  # fmt: skip
    place = carrying.place_of(client, file, order) if file else None
    if place is None:
        raise ConfigError(T("No job of the config takes the orders of card {n} any more.", n=card["id"]))
    with carrying.opened_any(client, place, by=by, report=report) as walk, carrying.holding(walk) as ours:
        if not ours:
            words = T("A run of job {job} is under way: give this answer again when it has ended.", job=place.job)
            return Resolved(card["id"], (words,), waits=True)
        with patience.asking(walk):
            ref, said = _looked_up(walk.ctx.system(place.settings.into), place.settings.into, order, number)
        with walk.begin() as conn:
            row = cards.lock(conn, client.config.client, card["id"])
            if row["state"] != "open":
                return Resolved(card["id"], (deciding.closed_words(row, client),), before=True)
            _nobody_elses(conn, order, ref)
            if not _settle(conn, client, card, order, ref, by=by, why=why):
                return Resolved(card["id"], (deciding.moved_on(order),), before=True)
            if order["total"] and order["currency"]:
                walk.ctx.notify(conn, telling.row_notice(order, ref))
    with client.ledger.read() as conn:
        after = order_rows.by_ids(conn, [order["id"]])[order["id"]]
    return Resolved(card["id"], said, (Came(after),))


def _settle(
    conn: sa.Connection, client: Client, card: Row, order: Row, ref: DocumentRef, *, by: str, why: str | None
) -> bool:
    name, subject, now = client.config.client, card["subject"], client.clock.now()
    values = {
        "state": OrderState.CREATED,
        **document_columns(ref, now),
        "findings": None,
        "tries": 0,
        "next_try": None,
    }
    if not order_rows.settle(conn, order["id"], (OrderState.HELD, OrderState.IN_DOUBT), now, **values):
        return False
    acts.drop_open(conn, order["id"], now)
    decisions.decide(
        conn, name, subject, order["revision"], "accept", [CODE], by=by, now=now, card_id=card["id"], why=why
    )
    data = {"document": ref.number, "id": ref.id, "by": by, "why": why}
    client.ledger.event(conn, subject, "adopted", data)
    cards.close(
        conn,
        name,
        subject,
        OF_ORDER,
        now,
        state="resolved",
        why=why or T("document {number} exists", number=ref.number),
        by=by,
    )
    return True


def _looked_up(system: object, name: str, order: Row, number: str) -> tuple[DocumentRef, tuple[Text, ...]]:
    if not isinstance(system, DocumentList):
        words = T("{system} cannot list its documents: this is taken on your word.", system=name)
        return DocumentRef("", number), (words,)
    found = [one for one in system.all_documents() if one.ref.number == number]
    if not found and number.isdecimal():  # 77 for 000077, as people say it
        found = [one for one in system.all_documents() if one.ref.number.lstrip("0") == number.lstrip("0")]
    if len(found) > 1:  # numbers that begin anew each year
        found = [one for one in found if _is_of(one, order)] or found
    if not found:
        raise ConfigError(
            T("There is no document {number} in {system}.", number=number, system=name),
            hint=T("Write its number as the accounting system shows it."),
            code="decision",
        )
    if len(found) > 1:
        raise ConfigError(
            T("{system} has {n} documents of number {number}.", n=len(found), number=number, system=name),
            hint=T("A number alone does not say which one it is: give it one of its own there, or reject the order."),
            code="decision",
        )
    (one,) = found
    if one.order_id and not _is_of(one, order):
        raise _taken(one.ref.number, one.order_id)
    return one.ref, _other_sum(order, one.ref)


def _is_of(one: ListedDocument, order: Mapping[str, Any]) -> bool:
    return (one.source, one.order_id) == (order["source"], order["order_id"])


def _other_sum(order: Row, ref: DocumentRef) -> tuple[Text, ...]:
    if ref.total is None or not order["total"]:
        return ()
    here, currency = Decimal(order["total"]), ref.currency or order["currency"]
    if cents(here) == cents(ref.total) and currency == order["currency"]:
        return ()
    words = T(
        "Mind that document {document} says {there} {currency}, and the order {here} {own}.",
        document=ref.number,
        there=cents(ref.total),
        currency=currency,
        here=cents(here),
        own=order["currency"],
    )
    return (words,)


def _nobody_elses(conn: sa.Connection, order: Row, ref: DocumentRef) -> None:
    """Raises ConfigError when another order of the ledger has this document."""
    o = orders.c
    same = o.document_id == ref.id if ref.id else o.document_number == ref.number
    query = sa.select(o.number).where(o.client == order["client"], o.into == order["into"], same, o.id != order["id"])
    if (other := conn.execute(query.limit(1)).scalar()) is not None:
        raise _taken(ref.number, other)


def _taken(document: str, other: str) -> ConfigError:
    return ConfigError(
        T("Document {document} is that of order №{other}.", document=document, other=other),
        hint=T("One document stands for one order: look for the one of this order."),
        code="decision",
    )
