"""Reading requests as Laravel with its query builder does: bodies by rules, filters, sorts, includes, pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NoReturn
from urllib.parse import urlencode

from pipeline.testing.fakehttp import Answer, Answered, Asked, pages
from plugins.systems.keycrm._fake_quirks import Quirks

Row = dict[str, Any]
Errors = dict[str, list[str]]
LIMIT, MOST = 15, 50  # a page's rows: by default and at most

BIGGEST = 10**15  # of a number: more does not go into a column


def words(text: str) -> tuple[str, ...]:
    """The words of a text; long lists of keys are easier to read so."""
    return tuple(text.split())


# --- moments -----------------------------------------------------------------------------------------------------


def stamp(moment: datetime) -> str:
    """How moments are kept and, by default, shown: in UTC, so that texts sort as times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def read_moment(text: str) -> str | None:
    """``Y-m-d H:i:s`` or ``Y-m-d`` (its midnight), UTC, as a stamp; None for anything else."""
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return stamp(datetime.strptime(text, form).replace(tzinfo=UTC))
        except ValueError:
            continue
    return None


# --- refusals ----------------------------------------------------------------------------------------------------


def refuse(status: int, message: str) -> NoReturn:
    """Answer by ``{"message": …}``."""
    raise Answered(Answer(status, {"message": message}))


def missing() -> NoReturn:
    """Answer by 404."""
    refuse(404, "Not found.")


def invalid(errors: Errors, quirks: Quirks) -> NoReturn:
    """Answer by 422."""
    body: Row = {"message": "The given data was invalid."}
    raise Answered(Answer(422, {**body, "errors": errors} if quirks.errors_map else body))


# --- bodies ------------------------------------------------------------------------------------------------------

Kind = Literal["str", "int", "num", "bool", "date", "moment", "any", "list", "strings", "values", "object"]


@dataclass(frozen=True, slots=True)
class F:
    """A field of a body: ``fields`` are those of the object, or of each object of the list."""

    kind: Kind
    required: bool = False
    nullable: bool = False
    fields: Mapping[str, F] = field(default_factory=dict)
    most: int | None = None
    among: tuple[str, ...] = ()


def body_of(asked: Asked) -> Row:
    """The JSON object of a request. A body that does not say that it is JSON is not read as such: then it is empty."""
    if "json" not in asked.headers.get("content-type", ""):
        return {}
    body = asked.json()
    return body if isinstance(body, dict) else {}


def read(body: Row, fields: Mapping[str, F], quirks: Quirks) -> Row:
    """The known keys of a body with values of the right types; unknown keys are dropped. Answers 422 by itself."""
    values, errors = check(body, fields, quirks)
    if errors:
        invalid(errors, quirks)
    return values


def check(body: Row, fields: Mapping[str, F], quirks: Quirks, path: str = "") -> tuple[Row, Errors]:
    """The same with the errors beside, for those who answer otherwise."""
    values: Row = {}
    errors: Errors = {}
    for name, rule in fields.items():
        place, called = path + name, name.replace("_", " ")
        value = body.get(name)
        if value is None or (rule.required and value in ("", [], {})):
            if rule.required:
                errors[place] = [f"The {called} field is required."]
            elif name in body:
                if rule.nullable or quirks.nulls == "wipe":
                    values[name] = None
                elif quirks.nulls == "refuse":
                    errors[place] = [f"The {called} must not be null."]
            continue
        try:
            values[name] = _value(value, rule, quirks, place, errors)
        except _WrongType as wrong:
            errors[place] = [f"The {called} {wrong}."]
    return values, errors


class _WrongType(Exception):
    pass


def _value(value: Any, rule: F, quirks: Quirks, place: str, errors: Errors) -> Any:
    match rule.kind:
        case "list" | "strings" | "values":
            return _list(value, rule, quirks, place, errors)
        case "object":
            if not isinstance(value, dict):
                raise _WrongType("must be an array")
            inner, found = check(value, rule.fields, quirks, place + ".")
            errors.update(found)
            return inner
        case "any":
            return value
        case "bool":
            if not isinstance(value, bool):
                raise _WrongType("field must be true or false")
            return value
        case "int" | "num":
            return number(value, whole=rule.kind == "int", loose=not quirks.strict_types)
        case "date" | "moment":
            read_ = read_moment(value) if isinstance(value, str) else None
            if read_ is None:
                raise _WrongType("is not a valid date")
            return read_ if rule.kind == "moment" else read_[:10]
        case "str":
            text = _text(value, loose=not quirks.strict_types)
            if rule.among and text not in rule.among:
                raise _WrongType("selected is invalid")
            return text


def _list(value: Any, rule: F, quirks: Quirks, place: str, errors: Errors) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongType("must be an array")
    if rule.most is not None and len(value) > rule.most:
        raise _WrongType(f"may not have more than {rule.most} items")
    if rule.kind == "values":
        return value
    if rule.kind == "strings":
        return [_text(one, loose=not quirks.strict_types) for one in value]
    rows = []
    for index, one in enumerate(value):
        if not isinstance(one, dict):
            raise _WrongType("must hold arrays")
        inner, found = check(one, rule.fields, quirks, f"{place}.{index}.")
        errors.update(found)
        rows.append(inner)
    return rows


def _text(value: Any, *, loose: bool) -> str:
    if isinstance(value, str):
        return value
    if loose and isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return str(value)
    raise _WrongType("must be a string")


def number(value: Any, *, whole: bool, loose: bool) -> Any:
    """An int, or a Decimal; ``loose``: of a text, too."""
    what = "must be an integer" if whole else "must be a number"
    if isinstance(value, str) and loose:
        try:
            value = Decimal(value)
        except InvalidOperation:
            raise _WrongType(what) from None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise _WrongType(what)
    exact = Decimal(value)
    if not exact.is_finite() or (whole and exact != exact.to_integral_value()):
        raise _WrongType(what)
    if abs(exact) >= BIGGEST:
        raise _WrongType(f"may not be greater than {BIGGEST}")
    return int(exact) if whole else exact


# --- lists -------------------------------------------------------------------------------------------------------

Keep = Callable[[Row], bool]
Make = Callable[[str], Keep]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list can do. ``includes`` None: the parameter is ignored; ``lax``: so is an unknown filter, always."""

    filters: Mapping[str, Make] = field(default_factory=dict)
    includes: tuple[str, ...] | None = None
    sorts: tuple[str, ...] = ()
    lax: bool = False


def parts(value: str) -> list[str]:
    """A value's comma-joined values; blanks around them do not count."""
    return [part.strip() for part in value.split(",")]


def equal(column: str) -> Make:
    """Rows whose column is one of the values."""

    def make(value: str) -> Keep:
        wanted = set(parts(value))
        return lambda row: row.get(column) is not None and str(row[column]) in wanted

    return make


def flag(column: str) -> Make:
    """Rows whose column is true, or is not."""

    def make(value: str) -> Keep:
        wanted = truth(value)
        return lambda row: bool(row.get(column)) is wanted

    return make


def truth(value: str) -> bool:
    """Whether a flag in a query is set."""
    return value.strip().lower() in {"true", "1"}


def between(column: str) -> Make:
    """Rows from the first moment to the second, both included; a date without a time is its midnight."""

    def make(value: str) -> Keep:
        ends = [end for part in parts(value) if (end := read_moment(part))]
        if len(ends) != 2 or value.count(",") != 1:
            refuse(422, f"The range {value} is not valid.")
        first, last = ends
        return lambda row: row.get(column) is not None and first <= str(row[column]) <= last

    return make


def filters_of(asked: Asked) -> dict[str, str]:
    """``filter[name]=value`` of the query; ``filter[name][]=`` adds up."""
    found: dict[str, str] = {}
    for name, value in asked.query:
        if plain := re.fullmatch(r"filter\[(\w+)\]", name):
            found[plain[1]] = value
        elif many := re.fullmatch(r"filter\[(\w+)\]\[\d*\]", name):
            found[many[1]] = f"{found[many[1]]},{value}" if many[1] in found else value
    return found


def select(listing: Listing, asked: Asked, quirks: Quirks, rows: Sequence[Row]) -> list[Row]:
    """The rows that the query wants, in its order. ``rows`` come by ascending id."""
    asked_for = filters_of(asked)
    unknown = [name for name in asked_for if name not in listing.filters]
    if unknown and quirks.unknown_filter == "refuse" and not listing.lax:
        _not_allowed("filter", unknown, listing.filters, 400)
    keep = [listing.filters[name](value) for name, value in asked_for.items() if name in listing.filters]
    found = [row for row in rows if all(one(row) for one in keep)] if keep else list(rows)
    return ordered(listing, asked, quirks, found)


def ordered(listing: Listing, asked: Asked, quirks: Quirks, rows: list[Row]) -> list[Row]:
    """Rows in the order of ``sort``. Rows that have no value come first, as NULL does."""
    sort = asked.param("sort")
    column = sort.removeprefix("-")
    if sort and column in listing.sorts:
        rows.sort(key=lambda row: (row.get(column) is not None, row.get(column), row["id"]))
        return rows[::-1] if sort.startswith("-") else rows
    if sort and quirks.unknown_sort == "refuse":
        _not_allowed("sort", [column], listing.sorts, 400)
    if quirks.default_order == "shuffled":
        return sorted(rows, key=lambda row: hashlib.sha256(str(row["id"]).encode()).digest())
    return rows[::-1] if quirks.default_order == "-id" else rows


def includes_of(listing: Listing, asked: Asked, quirks: Quirks) -> frozenset[str]:
    """What is to be included, ``customFields`` as ``custom_fields``, with what a longer name implies."""
    wanted = [name for name in parts(asked.param("include")) if name]
    if listing.includes is None or not wanted:
        return frozenset()
    allowed = _allowed(listing.includes)
    unknown = [name for name in wanted if name not in allowed]
    if unknown:
        _not_allowed("include", unknown, allowed, quirks.bad_include)
    found = {name.replace("customFields", "custom_fields") for name in wanted}
    return frozenset(found | {name.partition(".")[0] for name in found})


def _allowed(includes: Sequence[str]) -> list[str]:
    """What the query builder makes of a list of relations: the ways there, ``…Count`` and ``…Exists`` of the first."""
    names: dict[str, None] = {}
    for one in includes:
        first = one.partition(".")[0]
        spelled = (first, "customFields") if first == "custom_fields" else (first,)
        for name in spelled:
            names |= dict.fromkeys((name, f"{name}Count", f"{name}Exists"))
        names[one] = None
    return list(names)


def _not_allowed(what: str, names: Sequence[str], allowed: Any, status: int) -> NoReturn:
    refuse(
        status,
        f"Requested {what}(s) `{', '.join(names)}` are not allowed. Allowed {what}(s) are `{', '.join(allowed)}`.",
    )


def page(asked: Asked, quirks: Quirks, rows: Sequence[Row], show: Callable[[Row], Row]) -> Answer:
    """One page in the envelope of Laravel's length-aware paginator."""
    limit, number_ = _limit(asked, quirks), max(_int(asked.param("page"), 1), 1)
    last = max(-(-len(rows) // limit), 1)
    shown = pages(rows, number_, limit)
    first_row = (number_ - 1) * limit + 1
    path = f"http://{asked.headers.get('host', 'localhost')}{asked.path}"
    kept = [(name, value) for name, value in asked.query if _keeps(name, quirks)]

    def url(wanted: int) -> str:
        return f"{path}?{urlencode([*kept, ('page', wanted)])}"

    body: Row = {
        "current_page": number_,
        "data": [show(row) for row in shown],
        "first_page_url": url(1),
        "from": first_row if shown else None,
        "last_page": last,
        "last_page_url": url(last),
        "next_page_url": url(number_ + 1) if number_ < last else None,
        "path": path,
        "per_page": limit,
        "prev_page_url": url(number_ - 1) if number_ > 1 else None,
        "to": first_row + len(shown) - 1 if shown else None,
        "total": len(rows),
    }
    if quirks.paginator_links:
        labels = [("&laquo; Previous", body["prev_page_url"]), ("Next &raquo;", body["next_page_url"])]
        numbers = [(str(one), url(one)) for one in range(1, last + 1)]
        body["links"] = [
            {"url": to, "label": label, "active": label == str(number_)}
            for label, to in (labels[0], *numbers, labels[1])
        ]
    return Answer(200, body)


def _keeps(name: str, quirks: Quirks) -> bool:
    return name != "page" and (quirks.page_urls_keep_limit or name != "limit")


def _limit(asked: Asked, quirks: Quirks) -> int:
    text = asked.param("limit")
    if not text:
        return LIMIT
    limit = _int(text, 0)
    if 1 <= limit <= MOST:
        return limit
    if quirks.over_limit == "refuse":
        invalid({"limit": [f"The limit must be between 1 and {MOST}."]}, quirks)
    return MOST if limit > MOST and quirks.over_limit == "clamp" else LIMIT


def _int(text: str, default: int) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else default
