"""Materials of KeepinCRM and offers of ours: every foreign field name, both ways. Pure.

Names differ between reading and writing (``price_amount``, ``price``); writing stands in :mod:`.writing`. What cannot
be read without guessing is left out of an offer's values: then it is not known, and never compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.api import Finding, Money, Offer, OfferTraits, SpecialPrice, T, Who
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.settings import KeepinSettings, Place, price_place, text_place

Row = Mapping[str, Any]
KEY = "sku"
BATCH = 20  #: rows after which a sync writes down what it has done: each is a request of its own
GRAMS = Decimal(1000)
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading and writing of materials need to know.

    Args:
        paths: of categories by id; None: they are left alone.
        notice: hears of what cannot be read.
    """

    settings: KeepinSettings
    zone: ZoneInfo
    currency: str  #: of a material that names none
    paths: Mapping[int, tuple[str, ...]] | None = None
    notice: Callable[[Finding], None] = lambda _finding: None


def traits(settings: KeepinSettings) -> OfferTraits:
    """What an account with these settings can do as an end of a sync."""
    fields = {"name", "price", "price.cost", "currency", "unit", "images", "published"}
    fields |= {f"price.{kind}" for kind in settings.prices} | set(settings.texts)
    if settings.weight is not None:
        fields.add("weight")
    if settings.categories != "off":
        fields.add("category")
    special = settings.special_price
    if special is not None:
        fields.add("specials")
    return OfferTraits(
        keys=(KEY,),
        reads=frozenset(fields),
        writes=frozenset(fields),
        creates=frozenset(fields) if settings.materials_create != "off" else frozenset(),
        variants="flat",
        dated_specials=special is not None,
        special_in_price=special is not None and special.switched_by == "mistok",
        delta=settings.changed_since,
        batch=BATCH,
    )


# --- reading ---------------------------------------------------------------------------------------------------------


def offer_of(row: Row, how: Reading) -> Offer:
    """A material as an offer. It has an ``id``: whoever reads lists has seen to that."""
    currency = currency_of(row, how)
    values: dict[str, Any] = {"currency": currency}
    for name, told in _values(row, how, currency):
        try:
            values[name] = told()
        except (ValueError, OverflowError) as error:  # what cannot be read is not known
            how.notice(_unreadable(row, name, error))
    values = {name: value for name, value in values.items() if value is not ABSENT}
    own = v.text(row["id"])
    sku = v.text(row.get("sku"))
    updated = None
    with suppress(ValueError):
        updated = v.moment(row.get("updated_at"), how.zone)
    return Offer(id=own, product=own, keys={KEY: sku} if sku.strip() else {}, values=values, updated_at=updated)


def _unreadable(row: Row, name: str, error: Exception) -> Finding:
    own = v.text(row["id"])
    return Finding(
        "value-unreadable",
        T("{article}: `{name}` cannot be read: {value}. It is left as it is.",
          article=v.text(row.get("sku")).strip() or f"#{own}", name=name, value=str(error)[:60]),
        hint=T("Correct it in KeepinCRM."),
        who=Who.SITE, about=f"{name}:{own}",
    )  # fmt: skip


class _Absent:
    """The value of what a row does not tell."""


ABSENT = _Absent()


def currency_of(row: Row, how: Reading) -> str:
    """Of a material's prices."""
    told = v.text(row.get("currency")).strip().upper()
    return told if CURRENCY.fullmatch(told) else how.currency


def _values(row: Row, how: Reading, currency: str) -> Iterator[tuple[str, Any]]:
    """Each field and how it is read."""
    settings = how.settings
    yield "name", lambda: v.text(row.get("title")) if "title" in row else ABSENT
    yield "unit", lambda: v.text(row.get("unit")) if "unit" in row else ABSENT
    yield "price", lambda: _amount(row, "price")
    yield "price.cost", lambda: _cost(row, currency)
    yield "images", lambda: _images(row)
    yield "published", lambda: not v.yes(row["irrelevant"]) if "irrelevant" in row else ABSENT
    if settings.weight is not None:
        yield "weight", lambda: _weight(row, settings.weight)
    if how.paths is not None:
        yield "category", lambda: _category(row, how.paths or {})
    for kind, place in settings.prices.items():
        yield f"price.{kind}", lambda place=place: price_in(row, price_place(place), currency)
    for name, place in settings.texts.items():
        yield name, lambda place=place: _text_in(row, text_place(place))
    if settings.special_price is not None:
        yield "specials", lambda: _specials(row, how, currency)


def _amount(row: Row, name: str) -> Any:
    """``price_amount`` (as it is told), else ``price`` (as it is written)."""
    for one in (f"{name}_amount", name):
        if one in row:
            return v.number(row[one])
    return ABSENT


def _cost(row: Row, currency: str) -> Any:
    """Of another currency it is no price of this offer: all its prices are in one."""
    told = v.text(row.get("cost_currency")).strip().upper()
    cost = _amount(row, "cost")
    return ABSENT if cost is not None and told and told != currency else cost


def _images(row: Row) -> Any:
    if "asset_url" not in row:
        return ABSENT
    url = v.text(row["asset_url"]).strip()
    return (url,) if url else ()


def _weight(row: Row, unit: str | None) -> Any:
    if "weight" not in row:
        return ABSENT
    weight = v.number(row["weight"])
    return weight / GRAMS if weight is not None and unit == "g" else weight


def _category(row: Row, paths: Mapping[int, tuple[str, ...]]) -> Any:
    """By its id, else by a name that only one category has."""
    told = row.get("category")
    own = row.get("category_id", told.get("id") if isinstance(told, Mapping) else None)
    if own is not None:
        return paths.get(int(v.text(own) or "0"), ABSENT)
    name = told.get("name", told.get("title")) if isinstance(told, Mapping) else told
    if isinstance(name, str) and name.strip():
        found = [path for path in paths.values() if path[-1] == name.strip()]
        return found[0] if len(found) == 1 else ABSENT
    return () if "category_id" in row or "category" in row else ABSENT


def named_told(row: Row) -> list[tuple[str, Any, str]] | None:
    """``named_custom_prices`` as they are told, (name, value, currency or ""): an object or rows. None: not told."""
    told = row.get("named_custom_prices")
    if isinstance(told, Mapping):
        return [(v.text(name), value, "") for name, value in told.items()]
    if not isinstance(told, Sequence) or isinstance(told, str):
        return None
    rows = [one for one in told if isinstance(one, Mapping)]
    return [
        (
            v.text(one.get("name", one.get("title"))),
            one.get("price", one.get("amount", one.get("value"))),
            v.text(one.get("currency")).strip().upper(),
        )
        for one in rows
    ]


def custom_fields(row: Row) -> dict[str, Any] | None:
    """``custom_fields`` by name, told as an object or as rows of name and value; None: they are not told."""
    told = row.get("custom_fields")
    if isinstance(told, Mapping):
        return dict(told)
    if isinstance(told, Sequence) and not isinstance(told, str):
        return {v.text(one.get("name")): one.get("value") for one in told if isinstance(one, Mapping)}
    return None


def price_in(row: Row, place: Place, currency: str) -> Any:
    """A further price; not known when it is in another currency than the material's own. Raises ValueError."""
    its = ""
    if place.named is not None:
        told = named_told(row)
        if told is None:
            return ABSENT
        raw, its = next(((value, code) for name, value, code in told if name == place.named), (None, ""))
    else:
        raw = raw_in(row, place)
        if raw is ABSENT:
            return ABSENT
    amount, said = v.priced(raw)
    its = its or said or currency
    return ABSENT if amount is not None and its != currency else amount


def raw_in(row: Row, place: Place) -> Any:
    """What stands in a field of the account's own, or in a plain one."""
    if place.field is not None:
        return row.get(place.field, ABSENT)
    told = custom_fields(row)
    return ABSENT if told is None else told.get(place.custom or "")


def _text_in(row: Row, place: Place) -> Any:
    raw = raw_in(row, place)
    return raw if raw is ABSENT else v.text(raw)


def _specials(row: Row, how: Reading, currency: str) -> Any:
    special = how.settings.special_price
    assert special is not None
    price = price_in(row, price_place(special.price), currency)
    start, end = raw_in(row, text_place(special.start)), raw_in(row, text_place(special.end))
    if ABSENT in (price, start, end):
        return ABSENT
    if price is None:
        return ()
    begins, is_over = v.moment(start, how.zone), v.moment(end, how.zone, end=True)
    if begins is not None and is_over is not None and begins >= is_over:
        return ABSENT
    return (SpecialPrice(Money(price, currency), begins, is_over),)
