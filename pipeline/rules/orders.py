"""Whether an order is right in itself, and how it is written: numbers, items, taxes and totals. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from pipeline.errors import Finding, Where
from pipeline.model import Order, OrderLine, cents, changed
from pipeline.rules.currencycodes import CODES
from pipeline.rules.parties import normal_party, tidy
from pipeline.rules.pricing import Totals, order_totals
from pipeline.texts import T

ZERO = Decimal(0)

HUGE = Decimal(10) ** 12
"""No amount, quantity or line sum of an order reaches it."""


def is_currency(code: str) -> bool:
    """Whether ISO 4217 knows the code."""
    return code in CODES


def normal_order(order: Order) -> Order:
    """Names, phones, mails, codes and the currency in one notation; nothing is added or left out."""
    delivery = order.delivery
    if delivery.recipient is not None:
        delivery = changed(delivery, {"recipient": normal_party(delivery.recipient)})
    news = {
        "currency": order.currency.strip().upper(),
        "status": order.status.strip().casefold(),
        "customer": normal_party(order.customer),
        "delivery": delivery,
        "lines": tuple(_normal_line(line, n) for n, line in enumerate(order.lines, 1)),
    }
    return changed(order, news)


def _normal_line(line: OrderLine, place: int) -> OrderLine:
    code, name = line.code.strip(), tidy(line.name)
    if line.number and code == line.code and name == line.name:
        return line
    return replace(line, code=code, name=name, number=line.number or place)


def order_findings(
    order: Order,
    *,
    currency_known: bool,
    tolerance: Decimal,
    accepted: Collection[str] = (),
    codes_needed: bool = True,
) -> Sequence[Finding]:
    """What is wrong with an order in itself.

    Args:
        currency_known: whether its currency is one.
        tolerance: by which its total may differ from the sum of its parts; 0: not at all.
        accepted: codes (``totals``, ``taxes``) that a person has taken as they are.
        codes_needed: whether each item must have its article.
    """
    where = Where(order=order.number)
    if findings := _number_findings(order, where):
        return findings
    findings = [finding for line in order.lines for finding in line_findings(order, line, code_needed=codes_needed)]
    if not order.lines:
        text = T("Order {number} has no items.", number=order.number)
        findings.append(Finding("no-items", text, replace(where, element="lines"), _ASK_SITE))
    if not currency_known:
        findings.append(
            Finding(
                "currency",
                T("Order {number} is in {code}, which is no currency code.", number=order.number, code=order.currency),
                replace(where, element="currency"),
                T("Write the three letters of ISO 4217, such as UAH."),
                about=f"currency:{order.currency}",
            )
        )
    for what, amount in (
        (_A_DISCOUNT, min((d.amount for d in order.discounts), default=ZERO)),
        (_A_COST, order.delivery.cost),
        (_A_TOTAL, order.total),
    ):
        if amount < 0:
            text = T("Order {number} has {what} below 0: {amount}.", number=order.number, what=what, amount=amount)
            findings.append(Finding("negative", text, where, _ASK_SITE))
    if findings:
        return findings  # sums of wrong parts would only repeat what is told already
    totals = order_totals(order)
    # taxes first: where they are added to the prices, a total that disagrees only repeats them
    for code, found in (
        ("taxes", _tax_findings(order, totals, where)),
        ("totals", _total_findings(order, totals, tolerance, where)),
    ):
        if found and code not in accepted:
            return found
    return ()


def line_findings(order: Order, line: OrderLine, *, code_needed: bool = True) -> Iterator[Finding]:
    """What is wrong with one item: no article (nor a name, where that would do), or numbers that cannot be."""
    if line.code and line.quantity > 0 and line.price >= 0 and not line.discount:
        return  # as nearly all are
    where = at_line(order, line)
    if not line.code and (code_needed or not line.name):
        text = T("Item {n} ({name}) has no code.", n=line.number, name=line.name)
        yield Finding("no-code", text, where, T("Fill the article of the product on the site."))
    if line.quantity <= 0:
        text = T("Item {code}: a quantity of {value} cannot be.", code=line.code, value=line.quantity)
        yield Finding("quantity", text, where, _ASK_SITE)
    if line.price < 0:
        text = T("Item {code}: a price of {value} cannot be.", code=line.code, value=line.price)
        yield Finding("price", text, where, _ASK_SITE)
    if line.discount and (line.discount < 0 or line.discount > max(cents(line.price * line.quantity), ZERO)):
        text = T(
            "Item {code}: a discount of {value} on {sum} cannot be.",
            code=line.code,
            value=line.discount,
            sum=cents(line.price * line.quantity),
        )
        yield Finding("discount", text, where, _ASK_SITE)


def _number_findings(order: Order, where: Where) -> list[Finding]:
    """Numbers that no order has: a format of one's own may let them through, and they break reckoning."""
    every = [order.total, order.delivery.cost, order.payment.fee]
    every += [discount.amount for discount in order.discounts]
    every += [tax for _, tax in order.taxes]
    for line in order.lines:
        every += (line.price, line.quantity, line.discount, line.price * line.quantity)
    if all(number.is_finite() and -HUGE < number < HUGE for number in every):
        return []
    numbers = [
        (where, order.total),
        (where, order.delivery.cost),
        (where, order.payment.fee),
        *((where, discount.amount) for discount in order.discounts),
        *((where, tax) for _, tax in order.taxes),
    ]
    for line in order.lines:
        at = at_line(order, line)
        numbers += [(at, line.price), (at, line.quantity), (at, line.discount), (at, line.price * line.quantity)]
    for at, number in numbers:
        if not number.is_finite() or abs(number) >= HUGE:
            words = str(number) if len(str(number)) <= 60 else str(number)[:59] + "…"
            text = T("Order {order} has an impossible number: {number}.", order=order.number, number=words)
            return [Finding("number", text, at, _ASK_SITE)]
    return []


def _tax_findings(order: Order, totals: Totals, where: Where) -> list[Finding]:
    findings = []
    for one in totals.differences:
        if one.stated is None:
            text = T(
                "Order {number} states no tax of {rate} %, its items make {made}.",
                number=order.number,
                rate=plain(one.rate),
                made=one.made,
            )
        else:
            text = T(
                "Order {number} states a tax of {rate} % of {stated}, its items make {made}.",
                number=order.number,
                rate=plain(one.rate),
                stated=one.stated,
                made=one.made,
            )
        findings.append(Finding("taxes", text, replace(where, element="taxes"), _TAX_RULE))
    if not order.prices_include_tax:
        for rate, tax in totals.unplaced:
            text = T(
                "Order {number} adds a tax of {rate} % of {stated}, and it cannot be told to which of its items.",
                number=order.number,
                rate=plain(rate),
                stated=tax,
            )
            findings.append(Finding("taxes", text, replace(where, element="taxes"), _NAME_RATES))
    return findings


def tax_remarks(order: Order, totals: Totals) -> tuple[Finding, ...]:
    """Remarks on taxes that were assumed, or are stated for no item; they stop nothing."""
    where = Where(order=order.number)
    if totals.assumed_rate is not None:
        text = T(
            "Items of order {number} name no tax rate; {rate} % is taken, as the stated tax confirms it.",
            number=order.number,
            rate=plain(totals.assumed_rate),
        )
        return (Finding("tax-rate", text, where, _NAME_RATES),)
    return tuple(
        Finding(
            "tax-rate",
            T(
                "Order {number} states a tax of {rate} % of {stated}, but no item names that rate: it is not booked.",
                number=order.number,
                rate=plain(rate),
                stated=tax,
            ),
            where,
            _NAME_RATES,
        )
        for rate, tax in totals.unplaced
    )


def delivery_lines(order: Order) -> list[str]:
    """Where an order goes, for whom, and its parcel, in words: for comments of targets without fields for them."""
    delivery = order.delivery
    place = delivery.address
    street = ", ".join(filter(None, (" ".join(filter(None, (place.street, place.house))), place.apartment)))
    parts = [delivery.city or place.city, place.region, delivery.branch, street, place.zip]
    where = ", ".join(dict.fromkeys(filter(None, parts))) or place.text
    found = [str(T("Delivery: {name}", name=where))] if where else []
    if delivery.recipient is not None and delivery.recipient != order.customer:
        who = ", ".join(filter(None, (delivery.recipient.title, delivery.recipient.phone)))
        found += [str(T("Recipient: {name}", name=who))] if who else []
    if delivery.tracking:
        found.append(str(T("Parcel: {number}", number=delivery.tracking)))
    return found


def plain(number: Decimal) -> str:
    """``20.0000`` -> ``20``."""
    return f"{number.normalize():f}"


def _total_findings(order: Order, totals: Totals, allowed: Decimal, where: Where) -> Sequence[Finding]:
    made, stated = totals.total, cents(order.total)
    difference = stated - made
    # stated taxes that agree within their own tolerance are in the shop's total, and explain a difference of theirs
    added = order.taxes and not order.prices_include_tax and allowed
    explained = cents(sum((tax for _, tax in order.taxes), ZERO)) - totals.tax if added else ZERO
    if min(abs(difference), abs(difference - explained)) <= allowed:
        return ()
    return (
        Finding(
            "totals",
            T(
                "Order {number} says {stated} {currency}, its parts make {made}: a difference of {difference}.",
                number=order.number,
                stated=stated,
                made=made,
                difference=difference,
                currency=order.currency,
            ),
            replace(where, element="total"),
            T("The total is items - discounts + delivery + payment fee (+ tax when prices are without it)."),
        ),
    )


def at_line(order: Order, line: OrderLine) -> Where:
    """Where an item of an order stands."""
    return Where(order=order.number, order_line=line.number or None, line=line.source_line)


_A_DISCOUNT, _A_COST, _A_TOTAL = T("a discount"), T("a delivery cost"), T("a total")
_ASK_SITE = T("Mend the order at the site and let it come again.")
_TAX_RULE = T(
    "Tax is reckoned by rate on items, delivery and fee after discounts; correct <taxes> or the rates on the site."
)
_NAME_RATES = T("Let the site write <tax-rate> into each item, and into delivery and payment when they are taxed.")
