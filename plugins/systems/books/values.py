"""What a sync brings, as the books keep it. Pure and strict: what cannot be kept as it is, is held with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from pipeline.api import Held, SpecialPrice, T, Text, Where, Who
from plugins.systems.books import tables as t
from plugins.systems.books.store import SEPARATOR

TEXTS = ("name", "short_description", "description")
#: fields that are columns of the product itself
COLUMNS = ("unit", "currency", "barcode", "manufacturer", "weight", "published", "options")
_LIMITS = {"unit": 32, "barcode": 64}
_UNFIT = re.compile("[\x00\ud800-\udfff]")  # NUL and halves of characters, which no database takes


def clean_code(code: str) -> str:
    """A code that the books can have. Raises Held."""
    if not code:
        raise refused(
            "no-code",
            T("It has no article, and the books keep no product without a code."),
            T("Give it an article in the system that it comes from."),
        )
    if len(code) > t.CODE_LENGTH:
        raise refused(
            "too-long", T("{value} is longer than {n} characters.", value=code[:40] + "…", n=t.CODE_LENGTH), code=code
        )
    if _UNFIT.search(code):
        raise refused("text", T("A text has characters that no database takes."), code=code)
    return code


def clean(values: Mapping[str, Any], fields: frozenset[str], code: str, currency: str) -> dict[str, Any]:
    """``values`` of a sync in the form in which the books keep them; None is the empty value of its field.

    ``currency`` is the client's own. Raises Held, naming the field.
    """
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            raise refused("field", T("The books do not keep the field {name}.", name=name), code=code, field=name)
        wrong = _wrong(name, value)
        if wrong:
            raise refused("value", wrong, code=code, field=name)
        kept[name] = _kept(name, value, currency)
    return kept


def same_currency(specials: tuple[SpecialPrice, ...], currency: str, code: str) -> None:
    """Raises Held when a special price is not in the product's own currency."""
    for special in specials:
        if special.money.currency != currency:
            raise refused(
                "currency",
                T(
                    "A special price is in {found}, and the product's prices are in {currency}.",
                    found=special.money.currency,
                    currency=currency,
                ),
                code=code,
                field="specials",
            )


def refused(
    why: str, text: Text, hint: Text | None = None, *, code: str = "", field: str = "", who: Who = Who.ACCOUNTANT
) -> Held:
    """A row that the books do not take; ``code`` is its article."""
    if code:
        text = T("{code}: {what}", code=code[:80], what=text)
    return Held(text, hint=hint, where=Where(element=field or None), code=f"books-{why}", who=who)


def _kept(name: str, value: Any, currency: str) -> Any:
    match name:
        case "category" | "images" | "specials":
            return tuple(value or ())
        case "options":
            return dict(value or {})
        case "currency":
            return value or currency
        case "weight" | "published":
            return value
    if name.partition(".")[0] == "price":
        return value
    return value or ""


def _wrong(name: str, value: Any) -> Text | None:
    """Why ``value`` cannot be kept; None: it can."""
    match name:
        case "published":
            return None if isinstance(value, bool) else T("Whether it is shown to buyers is neither yes nor no.")
        case "specials":
            return _wrong_specials(value or ())
        case "category" | "images":
            return next((wrong for part in value or () if (wrong := _wrong_part(name, part))), None)
        case "options":
            texts = [text for pair in (value or {}).items() for text in pair]
            return next((wrong for text in texts if (wrong := _wrong_text(text))), None)
        case "currency":
            if value is None or (isinstance(value, str) and re.fullmatch(r"[A-Z]{3}", value)):
                return None
            return T("{value} is not a currency code such as UAH.", value=str(value)[:40])
        case "weight":
            return _wrong_number(value)
    if name.partition(".")[0] == "price":
        return _wrong_number(value)
    wrong = _wrong_text(value if value is not None else "")
    if wrong is None and value and len(value) > _LIMITS.get(name, len(value)):
        return T("{value} is longer than {n} characters.", value=value[:40] + "…", n=_LIMITS[name])
    return wrong


def _wrong_number(value: Any) -> Text | None:
    if value is None:
        return None
    if not isinstance(value, Decimal) or not t.fits(value):
        return T("{value} has too many digits.", value=str(value)[:40])
    return T("{cell} is below 0.", cell=str(value)) if value < 0 else None


def _wrong_text(value: Any) -> Text | None:
    if not isinstance(value, str):
        return T("{value} is no text.", value=str(value)[:40])
    return T("A text has characters that no database takes.") if _UNFIT.search(value) else None


def _wrong_part(name: str, part: Any) -> Text | None:
    wrong = _wrong_text(part)
    if wrong is None and (not part or (name == "category" and SEPARATOR in part)):
        return T("A category in the path has no name.") if name == "category" else T("An image has no name.")
    return wrong


def _wrong_specials(specials: tuple[SpecialPrice, ...]) -> Text | None:
    for special in specials:
        if wrong := _wrong_number(special.money.amount):
            return wrong
        if special.start and special.end and special.start >= special.end:
            return T("A special price ends before it starts.")
    for one, other in pairwise(specials):
        if one.end is None or other.start is None or one.end > other.start:
            return T("Special prices overlap, or do not stand in the order of their dates.")
    return None
