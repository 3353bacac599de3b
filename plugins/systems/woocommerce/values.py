"""Single values as WooCommerce has them, both ways: prices and sizes, moments in GMT, texts as WordPress saves them.

The facts and where they are from: docs/dev/woocommerce.md. Pure.
"""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from html.entities import name2codepoint
from typing import Any

SECOND = timedelta(seconds=1)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
#: An ampersand that begins no entity that WordPress knows (those of HTML 4): it would be saved as ``&amp;``.
_KNOWN = "|".join(sorted([*name2codepoint, "apos"]))
_BARE = re.compile(rf"&(?!(?:#[0-9]{{1,7}}|#[xX][0-9a-fA-F]{{1,6}}|{_KNOWN});)")
#: Tags that WordPress takes out of texts, whoever sends them.
_REMOVED = re.compile(r"</?(script|style|iframe|form|input)\b[^>]*>", re.IGNORECASE)
_WITH_CONTENT = re.compile(r"(?is)<(script|style|iframe|form)\b[^>]*>.*?</\1\s*>")
#: Kept as numbers, as the shop would otherwise change them: it takes back-slashes for quoting.
_AMPERSAND, _BACKSLASH = "&#038;", "&#092;"


def text(value: Any) -> str:
    """A value as text; "" for what is none."""
    return value if isinstance(value, str) else "" if value is None or isinstance(value, bool) else str(value)


def number(value: Any) -> Decimal | None:
    """A price, weight or size; None for "" and for what is no plain number. See :func:`is_number`."""
    said = text(value).strip()
    if not _NUMBER.fullmatch(said):
        return None
    try:
        return Decimal(said)
    except InvalidOperation:  # pragma: no cover - the pattern lets nothing else through
        return None


def is_number(value: Any) -> bool:
    """Whether a price can be read: a plain number, or none."""
    return not text(value).strip() or number(value) is not None


def decimal_text(value: Decimal | None) -> str:
    """A number as the API takes it whatever the shop's decimal separator is; none is ""."""
    return "" if value is None else format(value, "f")


def to_unit(value: Decimal | None, unit: Decimal) -> str:
    """Kilograms or centimetres in the shop's unit."""
    if value is None:
        return ""
    return decimal_text(value if unit == 1 else plain((value / unit).quantize(Decimal("0.000001"))))


def from_unit(value: Any, unit: Decimal) -> Decimal | None:
    """A weight or size of the shop in kilograms or centimetres, to a tenth of a gram or of a thousandth."""
    found = number(value)
    if found is None or unit == 1:
        return found
    return plain((found * unit).quantize(Decimal("0.0001")))


def plain(value: Decimal) -> Decimal:
    """Without zeros at the end of its fraction, and without an exponent."""
    short = value.normalize()
    return short if short.as_tuple().exponent <= 0 else short.quantize(Decimal(1))  # type: ignore[operator]


def whole(value: Any) -> int:
    """An id; 0 for what is none."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    said = text(value)
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 18 else 0


def moment(value: Any) -> datetime | None:
    """A ``…_gmt`` field, which says no zone; None where there is none or it cannot be read."""
    said = text(value).strip()
    if not said:
        return None
    try:
        when = datetime.fromisoformat(said)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def gmt(when: datetime) -> str:
    """A moment as a ``…_gmt`` field takes it: GMT, whole seconds, no zone."""
    return when.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()


def asked_moment(when: datetime) -> str:
    """A moment as a query takes it: with its zone."""
    return f"{gmt(when)}Z"


def until_of(end: datetime | None) -> datetime | None:
    """The first moment at which a special price holds no more, of the shop's last second in which it does."""
    return end + SECOND if end is not None else None


def last_second(end: datetime) -> datetime:
    """The last whole second before ``end``."""
    return (end - timedelta(microseconds=1)).replace(microsecond=0)


def first_second(start: datetime) -> datetime:
    """The first whole second that is not before ``start``."""
    down = start.replace(microsecond=0)
    return down if down == start else down + SECOND


# --- texts -----------------------------------------------------------------------------------------------------------


def name_read(value: Any) -> str:
    """A name: plain text that the shop keeps as HTML."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text(value))


def name_written(value: str) -> str:
    """A name as HTML that says just its letters."""
    return html.escape(value, quote=False).replace("\\", _BACKSLASH)


def html_read(value: Any) -> str:
    """A description, with what :func:`html_written` had to write otherwise as it was."""
    return re.sub(r"&#0*38;", "&", text(value)).replace(_BACKSLASH, "\\")


def html_written(value: str) -> str:
    """A description such that WordPress saves it as it is."""
    return _BARE.sub(_AMPERSAND, value).replace("\\", _BACKSLASH)


def removed_tag(value: str) -> str:
    """The first tag of a text that WordPress would take out in silence; "" when there is none."""
    found = _REMOVED.search(value)
    return found[0] if found else ""


def without_removed(value: str) -> str:
    """A text without the tags that WordPress would take out, and without what stands in them."""
    return _REMOVED.sub("", _WITH_CONTENT.sub("", value))
