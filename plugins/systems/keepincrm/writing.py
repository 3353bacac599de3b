"""Values of ours as the body of a write to KeepinCRM, and what its answer says of them. Pure, and strict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipeline.api import Held, Offer, SpecialPrice, T, Text, Where, Who
from plugins.systems.keepincrm import values as v
from plugins.systems.keepincrm.mapping import (
    ABSENT,
    CURRENCY,
    GRAMS,
    Reading,
    Row,
    currency_of,
    custom_fields,
    named_told,
    traits,
)
from plugins.systems.keepincrm.settings import KeepinSettings, Place, price_place, text_place

_UNFIT = re.compile("[\x00\ud800-\udfff]")  # what no JSON of a web service may carry


def refused(why: str, words: Text, hint: Text | None = None, *, field: str = "", who: Who = Who.ACCOUNTANT) -> Held:
    """A row that is not written, and why."""
    return Held(words, hint=hint, where=Where(element=field or None), code=f"keepin-{why}", who=who)


def needs_row(values: Mapping[str, Any], settings: KeepinSettings, offer: Offer) -> bool:
    """Whether a change can only be written by who knows what else the material has now."""
    if "specials" in values or any(name in settings.texts for name in values):
        return True
    kinds = {f"price.{kind}" for kind in settings.prices}
    return any(name in kinds for name in values) or (
        "price.cost" in values and not {"currency"} & (offer.values.keys() | values.keys())
    )


def body_of(
    values: Mapping[str, Any], row: Row, how: Reading, at: datetime, fields: frozenset[str] | None = None
) -> dict[str, Any]:
    """The body of a write of these values (all but ``category``), for a material that now is ``row``.

    Further prices and own fields are sent all together, those that do not change as they are: an account may take the
    ones that are not named for gone. ``fields`` are those that may be written here.
    Raises Held for a value that the API cannot take.
    """
    _check(values, traits(how.settings).writes if fields is None else fields)
    currency = values.get("currency") or currency_of(row, how)
    body: dict[str, Any] = {}
    named: dict[str, Decimal | None] = {}
    custom: dict[str, Any] = {}

    def put(place: Place, value: Any) -> None:
        if place.named is not None:
            named[place.named] = value
        elif place.custom is not None:
            custom[place.custom] = "" if value is None else value
        else:
            body[place.field or ""] = value

    for name, value in values.items():
        match name:
            case "name":
                body["title"] = value
            case "unit":
                body["unit"] = value or ""
            case "price" | "currency":
                body[name] = value
            case "price.cost":
                body |= {"cost": value, "cost_currency": currency}
            case "images":
                body["asset_url"] = value[0] if value else None
            case "published":
                body["irrelevant"] = not value
            case "weight":
                body["weight"] = value * GRAMS if value is not None and how.settings.weight == "g" else value
            case "specials":
                for place, part in zip(
                    _special_places(how.settings), _special_parts(value, currency, how, at), strict=True
                ):
                    put(place, part)
            case _ if name in how.settings.texts:
                put(text_place(how.settings.texts[name]), value or "")
            case _ if name != "category":
                put(price_place(how.settings.prices[name.removeprefix("price.")]), value)
    if named:
        body["named_custom_prices"] = _all_named(row, named, currency, currency_of(row, how))
    if custom:
        whole = {**(custom_fields(row) or {}), **custom}
        body["custom_fields"] = [{"name": name, "value": value} for name, value in whole.items()]
    return body


def _special_places(settings: KeepinSettings) -> tuple[Place, Place, Place]:
    special = settings.special_price
    assert special is not None
    return price_place(special.price), text_place(special.start), text_place(special.end)


def _special_parts(
    specials: Sequence[SpecialPrice] | None, currency: str, how: Reading, at: datetime
) -> tuple[Decimal | None, str, str]:
    """Price and dates of the one that is kept; all blank for none."""
    one = current(specials or (), at)
    if one is None:
        return None, "", ""
    if one.money.currency != currency:
        raise refused(
            "currency",
            T("The special price is in {found}, and the product's prices are in {currency}.",
              found=one.money.currency, currency=currency),
            field="specials",
        )  # fmt: skip
    return one.money.amount, v.written(one.start, how.zone), v.written(one.end, how.zone)


def current(specials: Sequence[SpecialPrice], at: datetime) -> SpecialPrice | None:
    """Of several, the one that the account keeps: that which holds at ``at``, else the next to come."""
    left = [one for one in specials if one.end is None or one.end > at]
    return min(left, key=lambda one: one.start or datetime.min.replace(tzinfo=UTC), default=None)


def _all_named(row: Row, named: Mapping[str, Decimal | None], currency: str, was: str) -> dict[str, Any]:
    """All further prices: the new ones as numbers in the material's ``currency``, the others as they are told (those
    without a currency are in that which it ``was``)."""
    whole: dict[str, Any] = {}
    for name, value, its in named_told(row) or ():
        bare = value in (None, "") or (isinstance(value, str) and value.strip()[-1:].isalpha())
        whole[name] = value if bare or (its or was) == currency else f"{value} {its or was}"
    return whole | dict(named)


def _check(values: Mapping[str, Any], fields: frozenset[str]) -> None:
    for name, value in values.items():
        if name not in fields:
            raise refused("field", T("The field {name} is not kept by this account.", name=name), field=name)
        if wrong := _wrong(name, value):
            raise refused("value", wrong, field=name)


def _wrong(name: str, value: Any) -> Text | None:
    """Why a value cannot be sent; None: it can."""
    match name:
        case "published":
            return None if isinstance(value, bool) else T("Whether it is shown to buyers is neither yes nor no.")
        case "currency":
            good = isinstance(value, str) and CURRENCY.fullmatch(value)
            return None if good else T("{value} is not a currency code such as UAH.", value=str(value)[:40])
        case "name":
            return _wrong_text(value) or (None if value.strip() else T("A product without a name is not taken."))
        case "specials":
            return next((wrong for one in value or () if (wrong := _wrong_special(one))), None)
        case "images" | "category":
            return next((wrong for part in value or () if (wrong := _wrong_part(name, part))), None)
        case "weight":
            return _wrong_number(value)
    if name.partition(".")[0] == "price":
        return _wrong_number(value)
    return None if value is None else _wrong_text(value)


def _wrong_number(value: Any) -> Text | None:
    if value is None:
        return None
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value.adjusted()) > v.HUGE:
        return T("{value} has too many digits.", value=str(value)[:40])
    return T("{cell} is below 0.", cell=str(value)) if value < 0 else None


def _wrong_text(value: Any) -> Text | None:
    if not isinstance(value, str):
        return T("{value} is no text.", value=str(value)[:40])
    return T("A text has characters that no system takes.") if _UNFIT.search(value) else None


def _wrong_part(name: str, part: Any) -> Text | None:
    wrong = _wrong_text(part)
    if wrong is None and not part.strip():
        return T("A category in the path has no name.") if name == "category" else T("An image has no name.")
    return wrong


def _wrong_special(special: SpecialPrice) -> Text | None:
    if special.start and special.end and special.start >= special.end:
        return T("A special price ends before it starts.")
    return _wrong_number(special.money.amount)


# --- after a write ---------------------------------------------------------------------------------------------------

#: What an account may keep in its own way: a picture is fetched to a place of its own, texts are tidied.
_FREE = frozenset({"name", "unit", "images", "description", "short_description", "manufacturer", "barcode"})


def shown_otherwise(sent: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
    """What of a write the answer shows otherwise than it was sent; what it does not tell is not among it."""
    different = {}
    for name, value in sent.items():
        there = offer.values.get(name, ABSENT)
        if there is not ABSENT and not v.same(there, _kept(name, value)):
            different[name] = there
    return different


def _kept(name: str, value: Any) -> Any:
    """A sent value as it reads back when the account keeps it."""
    if name in ("images", "category", "specials"):
        return tuple(value or ())
    if value is None and name.partition(".")[0] not in ("price", "weight"):
        return ""
    return value


def dropped(sent: Mapping[str, Any], different: Mapping[str, Any], at: datetime) -> str:
    """The name of a field that the account has not taken, although it said nothing; "" when there is none.

    Of several special prices it has taken those that it can when it has the one that counts at ``at``.
    """
    for name, there in different.items():
        if name == "specials":
            one = current(sent[name] or (), at)
            if v.same(there, (one,) if one else ()):
                continue
        if name not in _FREE or (name != "images" and not there and sent[name]):
            return name
    return ""
