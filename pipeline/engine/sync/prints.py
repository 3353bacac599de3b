"""Values of fields, told apart: by fingerprints that the ledger keeps, or one beside the other. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pipeline.model import Offer, SpecialPrice
from pipeline.syncing import is_price


def fingerprint(value: Any) -> str:
    """Tells two values of a field apart; equal numbers written in two ways are one."""
    match value:  # most fields are texts and numbers: no need to make JSON of them
        case str():
            words = "s" + value
        case Decimal():
            words = "n" + format(value.normalize(), "f")
        case _:
            words = "j" + json.dumps(_canonical(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@lru_cache(64)
def print_of_text(value: str) -> str:
    """The fingerprint of one of a few texts."""
    return fingerprint(value)


def _canonical(value: Any) -> Any:
    match value:
        case Decimal():
            return format(value.normalize(), "f")
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case SpecialPrice():
            return [
                _canonical(value.money.amount),
                value.money.currency,
                _canonical(value.start),
                _canonical(value.end),
            ]
        case Mapping():
            return {str(name): _canonical(one) for name, one in value.items()}
        case str() | bool() | int() | None:
            return value
        case _ if isinstance(value, Iterable):
            return [_canonical(one) for one in value]
        case _:
            return str(value)


def same(one: Any, other: Any) -> bool:
    """Whether two values of a field mean the same. Texts: blanks at the ends and the kind of line ends do not count."""
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return _text(one) == _text(other)
    if one is None or other is None:
        return (one or ()) == (other or ()) if not isinstance(one or other, Decimal) else False
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return False


def _text(value: str) -> str:
    return re.sub(r"\r\n?", "\n", value).replace("\u00a0", " ").strip()


def shown_otherwise(shown: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprints of the fields that a target at once showed otherwise than they were sent."""
    return {name: fingerprint(shown[name]) for name in sent if name in shown and not same(shown[name], sent[name])}


def prices_among(values: Mapping[str, Any], among: Mapping[str, Any]) -> dict[str, str]:
    """The prices among what was sent, as text."""
    return {name: str(values[name]) for name in among if is_price(name) and isinstance(values.get(name), Decimal)}


def currency_of(offer: Offer) -> str:
    """ISO code of the currency that an offer tells; "" when it tells none."""
    return str(offer.values.get("currency") or "").strip().upper()
