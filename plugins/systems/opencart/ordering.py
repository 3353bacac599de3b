"""An order's rows become an order whose parts make its total. Pure.

Facts of OpenCart 3.0.5 and 4.1.0.4: amounts are in the shop's own currency, and the order names the currency that the
buyer saw with its rate (``currency_value``, how many of it are one of the shop's). Item prices are without tax, which
stands beside them for one piece; what else makes the total stands in ``order_total`` by code, reductions below zero:
sub_total, shipping, tax, coupon, voucher, reward, credit, handling, low_order_fee, total, and those of extensions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

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
    cents,
    order_totals,
)
from plugins.systems.opencart.mapping import ZERO, Row, moment_of, number_of, text_of
from plugins.systems.opencart.settings import OpenCartSettings

#: Rows of order_total that are told otherwise: items, their tax, and the sum.
_APART = {"sub_total", "tax", "total"}
_IN_BRACKETS = re.compile(r"\(([^()]+)\)\s*$")
_PLACE, _FINE, _FINEST = Decimal("0.0001"), Decimal("0.00000001"), Decimal("0.000000000000001")


@dataclass(slots=True)
class OrderRows:
    """An order with all that belongs to it, as rows."""

    row: Row
    products: list[Row] = field(default_factory=list)
    options: dict[int, list[Row]] = field(default_factory=dict)  #: by order_product_id
    totals: list[Row] = field(default_factory=list)
    vouchers: list[Row] = field(default_factory=list)  #: 3.0: gift vouchers that were bought


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to read orders besides their rows."""

    settings: OpenCartSettings
    zone: ZoneInfo
    own: str  #: the shop's currency
    client: str  #: the client's currency
    source: str
    countries: Mapping[int, str]  #: country_id -> ISO 3166 alpha-2
    languages: Mapping[int, str]
    codes: Mapping[int, str]  #: order_product_id -> the article that its variant has in the catalogue

    def read(self, order: OrderRows, changed: datetime | None) -> SeenOrder:
        """The order, or what is wrong with it."""
        row = order.row
        number, findings = str(row["order_id"]), list[Finding]()
        rate = number_of(row["currency_value"])
        currency = str(row["currency_code"] or "").strip().upper() or self.own
        if not rate or rate < 0:
            rate = Decimal(1)
            if currency != self.own:
                findings.append(_wrong(number, "currency", T("The order has no rate for its currency {currency}.",
                                                             currency=currency)))  # fmt: skip
        created = moment_of(row["date_added"], self.zone)
        total = number_of(row["total"])
        if created is None or total is None:
            findings.append(_wrong(number, "total", T("The order has no date or no total.")))
        lines = self._lines(order, rate)
        made = None
        if not findings and created is not None and total is not None:
            delivery, payment, discounts = self._sums(order, rate)
            made = Order(
                id=number,
                number=number,
                source=self.source,
                created_at=created,
                updated_at=changed,
                currency=currency,
                customer=self._customer(row),
                lines=tuple(lines),
                total=cents(total * rate),
                status=str(row["order_status_id"]),
                delivery=self._delivery(row, delivery),
                payment=payment,
                discounts=discounts,
                rate=self._rate(currency, rate),
                comment=text_of(row.get("comment")).strip(),
                language=self._language(row),
                extra=self._extra(row),
            )
            made = self._even(made, total * rate, order, rate)
        return SeenOrder(
            id=number,
            number=number,
            status=str(row["order_status_id"]),
            order=made,
            findings=tuple(findings),
            updated_at=changed,
            revision=revision_of(order),
        )

    # --- items -------------------------------------------------------------------------------------------------------

    def _lines(self, order: OrderRows, rate: Decimal) -> list[OrderLine]:
        lines = []
        for n, row in enumerate(order.products, 1):
            options = order.options.get(int(row["order_product_id"]), [])
            price, tax = _unit(row), number_of(row["tax"]) or ZERO
            lines.append(
                OrderLine(
                    code=self.codes.get(int(row["order_product_id"])) or text_of(row["model"]).strip(),
                    name=text_of(row["name"]),
                    quantity=Decimal(row["quantity"] or 0),
                    price=_plain((price + tax) * rate),
                    tax_rate=_percent(price, tax),
                    attributes=chosen_of(options),
                    number=n,
                )
            )
        for row in order.vouchers:
            lines.append(
                OrderLine(
                    code=f"voucher {text_of(row['code'])}".strip(),
                    name=text_of(row["description"]),
                    quantity=Decimal(1),
                    price=_plain((number_of(row["amount"]) or ZERO) * rate),
                    number=len(lines) + 1,
                )
            )  # fmt: skip
        return lines

    # --- sums --------------------------------------------------------------------------------------------------------

    def _sums(self, order: OrderRows, rate: Decimal) -> tuple[Decimal, Payment, tuple[Discount, ...]]:
        """Delivery, fees and discounts.

        Tax that no item has is that of delivery or fees, which stand without theirs; tax that a coupon took off is a
        discount.
        """
        delivery = fee = ZERO
        discounts: list[Discount] = []
        stated = sum((number_of(one["value"]) or ZERO for one in order.totals if one["code"] == "tax"), ZERO)
        of_items = sum(
            ((number_of(row["tax"]) or ZERO) * Decimal(row["quantity"] or 0) for row in order.products), ZERO
        )
        rest = stated - of_items
        if abs(rest) <= self._noise(order):
            rest = ZERO
        for row in order.totals:
            value, code = number_of(row["value"]) or ZERO, str(row["code"])
            if code in _APART or not value:
                continue
            title = text_of(row["title"]).strip()
            if value < 0:
                found = _IN_BRACKETS.search(title)
                coupon = found[1] if found and code in ("coupon", "voucher") else ""
                discounts.append(Discount(amount=_plain(-value * rate), code=coupon, name=title))
            elif code == "shipping":
                delivery += value
            else:
                fee += value
        if rest > 0 and delivery:
            delivery += rest
        elif rest > 0:
            fee += rest
        elif rest < 0:
            discounts.append(Discount(amount=_plain(-rest * rate), name=", ".join(
                text_of(row["title"]).strip() for row in order.totals if row["code"] == "tax")))  # fmt: skip
        method, code = method_of(order.row, "payment")
        payment = Payment(
            method=method or code,
            fee=_plain(fee * rate),
            transaction=text_of(order.row.get("transaction_id")).strip(),
        )
        return _plain(delivery * rate), payment, tuple(discounts)

    def _even(self, made: Order, exact: Decimal, order: OrderRows, rate: Decimal) -> Order:
        """The order with its parts making ``exact``, the total before it is rounded.

        Columns have four places, so that sums of them are off by a little, which now and then is a cent in the end.
        Only as much as can come of that is evened out, in the price of the largest item; what is more is left for the
        engine to tell.
        """
        if order_totals(made).total == made.total:
            return made
        parts = sum((line.price * line.quantity for line in made.lines), made.delivery.cost + made.payment.fee)
        rest = exact - (parts - sum((one.amount for one in made.discounts), ZERO))
        sold = [n for n, line in enumerate(made.lines) if line.quantity > 0]
        if not sold or abs(rest) > self._noise(order) * rate:
            return made
        most = max(sold, key=lambda n: (made.lines[n].price * made.lines[n].quantity, -n))
        line = made.lines[most]
        # upwards, so that an amount at just half a cent is rounded as the total is
        price = (line.price + rest / line.quantity).quantize(_FINEST, ROUND_CEILING)
        return replace(made, lines=(*made.lines[:most], replace(line, price=price), *made.lines[most + 1 :]))

    @staticmethod
    def _noise(order: OrderRows) -> Decimal:
        """By how much four decimal places can be off in all: tax stands there for one piece."""
        pieces = sum((abs(Decimal(row["quantity"] or 0)) for row in order.products), ZERO)
        return _PLACE * (pieces + len(order.products) + len(order.totals) + 1)

    def _rate(self, currency: str, value: Decimal) -> Decimal | None:
        """Units of the client's currency for one of the order's, where the shop's own is the client's."""
        if currency == self.client or self.own != self.client:
            return None
        return (1 / value).quantize(_FINE, ROUND_HALF_UP).normalize()

    # --- people and places -------------------------------------------------------------------------------------------

    def _customer(self, row: Row) -> Party:
        company = text_of(row.get("payment_company")).strip()
        return Party(
            kind="company" if company else "person",
            first_name=text_of(row["firstname"]).strip(),
            last_name=text_of(row["lastname"]).strip(),
            company=company,
            phone=text_of(row["telephone"]).strip(),
            email=text_of(row["email"]).strip(),
            address=self._address(row, "payment"),
        )

    def _address(self, row: Row, kind: str) -> Address:
        def part(name: str) -> str:
            return text_of(row.get(f"{kind}_{name}")).strip()

        street = ", ".join(one for one in (part("address_1"), part("address_2")) if one)
        whole = [part("country"), part("zone"), part("city"), street, part("postcode")]
        return Address(
            country=self.countries.get(int(row.get(f"{kind}_country_id") or 0), ""),
            region=part("zone"),
            city=part("city"),
            street=street,
            zip=part("postcode"),
            text=", ".join(one for one in whole if one),
        )

    def _delivery(self, row: Row, cost: Decimal) -> Delivery:
        method, code = method_of(row, "shipping")
        address = self._address(row, "shipping")
        names = [text_of(row.get(f"shipping_{name}")).strip() for name in ("firstname", "lastname", "company")]
        own = [text_of(row["firstname"]).strip(), text_of(row["lastname"]).strip()]
        recipient = None
        if any(names[:2]) and names[:2] != own:
            recipient = Party(first_name=names[0], last_name=names[1], phone=text_of(row["telephone"]).strip())
        kind = code.partition(".")[0]
        pickup = kind == "pickup"  # OpenCart's own name of it
        return Delivery(
            carrier=self.settings.carriers.get(kind, "pickup" if pickup else ""),
            service="pickup" if pickup else "",
            city=address.city,
            address=address,
            recipient=recipient,
            cost=cost,
            method=method or code,
        )

    def _language(self, row: Row) -> str:
        return text_of(row.get("language_code")) or self.languages.get(int(row.get("language_id") or 0), "")

    def _extra(self, row: Row) -> dict[str, str]:
        """What a client may look at besides: codes of methods, the store, its own fields."""
        found = {
            "payment_code": method_of(row, "payment")[1],
            "shipping_code": method_of(row, "shipping")[1],
            "store": text_of(row.get("store_name")).strip(),
            "invoice": f"{text_of(row.get('invoice_prefix'))}{row['invoice_no']}" if row.get("invoice_no") else "",
        }
        for name in ("custom_field", "payment_custom_field", "shipping_custom_field"):
            for key, value in _fields(row.get(name)).items():
                found[f"{name}.{key}"] = value
        return {name: value for name, value in found.items() if value}


def method_of(row: Row, kind: str) -> tuple[str, str]:
    """(name, code) of the payment or shipping method: columns of their own in 3.0, JSON in 4.1."""
    stored = text_of(row.get(f"{kind}_method")).strip()
    if f"{kind}_code" in row:
        return stored, text_of(row[f"{kind}_code"]).strip()
    # the JSON is saved as it is; texts in it were escaped before
    raw = row.get(f"{kind}_method")
    try:
        found = json.loads(str(raw or "{}"), parse_float=Decimal)
    except ValueError:
        return stored, ""
    if not isinstance(found, Mapping):
        return "", ""
    return text_of(found.get("name")).strip(), text_of(found.get("code")).strip()


def _fields(stored: object) -> dict[str, str]:
    """Fields of the shop's own, by their number."""
    try:
        found = json.loads(str(stored or "{}"), parse_float=Decimal)
    except ValueError:
        return {}
    if not isinstance(found, Mapping):
        return {}  # PHP writes an empty array as a list
    made = {}
    for key, value in found.items():
        values = value if isinstance(value, list) else [value]
        made[str(key)] = ", ".join(text_of(one).strip() for one in values if one is not None and str(one).strip())
    return {key: value for key, value in made.items() if value}


def chosen_of(options: Iterable[Row]) -> dict[str, str]:
    """What was chosen and written, by option; several ticks of one are joined."""
    found: dict[str, str] = {}
    for row in options:
        name, value = text_of(row["name"]), text_of(row["value"])
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _unit(row: Row) -> Decimal:
    """The price of one piece without tax, as finely as the sum of the row tells it: the column has four places only."""
    price, quantity, whole = number_of(row["price"]) or ZERO, Decimal(row["quantity"] or 0), number_of(row.get("total"))
    if whole is None or quantity <= 0 or whole == price * quantity:
        return price
    fine = (whole / quantity).quantize(_FINE, ROUND_HALF_UP)
    return fine if abs(fine - price) <= _PLACE else price


def _percent(price: Decimal, tax: Decimal) -> Decimal | None:
    """The rate of a tax that stands beside a price in money, when it is a rate of at most two places; None for none."""
    if not tax or price <= 0:
        return None
    rate = (tax * 100 / price).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return rate.normalize() + ZERO if abs(price * rate / 100 - tax) <= _PLACE else None


def _plain(amount: Decimal) -> Decimal:
    """Without zeros beyond the cents."""
    amount = amount.normalize()
    exponent = amount.as_tuple().exponent
    return amount if isinstance(exponent, int) and exponent < -2 else amount.quantize(Decimal("0.01"))


def _wrong(order: str, element: str, text: Any) -> Finding:
    return Finding("order", text, Where(order=order, element=element), who=Who.SITE)


#: Columns of an order that are no content of it.
_NO_CONTENT = {"date_modified", "ip", "forwarded_ip", "user_agent", "accept_language", "viewed"}


def revision_of(order: OrderRows) -> str:
    """A hash of the order's content and status."""
    own = {name: str(value) for name, value in order.row.items() if name not in _NO_CONTENT}
    rows = [order.products, *(order.options[one] for one in sorted(order.options)), order.totals, order.vouchers]
    rest = [[{name: str(value) for name, value in row.items()} for row in some] for some in rows]
    text = json.dumps([own, rest], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:20]
