"""One ``<order>`` element -> :class:`Order`, after the schema has had its say. Element names stand here only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
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
    SchemaError,
    T,
    Text,
    Where,
    cents,
    full_name,
    garbled,
    normal_party,
    party_findings,
)

TOLERANCE = CENT
#: Fields of an order that checks outside of the format name, and their elements.
_FIELDS = (("total", "total"), ("currency", "currency"), ("lines", "items"), ("taxes", "taxes"), ("status", "status"))
HUGE = Decimal(10) ** 12  # no sum of a line reaches it
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DIGITS = 40  # a number written longer is no number of an order, whatever zeros it is made of
_YEARS = range(1970, 2200)
_ITEM_EXTRA = (
    *("product-id", "manufacturer", "manufacturer-code", "category", "weight", "vendor", "image"),
    "basic-price",
)
#: Nova Poshta's own field names, as shops' plug-ins put them into shipping params.
_NP_CITY_REF = ("CityRef", "RecipientCityRef", "city_ref", "np_city_ref", "DeliveryCity")
_NP_CITY = ("CityDescription", "CityName", "city", "np_city")
_NP_BRANCH_REF = ("WarehouseRef", "RecipientWarehouseRef", "warehouse_ref", "np_warehouse_ref", "RecipientAddress")
_NP_BRANCH = ("WarehouseDescription", "WarehouseName", "Warehouse", "warehouse", "np_warehouse", "Description")
_NP_SERVICE = {
    "WarehouseWarehouse": "branch",
    "DoorsWarehouse": "branch",
    "WarehousePostomat": "locker",
    "DoorsPostomat": "locker",
    "WarehouseDoors": "courier",
    "DoorsDoors": "courier",
}


class Reader:
    """Reads one order. ``places``: ``id(element)`` -> (element, line, column). Findings hold it; notes do not."""

    def __init__(
        self,
        element: Any,
        places: Mapping[int, tuple[Any, int, int]],
        settings: Any,
        context: FormatContext,
        path_of: Callable[[Any], str],
        path: str = "orders/order",
    ) -> None:
        self._path = path
        self._element = element
        self._places = places
        self._settings = settings
        self._context = context
        self._path_of = path_of
        self._extra: dict[str, str] = {}
        self.id = _text(element, "id")
        self.number = _text(element, "number")
        self.source = _text(element, "source") or settings.source or context.source or context.client
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []

    def held(self, errors: Sequence[SchemaError]) -> DecodedOrder:
        """The order as one that breaks the schema."""
        findings = tuple(error.finding(self._context.file, self.id or None) for error in errors)
        return self._decoded(None, findings)

    def order(self) -> DecodedOrder:
        """The order, or its findings."""
        self._letters()
        order = self._order()
        if self.findings or order is None:
            return self._decoded(None, tuple(self.findings))
        return self._decoded(order, ())

    def _decoded(self, order: Order | None, findings: tuple[Finding, ...]) -> DecodedOrder:
        line = self._places[id(self._element)][1]
        return DecodedOrder(
            order,
            findings,
            id=self.id,
            number=self.number,
            source=self.source,
            line=line,
            fragment=canonical(self._element),
            places=self._named_places(),
        )

    def _named_places(self) -> dict[str, tuple[str, int, int]]:
        """Where the fields stand that are looked up outside of this file: what is missing stands at its parent."""
        _, line, column = self._places[id(self._element)]
        found = {}
        for name, tag in _FIELDS:
            child = self._element.find(tag)
            if child is not None:
                _, at, column_at = self._places[id(child)]
                found[name] = (f"{self._path}/{tag}", at, column_at)
            else:
                found[name] = (self._path, line, column)
        items = self._element.find("items")
        for number, item in enumerate(items if items is not None else (), start=1):
            code = item.find("code")
            path = f"{self._path}/items/item" + (f"[{number}]" if len(items) > 1 else "")
            _, at, column_at = self._places[id(item if code is None else code)]
            found[f"lines[{number}].code"] = (path if code is None else f"{path}/code", at, column_at)
        return found

    # --- the order ---

    def _order(self) -> Order | None:
        element = self._element
        customer = self._party(element.find("customer"), "customer") or Party()
        lines = self._lines(element.find("items"))
        created = self._moment(element, "created", required=True)
        total = self._decimal(element, "total", required=True)
        taxes = tuple(
            (self._decimal(tax, "rate") or Decimal(0), self._decimal(tax, "sum") or Decimal(0))
            for tax in element.iterfind("taxes/tax")
        )
        inside = _text(element, "prices-include-tax") not in ("false", "0")
        if not inside and not taxes:
            self._find(
                "taxes",
                element,
                T("The prices are without tax, and the order does not say the tax."),
                T("Add {example}", example="<taxes><tax><rate>20</rate><sum>…</sum></tax></taxes>"),
            )
        if _text(element, "draft") in ("true", "1"):
            self._find(
                "draft",
                element.find("draft"),
                T("The order is a draft: the buyer has not finished it."),
                T("Send the order when it is placed (order_created=1)."),
            )
        exact = sum((line.price * line.quantity - line.discount for line in lines), Decimal(0))
        if lines:  # an order without items is told as that, not by its sums
            by_line = sum((line.sum for line in lines), Decimal(0))
            self._agrees("subtotal", element.find("subtotal"), cents(exact), by_line)
        for name in ("status-code", "status-name", "user-id", "ip", "hash"):
            self._keep(element, name, name)
        self._named(element.find("fields"), "field")
        if created is None or total is None:
            return None
        if not self.id or not self.number:
            self._find("value", element, T("The order has no <id> or no <number>."), None)
        return Order(
            id=self.id,
            number=self.number,
            source=self.source,
            created_at=created,
            updated_at=self._moment(element, "modified"),
            currency=_text(element, "currency") or self._context.currency,
            rate=self._decimal(element, "rate"),
            customer=customer,
            lines=lines,
            total=total,
            status=_text(element, "status") or "new",
            delivery=self._delivery(element.find("delivery")),
            payment=self._payment(element.find("payment"), total),
            discounts=tuple(
                Discount(
                    amount=self._decimal(discount, "amount") or Decimal(0),
                    code=_text(discount, "coupon"),
                    name=_text(discount, "name"),
                )
                for discount in element.iterfind("discounts/discount")
            ),
            prices_include_tax=inside,
            taxes=taxes,
            comment=_note(element, "comment"),
            manager_comment=_note(element, "manager-comment"),
            manager=_text(element, "manager"),
            language=_text(element, "language").replace("_", "-"),
            source_number=_text(element, "source-number"),
            warehouse=_text(element, "warehouse"),
            extra=self._extra,
        )

    def _lines(self, items: Any) -> tuple[OrderLine, ...]:
        lines = []
        for number, item in enumerate(items if items is not None else (), start=1):
            quantity = self._decimal(item, "quantity", required=True) or Decimal(0)
            price = self._decimal(item, "price", required=True) or Decimal(0)
            if price * quantity >= HUGE:
                self._find(
                    "number",
                    item.find("quantity"),
                    T(
                        "<quantity> {quantity} times <price> {price} is no sum of an order.",
                        quantity=quantity,
                        price=price,
                    ),
                    T("Correct the quantity or the price on the site and send the order again."),
                    number,
                )
                continue
            gross = cents(price * quantity)
            discount = self._decimal(item, "discount")
            percent = self._decimal(item, "discount-percent")
            if percent is not None:
                by_percent = (price * quantity * percent / 100).quantize(CENT, ROUND_HALF_UP)
                if discount is not None and abs(discount - by_percent) > TOLERANCE:
                    self._find(
                        "discount",
                        item.find("discount"),
                        T(
                            "The line's discount is {sum} and also {percent} percent, which is {other}.",
                            sum=discount,
                            percent=percent,
                            other=by_percent,
                        ),
                        T("Write either <discount> or <discount-percent>."),
                        number,
                    )
                discount = by_percent if discount is None else discount
            discount = discount or Decimal(0)
            if discount > gross:
                self._find(
                    "discount",
                    item,
                    T("The line's discount {discount} is more than its sum {sum}.", discount=discount, sum=gross),
                    T("The discount of a line is for the whole line, and at most its sum."),
                    number,
                )
            line = OrderLine(
                code=_text(item, "code"),
                name=_text(item, "name"),
                quantity=quantity,
                price=price,
                unit=_text(item, "unit"),
                discount=discount,
                tax_rate=self._decimal(item, "tax-rate"),
                attributes={
                    _clean(attribute.get("name", "")): (attribute.text or "").strip()
                    for attribute in item.iterfind("attributes/attribute")
                },
                barcode=_text(item, "barcode"),
                number=number,
                comment=_note(item, "comment"),
                source_line=self._places[id(item)][1],
            )
            self._agrees("line-total", item.find("total"), line.sum, number=number)
            for name in _ITEM_EXTRA:
                self._keep(item, name, f"item[{number}].{name}")
            self._named(item.find("fields"), f"item[{number}].field")
            lines.append(line)
        return tuple(lines)

    def _party(self, element: Any, place: str) -> Party | None:
        if element is None:
            return None
        last, first, middle = (_text(element, name) for name in ("last-name", "first-name", "middle-name"))
        if not (last or first) and (whole := _text(element, "full-name")):
            last, first, middle = full_name(whole)
        company = _text(element, "company")
        main, mobile = _text(element, "phone"), _text(element, "mobile")
        raw = Party(
            kind=_text(element, "type") or ("company" if company else "person"),
            code=_text(element, "code"),
            first_name=first,
            last_name=last,
            middle_name=middle,
            company=company,
            edrpou=_text(element, "edrpou"),
            tax_number=_text(element, "vat-number"),
            phone=main or mobile,
            email=_text(element, "email"),
            address=self._address(element.find("address")),
        )
        for name in ("title", "fax", "birthday", *(("mobile",) if main else ())):
            self._keep(element, name, f"{place}.{name}")
        self._named(element.find("fields"), f"{place}.field")
        party = normal_party(raw, self._settings.region)
        remarks = party_findings(party, Where(), self._settings.region)
        self.notes.extend(replace(remark, where=self._where(element)) for remark in remarks)
        return party

    def _address(self, element: Any) -> Address:
        if element is None:
            return Address()
        return Address(
            country=_text(element, "country"),
            region=_text(element, "region"),
            city=_text(element, "city"),
            street=_text(element, "street") or _text(element, "text"),
            house=_text(element, "house"),
            apartment=_text(element, "apartment"),
            zip=_text(element, "zip"),
            text=_text(element, "text"),
        )

    def _delivery(self, element: Any) -> Delivery:
        if element is None:
            return Delivery()
        params = self._named(element.find("params"), "delivery.param")
        for name in ("method-id", "time", "branch-number"):
            self._keep(element, name, f"delivery.{name}")
        number, name = _text(element, "branch-number"), _text(element, "branch-name")
        branch = name or _first(params, _NP_BRANCH) or number
        return Delivery(
            carrier=_text(element, "carrier"),
            service=_text(element, "service") or _service(params, branch),
            city=_text(element, "city") or _first(params, _NP_CITY),
            city_ref=_text(element, "city-ref") or _first(params, _NP_CITY_REF),
            branch=branch,
            branch_ref=_text(element, "branch-ref") or _first(params, _NP_BRANCH_REF),
            address=self._address(element.find("address")),
            recipient=self._party(element.find("recipient"), "recipient"),
            tracking=_text(element, "tracking").replace(" ", ""),
            cost=self._decimal(element, "cost") or Decimal(0),
            tax_rate=self._decimal(element, "tax-rate"),
            planned_for=self._day(element, "planned"),
            method=_text(element, "method"),
        )

    def _payment(self, element: Any, total: Decimal) -> Payment:
        if element is None:
            return Payment()
        self._named(element.find("params"), "payment.param")
        self._keep(element, "method-id", "payment.method-id")
        paid = self._decimal(element, "paid")
        status = _text(element, "status")
        if not status:
            status = "unpaid" if not paid else "paid" if paid >= total else "partly"
        return Payment(
            method=_text(element, "method"),
            status=status,
            paid=paid,
            transaction=_text(element, "transaction"),
            fee=self._decimal(element, "fee") or Decimal(0),
            tax_rate=self._decimal(element, "tax-rate"),
            paid_at=self._moment(element, "paid-at"),
        )

    # --- values ---

    def _decimal(self, parent: Any, name: str, *, required: bool = False) -> Decimal | None:
        words = _text(parent, name)
        if words and len(words) <= _DIGITS and _NUMBER.fullmatch(words):
            value = Decimal(words)
            return value or abs(value)  # -0 is 0
        if words or required:
            self._bad_value(parent, name, words)
        return None

    def _moment(self, parent: Any, name: str, *, required: bool = False) -> datetime | None:
        words = _text(parent, name)
        if not words and not required:
            return None
        try:
            moment = datetime.fromisoformat(words)
        except ValueError:
            self._bad_value(parent, name, words)
            return None
        if moment.year not in _YEARS:
            self._impossible(parent, name, words)
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=self._context.timezone)

    def _day(self, parent: Any, name: str) -> date | None:
        words = _text(parent, name)
        try:
            day = date.fromisoformat(words[:10]) if words else None
        except ValueError:
            self._bad_value(parent, name, words)
            return None
        if day and day.year not in _YEARS:
            self._impossible(parent, name, words)
            return None
        return day

    def _impossible(self, parent: Any, name: str, words: str) -> None:
        self._find(
            "value",
            parent.find(name),
            T("<{name}> is {value}: no order has such a date.", name=name, value=words),
            T("Correct it on the site and send the order again."),
        )

    def _bad_value(self, parent: Any, name: str, words: str) -> None:
        found = parent.find(name)
        if not words:
            self._find("value", parent, T("<{parent}> lacks <{name}>.", parent=parent.tag, name=name), None)
        else:
            self._find(
                "value",
                found,
                T("<{name}> is {value}, which does not exist.", name=name, value=words[:_DIGITS]),
                T("Correct it on the site and send the order again."),
            )

    def _agrees(self, code: str, element: Any, *made: Decimal, number: int | None = None) -> None:
        """``made``: the sums that are right, rounded at the end and, where that differs, at each part."""
        if element is None or not (element.text or "").strip():
            return
        stated = self._decimal(element.getparent(), element.tag)
        if stated is not None and all(abs(cents(stated) - ours) > TOLERANCE for ours in made):
            self._find(
                code,
                element,
                T("<{name}> says {stated}, the parts make {ours}.", name=element.tag, stated=stated, ours=made[0]),
                T("A line is price x quantity minus its discount, to the cent; the subtotal is their sum."),
                number,
            )

    def _letters(self) -> None:
        for element in self._element.iter():
            for words in (element.text, *element.attrib.values()):
                if not words or (meant := garbled(words)) is None:
                    continue
                name, shown = element.tag, words.strip()[:60]
                text = T("The letters of <{name}> are lost: {words}.", name=name, words=shown)
                if meant:
                    text = T(
                        "The letters of <{name}> are garbled: {words}; it should say {meant}.",
                        name=name,
                        words=shown,
                        meant=meant.strip()[:60],
                    )
                hint = T("The site reads or writes its database in a wrong encoding; set UTF-8 there.")
                self._find("garbled", element, text, hint)
                return

    def _keep(self, parent: Any, name: str, key: str) -> None:
        if words := _text(parent, name):
            self._extra[key] = words

    def _named(self, parent: Any, key: str) -> dict[str, str]:
        found = {
            _clean(child.get("name", "")): (child.text or "").strip()
            for child in (parent if parent is not None else ())
        }
        self._extra.update({f"{key}.{name}": value for name, value in found.items() if value})
        return found

    def _find(self, code: str, element: Any, text: Text, hint: Text | None, number: int | None = None) -> None:
        self.findings.append(Finding(code, text, replace(self._where(element), order_line=number), hint))

    def _where(self, element: Any) -> Where:
        _, line, column = self._places[id(element)]
        return Where(self._context.file, line, column, self._path_of(element), self.id or None)


def canonical(element: Any) -> bytes:
    """The element's own bytes in canonical form (C14N, no comments, white space between elements left out)."""
    from lxml import etree

    for node in element.iter():
        if len(node) and not (node.text or "").strip():
            node.text = None
        if node is not element and not (node.tail or "").strip():
            node.tail = None
    return bytes(etree.tostring(element, method="c14n", exclusive=True, with_comments=False, with_tail=False))


def _clean(words: str) -> str:
    return " ".join(words.split())


def _text(parent: Any, name: str) -> str:
    child = next(parent.iterchildren(name), None)  # half the time of findtext, and it is called for every field
    return _clean(child.text or "") if child is not None else ""


def _note(parent: Any, name: str) -> str:
    return "\n".join(line.rstrip() for line in (parent.findtext(name) or "").strip().splitlines())


def _first(params: Mapping[str, str], names: Sequence[str]) -> str:
    return next((value for name in names if (value := params.get(name, ""))), "")


def _service(params: Mapping[str, str], branch: str) -> str:
    """What a Nova Poshta plug-in's own words mean when ``<service>`` is left out."""
    if known := _NP_SERVICE.get(params.get("ServiceType", "")):
        return known
    words = branch.lower()
    if "поштомат" in words or "почтомат" in words:
        return "locker"
    if "відділення" in words or "отделение" in words or "пункт" in words:
        return "branch"
    return ""
