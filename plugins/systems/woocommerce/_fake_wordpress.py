"""What the fake shop has of WordPress: errors, parameters, dates, and what is done to texts that are saved or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Answered, Asked

Row = dict[str, Any]
JSON = "application/json; charset=UTF-8"
#: a field's type, or the values that it may have
Kind = str | tuple[str, ...]
_NAMED = "amp|lt|gt|quot|apos|nbsp|laquo|raquo|ndash|mdash|hellip|copy|reg|deg|euro|times|plusmn"
_BLOCK = re.compile(r"<(?:p|div|ul|ol|li|table|h[1-6]|blockquote|pre|figure|section|hr|dl)\b", re.IGNORECASE)


# --- errors ----------------------------------------------------------------------------------------------------------


def wrong(status: int, code: str, message: str, **data: Any) -> Answered:
    """A WP_Error as it is answered."""
    return Answered(Answer(status, {"code": code, "message": message, "data": {"status": status, **data}}, {}, JSON))


def invalid(params: Mapping[str, str]) -> Answered:
    """Parameters that do not pass their schema."""
    return wrong(400, "rest_invalid_param", f"Invalid parameter(s): {', '.join(params)}", params=dict(params))


def no_route() -> Answered:
    """A path or a method that nothing answers for."""
    return wrong(404, "rest_no_route", "No route was found matching the URL and request method.")


# --- parameters ------------------------------------------------------------------------------------------------------


def body_of(asked: Asked) -> Row:
    """The parameters in a body, sent as JSON or as a form. What is JSON but no object counts as none."""
    kind = asked.headers.get("content-type", "").split(";")[0].strip()
    if kind == "application/x-www-form-urlencoded":
        return dict(asked.form())
    if kind != "application/json" or not asked.body.strip():
        return {}
    try:
        body = asked.json()
    except Answered:
        raise wrong(
            400,
            "rest_invalid_json",
            "Invalid JSON body passed.",
            json_error_code=4,
            json_error_message="Syntax error",
        ) from None
    return body if isinstance(body, dict) else {}


def checked(body: Mapping[str, Any], schema: Mapping[str, Kind]) -> Row:
    """The fields of a body that a schema knows, brought to their types. Null is as good as not sent."""
    told: Row = {}
    bad: dict[str, str] = {}
    for name, kind in schema.items():
        value = body.get(name)
        if value is None:
            continue
        fault = _fault(name, value, kind)
        if fault:
            bad[name] = fault
        else:
            told[name] = _cleaned(value, kind)
    if bad:
        raise invalid(bad)
    return told


def _fault(name: str, value: Any, kind: Kind) -> str:
    if isinstance(kind, tuple):
        listed = ", ".join(kind[:-1]) + ("," if len(kind) > 2 else "") + f" and {kind[-1]}"
        return "" if value in kind else f"{name} is not one of {listed}."
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool) or str(value).lower() in {"true", "false", "0", "1"},
        "integer": _is_number(value) and Decimal(str(value)) == Decimal(str(value)).to_integral_value(),
        "number": _is_number(value),
        "array": isinstance(value, (list, str)),
        "object": isinstance(value, dict) or value == "",
    }[kind]
    return "" if fits else f"{name} is not of type {kind}."


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _cleaned(value: Any, kind: Kind) -> Any:
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() in {"true", "1"}
    if kind == "integer":
        return int(Decimal(str(value)))
    if kind == "number":
        return Decimal(str(value))
    if kind == "array" and isinstance(value, str):
        return [part for part in re.split(r"[\s,]+", value) if part]
    return value


def asked_value(asked: Asked, name: str, kind: Kind, default: Any = None) -> Any:
    """A parameter of a query, of its type. Raises 400 for one that is not."""
    text = asked.param(name)
    if not text:
        return default
    return checked({name: text}, {name: kind})[name]


def asked_list(asked: Asked, name: str) -> list[str]:
    """A list in a query: ``a=1,2``, ``a[]=1&a[]=2`` or ``a[0]=1``."""
    found: list[str] = []
    for key, value in asked.query:
        if key == name:
            found += [part for part in re.split(r"[\s,]+", value) if part]
        elif re.fullmatch(re.escape(name) + r"\[\d*\]", key):
            found.append(value)
    return found


def truth(value: Any) -> bool:
    """What WooCommerce takes for true where it does not check: ``yes``, ``true``, ``1``."""
    return value if isinstance(value, bool) else str(value).lower() in {"yes", "true", "1"}


# --- numbers and dates -----------------------------------------------------------------------------------------------


def price_text(value: Any, separator: str) -> str:
    """A price as it is kept: text, with whatever decimals. What is no digit goes, a foreign decimal comma as well."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    text = re.sub(r"<[^>]*>", "", str(value)).replace(separator, ".")
    whole, dot, decimals = text.rpartition(".")
    text = whole.replace(".", "") + dot + decimals if dot else text
    return re.sub(r"[^0-9.\-]", "", text)


def amount(text: str) -> Decimal | None:
    """A kept price as a number; none where it is empty or no number."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def money(value: Any, places: int = 2) -> str:
    """A sum as orders tell it: always with its decimals."""
    return f"{Decimal(value):.{places}f}"


def moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """A date that is given: a timestamp, or ISO 8601, in ``zone`` where it names none. None for what is no date."""
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    try:
        when = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC).replace(microsecond=0)


def kept(when: datetime | None) -> str | None:
    """A moment as it is kept: ISO 8601 in UTC, whole seconds."""
    return when.astimezone(UTC).replace(microsecond=0).isoformat() if when else None


def dates(name: str, stamp: str | None, zone: ZoneInfo) -> dict[str, str | None]:
    """``name`` in the site's zone and ``name_gmt``, both without saying so."""
    if stamp is None:
        return {name: None, f"{name}_gmt": None}
    when = datetime.fromisoformat(stamp)
    local, gmt = (one.replace(tzinfo=None).isoformat() for one in (when.astimezone(zone), when.astimezone(UTC)))
    return {name: local, f"{name}_gmt": gmt}


# --- texts -----------------------------------------------------------------------------------------------------------


def filtered(text: Any) -> str:
    """A text as it is saved: a bare ``&`` becomes ``&amp;``, scripts go."""
    safe = re.sub(r"</?(?:script|style|iframe|form|input)\b[^>]*>", "", str(text), flags=re.IGNORECASE)
    return re.sub(rf"&(?!(?:{_NAMED}|#\d{{1,7}}|#[xX][0-9a-fA-F]{{1,6}});)", "&amp;", safe)


def paragraphs(text: str) -> str:
    """A text as it is shown: in paragraphs, with a line break at the end of each."""
    parts = [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    lines = (part if _BLOCK.match(part) else "<p>" + part.replace("\n", "<br />\n") + "</p>" for part in parts)
    return "".join(f"{line}\n" for line in lines)


def slugged(text: str, taken: Iterable[str]) -> str:
    """An address part for a name, percent-encoded where it is not Latin, with a number where it is taken."""
    words = re.sub(r"[^\w]+", "-", re.sub(r"&\w+;", "", text.lower())).strip("-").replace("_", "-")
    slug = quote(words).lower()
    known = set(taken)
    return next(
        one for number in range(1, len(known) + 2) if (one := slug if number == 1 else f"{slug}-{number}") not in known
    )


def fields_of(asked: Asked) -> list[str]:
    """The top-level fields that ``_fields`` asks for; none: all."""
    return sorted({name.split(".")[0] for name in asked_list(asked, "_fields")})


def narrowed(body: Any, fields: Sequence[str]) -> Any:
    """Only those fields of an object or of each in a list."""
    if not fields:
        return body
    if isinstance(body, list):
        return [narrowed(one, fields) for one in body]
    return {name: value for name, value in body.items() if name in fields} if isinstance(body, dict) else body
