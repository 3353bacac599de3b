"""What sales of a database have in common: looked up by their reference, read back, taken from state to state."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipeline.api import DocumentRef, T
from plugins.systems.tryton.client import Client
from plugins.systems.tryton.lists import Lists
from plugins.systems.tryton.marks import is_cancelled, marks_of
from plugins.systems.tryton.names import LINE, SALE
from plugins.systems.tryton.refusals import held
from plugins.systems.tryton.values import ZERO, Row, ids, link, number, text

#: One for each database, for all sessions of this process; between processes the engine's lease sees to it.
_LOCKS: dict[str, threading.RLock] = {}
_LOCK = threading.Lock()

FIELDS = (
    "number", "reference", "description", "comment", "state", "total_amount", "currency", "party", "warehouse",
    "create_date", "shipment_method", "origin", "_timestamp",
)  # fmt: skip
LINE_FIELDS = ("sale", "type", "product", "quantity", "unit", "unit_price", "taxes", "note", "description")


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale as it is, with its lines where they were read."""

    id: int
    row: Row
    lines: tuple[Row, ...] = ()

    @property
    def number(self) -> str:
        """As people call it; a draft has none."""
        return text(self.row.get("number")).strip() or str(self.id)

    @property
    def state(self) -> str:
        """``draft``, ``quotation``, ``confirmed``, ``processing``, ``done`` or ``cancelled``."""
        return text(self.row.get("state"))

    @property
    def comment(self) -> str:
        """What it says for people."""
        return text(self.row.get("comment"))

    @property
    def cancelled(self) -> bool:
        """By Tryton's own state, or by our word in the comment of one that Tryton cancels no more."""
        return self.state == "cancelled" or is_cancelled(self.comment)

    @property
    def total(self) -> Decimal:
        """With taxes, as Tryton reckons it."""
        return number(self.row.get("total_amount"))

    def quantities(self) -> dict[int, Decimal]:
        """How much of each product it is of."""
        found: dict[int, Decimal] = {}
        for row in self.lines:
            if product := link(row.get("product")):
                found[product] = found.get(product, ZERO) + number(row.get("quantity"))
        return found


class Papers:
    """The sales of one database."""

    def __init__(self, client: Client, lists: Lists) -> None:
        self.client, self.lists = client, lists
        base = f"{client.settings.url}\0{client.settings.database}"
        with _LOCK:
            self.lock = _LOCKS.setdefault(hashlib.sha256(base.encode()).hexdigest(), threading.RLock())

    # --- looking up --------------------------------------------------------------------------------------------------

    def look(self, marks: Collection[str]) -> dict[str, Sale]:
        """The sales with these references, without lines; of several one that is not cancelled, else the oldest."""
        found: dict[str, Sale] = {}
        wanted = sorted(set(marks))
        size = self.client.settings.page
        for start in range(0, len(wanted), size):
            for row in self.client.rows(SALE, [["reference", "in", wanted[start : start + size]]], FIELDS):
                sale, mark = Sale(row["id"], row), text(row.get("reference"))
                if mark not in found or (found[mark].state == "cancelled" and sale.state != "cancelled"):
                    found[mark] = sale
        return found

    def by_key(self, keys: Collection[str], *, action: bool = False) -> dict[str, Sale]:
        """The sales of keys; what is no key has none."""
        marks = marks_of(keys, action=action)
        found = self.look(marks.values())
        return {key: found[mark] for key, mark in marks.items() if mark in found}

    def standing(self, id_: str | int, *, lines: bool = True) -> Sale:
        """A sale as it is, with its lines or without. Raises Held for one that is not there."""
        wanted = str(id_)
        number_ = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10 else 0
        row = self.client.of_ids(SALE, [number_], FIELDS).get(number_) if number_ else None
        if row is None:
            raise held(T("Tryton has no sale {id}.", id=wanted), code="tryton-gone")
        if not lines:
            return Sale(number_, row)
        found = self.client.rows(LINE, [["sale", "=", number_], ["type", "=", "line"]], LINE_FIELDS)
        return Sale(number_, row, tuple(found))

    def linked(self, sales: Collection[int], name: str) -> dict[int, list[int]]:
        """The ids of what stands on sales, by sale: ``shipments`` or ``shipment_returns``."""
        rows = self.client.of_ids(SALE, sorted(sales), (name,))
        return {sale: sorted(ids(row.get(name))) for sale, row in rows.items()}

    def ref_of(self, sale: Sale, key: str, total: Decimal | None = None) -> DocumentRef:
        """A sale as a reference."""
        currencies = {ref.id: ref.code for ref in self.lists.all("currency")}
        return DocumentRef(
            id=str(sale.id),
            number=sale.number,
            key=key,
            created_at=sale.row.get("create_date"),
            total=sale.total if total is None else total,
            currency=currencies.get(str(link(sale.row.get("currency"))), ""),
            cancelled=text(sale.row.get("state")) == "cancelled",
        )

    # --- from state to state -----------------------------------------------------------------------------------------

    def quoted(self, sale: Sale) -> Sale:
        """A draft with its number."""
        self.client.press(SALE, "quote", sale.id)
        return self._in(sale, {"quotation", "confirmed", "processing", "done"})

    def drafted(self, sale: Sale) -> Sale:
        """A quoted, confirmed or cancelled sale as a draft again."""
        if sale.state == "draft":
            return sale
        self.client.press(SALE, "draft", sale.id)
        return self._in(sale, {"draft"})

    def processed(self, sale: Sale) -> Sale:
        """A sale with its shipment and invoice, as far as its methods make them. Tryton may process it in a queue."""
        if sale.state == "draft":
            sale = self.quoted(sale)
        if sale.state == "quotation":
            self.client.press(SALE, "confirm", sale.id)
            sale = self._in(sale, {"confirmed", "processing", "done"})
        if sale.state == "confirmed":
            self.client.press(SALE, "process", sale.id)
            sale = self._in(sale, {"processing", "done"})
        return sale

    def _in(self, sale: Sale, states: set[str]) -> Sale:
        after = self.standing(sale.id, lines=False)
        if after.state not in states:
            raise held(
                T("Sale {number} of Tryton is in the state {there}, and was to be {wanted}.", number=after.number,
                  there=after.state, wanted=" / ".join(sorted(states))),
                code="tryton-state",
            )  # fmt: skip
        return after


def counted(rows: Sequence[Row], name: str = "quantity") -> dict[int, Decimal]:
    """Quantities by product of moves or lines."""
    found: dict[int, Decimal] = {}
    for row in rows:
        product = link(row.get("product"))
        found[product] = found.get(product, ZERO) + number(row.get(name))
    return found


def less(have: Mapping[int, Decimal], other: Mapping[int, Decimal]) -> dict[int, Decimal]:
    """What is left of one when the other is taken away."""
    return {product: qty - other.get(product, ZERO) for product, qty in have.items()}
