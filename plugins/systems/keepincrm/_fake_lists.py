"""Lists of the fake KeepinCRM: pages, and filters in the manner of Ransack (``q[title_cont]=…``, ``q[s]=id asc``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Answered, Asked, pages
from plugins.systems.keepincrm._fake_account import Account, Row, as_decimal

#: predicates, the longest first where one ends like another
PREDICATES = (
    "not_null", "not_cont", "not_eq", "i_cont", "present", "blank", "start", "cont", "gteq", "lteq", "null", "true",
    "false", "end", "eq", "gt", "lt", "in",
)  # fmt: skip
TIMES = ("created_at", "updated_at", "ordered_at")
_YES = ("1", "true", "t")


def listing(account: Account, asked: Asked, rows: Iterable[Row], tell: Callable[[Row], Any]) -> Row:
    """The asked page of the rows that pass the asked filter, as ``items`` and ``pagination``."""
    quirks = account.quirks
    chosen = _filtered(account, asked, rows)
    page = max(_whole(asked.param("page")), 1)
    wanted = _whole(asked.param("per_page")) if quirks.per_page_max else 0
    size = min(wanted, quirks.per_page_max) if wanted > 0 else quirks.per_page
    pagination = {"total_pages": -(-len(chosen) // size)}
    if quirks.pagination_counts:
        pagination |= {"current_page": page, "total_count": len(chosen)}
    return {"items": [tell(row) for row in pages(chosen, page, size)], "pagination": pagination}


def _whole(text: str) -> int:
    """A number in a query as Ruby reads it: what does not begin with one is 0."""
    found = re.match(r"\s*-?\d{1,9}", text)
    return int(found[0]) if found else 0


def _filtered(account: Account, asked: Asked, rows: Iterable[Row]) -> list[Row]:
    chosen = sorted(rows, key=lambda row: row["id"], reverse=account.quirks.order == "newest_first")
    sorting = ""
    conditions: dict[str, list[str]] = {}
    for name, value in asked.query:
        found = re.fullmatch(r"q\[(\w+)\](\[\])?", name)
        if not found:
            continue
        if found[1] in {"s", "sorts"}:
            sorting = value
        elif value != "":
            conditions.setdefault(found[1], []).append(value)
    fields = {name for row in chosen for name in row} if conditions else set()
    for condition, values in conditions.items():
        test = _condition(account, condition, values, fields)
        chosen = [row for row in chosen if test(row)]
    if sorting and account.quirks.sorting:
        field, _, direction = sorting.partition(" ")
        known = [row for row in chosen if row.get(field) is not None]
        known.sort(key=lambda row: _sortable(row[field]), reverse=direction.strip().lower() == "desc")
        chosen = known + [row for row in chosen if row.get(field) is None]
    return chosen


def _sortable(value: Any) -> tuple[int, Any]:
    number = as_decimal(value) if not isinstance(value, str) else None
    return (0, number) if number is not None else (1, str(value))


def _everything(_row: Row) -> bool:
    return True


def _condition(account: Account, condition: str, values: list[str], fields: set[str]) -> Callable[[Row], bool]:
    quirks = account.quirks
    predicate = next((one for one in PREDICATES if condition.endswith(f"_{one}")), "")
    field = condition.removesuffix(f"_{predicate}")
    if field == "updated_at" and quirks.updated_at_filter != "works":
        if quirks.updated_at_filter == "refused":
            raise Answered(Answer(400, {"error": "Bad Request"}))
        return _everything
    if field == "stage_id" and not quirks.stage_filter:
        return _everything
    if not predicate or field not in fields:
        if quirks.unknown_filter == "refused":
            raise Answered(Answer(400, {"error": "Bad Request"}))
        return _everything
    return lambda row: _holds(predicate, row.get(field), values, field, ZoneInfo(quirks.zone))


def _holds(predicate: str, value: Any, asked: list[str], field: str, zone: ZoneInfo) -> bool:
    first = asked[-1]
    blank = value is None or value == "" or value == [] or value is False
    match predicate:
        case "null":
            return (value is None) == (first in _YES)
        case "not_null":
            return (value is not None) == (first in _YES)
        case "present":
            return (not blank) == (first in _YES)
        case "blank":
            return blank == (first in _YES)
        case "true":
            return (value is True) == (first in _YES)
        case "false":
            return (value is False) == (first in _YES)
        case "in":
            return any(_same(value, one, field, zone) for one in asked)
        case "eq":
            return _same(value, first, field, zone)
        case "not_eq":
            return not _same(value, first, field, zone)
        case "cont" | "i_cont":
            return first.lower() in _text(value)
        case "not_cont":
            return first.lower() not in _text(value)
        case "start":
            return _text(value).startswith(first.lower())
        case "end":
            return _text(value).endswith(first.lower())
        case _:
            return _compared(predicate, value, first, field, zone)


def _text(value: Any) -> str:
    return " ".join(map(str, value)).lower() if isinstance(value, list) else str("" if value is None else value).lower()


def _same(value: Any, asked: str, field: str, zone: ZoneInfo) -> bool:
    if field in TIMES and value is not None:
        return datetime.fromisoformat(value) == read_moment(asked, zone)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return as_decimal(asked) == value
    return str(value) == asked


def _compared(predicate: str, value: Any, asked: str, field: str, zone: ZoneInfo) -> bool:
    if value is None:
        return False
    left: Any = value
    right: Any = asked
    if field in TIMES:
        left, right = datetime.fromisoformat(value), read_moment(asked, zone)
    elif not isinstance(value, str):
        left, right = value, as_decimal(asked)
    if right is None:
        return True  # what cannot be read as a value is no condition
    return bool({"gteq": left >= right, "lteq": left <= right, "gt": left > right, "lt": left < right}[predicate])


def read_moment(text: str, zone: ZoneInfo) -> datetime | None:
    """A time in a query or a body; without a zone in that of the account, a date alone is its beginning."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "T", 1) if "T" not in text else text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def object_of(account: Account, asked: Asked) -> Mapping[str, Any]:
    """The body of a write, which must be a JSON object sent as JSON."""
    if "json" not in asked.headers.get("content-type", ""):
        raise account.misshapen("base", "is empty")
    try:
        body = asked.json()
    except Answered:
        raise account.misshapen("base", "is invalid") from None
    if not isinstance(body, dict):
        raise account.misshapen("base", "is invalid")
    return body
