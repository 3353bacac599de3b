"""An order of ours as a sale of Tryton: its lines, its words, and what of a sale that is there is otherwise. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.api import DocumentDraft, Order, T, check_items, delivery_lines, rate_line
from plugins.systems.tryton.reckoning import Priced
from plugins.systems.tryton.values import Row, ids, link, number, text

#: A quantity is a binary number there: more places than these come back as others.
PLACES = Decimal("0.000001")


def check_not_empty(draft: DocumentDraft) -> None:
    """Raises Held for a document without goods, or of a quantity that cannot be kept."""
    check_items(draft.order, len(draft.products), PLACES, "Tryton")


def pieces(quantity: Decimal) -> int | float:
    """A quantity as Tryton takes it: a plain JSON number."""
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def line_values(line: Priced) -> dict[str, Any]:
    """A line as it is created."""
    values: dict[str, Any] = {"type": "line", "quantity": pieces(line.quantity), "unit_price": line.price}
    if line.wanted.product:
        values |= {"product": line.wanted.product, "unit": line.wanted.unit}
    else:
        values["description"] = str(T("Rounding"))
    if line.wanted.taxes:
        values["taxes"] = [["add", [tax.id for tax in line.wanted.taxes]]]
    if line.wanted.note:
        values["note"] = line.wanted.note
    return values


def same_lines(there: Sequence[Row], wanted: Sequence[Priced]) -> bool:
    """Whether the lines that are there say what is wanted, in any order."""
    before = sorted(
        (link(row.get("product")), number(row.get("quantity")), number(row.get("unit_price")),
         tuple(sorted(ids(row.get("taxes")))), text(row.get("note")))
        for row in there
    )  # fmt: skip
    after = sorted(
        (line.wanted.product, line.quantity, line.price, tuple(sorted(tax.id for tax in line.wanted.taxes)),
         line.wanted.note)
        for line in wanted
    )  # fmt: skip
    return before == after


def changes(there: Row, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a sale that are otherwise than wanted."""
    return {name: value for name, value in wanted.items() if not _same(there.get(name), value)}


def _same(there: object, wanted: object) -> bool:
    if isinstance(wanted, str):
        return text(there).split() == wanted.split()
    return there == wanted


def words_of(draft: DocumentDraft, own: str) -> list[str]:
    """The lines of a sale's comment: what the step writes, what the buyer says, how it is paid, where it goes.

    ``own``: the currency of the books; the rate of an order in another one is told.

    The address of a delivery is the order's own: as a record Tryton keeps addresses only on the card of a party.
    """
    order = draft.order
    lines = [draft.comment, order.comment]
    if order.payment.method:
        lines.append(str(T("Payment: {name}", name=order.payment.method)))
    if name := order.delivery.method or order.delivery.carrier:
        lines.append(str(T("Delivery method: {name}", name=name)))
    return [line.strip() for line in (*lines, *delivery_lines(order), *rate_line(order, own)) if line.strip()]


def called(order: Order) -> str:
    """What a sale says in its description: the number that people know, and where it came from."""
    numbers = " / ".join(dict.fromkeys(filter(None, (order.number, order.source_number))))
    return " · ".join(filter(None, (numbers or order.id, order.source)))
