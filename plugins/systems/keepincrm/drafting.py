"""The body of a new agreement, made of an order: to the cent, although the API takes only net prices. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pipeline.api import (
    CENT,
    Delivery,
    DocumentDraft,
    Held,
    Order,
    Party,
    Ref,
    T,
    Where,
    Who,
    cents,
    order_totals,
    phone,
    spread,
    tidy,
)
from plugins.systems.keepincrm import titles
from plugins.systems.keepincrm.order_settings import OrderSettings, Service

ZERO = Decimal(0)
#: Decimal places that a price may have where a quantity is no whole number.
_FINEST = 6


@dataclass(frozen=True, slots=True)
class _Part:
    """What becomes one line, or two: an amount of something, and what it costs altogether, in cents."""

    title: str
    sku: str
    amount: Decimal
    sum: Decimal


def body_of(draft: DocumentDraft, settings: OrderSettings, client: str) -> dict[str, Any]:
    """The body of ``POST /agreements``. Raises Held for an order whose parts do not make its total."""
    order = draft.order
    body: dict[str, Any] = {
        "title": titles.write(settings, (client, order.source, order.id), order.number),
        "total": order.total,
        "currency": order.currency,
        # the total is the shop's, whatever an account makes of the lines
        "products_total_as_total": False,
        "comment": comment_of(draft),
        "jobs_attributes": [job for one in _parts(draft, settings) for job in _jobs(one, order.currency)],
    }
    if draft.client is not None:
        body["client_id"] = int(draft.client.id)
    else:
        body["client_attributes"] = client_of(order, settings)
    responsible = draft.executor or draft.user
    numbers = {
        "source_id": settings.sources.get(order.source, settings.source_id),
        "funnel_id": settings.funnel_id,
        "stage_id": settings.stage_of(order.status) or settings.stages.get(settings.stage or ""),
        "main_responsible_id": int(responsible.id) if responsible is not None else settings.responsible_id,
    }
    body |= {name: number for name, number in numbers.items() if number}
    if settings.mark_field:
        body["custom_fields"] = [{"name": settings.mark_field, "value": draft.key}]
    return body


# --- lines -----------------------------------------------------------------------------------------------------------


def _parts(draft: DocumentDraft, settings: OrderSettings) -> list[_Part]:
    """Lines, delivery, fee and tax, each after its share of the order's discounts; together the total."""
    order = draft.order
    if any(line.quantity <= 0 for line in order.lines):
        raise Held(
            T("Order {number} has a line without a quantity.", number=order.number),
            code="quantity", where=Where(order=order.number), who=Who.SITE,
        )  # fmt: skip
    totals = order_totals(order)
    rounding = draft.rounding if isinstance(draft.rounding, Decimal) else ZERO
    if totals.total + rounding != cents(order.total):
        raise Held(
            T("Order {number} says {stated}, its parts make {made}.", number=order.number, stated=cents(order.total),
              made=totals.total + rounding),
            code="totals", where=Where(order=order.number), who=Who.SITE,
        )  # fmt: skip
    sums = list(totals.line_sums)
    weights = [max(one, ZERO) for one in sums]
    within = min(totals.discount, sum(weights, ZERO))
    nets = [one - off for one, off in zip(sums, spread(within, weights), strict=True)]
    others = spread(totals.discount - within, [max(totals.delivery, ZERO), max(totals.fee, ZERO)])
    extras = [totals.delivery - others[0], totals.fee - others[1], ZERO if order.prices_include_tax else totals.tax]
    if rounding:
        # the largest part bears it: nobody sees a cent there
        every = [*nets, *extras]
        place = max(range(len(every)), key=lambda n: every[n])
        if every[place] + rounding < 0:
            raise Held(
                T("Order {number} is evened out by {amount}, and no part of it is that large.", number=order.number,
                  amount=rounding),
                code="rounding", where=Where(order=order.number), who=Who.ACCOUNTANT,
            )  # fmt: skip
        every[place] += rounding
        nets, extras = every[: len(nets)], every[len(nets) :]
    found = [
        _Part(_line_title(line.name, line.attributes, ref), ref.code, line.quantity, net)
        for line, ref, net in zip(order.lines, draft.products, nets, strict=True)
    ]
    services: Sequence[Service] = (settings.delivery, settings.fee, settings.tax)
    found += [
        _Part(service.title, service.sku, Decimal(1), amount)
        for service, amount in zip(services, extras, strict=True)
        if amount
    ]
    if any(one.sum < 0 for one in found):
        raise Held(
            T("Order {number} has a line that costs less than nothing.", number=order.number),
            code="negative", where=Where(order=order.number), who=Who.SITE,
        )  # fmt: skip
    return found


def _line_title(name: str, attributes: Mapping[str, str], ref: Ref) -> str:
    """Its name as the shop has it, with what was chosen; the API refuses a line without one."""
    title = tidy(name) or tidy(ref.name) or ref.code
    chosen = [value for value in map(tidy, attributes.values()) if value and value.casefold() not in title.casefold()]
    return f"{title} ({', '.join(chosen)})" if chosen else title


def _jobs(one: _Part, currency: str) -> Iterator[dict[str, Any]]:
    """One line; two with prices a cent apart where so many whole pieces do not divide the sum."""
    for amount, price in net_prices(one.amount, one.sum):
        product: dict[str, Any] = {"title": one.title, "price": price, "currency": currency}
        if one.sku:
            product["sku"] = one.sku
        yield {"amount": amount, "title": one.title, "product_attributes": product}


def net_prices(amount: Decimal, whole: Decimal) -> list[tuple[Decimal, Decimal]]:
    """(amount, price) of the lines that make ``whole`` (in cents, not below 0) to the cent.

    A price has two decimal places; more only where the amount is no whole number and two cannot do it.
    """
    amount = _plain(amount)
    if amount == amount.to_integral_value():
        pieces, left = int(amount), int((whole / CENT).to_integral_value())
        low, rest = divmod(left, pieces)
        found = [(Decimal(pieces - rest), low * CENT), (Decimal(rest), (low + 1) * CENT)]
        return [pair for pair in found if pair[0]]
    for places in range(2, _FINEST + 1):
        price = (whole / amount).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        if cents(price * amount) == whole:
            break
    return [(amount, price)]


def _plain(number: Decimal) -> Decimal:
    """Without zeros at its end, and without an exponent."""
    return Decimal(f"{number.normalize():f}")


# --- people and words ------------------------------------------------------------------------------------------------


def client_of(order: Order, settings: OrderSettings) -> dict[str, Any]:
    """``client_attributes``: the company must not be blank, and there is no place for a comment in them."""
    party = order.customer
    person = tidy(" ".join((party.last_name, party.first_name, party.middle_name)))
    number = phone(party.phone) or tidy(party.phone)
    email = tidy(party.email)
    company = tidy(party.company) or person or number or email or order.number or order.id
    client: dict[str, Any] = {"company": company, "person": person or company, "lead": settings.lead}
    if number:
        client["phones"] = [number]
    if email:
        client["email"] = email
    source = settings.sources.get(order.source, settings.source_id)
    if source:
        client["source_id"] = source
    return client


def comment_of(draft: DocumentDraft) -> str:
    """What the API has no field for: the step's own comment, where it goes, who gets it, how it is paid."""
    labelled = (f"{label}: {text}" for label, text in labels_of(draft.order).items() if text)
    return "\n".join(filter(None, (draft.comment.strip(), *labelled)))


def labels_of(order: Order) -> dict[str, str]:
    """Label -> text of the lines that a comment has of an order; without a text it has none."""
    party, delivery = order.customer, order.delivery
    lines = {
        "ЄДРПОУ": party.edrpou,
        "ІПН": party.tax_number,
        "Доставка": where_to(delivery),
        "Отримувач": _named(delivery.recipient) if delivery.recipient is not None else "",
        "ТТН": delivery.tracking,
        "Оплата": order.payment.method,
    }
    return {label: tidy(text) for label, text in lines.items()}


def where_to(delivery: Delivery) -> str:
    """In one line, each thing once."""
    address = delivery.address
    branch = tidy(delivery.branch)
    if branch.isdigit():
        branch = f"{'поштомат' if delivery.service == 'locker' else 'відділення'} № {branch}"
    parts = [delivery.method or delivery.carrier, delivery.city or address.city, branch]
    street = " ".join(filter(None, (address.street, address.house, address.apartment)))
    parts += [street] if street else []
    words: list[str] = []
    for one in map(tidy, parts if any(parts[1:]) else [*parts, address.text]):
        if one and one.casefold() not in (known.casefold() for known in words):
            words.append(one)
    return ", ".join(words)


def _named(party: Party) -> str:
    return ", ".join(filter(None, (tidy(party.title), phone(party.phone) or tidy(party.phone))))
