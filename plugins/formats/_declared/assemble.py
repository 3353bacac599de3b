"""One record of a file -> :class:`Order`, by the mapping; what cannot be read without guessing holds the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pipeline.api import (
    CENT,
    Address,
    DecodedOrder,
    Delivery,
    Discount,
    Finding,
    FormatContext,
    Order,
    OrderLine,
    Party,
    Payment,
    T,
    Where,
    cents,
    full_name,
    normal_party,
    order_totals,
    party_findings,
)
from plugins.formats._declared.fields import (
    AddressFields,
    DeliveryFields,
    ItemFields,
    NamedValues,
    PartyFields,
    PaymentFields,
)
from plugins.formats._declared.record import Record
from plugins.formats._declared.rule import KindName, Rule
from plugins.formats._declared.settings import DeclaredSettings
from plugins.formats._declared.take import CORRECT, Names, Taker
from plugins.formats._declared.values import Ways

TOLERANCE = CENT
HUGE = Decimal(10) ** 12  # no sum of a line reaches it
ZERO = Decimal(0)
Names3 = tuple[str, str, str]


class Assembler:
    """Reads one order. Findings hold it; notes do not."""

    def __init__(
        self,
        record: Record,
        items: Sequence[Record],
        settings: DeclaredSettings,
        context: FormatContext,
        ways: Ways,
        broken: Sequence[Finding] = (),
        *,
        thorough: bool = False,
    ) -> None:
        self._take = Taker(record, ways, context.file, thorough=thorough)
        self._take.findings.extend(broken)
        self._record = record
        self._items = items
        self._settings = settings
        self._context = context
        self._id = ""
        self._extra: dict[str, str] = {}
        self.notes: list[Finding] = []

    def decoded(self) -> DecodedOrder:
        """The order, or its findings."""
        fields = self._settings.fields
        # first, so that whatever is wrong with the rest is told of this order
        self._id = self._take.text(fields.id, ("id",), required=True)
        number = self._take.text(fields.number, ("number",)) or self._id
        source = self._take.text(fields.source, ("source",)) or self._settings.source or self._context.source
        source = source or self._context.client
        order = self._order(number, source)
        element, line, column = self._record.place()
        for name in ("total", "currency", "lines", "taxes", "status"):
            self._take.places.setdefault(name, (element, line, column))
        return DecodedOrder(
            None if self._take.findings else order,
            tuple(replace(one, where=replace(one.where, order=self._id or None)) for one in self._take.findings),
            id=self._id,
            number=number,
            source=source,
            line=line,
            fragment=self._record.fragment(),
            places=self._take.places,
        )

    # --- the order ---

    def _order(self, number: str, source: str) -> Order | None:
        record, fields = self._record, self._settings.fields
        created: datetime | None = self._take.get(record, fields.created_at, "moment", ("created_at",), required=True)
        customer = self._party(fields.customer, "customer") or Party()
        lines = self._lines()
        gross = sum((line.price * line.quantity - line.discount for line in lines), ZERO)
        total = self._take.decimal(fields.total, ("total",), required=fields.total is not None)
        included = self._take.get(record, fields.prices_include_tax, "flag", ("prices_include_tax",))
        if lines and len(lines) == len(self._items):  # no items, or wrong ones, are told as that, not by their sums
            self._agrees("subtotal", fields.subtotal, gross, sum((line.sum for line in lines), ZERO))
        for name, rule in fields.extra.items():
            self._keep(name, self._take.text(rule, ("extra", name)))
        for name, words in self._named(record, fields.named_extra, ("extra",)).items():
            self._keep(name, words)
        taxes = self._taxes()
        order = Order(
            id=self._id,
            number=number,
            source=source,
            created_at=created or self._context.now,
            updated_at=self._take.get(record, fields.updated_at, "moment", ("updated_at",)),
            currency=self._take.get(record, fields.currency, "currency", ("currency",)) or self._context.currency,
            rate=self._take.decimal(fields.rate, ("rate",)),
            customer=customer,
            lines=lines,
            total=total or ZERO,
            status=self._take.get(record, fields.status, "status", ("status",)) or "new",
            delivery=self._delivery(fields.delivery),
            payment=self._payment(fields.payment, total),
            discounts=self._discounts(gross),
            prices_include_tax=True if included is None else included,
            taxes=taxes,
            comment=self._take.note(record, fields.comment, ("comment",)),
            manager_comment=self._take.note(record, fields.manager_comment, ("manager_comment",)),
            manager=self._take.text(fields.manager, ("manager",)),
            language=self._take.text(fields.language, ("language",)).replace("_", "-"),
            source_number=self._take.text(fields.source_number, ("source_number",)),
            warehouse=self._take.text(fields.warehouse, ("warehouse",)),
            extra=self._extra,
        )
        if included is False and not taxes:
            text = T("The prices are without tax, and the order does not say the tax.")
            self._take.find("taxes", text, self._record.place(), T("Map `taxes`: their rate and sum."))
        if self._settings.reckon_total and not self._take.findings:
            order = replace(order, total=order_totals(order).total)
        return order

    def _discounts(self, gross: Decimal) -> tuple[Discount, ...]:
        found = []
        for group in self._settings.fields.discounts:
            names: Names = ("discounts",)
            for record in self._take.each(self._record, group.each, names):
                amount = self._take.get(record, group.amount, "decimal", (*names, "amount"))
                percent = self._take.get(record, group.percent, "percent", (*names, "percent"))
                if percent is not None:
                    amount = (gross * percent / 100).quantize(CENT, ROUND_HALF_UP)
                leaves = self._take.get(record, group.leaves, "decimal", (*names, "leaves"))
                if leaves is not None:
                    amount = cents(gross) - leaves
                if not amount:
                    continue  # shops write a discount of 0 where there is none
                code = self._take.text(group.code, (*names, "code"), record)
                found.append(
                    Discount(amount=amount, code=code, name=self._take.text(group.name, (*names, "name"), record))
                )
        return tuple(found)

    def _taxes(self) -> tuple[tuple[Decimal, Decimal], ...]:
        found = []
        for group in self._settings.fields.taxes:
            for record in self._take.each(self._record, group.each, ("taxes",)):
                rate = self._take.get(record, group.rate, "percent", ("taxes", "tax_rate"))
                amount = self._take.get(record, group.sum, "decimal", ("taxes", "amount"))
                if rate is not None and amount is not None:
                    found.append((rate, amount))
                elif amount:
                    text = T("A tax of {sum} is stated, and its rate is not.", sum=amount)
                    self._take.find(
                        "taxes", text, record.place(), T("Map the `rate` of the tax, or write it as a `value`.")
                    )
        return tuple(found)

    # --- its items ---

    def _lines(self) -> tuple[OrderLine, ...]:
        lines = []
        if self._items:
            self._take.places["lines"] = self._record.place()
        for number, record in enumerate(self._items, start=1):
            line = self._line(number, record, self._settings.item)
            if line is not None:
                lines.append(line)
        return tuple(lines)

    def _line(self, number: int, record: Record, item: ItemFields) -> OrderLine | None:
        def decimal(rule: Rule | None, name: str, kind: KindName = "decimal", *, required: bool = False) -> Any:
            return self._take.get(record, rule, kind, ("lines", name), required=required, number=number)

        before = len(self._take.findings)
        quantity: Decimal = decimal(item.quantity, "quantity", required=True) or ZERO
        price: Decimal = decimal(item.price, "price", required=True) or ZERO
        if abs(price * quantity) >= HUGE:
            text = T("A quantity of {quantity} at {price} is no sum of an order.", quantity=quantity, price=price)
            self._take.find("number", text, record.place(), CORRECT, number)
            return None
        discount = self._line_discount(number, record, price * quantity, decimal)
        code = self._take.text(item.code, ("lines", "code"), record, number)
        self._take.places.setdefault(f"lines[{number}].code", record.place())
        attributes = {
            name: words
            for name, rule in item.attributes.items()
            if (words := self._take.text(rule, ("lines", name), record, number))
        }
        attributes |= self._named(record, item.named_attributes, ("lines",), number)
        line = OrderLine(
            code=code,
            name=self._take.text(item.name, ("lines", "name"), record, number),
            quantity=quantity,
            price=price,
            unit=self._take.text(item.unit, ("lines", "unit"), record, number),
            discount=discount,
            tax_rate=decimal(item.tax_rate, "tax_rate", "percent"),
            attributes=attributes,
            barcode=self._take.text(item.barcode, ("lines", "barcode"), record, number),
            number=number,
            comment=self._take.note(record, item.comment, ("lines", "comment"), number),
            source_line=record.place()[1],
        )
        stated = decimal(item.total, "total")
        if len(self._take.findings) > before:
            return None
        if stated is not None and abs(cents(stated) - line.sum) > TOLERANCE:
            text = T("The line states a sum of {stated}, its parts make {ours}.", stated=stated, ours=line.sum)
            hint = T("A line is price x quantity minus its discount, to the cent; the subtotal is their sum.")
            self._take.find("line-total", text, record.place(), hint, number)
        for name, rule in item.extra.items():
            self._keep(f"item[{number}].{name}", self._take.text(rule, ("lines", name), record, number))
        return line

    def _line_discount(self, number: int, record: Record, gross: Decimal, decimal: Any) -> Decimal:
        item = self._settings.item
        discount: Decimal | None = decimal(item.discount, "discount")
        percent: Decimal | None = decimal(item.discount_percent, "discount_percent", "percent")
        if percent is not None:
            by_percent = (gross * percent / 100).quantize(CENT, ROUND_HALF_UP)
            if discount is not None and abs(discount - by_percent) > TOLERANCE:
                text = T(
                    "The line's discount is {sum} and also {percent} percent, which is {other}.",
                    sum=discount,
                    percent=percent,
                    other=by_percent,
                )
                hint = T("Map either `discount` or `discount_percent`.")
                self._take.find("discount", text, record.place(), hint, number)
            discount = by_percent if discount is None else discount
        discount = discount or ZERO
        if discount > cents(gross):
            text = T("The line's discount {discount} is more than its sum {sum}.", discount=discount, sum=cents(gross))
            hint = T("The discount of a line is for the whole line, and at most its sum.")
            self._take.find("discount", text, record.place(), hint, number)
        return discount

    # --- its parts ---

    def _party(self, fields: PartyFields, place: str) -> Party | None:
        def text(rule: Rule | None, name: str) -> str:
            return self._take.text(rule, (*names, name))

        names: Names = ("customer",) if place == "customer" else ("delivery", "recipient")
        last, first = text(fields.last_name, "last_name"), text(fields.first_name, "first_name")
        middle = text(fields.middle_name, "middle_name")
        whole = text(fields.name, "name")
        if whole and not (last or first):
            last, first, middle = divided(whole, fields.name_order)
        company = text(fields.company, "company")
        raw = Party(
            kind=self._take.get(self._record, fields.kind, "party", (*names, "kind"))
            or ("company" if company else "person"),
            code=text(fields.code, "code"),
            last_name=last,
            first_name=first,
            middle_name=middle,
            company=company,
            edrpou=text(fields.edrpou, "edrpou"),
            tax_number=text(fields.tax_number, "tax_number"),
            phone=text(fields.phone, "phone"),
            email=text(fields.email, "email"),
            address=self._address(fields.address, (*names, "address")),
        )
        if raw == Party(kind=raw.kind):
            return None
        party = normal_party(raw, self._settings.region)
        element, line, column = self._take.places.get(f"{place}.phone") or self._record.place()
        where = Where(self._context.file, line, column, element, self._id or None)
        self.notes.extend(party_findings(party, where, self._settings.region))
        return party

    def _address(self, fields: AddressFields, names: Names) -> Address:
        found = {name: self._take.text(getattr(fields, name), (*names, name)) for name in AddressFields.model_fields}
        found["country"] = found["country"].upper() if len(found["country"]) == 2 else found["country"]
        found["street"] = found["street"] or found["text"]
        return Address(**found)

    def _delivery(self, fields: DeliveryFields) -> Delivery:
        def text(name: str) -> str:
            return self._take.text(getattr(fields, name), ("delivery", name))

        return Delivery(
            carrier=text("carrier"),
            service=self._take.get(self._record, fields.service, "service", ("delivery", "service")) or "",
            city=text("city"),
            city_ref=text("city_ref"),
            branch=text("branch"),
            branch_ref=text("branch_ref"),
            address=self._address(fields.address, ("delivery", "address")),
            recipient=self._party(fields.recipient, "recipient"),
            tracking=text("tracking").replace(" ", ""),
            cost=self._take.decimal(fields.cost, ("delivery", "cost")) or ZERO,
            tax_rate=self._take.get(self._record, fields.tax_rate, "percent", ("delivery", "tax_rate")),
            planned_for=self._take.get(self._record, fields.planned_for, "day", ("delivery", "planned_for")),
            method=text("method"),
        )

    def _payment(self, fields: PaymentFields, total: Decimal | None) -> Payment:
        paid = self._take.decimal(fields.paid, ("payment", "paid"))
        status = self._take.get(self._record, fields.status, "paid", ("payment", "status"))
        if not status:
            status = "unpaid" if not paid else "paid" if total is not None and paid >= total else "partly"
        return Payment(
            method=self._take.text(fields.method, ("payment", "method")),
            status=status,
            paid=paid,
            transaction=self._take.text(fields.transaction, ("payment", "transaction")),
            fee=self._take.decimal(fields.fee, ("payment", "fee")) or ZERO,
            tax_rate=self._take.get(self._record, fields.tax_rate, "percent", ("payment", "tax_rate")),
            paid_at=self._take.get(self._record, fields.paid_at, "moment", ("payment", "paid_at")),
        )

    def _named(
        self, record: Record, named: NamedValues | None, names: Names, number: int | None = None
    ) -> dict[str, str]:
        if named is None:
            return {}
        found: dict[str, str] = {}
        for one in self._take.each(record, named.each, names):
            name = self._take.text(named.name, (*names, "name"), one, number)
            words = self._take.text(named.value, (*names, name or "name"), one, number)
            if name and words:
                found[name] = f"{found[name]}, {words}" if name in found else words
        return found

    def _agrees(self, code: str, rule: Rule | None, *made: Decimal) -> None:
        """``made``: the sums that are right, rounded at the end and, where that differs, at each part."""
        stated = self._take.decimal(rule, (code,))
        if stated is not None and all(abs(cents(stated) - cents(ours)) > TOLERANCE for ours in made):
            text = T("The items are said to make {stated}, they make {ours}.", stated=stated, ours=cents(made[0]))
            hint = T("A line is price x quantity minus its discount, to the cent; the subtotal is their sum.")
            self._take.find(code, text, self._take.places.get(code) or self._record.place(), hint)

    def _keep(self, name: str, words: str) -> None:
        if words:
            self._extra[name] = words


def divided(whole: str, order: str) -> Names3:
    """Last, first and middle name of a full one; ``order`` tells which comes first where no patronymic does."""
    last, first, middle = full_name(whole)
    if order == "last-first" or not first:
        return last, first, middle
    if not middle:
        return first, last, ""
    one, two, three = whole.split()
    if (last, first, middle) == (one, two, three) and full_name(f"{two} {three} {one}") != (one, two, three):
        return three, one, two  # the last word is no patronymic
    return last, first, middle
