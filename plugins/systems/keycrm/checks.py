"""What a sync brings, looked at before anything is sent: what KeyCRM cannot keep as it is, is held. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipeline.api import Held, SpecialPrice, T, Text
from plugins.systems.keycrm.mapping import OF_PRODUCT, PRICES

_UNFIT = re.compile("[\x00\ud800-\udfff]")  # NUL and halves of characters, which no JSON carries over
_CURRENCY = re.compile(r"[A-Z]{3}")
#: Fields that a variant has from its product alone.
_OF_PRODUCT_ALONE = frozenset(OF_PRODUCT) - {"barcode", "currency", "specials"}
_OF_VARIANTS_ALONE = frozenset({*PRICES, "barcode", "options"})


def check_change(kind: str, values: Mapping[str, Any], writes: frozenset[str], fixed: frozenset[str]) -> None:
    """Raises Held where these fields of an offer of this kind cannot be changed to these values."""
    for name in values:
        if name not in writes:
            raise _no(T("KeyCRM does not take the field {name}.", name=name))
        if kind == "variant" and name in fixed:
            raise _no(T("KeyCRM does not change the field {name} of a variant that is there.", name=name))
        if (kind == "variant" and name in _OF_PRODUCT_ALONE) or (kind == "base" and name in _OF_VARIANTS_ALONE):
            raise _no(T("The field {name} is not of this offer, but of its product or its variants.", name=name))
    check_values(values)


def check_values(values: Mapping[str, Any]) -> None:
    """Raises Held for a value that KeyCRM cannot have."""
    for name, value in values.items():
        if wrong := _wrong(name, value):
            raise _no(T("{field}: {what}", field=name, what=wrong))


def check_article(article: str) -> None:
    """Raises Held for an article that nothing would be found by again."""
    if not article.strip():
        raise Held(
            T("It has no article: it would not be found again in KeyCRM."),
            hint=T("Give it an article in the system that it comes from."),
            code="keycrm-no-article",
        )
    if _UNFIT.search(article):
        raise _no(T("A text has characters that cannot be sent."))


def _wrong(name: str, value: Any) -> Text | None:
    match name:
        case "price" | "price.cost" if value is None:
            return T("KeyCRM keeps no offer without a price.")
        case "price" | "price.cost" | "weight" | "length" | "width" | "height":
            return _number(value)
        case "name" if not str(value or "").strip():
            return T("KeyCRM keeps no product without a name.")
        case "currency" if not _CURRENCY.fullmatch(str(value)):
            return T("{value} is no currency code.", value=str(value)[:40])
        case "category" | "images":
            parts = value or ()
            if not isinstance(parts, tuple) or not all(isinstance(one, str) and one.strip() for one in parts):
                return T("This is not a list of texts.")
            return T("A text has characters that cannot be sent.") if any(map(_UNFIT.search, parts)) else None
        case "options":
            both = [text for pair in (value or {}).items() for text in pair]
            return T("A text has characters that cannot be sent.") if any(map(_UNFIT.search, both)) else None
        case "specials":
            fits = all(isinstance(one, SpecialPrice) and _number(one.money.amount) is None for one in value or ())
            return None if fits else T("This is not a list of special prices.")
        case _ if isinstance(value, str) and _UNFIT.search(value):
            return T("A text has characters that cannot be sent.")
    return None


def _number(value: Any) -> Text | None:
    if value is None:
        return None
    if not isinstance(value, Decimal) or not value.is_finite():
        return T("This is no number.")
    if value < 0:
        return T("A number below 0 cannot be: {value}.", value=value)
    if value >= 10**12 or value.as_tuple().exponent < -12:  # type: ignore[operator]  # finite: a number
        return T("This is no number that can be: {value}.", value=str(value)[:40])
    return None


def _no(words: Text) -> Held:
    return Held(words, code="keycrm-value")
