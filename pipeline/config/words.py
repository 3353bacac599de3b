"""What pydantic says about a value, in our own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from pipeline.config.suggest import one_of
from pipeline.texts import T, Text, verbatim

_SHOWN = 60  #: characters of a wrong value that a message repeats


def explain(error: Mapping[str, Any]) -> tuple[str, Text, Text | None]:
    """(stable code, what is wrong, what to do) of one item of ``ValidationError.errors()``."""
    kind = str(error["type"])
    value, context = error.get("input"), error.get("ctx") or {}
    if kind == "missing":
        return "config-missing", T("`{key}` is missing.", key=str(error["loc"][-1]) if error["loc"] else ""), None
    if value is None and kind not in ("value_error", "extra_forbidden"):
        return "config-missing", T("The value is missing."), T("Write one after the colon, or delete the key.")
    if kind == "literal_error":
        known = _literals(str(context.get("expected", "")))
        return (
            "config-value",
            T("`{value}` is not one of the words known here.", value=shown(value)),
            one_of(shown(value), known),
        )
    if kind == "value_error":
        inner = context.get("error")
        said, advice, *_ = (*(inner.args if isinstance(inner, Exception) else ()), None, None)
        # settings of ours raise ValueError(T("…"), T("advice")), so that the words are in the reader's language
        text = said if isinstance(said, Text) else verbatim(str(inner or error["msg"]))
        return "config-value", text, advice if isinstance(advice, Text) else None
    make = _KINDS.get(kind)
    if make is None:
        return "config-value", T("`{value}` does not fit here.", value=shown(value)), None
    code = "config-type" if kind.endswith("_type") else "config-value"
    return code, make(shown(value), context), _HINTS.get(kind)


def shown(value: object) -> str:
    """A value as a message repeats it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return "…"
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def duration(value: timedelta) -> str:
    """A span of time as it is written in a config: `90s` -> ``90s``, two minutes -> ``2m``."""
    seconds = value.total_seconds()
    if seconds % 1:
        return f"{round(seconds * 1000)}ms"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{round(seconds / size)}{unit}"
    return f"{round(seconds)}s"


#: How pydantic tells a bound that is a span of time: `1 minute and 5 seconds`, or as Python writes it.
_SPAN = re.compile(r"(\d+) (day|hour|minute|second|millisecond|microsecond)s?")
_PYTHON = re.compile(r"(days|seconds|microseconds)=(-?\d+)")


def _limit(value: object) -> str:
    """A bound as it is written in a config."""
    text = str(value)
    if text.startswith("datetime.timedelta("):
        return duration(timedelta(**{unit: int(number) for unit, number in _PYTHON.findall(text)}))
    if parts := _SPAN.findall(text):
        return duration(timedelta(**{f"{unit}s": int(number) for number, unit in parts}))
    return duration(value) if isinstance(value, timedelta) else text


def _literals(expected: str) -> list[str]:
    """``'delete', 'keep' or 'move'`` -> the words."""
    return [word for index, word in enumerate(expected.split("'")) if index % 2]


_TOLD = frozenset({"missing", "literal_error", "value_error", "extra_forbidden"})


def needs_meaning(kind: str) -> bool:
    """Whether our words for this kind do not say what to write, so that what the key stands for goes beside them."""
    return kind == "string_pattern_mismatch" or kind not in {*_KINDS, *_TOLD}


_Make = Callable[[str, Mapping[str, Any]], Text]


def _whole(value: str, _context: Mapping[str, Any]) -> Text:
    return T("`{value}` is not a whole number.", value=value)


def _number(value: str, _context: Mapping[str, Any]) -> Text:
    return T("`{value}` is not a number.", value=value)


def _flag(value: str, _context: Mapping[str, Any]) -> Text:
    return T("`{value}` is neither true nor false.", value=value)


def _text(_value: str, _context: Mapping[str, Any]) -> Text:
    return T("A text is expected here.")


def _list(_value: str, _context: Mapping[str, Any]) -> Text:
    return T("A list is expected here.")


def _mapping(_value: str, _context: Mapping[str, Any]) -> Text:
    return T("A mapping of keys is expected here.")


def _path(_value: str, _context: Mapping[str, Any]) -> Text:
    return T("A path is expected here.")


_KINDS: Mapping[str, _Make] = {
    "extra_forbidden": lambda _value, _context: T("This key is not known here."),
    "int_parsing": _whole,
    "int_type": _whole,
    "int_from_float": _whole,
    "int_parsing_size": lambda value, _context: T("The number {value} is too long.", value=value),
    "float_parsing": _number,
    "float_type": _number,
    "finite_number": _number,
    "decimal_parsing": _number,
    "decimal_type": _number,
    "bool_parsing": _flag,
    "bool_type": _flag,
    "string_type": _text,
    "list_type": _list,
    "tuple_type": _list,
    "set_type": _list,
    "frozen_set_type": _list,
    "dict_type": _mapping,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dataclass_type": _mapping,
    "mapping_type": _mapping,
    "path_type": _path,
    "path_not_file": lambda value, _context: T("There is no file {value}.", value=value),
    "path_not_directory": lambda value, _context: T("There is no folder {value}.", value=value),
    "string_pattern_mismatch": lambda value, context: T(
        "`{value}` has not the form {pattern}.", value=value, pattern=str(context.get("pattern", ""))
    ),
    "string_too_short": lambda _value, context: T(
        "The text is too short: at least {limit} characters.", limit=int(context.get("min_length", 0))
    ),
    "string_too_long": lambda _value, context: T(
        "The text is too long: at most {limit} characters.", limit=int(context.get("max_length", 0))
    ),
    "too_short": lambda _value, context: T("Too few: at least {limit}.", limit=int(context.get("min_length", 0))),
    "too_long": lambda _value, context: T("Too many: at most {limit}.", limit=int(context.get("max_length", 0))),
    "greater_than": lambda value, context: T(
        "{value} is too small: it must be more than {limit}.", value=value, limit=_limit(context.get("gt"))
    ),
    "greater_than_equal": lambda value, context: T(
        "{value} is too small: at least {limit}.", value=value, limit=_limit(context.get("ge"))
    ),
    "less_than": lambda value, context: T(
        "{value} is too large: it must be less than {limit}.", value=value, limit=_limit(context.get("lt"))
    ),
    "less_than_equal": lambda value, context: T(
        "{value} is too large: at most {limit}.", value=value, limit=_limit(context.get("le"))
    ),
    "multiple_of": lambda value, context: T(
        "{value} is not a multiple of {step}.", value=value, step=str(context.get("multiple_of"))
    ),
    "time_type": lambda value, _context: T("`{value}` is not a time such as 03:00.", value=value),
    "time_parsing": lambda value, _context: T("`{value}` is not a time such as 03:00.", value=value),
    "date_type": lambda value, _context: T("`{value}` is not a date such as 2026-11-22.", value=value),
    "date_parsing": lambda value, _context: T("`{value}` is not a date such as 2026-11-22.", value=value),
    "url_type": lambda value, _context: T("`{value}` is not a URL.", value=value),
    "time_delta_type": lambda value, _context: T("`{value}` is not a duration such as 30s, 5m or 1h30m.", value=value),
    "time_delta_parsing": lambda value, _context: T(
        "`{value}` is not a duration such as 30s, 5m or 1h30m.", value=value
    ),
    "date_from_datetime_parsing": lambda value, _context: T("`{value}` is not a date such as 2026-11-22.", value=value),
    "url_parsing": lambda value, _context: T("`{value}` is not a URL.", value=value),
    "url_scheme": lambda value, context: T(
        "`{value}` is not a URL of a kind known here: {schemes}.",
        value=value,
        schemes=str(context.get("expected_schemes", "")),
    ),
}

_HINTS: Mapping[str, Text] = {
    "bool_parsing": T("Write `true` or `false`."),
    "bool_type": T("Write `true` or `false`."),
    "string_type": T("Write one value after the colon; in quotes if it has special characters."),
    "list_type": T("Write `[one, two]`, or one `- item` a line."),
    "tuple_type": T("Write `[one, two]`, or one `- item` a line."),
    "dict_type": T("Write `key: value` lines below it, indented by two spaces."),
    "model_type": T("Write `key: value` lines below it, indented by two spaces."),
}
