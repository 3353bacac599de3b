"""An order of ours as KeyCRM takes it: ``POST /order``, and what of one that is there can be changed. Pure.

What the API cannot take has a line in the manager's comment, or is held by whoever calls: nothing is left out in
silence. The shop's order is known again by ``source_uuid``, ``source/order-id`` with what separates them escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from pipeline.api import Address, Delivery, DocumentDraft, Order, Party, T, cents, order_totals
from plugins.systems.keycrm.mapping import ZERO
from plugins.systems.keycrm.refusals import held
from plugins.systems.keycrm.values import stamp

#: Longer texts do not go into a column of this kind for certain (Laravel's own default is 255).
LONGEST = 190
#: What separates, in keys, in the uuid and in a filter of it.
_APART = "/%,"


def uuid_of(source: str, order_id: str) -> str:
    """``source_uuid`` of an order. Raises Held where it is too long to be kept."""
    made = "/".join(_escaped(part) for part in (source, order_id))
    if len(made) > LONGEST or not source or not order_id:
        raise held(T("KeyCRM cannot keep the number {number} of this order.", number=made[:80]))
    return made


def _escaped(part: str) -> str:
    return "".join(quote(char, safe="") if char in _APART else char for char in part)


def order_of(uuid: str) -> tuple[str, str] | None:
    """(source, order id) of a ``source_uuid`` of ours; None for any other."""
    parts = [unquote(part) for part in uuid.split("/")]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


# --- sums ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sums:
    """What an order is to come to, and what makes it so besides its lines."""

    total: Decimal
    discount: Decimal  #: off the order; lines have their own
    fee: Decimal  #: of the payment
    even: Decimal  #: what evens the total out upwards
    taxes: Decimal  #: on top

    @classmethod
    def of(cls, draft: DocumentDraft) -> Sums:
        """Raises Held where the parts do not make the stated total."""
        order, totals = draft.order, order_totals(draft.order)
        rounding = draft.rounding or ZERO
        if totals.total + rounding != cents(order.total):
            raise held(
                T(
                    "Order {number} says {stated}, its parts make {made}.",
                    number=order.number, stated=cents(order.total), made=totals.total + rounding,
                ),
                code="totals",
            )  # fmt: skip
        discount = totals.discount - rounding
        return cls(
            total=cents(order.total),
            discount=max(discount, ZERO),
            fee=totals.fee,
            even=max(-discount, ZERO),
            taxes=ZERO if order.prices_include_tax else totals.tax,
        )


@dataclass(frozen=True, slots=True)
class Names:
    """What of the account an order refers to, looked up. None: left out."""

    source_id: int | None = None
    source_name: str = ""  #: of a source that is made by its first order
    method_id: int | None = None
    service_id: int | None = None
    manager_id: int | None = None
    buyer: Mapping[str, str] | None = None  #: of a party that the order is booked on
    notes: tuple[str, ...] = ()  #: lines of the manager's comment


# --- making ----------------------------------------------------------------------------------------------------------


def new_order(
    draft: DocumentDraft, articles: Sequence[str], names: Names, sums: Sums, *, by_line: bool, unit: str
) -> dict[str, Any]:
    """The body of ``POST /order``.

    Args:
        articles: of the lines, as KeyCRM has them.
        by_line: discounts of lines stand on them; else all are off the order.
        unit: what the account counts in by itself.
    """
    order = draft.order
    pairs = zip(order.lines, articles, strict=True)
    lines = [_line(line, article, by_line=by_line, unit=unit) for line, article in pairs]
    lines += extra_lines(order, sums)
    head = sums.discount if by_line else sums.discount + off_lines(order)
    body: dict[str, Any] = {
        "source_uuid": uuid_of(order.source, order.id),
        "ordered_at": stamp(order.created_at),
        "buyer": dict(names.buyer) if names.buyer else _buyer(order.customer),
        "shipping_price": order.delivery.cost,
        "discount_amount": head,
        "taxes": sums.taxes,
        "promocode": next((one.code for one in order.discounts if one.code), ""),
        "buyer_comment": order.comment,
        "manager_comment": comment_of(draft, names),
        "manager_id": names.manager_id,
        "products": lines,
        "shipping": _shipping(order, names),
        "payments": _payments(order, names, sums.total),
        "marketing": {name: text for name, text in order.extra.items() if name.startswith("utm_") and text},
        **({"source_id": names.source_id} if names.source_id is not None else {"source_name": names.source_name}),
    }
    return {name: value for name, value in body.items() if value not in (None, "", [], {}) and value != ZERO}


def off_lines(order: Order) -> Decimal:
    """The discounts of all lines together."""
    return sum((line.discount for line in order.lines), ZERO)


def extra_lines(order: Order, sums: Sums) -> list[dict[str, Any]]:
    """Goods of this order alone: KeyCRM has no fee of a payment, and nothing to even out upwards."""
    found = []
    if sums.fee:
        name = order.payment.method or str(T("Payment fee"))
        found.append({"name": name, "price": sums.fee, "quantity": Decimal(1)})
    if sums.even:
        found.append({"name": str(T("Rounding")), "price": sums.even, "quantity": Decimal(1)})
    return found


def _line(line: Any, article: str, *, by_line: bool, unit: str) -> dict[str, Any]:
    body: dict[str, Any] = {"sku": article, "price": line.price, "quantity": line.quantity}
    if line.name:
        body["name"] = line.name
    if by_line and line.discount:
        body["discount_amount"] = line.discount
    if line.unit and line.unit != unit:
        body["unit_type"] = line.unit
    if line.comment:
        body["comment"] = line.comment
    if options := [{"name": name, "value": value} for name, value in line.attributes.items() if name and value]:
        body["properties"] = options
    return body


def _buyer(party: Party) -> dict[str, str]:
    name = person(party)
    body = {"full_name": name or party.phone or party.email, "phone": party.phone, "email": party.email}
    if not body["full_name"]:
        raise held(T("The order has no buyer: no name, no phone, no mail."))
    return {name: value for name, value in body.items() if value}


def person(party: Party) -> str:
    """A name for people: last, first and middle name, with the company it is for."""
    name = " ".join(filter(None, (party.last_name, party.first_name, party.middle_name)))
    return f"{name} ({party.company})" if name and party.company else name or party.company


def _shipping(order: Order, names: Names) -> dict[str, Any]:
    delivery = order.delivery
    recipient = delivery.recipient or (order.customer if names.buyer else None)
    body: dict[str, Any] = {
        "delivery_service_id": names.service_id,
        "tracking_code": delivery.tracking,
        "shipping_date": delivery.planned_for.isoformat() if delivery.planned_for else "",
        **_address(delivery),
    }
    if names.service_id is None:
        body["shipping_service"] = delivery.method or delivery.carrier
    elif delivery.branch_ref:
        body["warehouse_ref"] = delivery.branch_ref
    if recipient is not None:
        body |= {"recipient_full_name": person(recipient), "recipient_phone": recipient.phone}
    return {name: value for name, value in body.items() if value not in (None, "")}


def _address(delivery: Delivery) -> dict[str, str]:
    place: Address = delivery.address
    street = " ".join(filter(None, (place.street, place.house)))
    street = ", ".join(filter(None, (street, place.apartment)))
    return {
        "shipping_address_city": delivery.city or place.city,
        "shipping_address_region": place.region,
        "shipping_address_country": _country(place.country),
        "shipping_address_zip": place.zip,
        "shipping_secondary_line": street or ("" if delivery.branch else place.text),
        "shipping_receive_point": delivery.branch,
    }


def _country(code: str) -> str:
    """By name, as the document's example has it."""
    if not code:
        return ""
    from babel import Locale

    return str(Locale("en").territories.get(code, code))


def _payments(order: Order, names: Names, total: Decimal) -> list[dict[str, Any]]:
    payment = order.payment
    if names.method_id is None or not total:
        return []
    paid = total if payment.status == "paid" and payment.paid is None else payment.paid or ZERO
    found: list[dict[str, Any]] = []
    if paid > 0:
        found.append({"amount": paid, "status": "paid"})
        if payment.paid_at is not None:
            found[0]["payment_date"] = stamp(payment.paid_at)
        if payment.transaction:
            found[0]["description"] = payment.transaction
    if total > paid:
        found.append({"amount": total - paid, "status": "not_paid"})
    return [{"payment_method_id": names.method_id, **one} for one in found]


def comment_of(draft: DocumentDraft, names: Names) -> str:
    """What the step writes, and what has no field of its own."""
    return "\n".join(filter(None, (draft.comment, *names.notes)))


# --- changing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A line that stands in an order of KeyCRM: what a change names it by, and what it says."""

    number: int
    article: str
    name: str
    price: Decimal
    quantity: Decimal
    discount: Decimal


def changed_lines(
    draft: DocumentDraft, articles: Sequence[str], sums: Sums, there: Sequence[Standing], *, by_line: bool
) -> list[dict[str, Any]]:
    """What changes of the lines. Raises Held where lines come or go: the API adds none and takes none away."""
    wanted = [
        _line(line, article, by_line=by_line, unit=line.unit)
        for line, article in zip(draft.order.lines, articles, strict=True)
    ]
    changes = []
    for body, line in _paired([*wanted, *extra_lines(draft.order, sums)], there):
        numbers = {
            "price": (line.price, body["price"]),
            "quantity": (line.quantity, body["quantity"]),
            "discount_amount": (line.discount, body.get("discount_amount", ZERO)),
        }
        change = {name: after for name, (before, after) in numbers.items() if before != after}
        if change:
            changes.append({"id": line.number, **change})
    return changes


def _paired(
    wanted: Sequence[Mapping[str, Any]], there: Sequence[Standing]
) -> Iterator[tuple[Mapping[str, Any], Standing]]:
    """By article, one-off goods by name; of several of one article those with the same price first."""
    left = list(there)
    hint = T("Change the order in KeyCRM by hand: it is looked at again by itself.")
    for body in sorted(wanted, key=lambda body: _alike(body, there, exactly=True) is None):
        line = _alike(body, left, exactly=True) or _alike(body, left, exactly=False)
        if line is None:
            name = body.get("name") or body.get("sku", "")
            words = T("KeyCRM adds no items to an order: {name} is not in it.", name=name)
            raise held(words, hint, code="keycrm-lines")
        left.remove(line)
        yield body, line
    if left:
        words = T("KeyCRM takes no items out of an order: {name} is in it.", name=left[0].name or left[0].article)
        raise held(words, hint, code="keycrm-lines")


def _alike(body: Mapping[str, Any], there: Sequence[Standing], *, exactly: bool) -> Standing | None:
    for line in there:
        same = line.article == body["sku"] if body.get("sku") else not line.article and line.name == body.get("name")
        if same and (not exactly or line.price == body["price"]):
            return line
    return None


def changed_shipping(order: Order, names: Names, there: Mapping[str, Any]) -> dict[str, Any]:
    """What changes of where an order goes. A tracking code that it has already is not sent again."""
    body = _shipping(replace(order, delivery=replace(order.delivery, tracking="")), names)
    body.pop("shipping_service", None)
    body.pop("warehouse_ref", None)
    told = {**there, "shipping_date": str(there.get("shipping_date_actual") or "")[:10]}
    changes = {name: value for name, value in body.items() if str(told.get(name) or "") != str(value)}
    if order.delivery.tracking and not there.get("tracking_code"):
        changes["tracking_code"] = order.delivery.tracking
    return changes
