"""An order of WooCommerce becomes an order whose parts make its total. Pure.

Facts of the API: sums are text; a line's ``subtotal`` is before coupons and ``total`` after them, both without the tax
that stands beside them, whatever ``prices_include_tax`` says; shipping and fees have theirs too; a fee may be below
zero.
``total`` is all of them with tax. Refunds do not lower it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
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
    Text,
    Where,
    Who,
    cents,
    order_totals,
)
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.mapping import Row
from plugins.systems.woocommerce.settings import WooSettings

ZERO, CENT = Decimal(0), Decimal("0.01")
_FINE, _FINEST = Decimal("0.0000000001"), Decimal("0.000000000000001")
#: Meta fields of our own: what of an order was written back.
NUMBER, TRACKING = "_mistok_number", "_mistok_tracking"
#: Statuses of what is no order yet, or no more.
NO_ORDERS = frozenset({"checkout-draft", "auto-draft", "draft", "trash"})
_PICKUP = frozenset({"local_pickup", "pickup_location"})
_LONGEST = 500
#: Fields of a line that follow the product, and not the order.
_OF_PRODUCT = frozenset({"sku", "image", "price", "parent_name", "global_unique_id"})
_CONTENT = (
    "status", "currency", "total", "date_paid_gmt", "billing", "shipping", "payment_method", "transaction_id",
    "customer_note", "line_items", "shipping_lines", "fee_lines", "coupon_lines", "tax_lines", "refunds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to read orders besides their rows."""

    settings: WooSettings
    source: str

    def read(self, row: Row) -> SeenOrder:
        """The order, or what is wrong with it."""
        own = str(v.whole(row.get("id")))
        number, status = v.text(row.get("number")) or own, v.text(row.get("status"))
        updated = v.moment(row.get("date_modified_gmt"))
        created, total = v.moment(row.get("date_created_gmt")), v.number(row.get("total"))
        currency = v.text(row.get("currency"))
        findings = []
        if created is None:
            findings.append(_wrong(own, "date_created_gmt", T("The order has no date.")))
        if total is None:
            findings.append(_wrong(own, "total", T("The order has no total.")))
        if len(currency) != 3:
            findings.append(_wrong(own, "currency", T("The order has no currency.")))
        made = None
        if not findings and created is not None and total is not None:
            meta = _meta(row)
            rates = _rates(row)
            fees, discounts = self._fees(row)
            made = Order(
                id=own,
                number=number,
                source=self.source,
                created_at=created,
                updated_at=updated,
                currency=currency,
                customer=self._customer(row, meta),
                lines=tuple(_line(one, n, rates) for n, one in enumerate(_rows(row, "line_items"), 1)),
                total=total,
                status=status,
                delivery=self._delivery(row, meta, rates),
                payment=_payment(row, total, fees),
                discounts=discounts,
                taxes=tuple((rate, tax) for rate, tax in _taxes(row, rates).items() if tax),
                comment=v.text(row.get("customer_note")).strip(),
                manager=self._of(meta, "manager"),
                extra=self._extra(row, meta),
            )
            made = _even(made, len(_rows(row, "fee_lines")) + len(_rows(row, "shipping_lines")))
        return SeenOrder(
            id=own,
            number=number,
            status=status,
            order=made,
            findings=tuple(findings),
            updated_at=updated,
            revision=self.revision_of(row),
        )

    def _of(self, meta: Mapping[str, str], name: str) -> str:
        """What a plugin keeps of a field."""
        key = self.settings.meta.get(name)  # type: ignore[call-overload]  # a name that is none has no key
        return meta.get(key, "").strip() if key else ""

    # --- people and places -------------------------------------------------------------------------------------------

    def _customer(self, row: Row, meta: Mapping[str, str]) -> Party:
        said = _part(row, "billing")
        edrpou = self._of(meta, "edrpou")
        return Party(
            kind="company" if said["company"] else "person",
            first_name=said["first_name"],
            last_name=said["last_name"],
            middle_name=self._of(meta, "middle_name"),
            company=said["company"],
            edrpou=edrpou,
            tax_number=self._of(meta, "tax_number"),
            phone=said["phone"],
            email=said["email"],
            address=_address(said),
        )

    def _delivery(self, row: Row, meta: Mapping[str, str], rates: Mapping[int, Decimal]) -> Delivery:
        lines = _rows(row, "shipping_lines")
        billing, said = _part(row, "billing"), _part(row, "shipping")
        names = (said["first_name"], said["last_name"])
        recipient = None
        if any(names) and names != (billing["first_name"], billing["last_name"]):
            phone = said["phone"] or billing["phone"]
            recipient = Party(first_name=names[0], last_name=names[1], company=said["company"], phone=phone)
        where = said if any(said[name] for name in ("address_1", "address_2", "city", "postcode")) else billing
        code = next((v.text(one.get("method_id")) for one in lines if v.text(one.get("method_id"))), "")
        title = ", ".join(filter(None, (v.name_read(one.get("method_title")).strip() for one in lines)))
        pickup = code in _PICKUP
        carrier = self._of(meta, "carrier") or self.settings.carriers.get(code) or self.settings.carriers.get(title, "")
        branch, branch_ref = self._of(meta, "branch"), self._of(meta, "branch_ref")
        address = _address(where)
        return Delivery(
            carrier=carrier or ("pickup" if pickup else ""),
            service="pickup" if pickup else "branch" if branch or branch_ref else "",
            city=address.city,
            city_ref=self._of(meta, "city_ref"),
            branch=branch,
            branch_ref=branch_ref,
            address=address,
            recipient=recipient,
            tracking=self._of(meta, "tracking") or meta.get(TRACKING, ""),
            cost=sum(map(_gross, lines), ZERO),
            tax_rate=_rate_of(lines, rates),
            method=title or code,
        )

    # --- money -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _fees(row: Row) -> tuple[tuple[Decimal, Decimal | None], tuple[Discount, ...]]:
        """(all fees, their rate), and fees below zero, by which shops take something off."""
        lines = _rows(row, "fee_lines")
        above = [one for one in lines if _gross(one) > 0]
        discounts = tuple(
            Discount(amount=-_gross(one), name=v.name_read(one.get("name"))) for one in lines if _gross(one) < 0
        )
        return (sum(map(_gross, above), ZERO), _rate_of(above, _rates(row))), discounts

    def _extra(self, row: Row, meta: Mapping[str, str]) -> dict[str, str]:
        """What a client may look at besides: codes of methods, coupons, what was refunded, meta fields of plugins."""
        refunded = -sum((v.number(one.get("total")) or ZERO for one in _rows(row, "refunds")), ZERO)
        found = {
            "payment_code": v.text(row.get("payment_method")),
            "shipping_code": ", ".join(v.text(one.get("method_id")) for one in _rows(row, "shipping_lines")),
            "coupons": ", ".join(v.text(one.get("code")) for one in _rows(row, "coupon_lines")),
            "refunded": v.decimal_text(refunded) if refunded else "",
            "created_via": v.text(row.get("created_via")),
        }
        shown = {key: value for key, value in meta.items() if not key.startswith("_") and len(value) <= _LONGEST}
        return {key: value for key, value in {**shown, **found}.items() if value}

    def revision_of(self, row: Row) -> str:
        """A hash of the order's content and status: not of what follows its products, nor of what plugins note."""
        meta = _meta(row)
        content: dict[str, Any] = {name: row.get(name) for name in _CONTENT}
        content["line_items"] = [
            {name: value for name, value in one.items() if name not in _OF_PRODUCT} for one in _rows(row, "line_items")
        ]
        content["meta"] = {name: meta.get(key) for name, key in self.settings.meta.items() if name != "tracking"}
        said = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _rows(row: Row, name: str) -> list[Row]:
    there = row.get(name)
    return [one for one in there if isinstance(one, Mapping)] if isinstance(there, list) else []


def _part(row: Row, name: str) -> dict[str, str]:
    there = row.get(name)
    said = there if isinstance(there, Mapping) else {}
    names = (
        "first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "country",
        "phone", "email",
    )  # fmt: skip
    return {one: v.name_read(said.get(one)).strip() for one in names}


def _address(said: Mapping[str, str]) -> Address:
    street = ", ".join(filter(None, (said["address_1"], said["address_2"])))
    whole = (said["country"], said["state"], said["city"], street, said["postcode"])
    return Address(
        country=said["country"] if len(said["country"]) == 2 else "",
        region=said["state"],
        city=said["city"],
        street=street,
        zip=said["postcode"],
        text=", ".join(filter(None, whole)),
    )


def _meta(row: Row) -> dict[str, str]:
    """Meta fields with a plain value."""
    return {
        v.text(one.get("key")): v.text(one.get("value"))
        for one in _rows(row, "meta_data")
        if isinstance(one.get("value"), (str, int, Decimal)) and not isinstance(one.get("value"), bool)
    }


def _gross(line: Row) -> Decimal:
    """What a line costs with its tax."""
    return (v.number(line.get("total")) or ZERO) + (v.number(line.get("total_tax")) or ZERO)


def _line(row: Row, place: int, rates: Mapping[int, Decimal]) -> OrderLine:
    quantity = v.number(v.text(row.get("quantity"))) or ZERO
    after = _gross(row)
    before = (v.number(row.get("subtotal")) or ZERO) + (v.number(row.get("subtotal_tax")) or ZERO)
    before = max(before, after)  # raised by hand in the shop
    key = v.whole(row.get("variation_id")) or v.whole(row.get("product_id"))
    return OrderLine(
        # a product that is gone, or has no article, is named as a mapping names it
        code=v.text(row.get("sku")).strip() or (f"#{key}" if key else ""),
        name=v.name_read(row.get("name")),
        quantity=quantity,
        price=_unit(before, quantity),
        discount=before - after,
        tax_rate=_rate_of([row], rates),
        attributes=_attributes(row),
        number=place,
    )


def _unit(whole: Decimal, quantity: Decimal) -> Decimal:
    """The price of one piece, as finely as is needed to make the sum again."""
    if not quantity:
        return whole
    for places in (CENT, _FINE):
        price = (whole / quantity).quantize(places, ROUND_HALF_UP)
        if price * quantity == whole or (places == _FINE and cents(price * quantity) == whole):
            return price
    return (whole / quantity).quantize(_FINEST, ROUND_HALF_UP)


def _attributes(row: Row) -> dict[str, str]:
    """What was chosen, by its shown name; fields of plugins that are not shown have a key with a ``_``."""
    found: dict[str, str] = {}
    for one in _rows(row, "meta_data"):
        name = v.name_read(one.get("display_key") or one.get("key"))
        value = one.get("display_value") or one.get("value")
        if name and not name.startswith("_") and isinstance(value, (str, int, Decimal)):
            found[name] = v.name_read(value).strip()[:_LONGEST]
    return found


def _rates(row: Row) -> dict[int, Decimal]:
    """Percent of each of the order's tax rates."""
    found = {}
    for one in _rows(row, "tax_lines"):
        rate = v.number(one.get("rate_percent"))
        if rate is not None:
            found[v.whole(one.get("rate_id"))] = v.plain(rate)
    return found


def _rate_of(lines: Sequence[Row], rates: Mapping[int, Decimal]) -> Decimal | None:
    """The rate of lines that all have the same; None where there is no tax, or it is not known."""
    found = set()
    for line in lines:
        if not _gross(line):
            continue
        taxed = [v.whole(one.get("id")) for one in _rows(line, "taxes") if v.number(one.get("total"))]
        if not taxed or not all(key in rates for key in taxed):
            return None
        found.add(sum((rates[key] for key in taxed), ZERO))
    return found.pop() if len(found) == 1 else None


def _taxes(row: Row, rates: Mapping[int, Decimal]) -> dict[Decimal, Decimal]:
    """What the order states of taxes, by rate."""
    found: dict[Decimal, Decimal] = {}
    for one in _rows(row, "tax_lines"):
        rate = rates.get(v.whole(one.get("rate_id")))
        if rate is not None:
            parts: Iterable[Decimal] = (v.number(one.get(name)) or ZERO for name in ("tax_total", "shipping_tax_total"))
            found[rate] = found.get(rate, ZERO) + sum(parts, ZERO)
    return found


def _payment(row: Row, total: Decimal, fees: tuple[Decimal, Decimal | None]) -> Payment:
    paid_at = v.moment(row.get("date_paid_gmt"))
    return Payment(
        method=v.name_read(row.get("payment_method_title")).strip() or v.text(row.get("payment_method")),
        status="paid" if paid_at else "unpaid",
        paid=total if paid_at else None,
        transaction=v.text(row.get("transaction_id")).strip(),
        fee=fees[0],
        tax_rate=fees[1],
        paid_at=paid_at,
    )


def _even(made: Order, others: int) -> Order:
    """The order with its parts making its total.

    A shop may round its taxes only in the end, so that those of the lines are off by up to half a cent each. So much is
    evened out in the largest line; what is more is left for the engine to tell.
    """
    if order_totals(made).total == cents(made.total):
        return made
    parts = sum((line.price * line.quantity - line.discount for line in made.lines), ZERO)
    parts += made.delivery.cost + made.payment.fee - sum((one.amount for one in made.discounts), ZERO)
    rest = made.total - parts
    sold = [n for n, line in enumerate(made.lines) if line.quantity > 0]
    if not sold or abs(rest) > CENT * (len(made.lines) + others):
        return made
    most = max(sold, key=lambda n: (made.lines[n].price * made.lines[n].quantity, -n))
    line = made.lines[most]
    if line.discount - rest >= 0 and (line.discount or rest < 0):
        line = replace(line, discount=line.discount - rest)
    else:
        line = replace(line, price=(line.price + rest / line.quantity).quantize(_FINEST, ROUND_CEILING))
    return replace(made, lines=(*made.lines[:most], line, *made.lines[most + 1 :]))


def _wrong(order: str, element: str, text: Text) -> Finding:
    return Finding("woo-order", text, Where(order=order, element=element), who=Who.SITE)
