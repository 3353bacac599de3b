"""The words by which the config says what stands in a column, and what each of them reads. Pure.

A word reads from a :class:`Row`: an order with what was found for it, and one of its lines or payments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches

from pipeline.api import Address, Delivery, DocumentDraft, Order, Party, PaymentDraft, Ref, T
from plugins.systems.sql.reckoning import Line, Reckoned

Cell = str | Decimal | date | bool | None
REFERENCES = ("warehouse", "object", "user", "executor", "firm", "account", "source", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a row is made of. What a table has nothing to do with is None."""

    now: datetime
    at: datetime | None = None  #: when goods left or came back
    draft: DocumentDraft | None = None
    reckoned: Reckoned | None = None
    buyer: Party | None = None
    buyer_id: str = ""
    line: Line | None = None
    number: int = 0  #: of the line, from 1
    product: Ref | None = None
    pay: PaymentDraft | None = None
    status: str | None = None  #: in place of the order's own

    @property
    def order(self) -> Order:
        """The order."""
        assert self.draft is not None
        return self.draft.order

    @property
    def sums(self) -> Reckoned:
        """Its sums."""
        assert self.reckoned is not None
        return self.reckoned

    @property
    def item(self) -> Line:
        """The line."""
        assert self.line is not None
        return self.line

    @property
    def party(self) -> Party:
        """The buyer."""
        assert self.buyer is not None
        return self.buyer

    @property
    def payment(self) -> PaymentDraft:
        """The payment."""
        assert self.pay is not None
        return self.pay


def _ref(row: Row, kind: str) -> Ref | None:
    if kind == "account" and row.pay is not None:
        return row.pay.account
    if row.draft is None:
        return None
    own = {"warehouse": row.draft.warehouse, "object": row.draft.object, "user": row.draft.user,
           "executor": row.draft.executor}  # fmt: skip
    return own.get(kind) or row.draft.references.get(kind)


def _reference_words() -> dict[str, Callable[[Row], Cell]]:
    def reader(kind: str, part: str) -> Callable[[Row], Cell]:
        return lambda row: getattr(ref, part) or ref.code if (ref := _ref(row, kind)) is not None else None

    return {f"{kind}.{part}": reader(kind, part) for kind in REFERENCES for part in ("id", "code", "name")}


def _recipient(row: Row) -> Party:
    return row.order.delivery.recipient or row.order.customer


def where_to(delivery: Delivery) -> str:
    """All that says where an order goes, in one line."""
    own = _one_line(delivery.address)
    branch = f"№ {delivery.branch}" if delivery.branch.isdecimal() else delivery.branch
    city = delivery.city if delivery.city and delivery.city not in own else ""
    return ", ".join(part for part in (city, own, delivery.method or delivery.carrier, branch) if part)


def _one_line(address: Address) -> str:
    if address.text:
        return address.text
    house = f"{address.house}, кв. {address.apartment}" if address.apartment else address.house
    parts = (address.zip, address.region, address.city, address.street, house)
    return ", ".join(part for part in parts if part)


#: What each word reads. An empty text and None are the same: nothing.
WORDS: Mapping[str, Callable[[Row], Cell]] = {
    "order.mark": lambda row: f"{row.order.source}/{row.order.id}",
    "order.id": lambda row: row.order.id,
    "order.number": lambda row: row.order.number or row.order.id,
    "order.source": lambda row: row.order.source,
    "order.source_number": lambda row: row.order.source_number,
    "order.date": lambda row: row.order.created_at,
    "order.updated": lambda row: row.order.updated_at or row.order.created_at,
    "order.currency": lambda row: row.order.currency,
    "order.rate": lambda row: row.order.rate,
    "order.status": lambda row: row.status if row.status is not None else row.order.status,
    "order.comment": lambda row: row.draft.comment if row.draft is not None else "",
    "order.buyer_comment": lambda row: row.order.comment,
    "order.manager_comment": lambda row: row.order.manager_comment,
    "order.manager": lambda row: row.order.manager,
    "order.language": lambda row: row.order.language,
    "order.warehouse": lambda row: row.order.warehouse,
    "order.lines": lambda row: row.sums.goods,
    "order.discount": lambda row: row.sums.discount,
    "order.delivery": lambda row: row.sums.delivery,
    "order.fee": lambda row: row.sums.fee,
    "order.tax": lambda row: row.sums.tax,
    "order.rounding": lambda row: row.sums.rounding,
    "order.total": lambda row: row.sums.total,
    "order.count": lambda row: Decimal(len(row.sums.lines)),
    "buyer.id": lambda row: row.buyer_id,
    "buyer.kind": lambda row: row.party.kind,
    "buyer.code": lambda row: row.party.code,
    "buyer.name": lambda row: row.party.title or row.party.phone or row.party.email,
    "buyer.first_name": lambda row: row.party.first_name,
    "buyer.last_name": lambda row: row.party.last_name,
    "buyer.middle_name": lambda row: row.party.middle_name,
    "buyer.company": lambda row: row.party.company,
    "buyer.edrpou": lambda row: row.party.edrpou,
    "buyer.tax_number": lambda row: row.party.tax_number,
    "buyer.phone": lambda row: row.party.phone,
    "buyer.email": lambda row: row.party.email,
    "recipient.name": lambda row: _recipient(row).title,
    "recipient.phone": lambda row: _recipient(row).phone,
    "address": lambda row: where_to(row.order.delivery),
    "delivery.carrier": lambda row: row.order.delivery.carrier,
    "delivery.service": lambda row: row.order.delivery.service,
    "delivery.method": lambda row: row.order.delivery.method,
    "delivery.city": lambda row: row.order.delivery.city,
    "delivery.branch": lambda row: row.order.delivery.branch,
    "delivery.address": lambda row: _one_line(row.order.delivery.address),
    "delivery.tracking": lambda row: row.order.delivery.tracking,
    "delivery.date": lambda row: row.order.delivery.planned_for,
    "payment.method": lambda row: row.order.payment.method,
    "payment.status": lambda row: row.order.payment.status,
    "payment.paid": lambda row: row.order.payment.paid,
    "payment.transaction": lambda row: row.order.payment.transaction,
    "payment.date": lambda row: row.order.payment.paid_at,
    "line.number": lambda row: Decimal(row.number),
    "line.article": lambda row: (row.product.code if row.product is not None else "") or row.item.code,
    "line.name": lambda row: row.item.name or (row.product.name if row.product is not None else ""),
    "line.unit": lambda row: row.item.unit,
    "line.barcode": lambda row: row.item.barcode,
    "line.comment": lambda row: row.item.comment,
    "line.quantity": lambda row: row.item.quantity,
    "line.price": lambda row: row.item.price,
    "line.discount": lambda row: row.item.discount,
    "line.sum": lambda row: row.item.sum,
    "line.tax_rate": lambda row: row.item.tax_rate,
    "product.id": lambda row: row.product.id if row.product is not None else None,
    "product.name": lambda row: row.product.name if row.product is not None else None,
    "pay.amount": lambda row: row.payment.amount,
    "pay.currency": lambda row: row.payment.currency,
    "pay.date": lambda row: row.payment.at or row.now,
    "pay.comment": lambda row: row.payment.comment,
    "pay.payer": lambda row: row.payment.payer.id if row.payment.payer is not None else None,
    "doc.date": lambda row: row.at,
    "now": lambda row: row.now,
    **_reference_words(),
}
#: Words that read an amount of money: their columns must keep it exactly.
MONEY = frozenset({
    "order.lines", "order.discount", "order.delivery", "order.fee", "order.tax", "order.rounding", "order.total",
    "payment.paid", "line.price", "line.discount", "line.sum", "pay.amount",
})  # fmt: skip
#: Words that read a moment or a day.
MOMENTS = frozenset({"order.date", "order.updated", "delivery.date", "payment.date", "pay.date", "doc.date", "now"})
#: Words that read another number.
NUMBERS = frozenset({"order.rate", "order.count", "line.number", "line.quantity", "line.tax_rate"})


def check_word(word: str) -> str:
    """``word``, if it is one. Raises ValueError with what may be meant."""
    if word in WORDS or (word.startswith("extra.") and word != "extra."):
        return word
    near = get_close_matches(word, WORDS, 1, 0.6)
    if near:
        raise ValueError(T("`{name}` is nothing of an order; did you mean `{near}`?", name=word, near=near[0]))
    raise ValueError(
        T("`{name}` is nothing of an order; there are: {names}.", name=word, names=", ".join(WORDS)),
        T("A text that is the same in every row is written `{const: …}`."),
    )


def read(word: str, row: Row) -> Cell:
    """What a word reads; None where there is nothing."""
    if word.startswith("extra."):
        value: Cell = row.order.extra.get(word.removeprefix("extra."), "")
    else:
        value = WORDS[word](row)
    return None if value == "" else value
