"""Two systems' worth of products for the lines of a sync: equal but for one in a hundred."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pipeline.model import Money, Offer, SpecialPrice
from pipeline.ports import OfferTraits

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
#: What both sides tell, and what is kept in step.
FIELDS = (
    "name", "description", "price", "price.cost", "currency", "specials", "category", "images", "unit", "barcode",
    "manufacturer", "weight", "published",
)  # fmt: skip
#: Of the target: a shop that keeps special prices with their dates.
TRAITS = OfferTraits(
    keys=("sku",), reads=frozenset(FIELDS), writes=frozenset(FIELDS), creates=frozenset(FIELDS), dated_specials=True
)
EVERY = 100  #: one product in so many has changed
_NAMES = ("Фарба фасадна", "Емаль акрилова", "Ґрунтівка глибокого проникнення", "Лак яхтний", "Шпаклівка фінішна")


def each(count: int | range, *, own: str, changed: bool = False) -> Iterator[Offer]:
    """So many products as a system tells them, or those of these numbers, one by one; no two calls share a value, as no
    two systems do.

    Args:
        own: what its ids begin with.
        changed: one in EVERY has another price, name, end of its special or description.
    """
    for n in range(count) if isinstance(count, int) else count:
        yield _offer(n, own, _CHANGES[n // EVERY % len(_CHANGES)] if changed and n % EVERY == 0 else None)


def article(n: int) -> str:
    """Of the product of that number."""
    return f"АР-{n:06}" if n % 10 == 3 else f"AR-{n:06}"


def _offer(n: int, own: str, change: Callable[[dict[str, Any]], Mapping[str, Any]] | None) -> Offer:
    values: dict[str, Any] = {
        "name": f"{_NAMES[n % len(_NAMES)]} {n % 40 + 1} л, серія {n}",
        "description": f"<p>Виріб номер {n}. {_NAMES[n % len(_NAMES)]}: для робіт усередині та зовні.</p>" * 2,
        "price": Decimal(n % 9_000 + 100) / 4,
        "price.cost": Decimal(n % 9_000 + 100) / 8,
        "currency": "".join(("U", "AH")),
        "specials": (_special(n),) if n % 10 == 0 else (),
        "category": ("Фарби", f"Розділ {n % 50}"),
        "images": (f"https://example.com/goods/{n}.jpg", f"https://example.com/goods/{n}-2.jpg"),
        "unit": "ш" + "т",
        "barcode": f"482{n:010}",
        "manufacturer": f"Виробник {n % 30}",
        "weight": Decimal(n % 70 + 1) / 2,
        "published": True,
    }
    if change:
        values |= change(values)
    return Offer(id=f"{own}{n}", product=f"{own}{n}", keys={"sku": article(n)}, values=values)


def _special(n: int, days: int = 30) -> SpecialPrice:
    return SpecialPrice(Money(Decimal(n % 9_000 + 100) / 5, "UAH"), NOW - timedelta(days=1), NOW + timedelta(days=days))


_CHANGES: tuple[Callable[[dict[str, Any]], Mapping[str, Any]], ...] = (
    lambda values: {"price": values["price"] + 1},
    lambda values: {"name": values["name"] + " нова"},
    lambda values: {"specials": tuple(SpecialPrice(one.money, one.start, one.end and one.end + timedelta(days=1))
                                      for one in values["specials"])},
    lambda values: {"description": values["description"] + "<p>Новинка.</p>"},
)  # fmt: skip
