"""Bodies of documents, and what of one that is there differs from what is wanted. Pure.

No body of a write was seen: the names of fields are settings, and what was written is looked at afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.api import Delivery, Order, T, cents
from plugins.systems.quincefin.reckoning import ZERO, Line, Reckoned
from plugins.systems.quincefin.refusals import held
from plugins.systems.quincefin.settings import FieldNames, QuincefinSettings
from plugins.systems.quincefin.values import Row, flag, flat, named, number, own, refers, rows, stamp, text

#: Seen of orders: where the number that it has elsewhere stands.
NUMBER_ELSEWHERE = "NumberOrderSite"
_TENTH = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Links:
    """What a document refers to. A status or source is an id, or a name that the account makes itself."""

    company: int | None = None
    partner: int | None = None
    contract: int | None = None
    store: int | None = None
    status: int | str | None = None
    source: int | str | None = None
    manager: int | None = None
    author: int | None = None
    delivery_service: int | None = None


def order_body(
    order: Order, mark: str, reckoned: Reckoned, links: Links, comment: str, settings: QuincefinSettings
) -> dict[str, Any]:
    """All fields of an order, empty ones as well: a change must be able to empty them. None: it is not sent."""
    fields = settings.fields
    delivery = links.delivery_service if reckoned.delivery else None
    body: dict[str, Any] = {
        "Date": stamp(order.created_at, settings.dates, settings.zone),
        NUMBER_ELSEWHERE: mark,
        fields.sum: reckoned.total,
        fields.company: links.company,
        fields.partner: links.partner,
        fields.contract: links.contract,
        fields.store: links.store,
        fields.status: links.status,
        fields.source: links.source,
        fields.manager: links.manager,
        fields.author: links.author,
        fields.address: address(order.delivery),
        fields.discount: reckoned.discount,
        fields.delivery: reckoned.delivery,
        fields.delivery_service: delivery,
        fields.comment: comment,
        fields.currency: order.currency,
        fields.lines: line_bodies(reckoned.lines, fields),
    }
    if "orders" in settings.post:
        body["Fixed"] = True
    for amount, name in ((reckoned.discount, fields.discount), (reckoned.delivery, fields.delivery)):
        if amount and not name:
            raise held(T("Quincefin has no field for the discount or the delivery of order {number}.",
                         number=order.number),
                       T("See `orders: {discounts: lines}` and `{delivery: line}` of the connection."))  # fmt: skip
    return {name: value for name, value in body.items() if name and value is not None}


def full(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of a body a new record needs: nothing that is empty."""
    return {name: value for name, value in body.items() if value not in ("", None) and value != ZERO}


def line_bodies(lines: Sequence[Line], fields: FieldNames) -> list[dict[str, Any]]:
    """Lines as the account takes them."""
    found = []
    for line in lines:
        body = {
            fields.line_product: line.product,
            fields.line_quantity: line.quantity,
            fields.line_price: line.price,
        }
        if line.discount:
            if not fields.line_discount:
                raise held(
                    T("Quincefin has no field for the discount of a line."),
                    T("Set `orders: {discounts: prices}` of the connection."),
                )
            body[fields.line_discount] = line.discount
        found.append(body)
    return found


def lines_of(row: Row, fields: FieldNames) -> list[Line] | None:
    """The lines of a document; None where it does not show them, or not in a form that is understood."""
    told = row.get(fields.lines)
    if not isinstance(told, list):
        return None
    found = []
    for one in rows(told):
        product, quantity = refers(one.get(fields.line_product)), number(one.get(fields.line_quantity))
        if product is None or quantity is None:
            return None
        found.append(Line(product, quantity, number(one.get(fields.line_price)) or ZERO,
                          number(one.get(fields.line_discount)) or ZERO))  # fmt: skip
    return found if len(found) == len(told) else None


def address(delivery: Delivery) -> str:
    """Where an order goes, in one line: it stands on the order, and never on the partner's card."""
    place = delivery.address
    street = " ".join(filter(None, (place.street, place.house)))
    # shops write the number alone, CRMs "Відділення 12"
    branch = f"№ {delivery.branch}" if delivery.branch.strip().isdecimal() else delivery.branch
    parts = [place.zip, place.region, delivery.city or place.city, ", ".join(filter(None, (street, place.apartment)))]
    if not street and not branch:
        parts.append(place.text)
    who = delivery.recipient
    parts += [delivery.method or delivery.carrier, branch]
    parts += [who.title, who.phone] if who is not None else []
    return ", ".join(dict.fromkeys(part.strip() for part in parts if part.strip()))


# --- what is there ---------------------------------------------------------------------------------------------------


def differs(row: Row, body: Mapping[str, Any], settings: QuincefinSettings) -> dict[str, Any]:
    """What of ``body`` the record shows otherwise, or does not show. Its date is compared by the day."""
    fields = settings.fields
    return {name: value for name, value in body.items() if not _same(name, row.get(name), value, fields, row)}


def _same(name: str, there: Any, wanted: Any, fields: FieldNames, row: Row) -> bool:
    if name == fields.lines:
        lines = lines_of(row, fields)
        return lines is not None and _counted(lines) == _counted(_of_bodies(wanted, fields))
    if name == "Date":
        return text(there)[:10] == text(wanted)[:10]
    if isinstance(wanted, bool):
        return flag(there) is wanted
    if isinstance(wanted, Decimal):
        return (number(there) or ZERO) == wanted
    if isinstance(wanted, int):
        return refers(there) == wanted
    return (named(there) or text(there)).strip() == text(wanted).strip()


def _of_bodies(bodies: Any, fields: FieldNames) -> list[Line]:
    return lines_of({fields.lines: bodies}, fields) or []


def _counted(lines: Sequence[Line]) -> Counter[tuple[int, Decimal, Decimal, Decimal]]:
    return Counter(
        (one.product, one.quantity.normalize(), one.price.quantize(_TENTH), one.discount.quantize(_TENTH))
        for one in lines
    )


def changed(row: Row, changes: Mapping[str, Any], settings: QuincefinSettings) -> dict[str, Any]:
    """The body of an update. Where an update empties what it does not name, all that is there is sent with it.

    Raises Held where lines would have to go that an account only adds to.
    """
    fields = settings.fields
    body = dict(changes)
    if settings.update == "full":
        told = {name: value for name, value in row.items() if name not in ("Id", "ID", "Number")}
        body = {**flat(told), **body}
    if settings.update_lines == "merge":
        if fields.lines in changes:
            body[fields.lines] = _added(row, changes[fields.lines], fields)
        elif settings.update == "full":
            body[fields.lines] = []
    return {"Id": own(row), **body}


def _added(row: Row, wanted: Any, fields: FieldNames) -> list[Any]:
    """The lines that come to those that are there."""
    there = lines_of(row, fields)
    lines = _of_bodies(wanted, fields)
    new = _counted(lines)
    if there is None or _counted(there) - new:
        raise held(
            T("Quincefin adds lines to an order, and takes none away or changes them."),
            T("Change the order in Quincefin by hand: it is looked at again by itself."),
            code="quincefin-lines",
        )
    new.subtract(_counted(there))
    added = []
    for body, line in zip(wanted, lines, strict=True):
        key = next(iter(_counted([line])))
        if new[key] > 0:
            new[key] -= 1
            added.append(body)
    return added


def total_of(row: Row) -> Decimal | None:
    """The sum that a document shows."""
    told = number(row.get("Sum"))
    return cents(told) if told is not None else None


# --- what follows an order -------------------------------------------------------------------------------------------


def follower_body(
    order: Row, at: datetime, comment: str, total: Decimal, settings: QuincefinSettings, **links: int | None
) -> dict[str, Any]:
    """A shipment, return or payment on the base of an order: of its organisation, partner, contract and warehouse."""
    fields = settings.fields
    body: dict[str, Any] = {"Date": stamp(at, settings.dates, settings.zone), fields.comment: comment}
    for name in (fields.company, fields.partner, fields.contract, fields.store):
        body[name] = refers(order.get(name))
    body[fields.sum] = total
    body |= {name: value for name, value in links.items() if value is not None}
    return {name: value for name, value in body.items() if name and value is not None}


def moment_of(at: datetime | None, now: datetime) -> datetime:
    """When it happened."""
    return at or now
