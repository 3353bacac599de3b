"""A scripted target of the documents walk: orders, shipments, returns, payments, statuses, buyers, products.

It keeps all in a SQLite file of its own, which outlives a killed process and is counted by plain SQL. It has no unique
key and looks for nothing by itself: whoever creates twice has two documents. :func:`say` writes into its script how a
call is answered instead of being done. A document that a test marks as ``half`` is there unfinished: asked for it once
more, the target finishes it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import Finding, Held, InDoubt, MistokError, Transient, Where, Who
from pipeline.flow import SystemEnv, SystemPlugin
from pipeline.model import Party, StockLevel, cents
from pipeline.ports import (
    AddProducts,
    AmendDocuments,
    Amendment,
    Cancellation,
    DocumentDraft,
    DocumentOutcome,
    DocumentRef,
    Documents,
    DocumentStatuses,
    NewProduct,
    Parties,
    PaymentDraft,
    Payments,
    ProductLookup,
    ProductNames,
    Ref,
    References,
    Return,
    ReturnDocuments,
    RowOutcome,
    ShipDocuments,
    Shipment,
    StatusChange,
    Stock,
    System,
)
from pipeline.settings import Settings
from pipeline.texts import T, verbatim

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, number TEXT NOT NULL, key TEXT NOT NULL, base INTEGER, order_id TEXT,
    total TEXT, currency TEXT, lines TEXT, status TEXT, cancelled INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL,
    amended TEXT NOT NULL DEFAULT '', hidden INTEGER NOT NULL DEFAULT 0, half INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS parties (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, name TEXT NOT NULL, phone TEXT NOT NULL, email TEXT NOT NULL,
    edrpou TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL,
    stock TEXT NOT NULL DEFAULT '0');
CREATE TABLE IF NOT EXISTS lists (kind TEXT NOT NULL, code TEXT NOT NULL, PRIMARY KEY (kind, code));
CREATE TABLE IF NOT EXISTS script (
    id INTEGER PRIMARY KEY, call TEXT NOT NULL, what TEXT NOT NULL, made INTEGER NOT NULL, words TEXT NOT NULL,
    times INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, call TEXT NOT NULL, key TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Say:
    """How a call is answered: ``held`` (refused with ``words``), ``doubt`` (no answer came), ``busy`` (not now), or
    ``total``: the document says another sum, that of ``words``. ``made``: it is done all the same."""

    call: str  #: create, amend, cancel, ship, return, pay, status, party, product, find
    what: Literal["held", "doubt", "busy", "total", "hidden"]
    words: str = ""
    made: bool = False
    times: int = 1


def say(path: Path, *answers: Say) -> None:
    """Put these into the script of the target that keeps its documents at ``path``, in place of what stood there."""
    with closing(database(path)) as conn:
        conn.execute("DELETE FROM script")
        conn.executemany(
            "INSERT INTO script (call, what, made, words, times) VALUES (?, ?, ?, ?, ?)",
            [(one.call, one.what, one.made, one.words, one.times) for one in answers],
        )


def database(path: Path) -> sqlite3.Connection:
    """Its file, with its tables; closed by the caller. Each statement is committed at once."""
    conn = sqlite3.connect(path, isolation_level=None, timeout=30)
    conn.executescript(SCHEMA)
    return conn


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What plain SQL says."""
    with closing(database(path)) as conn:
        return [tuple(row) for row in conn.execute(query, values)]


class TargetSettings(Settings):
    """Where the target keeps its documents."""

    file: str = "target.sqlite3"
    """Its SQLite file, relative to the config."""
    known: tuple[str, ...] | None = None
    """Articles that it knows besides those that were added; all when not given."""
    lists: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Kind -> codes that it knows; of a kind that is not named, all."""


class DocumentsTarget:
    """The system."""

    def __init__(self, settings: TargetSettings, env: SystemEnv) -> None:
        self.name = env.name
        self._settings = settings
        self._path = env.base / settings.file
        self._open: sqlite3.Connection | None = None

    # --- what systems have in common ---

    def check(self) -> Sequence[Finding]:
        """Nothing is ever wrong with it."""
        return ()

    def close(self) -> None:
        """Let go of its file."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @property
    def _conn(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = database(self._path)
        return self._open

    def _answer(self, call: str, key: str = "") -> Say | None:
        self._conn.execute("INSERT INTO calls (call, key) VALUES (?, ?)", [call, key])
        row = self._conn.execute(
            "SELECT id, what, made, words FROM script WHERE call = ? AND times != 0 ORDER BY id LIMIT 1", [call]
        ).fetchone()
        if row is None:
            return None
        self._conn.execute("UPDATE script SET times = times - 1 WHERE id = ? AND times > 0", [row[0]])
        return Say(call, row[1], row[3], bool(row[2]))

    @staticmethod
    def _error(said: Say) -> MistokError | None:
        match said.what:
            case "held":
                words = verbatim(said.words or "no")
                return Held(findings=(Finding("refused-by-target", words, Where(), None, Who.ACCOUNTANT),))
            case "doubt":
                return InDoubt(T("The service did not answer in time."))
            case "busy":
                return Transient(T("The service did not answer in time."))
            case _:
                return None

    def _do(self, call: str, key: str, act: Callable[[Say | None], DocumentRef]) -> DocumentOutcome:
        said = self._answer(call, key)
        error = self._error(said) if said is not None else None
        if error is not None and said is not None and not said.made:
            return DocumentOutcome(key, error=error)
        try:
            ref = act(said)
        except Held as refused:
            return DocumentOutcome(key, error=refused)
        return DocumentOutcome(key, error=error) if error is not None else DocumentOutcome(key, ref)

    # --- goods and lists ---

    def find_products(self, codes: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductLookup."""
        found: dict[str, list[Ref]] = {}
        for code in codes:
            made = self._conn.execute("SELECT id, name FROM products WHERE code = ? ORDER BY id", [code]).fetchall()
            refs = [Ref(f"p{row[0]}", code, row[1]) for row in made]
            if not refs and (self._settings.known is None or code in self._settings.known):
                refs = [Ref(code, code)]
            if refs:
                found[code] = refs
        return found

    def find_by_name(self, names: Collection[str]) -> Mapping[str, Sequence[Ref]]:
        """See ProductNames."""
        found: dict[str, list[Ref]] = {}
        for name in names:
            query = "SELECT id, code, name FROM products WHERE name = ? ORDER BY id"
            refs = [Ref(f"p{row[0]}", row[1], row[2]) for row in self._conn.execute(query, [name])]
            if refs:
                found[name] = refs
        return found

    def add_products(self, products: Sequence[NewProduct]) -> Sequence[RowOutcome]:
        """See AddProducts."""
        return [self._add(product) for product in products]

    def _add(self, product: NewProduct) -> RowOutcome:
        said = self._answer("product", product.code)
        if said is not None and (error := self._error(said)) is not None:
            return RowOutcome(error=error)
        there = self._conn.execute("SELECT id FROM products WHERE code = ?", [product.code]).fetchone()
        if there is not None:
            return RowOutcome((f"p{there[0]}",), existed=True)
        kind = "service" if product.service else "variant" if product.base else "goods"
        data = {"base": product.base, "base_name": product.base_name, "options": dict(product.options)}
        made = self._conn.execute(
            "INSERT INTO products (code, name, kind, data) VALUES (?, ?, ?, ?)",
            [product.code, product.name, kind, json.dumps(data, ensure_ascii=False)],
        )
        return RowOutcome((f"p{made.lastrowid}",))

    def find_references(self, kind: str, codes: Collection[str]) -> Mapping[str, Ref]:
        """See References."""
        if kind == "party":
            known = {row[1]: Ref(f"c{row[0]}", row[1], row[2]) for row in
                     self._conn.execute("SELECT id, code, name FROM parties")}  # fmt: skip
            found = {code: known[code] for code in codes if code in known}
            return {**{code: Ref(code, code) for code in codes if code in self._settings.lists.get(kind, ())}, **found}
        listed = self._settings.lists.get(kind)
        made = {row[0] for row in self._conn.execute("SELECT code FROM lists WHERE kind = ?", [kind])}
        wanted = codes if listed is None else [code for code in codes if code in listed or code in made]
        return {code: Ref(code, code, code) for code in wanted}

    def references(self, kind: str) -> Sequence[Ref]:
        """See ReferenceLists: what the settings list, and what was added."""
        made = [row[0] for row in self._conn.execute("SELECT code FROM lists WHERE kind = ?", [kind])]
        return [Ref(code, code, code) for code in sorted({*self._settings.lists.get(kind, ()), *made})]

    def adds_references(self) -> Collection[str]:
        """See AddsReferences."""
        return ("status", "source")

    def ensure(self, kind: str, code: str, name: str = "") -> Ref:
        """See References."""
        self._conn.execute("INSERT OR IGNORE INTO lists (kind, code) VALUES (?, ?)", [kind, code])
        return Ref(code, code, name)

    def levels(self, since: datetime | None = None) -> Iterator[StockLevel]:  # noqa: ARG002 - the port's
        """The balance of the products that were put in."""
        moved: dict[str, Decimal] = {}
        query = "SELECT kind, lines FROM documents WHERE kind IN ('ship', 'return')"
        for kind, lines in self._conn.execute(query).fetchall():
            for code, quantity, *_rest in json.loads(lines):
                moved[code] = moved.get(code, Decimal(0)) + Decimal(quantity) * (1 if kind == "return" else -1)
        for code, stock in self._conn.execute("SELECT code, stock FROM products ORDER BY id").fetchall():
            yield StockLevel(code, "main", Decimal(stock) + moved.get(code, Decimal(0)), Decimal(0), code)

    def warehouses(self) -> Sequence[Ref]:
        """One."""
        return [Ref("main", "main")]

    # --- buyers ---

    def find_parties(self, parties: Sequence[Party]) -> Sequence[Sequence[Ref]]:
        """See Parties."""
        found = []
        for party in parties:
            refs: list[Ref] = []
            for column in ("code", "edrpou", "phone", "email"):
                value = getattr(party, column)
                if value and not refs:
                    query = f"SELECT id, code, name FROM parties WHERE {column} = ? ORDER BY id"  # noqa: S608 - our own
                    refs = [Ref(f"c{row[0]}", row[1], row[2]) for row in self._conn.execute(query, [value])]
            found.append(refs)
        return found

    def near_parties(self, party: Party) -> Sequence[Ref]:
        """See Parties: those of the same last name."""
        if not party.last_name:
            return []
        query = "SELECT id, code, name FROM parties WHERE name LIKE ? ORDER BY id LIMIT 10"
        return [Ref(f"c{row[0]}", row[1], row[2]) for row in self._conn.execute(query, [f"{party.last_name}%"])]

    def create_party(self, party: Party) -> Ref:
        """See Parties."""
        said = self._answer("party", party.phone)
        error = self._error(said) if said is not None else None
        if error is not None and said is not None and not said.made:
            raise error
        last = self._conn.execute("SELECT coalesce(max(id), 0) FROM parties").fetchone()[0]
        data = {name: getattr(party, name) for name in ("last_name", "first_name", "middle_name", "company")}
        made = self._conn.execute(
            "INSERT INTO parties (code, name, phone, email, edrpou, data) VALUES (?, ?, ?, ?, ?, ?)",
            [f"C-{last + 1}", party.title, party.phone, party.email, party.edrpou,
             json.dumps({**data, "address": party.address.text or party.address.city}, ensure_ascii=False)],
        )  # fmt: skip
        if error is not None:
            raise error
        return Ref(f"c{made.lastrowid}", f"C-{last + 1}", party.title)

    # --- documents ---

    def _find(self, kind: str, keys: Collection[str]) -> dict[str, DocumentRef]:
        said = self._answer("find", kind)
        if said is not None and (error := self._error(said)) is not None:
            raise error
        self._conn.execute("UPDATE documents SET hidden = hidden - 1 WHERE hidden > 0 AND kind = ?", [kind])
        found = {}
        for key in keys:
            row = self._conn.execute(
                "SELECT id, half FROM documents WHERE kind = ? AND key = ? AND hidden = 0 ORDER BY id", [kind, key]
            ).fetchone()
            if row is not None:
                found[key] = replace(self._ref(row[0]), unfinished=bool(row[1]))
        return found

    def _ref(self, number: int) -> DocumentRef:
        row = self._conn.execute(
            "SELECT id, number, key, total, currency, kind, cancelled FROM documents WHERE id = ?", [number]
        ).fetchone()
        total = Decimal(row[3]) if row[3] is not None else None
        tracking = f"TTN-{row[0]}" if row[5] == "ship" else ""
        return DocumentRef(
            str(row[0]), row[1], row[2], total=total, currency=row[4] or "", tracking=tracking, cancelled=bool(row[6])
        )

    def _make(
        self, kind: str, key: str, draft: DocumentDraft | None, said: Say | None, base: str = "", **data: Any
    ) -> DocumentRef:
        left = self._conn.execute(
            "SELECT id FROM documents WHERE kind = ? AND key = ? AND half", [kind, key]
        ).fetchone()
        if left is not None:
            self._conn.execute("UPDATE documents SET half = 0 WHERE id = ?", left)
            return self._ref(left[0])
        letters = {"create": "O", "ship": "S", "return": "R", "pay": "P"}
        last = self._conn.execute("SELECT coalesce(max(id), 0) FROM documents").fetchone()[0]
        number = f"{letters[kind]}-{last + 1}"
        values: list[Any] = [None, None, None, None]
        if draft is not None:
            order = draft.order
            if not order.lines:
                raise Held(verbatim("an empty document"))
            values = [order.id, f"{cents(order.total):f}", order.currency, self._lines(draft)]
            data = {**data, **self._data(draft)}
        if "amount" in data:
            values = [None, data.pop("amount"), data.pop("currency"), "[]"]
        if said is not None and said.what == "total":
            values[1] = said.words
        hidden = int(said.words or 1) if said is not None and said.what == "hidden" else 0
        made = self._conn.execute(
            "INSERT INTO documents (kind, number, key, base, order_id, total, currency, lines, status, data, hidden)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                kind,
                number,
                key,
                int(base) if base else None,
                *values,
                None,
                json.dumps(data, ensure_ascii=False),
                hidden,
            ],
        )
        return self._ref(made.lastrowid or 0)

    @staticmethod
    def _lines(draft: DocumentDraft) -> str:
        pairs = zip(draft.order.lines, draft.products, strict=True)
        return json.dumps(
            [[ref.code, f"{line.quantity:f}", f"{line.price:f}", f"{line.discount:f}", ref.id] for line, ref in pairs]
        )

    @staticmethod
    def _data(draft: DocumentDraft) -> dict[str, Any]:
        named = {"client": draft.client, "warehouse": draft.warehouse, "user": draft.user, "executor": draft.executor,
                 "delivery": draft.delivery, **draft.references}  # fmt: skip
        return {
            **{name: ref.code for name, ref in named.items() if ref is not None},
            "comment": draft.comment,
            "address": draft.order.delivery.address.text,
            "cost": f"{draft.order.delivery.cost:f}",
        }

    def find(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Documents."""
        return self._find("create", keys)

    def create(self, drafts: Sequence[DocumentDraft]) -> Sequence[DocumentOutcome]:
        """See Documents; it never looks whether there is one already."""

        def act(one: DocumentDraft, said: Say | None) -> DocumentRef:
            return self._make("create", one.key, one, said)

        return [self._do("create", one.key, partial(act, one)) for one in drafts]

    def amend(self, amendments: Sequence[Amendment]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments."""

        def act(one: Amendment, said: Say | None) -> DocumentRef:
            total = said.words if said is not None and said.what == "total" else f"{cents(one.draft.order.total):f}"
            self._conn.execute(
                "UPDATE documents SET total = ?, lines = ?, data = ?, cancelled = 0, amended = amended || ' ' || ?"
                " WHERE id = ?",
                [total, self._lines(one.draft), json.dumps(self._data(one.draft)), one.key, int(one.ref.id)],
            )
            return self._ref(int(one.ref.id))

        return [self._do("amend", one.key, partial(act, one)) for one in amendments]

    def cancel(self, cancellations: Sequence[Cancellation]) -> Sequence[DocumentOutcome]:
        """See AmendDocuments."""

        def act(one: Cancellation, _said: Say | None) -> DocumentRef:
            self._conn.execute("UPDATE documents SET cancelled = 1 WHERE id = ?", [int(one.ref.id)])
            return self._ref(int(one.ref.id))

        return [self._do("cancel", one.key, partial(act, one)) for one in cancellations]

    def find_shipments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ShipDocuments."""
        return self._find("ship", keys)

    def _on(self, kind: str, bases: Collection[DocumentRef]) -> dict[str, list[DocumentRef]]:
        found: dict[str, list[DocumentRef]] = {}
        for ref in bases:
            query = "SELECT id FROM documents WHERE kind = ? AND base = ? ORDER BY id"
            for row in self._conn.execute(query, [kind, int(ref.id)]).fetchall():
                found.setdefault(ref.id, []).append(self._ref(row[0]))
        return found

    def shipments_of(self, orders: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ShipDocuments."""
        return self._on("ship", orders)

    def ship(self, shipments: Sequence[Shipment]) -> Sequence[DocumentOutcome]:
        """See ShipDocuments."""

        def act(one: Shipment, said: Say | None) -> DocumentRef:
            return self._make("ship", one.key, one.draft, said, one.order.id)

        return [self._do("ship", one.key, partial(act, one)) for one in shipments]

    def find_returns(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See ReturnDocuments."""
        return self._find("return", keys)

    def returns_of(self, shipments: Collection[DocumentRef]) -> Mapping[str, Sequence[DocumentRef]]:
        """See ReturnDocuments."""
        return self._on("return", shipments)

    def take_back(self, returns: Sequence[Return]) -> Sequence[DocumentOutcome]:
        """See ReturnDocuments."""

        def act(one: Return, said: Say | None) -> DocumentRef:
            return self._make("return", one.key, one.draft, said, one.shipment.id)

        return [self._do("return", one.key, partial(act, one)) for one in returns]

    def find_payments(self, keys: Collection[str]) -> Mapping[str, DocumentRef]:
        """See Payments."""
        return self._find("pay", keys)

    def pay(self, payments: Sequence[PaymentDraft]) -> Sequence[DocumentOutcome]:
        """See Payments."""

        def act(one: PaymentDraft, said: Say | None) -> DocumentRef:
            data = {"amount": f"{one.amount:f}", "currency": one.currency}
            named = {
                "account": one.account.code if one.account else None,
                "payer": one.payer.code if one.payer else None,
            }
            return self._make("pay", one.key, None, said, one.order.id, **data, **named)

        return [self._do("pay", one.key, partial(act, one)) for one in payments]

    def set_statuses(self, changes: Sequence[StatusChange]) -> Sequence[DocumentOutcome]:
        """See DocumentStatuses."""

        def act(one: StatusChange, _said: Say | None) -> DocumentRef:
            self._conn.execute("UPDATE documents SET status = ? WHERE id = ?", [one.status.code, int(one.ref.id)])
            return self._ref(int(one.ref.id))

        return [self._do("status", one.key, partial(act, one)) for one in changes]


_: type[System] = DocumentsTarget
_documents: type[Documents] = DocumentsTarget
_amend: type[AmendDocuments] = DocumentsTarget
_ship: type[ShipDocuments] = DocumentsTarget
_return: type[ReturnDocuments] = DocumentsTarget
_pay: type[Payments] = DocumentsTarget
_statuses: type[DocumentStatuses] = DocumentsTarget
_parties: type[Parties] = DocumentsTarget
_products: type[ProductLookup] = DocumentsTarget
_names: type[ProductNames] = DocumentsTarget
_add: type[AddProducts] = DocumentsTarget
_references: type[References] = DocumentsTarget
_stock: type[Stock] = DocumentsTarget

PLUGIN = SystemPlugin(
    name="documents-target",
    summary=T("Holds orders and all that follows them, and misbehaves as a test tells it to"),
    settings=TargetSettings,
    open=DocumentsTarget,
)
