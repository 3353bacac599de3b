"""Orders in another currency than the one that books are kept in: at which rate, and where that would be lost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pipeline.errors import Held, Where, Who
from pipeline.model import Order
from pipeline.texts import T


def rate_of(order: Order, own: str, rates: Mapping[str, Decimal], setting: str) -> Decimal:
    """Units of ``own`` for one of the order's currency: 1 for itself, else as the order states it, else of ``rates``.

    Raises Held (``no-rate``) where nobody says it: a rate of 1 is never made up.

    Args:
        setting: key of the connection that ``rates`` are from, for people.
    """
    if order.currency == own:
        return Decimal(1)
    rate = order.rate or rates.get(order.currency)
    if rate is None or rate <= 0:
        raise Held(
            T("Order {number} is in {currency}, and nothing says at which rate.", number=order.number,
              currency=order.currency),
            hint=T("Give the rate in the connection, such as {example}, or let the source state it in the order.",
                   example=f"`{setting}: {{{order.currency}: 41.50}}`"),
            where=Where(order=order.number),
            who=Who.ADMIN,
            code="no-rate",
        )  # fmt: skip
    return rate


def check_foreign(order: Order, own: str, system: str, *, taken: bool, setting: str) -> None:
    """Raises Held (``foreign-currency``) for a document whose rate the system would choose, unless that is ``taken``.

    Args:
        order: what the document is to be of.
        own: the currency that the books are kept in.
        system: its name, for people.
        taken: somebody has said that the system's own rate is right.
        setting: how that is said in the config, for people.
    """
    if order.currency == own or taken:
        return
    what = T("Order {number} is in {currency}: {system} takes no rate with it, and would reckon it by its own.",
             number=order.number, currency=order.currency, system=system)  # fmt: skip
    if order.rate is not None:
        what = T("Order {number} is in {currency} at {rate}: {system} takes no rate with it, and would reckon it by "
                 "its own.", number=order.number, currency=order.currency, rate=f"{order.rate:f}",
                 system=system)  # fmt: skip
    raise Held(
        what,
        hint=T("Book it by hand, or say in the connection that its own rate is right: {setting}.", setting=setting),
        where=Where(order=order.number),
        who=Who.ADMIN,
        code="foreign-currency",
    )


def rate_line(order: Order, own: str) -> tuple[str, ...]:
    """What a comment says of the rate that an order states; nothing where it states none."""
    if order.rate is None or order.currency == own:
        return ()
    return (str(T("Rate of {currency}: {rate} {own}", currency=order.currency, rate=f"{order.rate:f}", own=own)),)
