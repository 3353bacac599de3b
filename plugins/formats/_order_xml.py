"""One ``<order>`` element -> :class:`Order`, after the schema has had its say. Element names stand here only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from pipeline.lean import (
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
    may_be_garbled,
    normal_party,
    party_findings,
)
from plugins.formats._order_places import Placed, Places

TOLERANCE = CENT
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
    """Reads one order.

    ``line`` gives an element's line, ``placed`` its line and column (which takes long, and is asked only when somebody
    is told), ``places`` are handed on with the order; ``namespace``: what stands before the elements' names, in braces.
    Findings hold the order; notes do not.
    """

    def __init__(
        self,
        element: Any,
        line: Callable[[Any], int],
        placed: Placed,
        places: Places,
        settings: Any,
        context: FormatContext,
        path_of: Callable[[Any], str],
        namespace: str = "",
    ) -> None:
        self._element = element
        self._line = line
        self._placed = placed
        self._places = places
        self._settings = settings
        self._context = context
        self._path_of = path_of
        self._namespace = namespace
        self._known: dict[Any, dict[str, str]] = {}
        self._extra: dict[str, str] = {}
        self._fragment = canonical(element, namespace)
        self.id = self._text(element, "id")
        self.number = self._text(element, "number")
        self.source = self._text(element, "source") or settings.source or context.source or context.client
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
        return DecodedOrder(
            order,
            findings,
            id=self.id,
            number=self.number,
            source=self.source,
            line=self._line(self._element),
            fragment=self._fragment,
            places=self._places,
        )

    # --- the tree ---

    def _texts(self, parent: Any) -> dict[str, str]:
        """Name -> text of the children: the first of each name, its blanks collapsed."""
        found = self._known.get(parent)
        if found is None:
            found, cut = {}, len(self._namespace)
            for child in parent:
                name = child.tag[cut:]
                if name not in found:
                    words = child.text
                    found[name] = " ".join(words.split()) if words else ""
            self._known[parent] = found
        return found

    def _text(self, parent: Any, name: str) -> str:
        texts = self._known.get(parent)  # asked for every field: a call spared
        return (self._texts(parent) if texts is None else texts).get(name, "")

    def _child(self, parent: Any, name: str) -> Any:
        return next(parent.iterchildren(self._namespace + name), None) if name in self._texts(parent) else None

    def _children(self, parent: Any, name: str, each: str) -> Sequence[Any]:
        """The elements ``each`` inside the children called ``name``."""
        if name not in self._texts(parent):
            return ()
        outer = parent.iterchildren(self._namespace + name)
        return [child for one in outer for child in one.iterchildren(self._namespace + each)]

    def _note(self, parent: Any, name: str) -> str:
        if not self._text(parent, name):
            return ""
        words = self._child(parent, name).text or ""
        return "\n".join(line.rstrip() for line in words.strip().splitlines())

    # --- the order ---

    def _order(self) -> Order | None:
        element = self._element
        customer = self._party(self._child(element, "customer"), "customer") or Party()
        lines = self._lines(self._child(element, "items"))
        created = self._moment(element, "created", required=True)
        total = self._decimal(element, "total", required=True)
        taxes = tuple(
            (self._decimal(tax, "rate") or Decimal(0), self._decimal(tax, "sum") or Decimal(0))
            for tax in self._children(element, "taxes", "tax")
        )
        inside = self._text(element, "prices-include-tax") not in ("false", "0")
        if not inside and not taxes:
            self._find(
                "taxes",
                element,
                T("The prices are without tax, and the order does not say the tax."),
                T("Add {example}", example="<taxes><tax><rate>20</rate><sum>…</sum></tax></taxes>"),
            )
        if self._text(element, "draft") in ("true", "1"):
            self._find(
                "draft",
                self._child(element, "draft"),
                T("The order is a draft: the buyer has not finished it."),
                T("Send the order when it is placed (order_created=1)."),
            )
        if lines and self._text(element, "subtotal"):  # an order without items is told as that, not by its sums
            exact = sum((line.price * line.quantity - line.discount for line in lines), Decimal(0))
            by_line = sum((line.sum for line in lines), Decimal(0))
            self._agrees("subtotal", element, "subtotal", cents(exact), by_line)
        for name in ("status-code", "status-name", "user-id", "ip", "hash"):
            self._keep(element, name, name)
        self._named(self._child(element, "fields"), "field")
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
            currency=self._text(element, "currency") or self._context.currency,
            rate=self._decimal(element, "rate"),
            customer=customer,
            lines=lines,
            total=total,
            status=self._text(element, "status") or "new",
            delivery=self._delivery(self._child(element, "delivery")),
            payment=self._payment(self._child(element, "payment"), total),
            discounts=tuple(
                Discount(
                    amount=self._decimal(discount, "amount") or Decimal(0),
                    code=self._text(discount, "coupon"),
                    name=self._text(discount, "name"),
                )
                for discount in self._children(element, "discounts", "discount")
            ),
            prices_include_tax=inside,
            taxes=taxes,
            comment=self._note(element, "comment"),
            manager_comment=self._note(element, "manager-comment"),
            manager=self._text(element, "manager"),
            language=self._text(element, "language").replace("_", "-"),
            source_number=self._text(element, "source-number"),
            warehouse=self._text(element, "warehouse"),
            extra=self._extra,
        )

    def _lines(self, items: Any) -> tuple[OrderLine, ...]:
        lines = []
        for number, item in enumerate(items if items is not None else (), start=1):
            texts = self._texts(item)
            text = texts.get
            quantity = self._decimal(item, "quantity", required=True) or Decimal(0)
            price = self._decimal(item, "price", required=True) or Decimal(0)
            exact = price * quantity
            if exact >= HUGE:
                self._find(
                    "number",
                    self._child(item, "quantity"),
                    T(
                        "<quantity> {quantity} times <price> {price} is no sum of an order.",
                        quantity=quantity,
                        price=price,
                    ),
                    T("Correct the quantity or the price on the site and send the order again."),
                    number,
                )
                continue
            discount = self._decimal(item, "discount") if "discount" in texts else None
            percent = self._decimal(item, "discount-percent") if "discount-percent" in texts else None
            if percent is not None:
                by_percent = (exact * percent / 100).quantize(CENT, ROUND_HALF_UP)
                if discount is not None and abs(discount - by_percent) > TOLERANCE:
                    self._find(
                        "discount",
                        self._child(item, "discount"),
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
            if (discount or exact < 0) and discount > (gross := cents(exact)):
                self._find(
                    "discount",
                    item,
                    T("The line's discount {discount} is more than its sum {sum}.", discount=discount, sum=gross),
                    T("The discount of a line is for the whole line, and at most its sum."),
                    number,
                )
            line = OrderLine(
                code=text("code", ""),
                name=text("name", ""),
                quantity=quantity,
                price=price,
                unit=text("unit", ""),
                discount=discount,
                tax_rate=self._decimal(item, "tax-rate") if "tax-rate" in texts else None,
                attributes={
                    clean(attribute.get("name", "")): (attribute.text or "").strip()
                    for attribute in self._children(item, "attributes", "attribute")
                },
                barcode=text("barcode", ""),
                number=number,
                comment=self._note(item, "comment") if "comment" in texts else "",
                source_line=self._line(item),
            )
            if text("total"):
                self._agrees("line-total", item, "total", line.sum, number=number)
            for name in _ITEM_EXTRA:
                if value := text(name):
                    self._extra[f"item[{number}].{name}"] = value
            if "fields" in texts:
                self._named(self._child(item, "fields"), f"item[{number}].field")
            lines.append(line)
        return tuple(lines)

    def _party(self, element: Any, place: str) -> Party | None:
        if element is None:
            return None
        last, first, middle = (self._text(element, name) for name in ("last-name", "first-name", "middle-name"))
        if not (last or first) and (whole := self._text(element, "full-name")):
            last, first, middle = full_name(whole)
        company = self._text(element, "company")
        main, mobile = self._text(element, "phone"), self._text(element, "mobile")
        raw = Party(
            kind=self._text(element, "type") or ("company" if company else "person"),
            code=self._text(element, "code"),
            first_name=first,
            last_name=last,
            middle_name=middle,
            company=company,
            edrpou=self._text(element, "edrpou"),
            tax_number=self._text(element, "vat-number"),
            phone=main or mobile,
            email=self._text(element, "email"),
            address=self._address(self._child(element, "address")),
        )
        for name in ("title", "fax", "birthday", *(("mobile",) if main else ())):
            self._keep(element, name, f"{place}.{name}")
        self._named(self._child(element, "fields"), f"{place}.field")
        party = normal_party(raw, self._settings.region)
        remarks = party_findings(party, Where(), self._settings.region)
        self.notes.extend(replace(remark, where=self._where(element)) for remark in remarks)
        return party

    def _address(self, element: Any) -> Address:
        if element is None:
            return Address()
        return Address(
            country=self._text(element, "country"),
            region=self._text(element, "region"),
            city=self._text(element, "city"),
            street=self._text(element, "street") or self._text(element, "text"),
            house=self._text(element, "house"),
            apartment=self._text(element, "apartment"),
            zip=self._text(element, "zip"),
            text=self._text(element, "text"),
        )

    def _delivery(self, element: Any) -> Delivery:
        if element is None:
            return Delivery()
        params = self._named(self._child(element, "params"), "delivery.param")
        for name in ("method-id", "time", "branch-number"):
            self._keep(element, name, f"delivery.{name}")
        number, name = self._text(element, "branch-number"), self._text(element, "branch-name")
        branch = name or _first(params, _NP_BRANCH) or number
        return Delivery(
            carrier=self._text(element, "carrier"),
            service=self._text(element, "service") or _service(params, branch),
            city=self._text(element, "city") or _first(params, _NP_CITY),
            city_ref=self._text(element, "city-ref") or _first(params, _NP_CITY_REF),
            branch=branch,
            branch_ref=self._text(element, "branch-ref") or _first(params, _NP_BRANCH_REF),
            address=self._address(self._child(element, "address")),
            recipient=self._party(self._child(element, "recipient"), "recipient"),
            tracking=self._text(element, "tracking").replace(" ", ""),
            cost=self._decimal(element, "cost") or Decimal(0),
            tax_rate=self._decimal(element, "tax-rate"),
            planned_for=self._day(element, "planned"),
            method=self._text(element, "method"),
        )

    def _payment(self, element: Any, total: Decimal) -> Payment:
        if element is None:
            return Payment()
        self._named(self._child(element, "params"), "payment.param")
        self._keep(element, "method-id", "payment.method-id")
        paid = self._decimal(element, "paid")
        status = self._text(element, "status")
        if not status:
            status = "unpaid" if not paid else "paid" if paid >= total else "partly"
        return Payment(
            method=self._text(element, "method"),
            status=status,
            paid=paid,
            transaction=self._text(element, "transaction"),
            fee=self._decimal(element, "fee") or Decimal(0),
            tax_rate=self._decimal(element, "tax-rate"),
            paid_at=self._moment(element, "paid-at"),
        )

    # --- values ---

    def _decimal(self, parent: Any, name: str, *, required: bool = False) -> Decimal | None:
        words = self._text(parent, name)
        if words and (value := _number(words)) is not None:
            return value
        if words or required:
            self._bad_value(parent, name, words)
        return None

    def _moment(self, parent: Any, name: str, *, required: bool = False) -> datetime | None:
        words = self._text(parent, name)
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
        words = self._text(parent, name)
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
            self._child(parent, name),
            T("<{name}> is {value}: no order has such a date.", name=name, value=words),
            T("Correct it on the site and send the order again."),
        )

    def _bad_value(self, parent: Any, name: str, words: str) -> None:
        found = self._child(parent, name)
        if not words:
            self._find("value", parent, T("<{parent}> lacks <{name}>.", parent=self._name(parent), name=name), None)
        else:
            self._find(
                "value",
                found,
                T("<{name}> is {value}, which does not exist.", name=name, value=words[:_DIGITS]),
                T("Correct it on the site and send the order again."),
            )

    def _agrees(self, code: str, parent: Any, name: str, *made: Decimal, number: int | None = None) -> None:
        """``made``: the sums that are right, rounded at the end and, where that differs, at each part."""
        if not self._text(parent, name):
            return
        stated = self._decimal(parent, name)
        if stated is not None and all(abs(cents(stated) - ours) > TOLERANCE for ours in made):
            self._find(
                code,
                self._child(parent, name),
                T("<{name}> says {stated}, the parts make {ours}.", name=name, stated=stated, ours=made[0]),
                T("A line is price x quantity minus its discount, to the cent; the subtotal is their sum."),
                number,
            )

    def _letters(self) -> None:
        if not may_be_garbled(self._fragment):
            return
        for element in self._element.iter():
            for words in (element.text, *element.attrib.values()):
                if not words or (meant := garbled(words)) is None:
                    continue
                name, shown = self._name(element), words.strip()[:60]
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

    def _name(self, element: Any) -> str:
        return str(element.tag[len(self._namespace) :])

    def _keep(self, parent: Any, name: str, key: str) -> None:
        if words := self._text(parent, name):
            self._extra[key] = words

    def _named(self, parent: Any, key: str) -> dict[str, str]:
        found = {
            clean(child.get("name", "")): (child.text or "").strip() for child in (parent if parent is not None else ())
        }
        self._extra.update({f"{key}.{name}": value for name, value in found.items() if value})
        return found

    def _find(self, code: str, element: Any, text: Text, hint: Text | None, number: int | None = None) -> None:
        self.findings.append(Finding(code, text, replace(self._where(element), order_line=number), hint))

    def _where(self, element: Any) -> Where:
        line, column = self._placed(element)
        return Where(self._context.file, line, column, self._path_of(element), self.id or None)


#: Blanks between elements, before a start and between two ends. C14N writes no < but that of a tag, no > in a text, and
#: an end for each start; an element that holds nothing but blanks keeps them.
_BEFORE_START = re.compile(r">(?:\s|&#xD;)+<(?!/)")
_BETWEEN_ENDS = re.compile(r"(</[^<>]*>)(?:\s|&#xD;)+(?=</)")


def canonical(element: Any, namespace: str = "") -> bytes:
    """The element's own bytes in canonical form (C14N, no comments, white space between elements left out), without its
    default namespace (``namespace``, in braces)."""
    from lxml import etree

    words: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False, with_tail=False)
    if namespace:
        words = words.replace(f' xmlns="{namespace[1:-1]}"'.encode(), b"", 1)
    text = words.decode()
    if b"&#xD;" in words:
        return _BETWEEN_ENDS.sub(r"\1", _BEFORE_START.sub("><", text)).encode()
    # the same without them, in a fifth of the time
    pieces = text.split("<")
    after = iter(pieces)
    next(after)
    for place, (piece, following) in enumerate(zip(pieces, after, strict=False)):
        if piece and piece[-1].isspace() and (piece[0] == "/" or following[0] != "/"):
            bare = piece.rstrip()
            if bare[-1:] == ">":
                pieces[place] = bare
    return "<".join(pieces).encode()


@lru_cache(maxsize=4096)  # rates, quantities and prices come again and again
def _number(words: str) -> Decimal | None:
    if len(words) > _DIGITS or not _NUMBER.fullmatch(words):
        return None
    value = Decimal(words)
    return value or abs(value)  # -0 is 0


def clean(words: str) -> str:
    """A text with its blanks collapsed."""
    return " ".join(words.split())


def _first(params: Mapping[str, str], names: Sequence[str]) -> str:
    return next((value for name in names if (value := params.get(name, ""))), "")


def _service(params: Mapping[str, str], branch: str) -> str:
    """What a Nova Poshta plug-in's own words mean when ``<service>`` is left out."""
    if known := _NP_SERVICE.get(params.get("ServiceType", "")):
        return known
    words = branch.lower()
    if "поштомат" in words or "почтомат" in words:
        return "locker"
    return "branch" if any(word in words for word in ("відділення", "отделение", "пункт")) else ""
