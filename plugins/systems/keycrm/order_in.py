"""An order of KeyCRM as an order of ours. Pure.

Field names are those of the document's schema OrderWithIncludes, and of recorded live answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.api import (
    Address,
    Delivery,
    Discount,
    Finding,
    Order,
    OrderLine,
    Party,
    Payment,
    SeenOrder,
    T,
    Where,
    Who,
    full_name,
)
from plugins.systems.keycrm.mapping import ZERO, Warehouses
from plugins.systems.keycrm.names import find, name_of
from plugins.systems.keycrm.reckoning import Sold, Unreadable, needed, reckon
from plugins.systems.keycrm.settings import KeyCrmSettings
from plugins.systems.keycrm.values import Row, flag, ident, moment, number, part, rows, text

#: What is asked for with each order.
INCLUDE = ",".join((
    "buyer", "products.offer", "manager", "tags", "status", "marketing", "payments", "shipping.deliveryService",
    "custom_fields",
))  # fmt: skip
#: Groups of statuses as recorded of live accounts; 3 (production) is a guess, and any other is told as it is.
GROUPS = {1: "new", 2: "confirmed", 3: "confirmed", 4: "shipped", 5: "completed", 6: "cancelled"}
PAID = {"not_paid": "unpaid", "part_paid": "partly", "paid": "paid", "overpaid": "paid"}
#: ``source_name`` of a delivery service as the document's example has it.
CARRIERS = {"novaposhta": "nova-poshta"}


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to read orders besides their rows: lists of the account, and names."""

    settings: KeyCrmSettings
    source: str  #: of all orders: the connection's name
    currency: str  #: of orders whose source names none: the client's
    sources: Mapping[int, Row] = field(default_factory=dict)
    methods: Mapping[int, Row] = field(default_factory=dict)  #: of payment
    statuses: Sequence[Row] = ()
    warehouses: Warehouses = field(default_factory=Warehouses)

    def read(self, row: Row) -> SeenOrder:
        """The order, or what of it cannot be read."""
        own = str(ident(row.get("id")))
        status = str(ident(row.get("status_id")) or text(row.get("status_id")))
        order: Order | None = None
        findings: tuple[Finding, ...] = ()
        try:
            order = self._order(own, row)
        except Unreadable as error:
            words = T("Order {number} of KeyCRM cannot be read: {what}.", number=own, what=error.what)
            hint = T("Look at it in KeyCRM; the others go on.")
            findings = (Finding("keycrm-order", words, Where(order=own), hint, Who.ADMIN),)
        return SeenOrder(
            id=own,
            number=own,
            status=status,
            order=order,
            findings=findings,
            updated_at=moment(row.get("updated_at")),
            revision=revision(order, status) if order else revision(row, status),
        )

    def _order(self, own: str, row: Row) -> Order:
        created = moment(row.get("ordered_at")) or moment(row.get("created_at"))
        if created is None:
            raise Unreadable("ordered_at")
        total = needed(row, "grand_total")
        if not isinstance(row.get("products"), list):
            raise Unreadable("products")
        sold = [Sold.of(one) for one in rows(row["products"])]
        sums = reckon(row, sold, total)
        source = self.sources.get(ident(row.get("source_id")) or 0, {})
        currency = (text(row.get("currency")) or text(source.get("currency_code"))).strip().upper()
        lines = tuple(self._line(n, one, off) for n, (one, off) in enumerate(zip(sold, sums.lines, strict=True), 1))
        return Order(
            id=own,
            number=own,
            source=self.source,
            created_at=created,
            updated_at=moment(row.get("updated_at")),
            currency=currency or self.currency,
            customer=self._customer(row),
            lines=lines,
            total=total,
            status=self._status(row),
            delivery=self._delivery(row, sums.delivery),
            payment=self._payment(row, sums.fee),
            discounts=(Discount(amount=sums.discount, code=text(row.get("promocode")).strip()),)
            if sums.discount
            else (),
            comment=text(row.get("buyer_comment")).strip(),
            manager_comment=text(row.get("manager_comment")).strip(),
            manager=name_of(part(row.get("manager"))),
            source_number=text(row.get("source_uuid")).strip(),
            warehouse=self._warehouse(sold),
            extra=dict(self._extra(row, source, sold)),
        )

    # --- lines -------------------------------------------------------------------------------------------------------

    def _line(self, n: int, one: Sold, discount: Decimal) -> OrderLine:
        row, offer = one.row, part(one.row.get("offer"))
        attributes: dict[str, str] = {}
        for each in rows(row.get("properties")):
            if name := text(each.get("name")).strip():
                attributes[name] = text(each.get("value")).strip()
        return OrderLine(
            # as the catalogue has it by now: that is what other systems know it by
            code=text(offer.get("sku")).strip() or text(row.get("sku")).strip(),
            name=text(row.get("name")).strip(),
            quantity=one.quantity,
            price=one.price,
            unit=text(row.get("unit_type")).strip() or self.settings.unit,
            discount=discount,
            attributes=attributes,
            barcode=text(offer.get("barcode")).strip(),
            number=n,
            comment=text(row.get("comment")).strip(),
        )

    def _place(self, row: Row) -> str:
        warehouse = part(row.get("warehouse"))
        number_ = ident(warehouse.get("id"))
        if number_ is None:
            return ""
        return self.warehouses.code(number_) or text(warehouse.get("name")).strip() or str(number_)

    def _warehouse(self, sold: Sequence[Sold]) -> str:
        """The one from which all its lines are sent, as far as they tell; several are told line by line."""
        places = {place for one in sold if (place := self._place(one.row))}
        return places.pop() if len(places) == 1 else ""

    # --- people and places -------------------------------------------------------------------------------------------

    def _party(self, name: object, phone: object, email: object = "") -> Party:
        last, first, middle = full_name(text(name))
        if self.settings.orders.names == "first-last" and not middle and first:
            last, first = first, last
        return Party(
            last_name=last,
            first_name=first,
            middle_name=middle,
            phone=text(phone).strip(),
            email=text(email).strip(),
        )

    def _customer(self, row: Row) -> Party:
        buyer = part(row.get("buyer"))
        return self._party(buyer.get("full_name"), buyer.get("phone"), buyer.get("email"))

    def _delivery(self, row: Row, cost: Decimal) -> Delivery:
        shipping = part(row.get("shipping"))
        said = {name: text(value).strip() for name, value in shipping.items()}

        def of(name: str) -> str:
            return said.get(f"shipping_{name}", "")

        service = part(shipping.get("delivery_service"))
        payload = part(shipping.get("address_payload"))
        carrier = text(service.get("source_name")).strip()
        branch = of("receive_point")
        street = of("secondary_line")
        country = of("address_country_code").upper()
        whole = [of("address_country"), of("address_region"), of("address_city"), street, branch, of("address_zip")]
        address = Address(
            country=country if len(country) == 2 else "",
            region=of("address_region"),
            city=of("address_city"),
            street=street,
            zip=of("address_zip"),
            text=", ".join(one for one in whole if one),
        )
        recipient = None
        if said.get("recipient_full_name") or said.get("recipient_phone"):
            recipient = self._party(said.get("recipient_full_name", ""), said.get("recipient_phone", ""))
        planned = moment(shipping.get("shipping_date_actual"))
        return Delivery(
            carrier=CARRIERS.get(carrier, carrier),
            service="branch" if branch else "",
            city=address.city,
            city_ref=text(payload.get("city_ref")).strip(),
            branch=branch,
            branch_ref=text(payload.get("warehouse_ref")).strip(),
            address=address,
            recipient=recipient,
            tracking=said.get("tracking_code", ""),
            cost=cost,
            planned_for=planned.date() if planned else None,
            method=name_of(service),
        )

    # --- money -------------------------------------------------------------------------------------------------------

    def _payment(self, row: Row, fee: Decimal) -> Payment:
        made = [one for one in rows(row.get("payments")) if text(one.get("status")) != "canceled"]
        paid = [one for one in made if text(one.get("status")) == "paid"]
        methods = (name_of(self.methods.get(ident(one.get("payment_method_id")) or 0, {})) for one in made)
        said = text(row.get("payment_status"))
        moments = [at for one in paid if (at := moment(one.get("payment_date"))) is not None]
        return Payment(
            method=next(filter(None, methods), ""),
            status=PAID.get(said, said or "unpaid"),
            paid=sum((number(one.get("amount")) or ZERO for one in paid), ZERO) if "payments" in row else None,
            transaction=next((uuid for one in made if (uuid := text(one.get("transaction_uuid")).strip())), ""),
            fee=fee,
            paid_at=max(moments, default=None),
        )

    # --- status and the rest -----------------------------------------------------------------------------------------

    def _status(self, row: Row) -> str:
        """As the settings say, else by the group of the status; one that neither knows is told as it is."""
        number_ = ident(row.get("status_id"))
        for said, meant in self.settings.orders.statuses.items():
            found = find(self.statuses, said)
            if found is not None and found.id == str(number_):
                return meant
        group = ident(row.get("status_group_id")) or ident(part(row.get("status")).get("group_id"))
        return GROUPS.get(group or 0) or name_of(part(row.get("status"))) or str(number_ or "")

    def _extra(self, row: Row, source: Row, sold: Sequence[Sold]) -> Iterator[tuple[str, str]]:
        """What a client may look at besides; empty things are left out."""
        marketing = part(row.get("marketing"))
        plain = {
            "source": name_of(source),
            "source_id": text(row.get("source_id")),
            "status": name_of(part(row.get("status"))),
            "buyer_id": text(part(row.get("buyer")).get("id")),
            "company_id": text(part(row.get("buyer")).get("company_id")),
            "manager_id": text(part(row.get("manager")).get("id")),
            "parent_id": text(row.get("parent_id")),
            "tags": ", ".join(filter(None, map(name_of, rows(row.get("tags"))))),
            "gift_message": text(row.get("gift_message")).strip(),
            "gift": "1" if flag(row.get("is_gift")) else "",
            "deleted_at": text(row.get("deleted_at")),
            **{name: text(marketing.get(name)).strip() for name in marketing if str(name).startswith("utm_")},
        }
        for name in ("wrap_price", "taxes"):
            if number(row.get(name)):
                plain[name] = text(row.get(name))
        for one in rows(row.get("custom_fields")):
            value = one.get("value")
            said = ", ".join(map(text, value)) if isinstance(value, list) else text(value)
            plain[f"field.{text(one.get('uuid'))}"] = said.strip()
        several = len({place for one in sold if (place := self._place(one.row))}) > 1
        for n, line in enumerate(sold, 1):
            if several:
                plain[f"item[{n}].warehouse"] = self._place(line.row)
        yield from ((name, value) for name, value in plain.items() if value)


# --- revision --------------------------------------------------------------------------------------------------------


def revision(content: Order | Row, status: str) -> str:
    """A hash of an order's content and status: a write that changes neither is no other event."""
    plain: Any = asdict(content) if isinstance(content, Order) else dict(content)
    plain.pop("updated_at", None)
    words = json.dumps([_plain(plain), status], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return f"{value.normalize():f}"
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case datetime():
            return value.isoformat()
        case str() | int() | None:
            return value
        case _:
            return str(value)
