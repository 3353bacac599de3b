"""The state of one account of the fake KeepinCRM: rows by table, what is common to their reading and writing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Answered
from plugins.systems.keepincrm._fake_quirks import Allowed, Quirks

Row = dict[str, Any]
TABLES = (
    "materials", "categories", "offices", "price_kinds", "custom_fields", "clients", "client_statuses", "agreements",
    "funnels", "stages", "sources", "users", "tasks", "payments", "purses", "triggers", "incoming",
)  # fmt: skip
HTML = (
    "<!DOCTYPE html>\n<html>\n<head><title>404</title></head>\n<body><h1>The page was not found.</h1></body>\n</html>\n"
)


class Account:
    """Tables of rows by id, in plain values: times as ISO text in UTC, money as Decimal."""

    def __init__(self, quirks: Quirks, tokens: Iterable[str], now: Callable[[], datetime]) -> None:
        self.quirks = quirks
        self.tokens = set(tokens)
        self.now = now
        self.tables: dict[str, dict[int, Row]] = {name: {} for name in TABLES}
        self.last = 900  # no id is that of another table's row by chance
        self.happened: Callable[[str, Row], None] = lambda _event, _row: None  #: told of what a webhook may tell

    # --- rows ----------------------------------------------------------------------------------------------------

    def add(self, table: str, row: Mapping[str, Any]) -> Row:
        """A new row with an id and its times."""
        self.last += 1
        stamp = self.stamp()
        made = {"id": self.last, "created_at": stamp, "updated_at": stamp, **row}
        self.tables[table][made["id"]] = made
        return made

    def touch(self, row: Row) -> None:
        """Note that it was changed just now."""
        row["updated_at"] = self.stamp()

    def row(self, table: str, key: object) -> Row | None:
        """By id, given as a number or as its text."""
        text = str(key)
        return self.tables[table].get(int(text)) if re.fullmatch(r"\d{1,18}", text) else None

    def found(self, table: str, key: object) -> Row:
        """The same; 404 where there is none."""
        row = self.row(table, key)
        if row is None:
            raise Answered(self.not_found())
        return row

    def stamp(self) -> str:
        """Now, as it is kept."""
        return self.now().astimezone(UTC).isoformat()

    def dump(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "tokens": sorted(self.tokens),
            "last": self.last,
            **{name: list(rows.values()) for name, rows in self.tables.items()},
        }

    def restore(self, state: Mapping[str, Any], blanks: Mapping[str, Callable[..., Row]]) -> None:
        """Take what ``dump`` gave, or a part of it that a person wrote; ``blanks`` add the fields left out."""
        self.tokens |= set(state.get("tokens", ()))
        stamps = dict.fromkeys(("created_at", "updated_at"), self.stamp())
        for name in TABLES:
            if name in state:
                whole = blanks.get(name, dict)
                self.tables[name] = {row["id"]: stamps | whole(**row) for row in state[name]}
        highest = max((key for rows in self.tables.values() for key in rows), default=0)
        self.last = max(self.last, state.get("last", 0), highest)

    # --- what it tells -------------------------------------------------------------------------------------------

    def moment(self, stamp: str | None) -> str | None:
        """A kept time as the API tells it."""
        if stamp is None:
            return None
        when = datetime.fromisoformat(stamp).astimezone(ZoneInfo(self.quirks.zone))
        text = when.isoformat(timespec="milliseconds" if self.quirks.milliseconds else "seconds")
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text

    def named(self, table: str, key: object) -> Row | None:
        """``{id, name}`` of what a row refers to."""
        row = self.row(table, key) if key is not None else None
        return {"id": row["id"], "name": row["name"]} if row else None

    # --- refusals ------------------------------------------------------------------------------------------------

    def not_found(self) -> Answer:
        """404, which is no JSON."""
        match self.quirks.not_found:
            case "html":
                return Answer(404, HTML)
            case "text":
                return Answer(404, "Not Found", content_type="text/plain; charset=utf-8")
            case "empty":
                return Answer(404, "")

    def invalid(self, **errors: str) -> Answered:
        """422 with what is wrong with each field."""
        listed = {name: [text] for name, text in errors.items()}
        return Answered(Answer(422, {"message": "Validation failed", "errors": listed}))

    def misshapen(self, field: str, text: str) -> Answered:
        """A body that the API does not take as it is: with the reason, or without any."""
        if self.quirks.refusal == 422:
            return self.invalid(**{field: text})
        words = "Bad Request" if self.quirks.refusal == 400 else "Internal Server Error"
        return Answered(Answer(self.quirks.refusal, {"error": words}))

    def allow(self, switch: Allowed, field: str) -> None:
        """Refuse what this account does not do."""
        if switch == "not_found":
            raise Answered(self.not_found())
        if switch == "unprocessable":
            raise self.invalid(**{field: "is not available"})

    # --- what is written -----------------------------------------------------------------------------------------

    def known(self, body: Mapping[str, Any], names: Iterable[str]) -> Row:
        """The fields of a body that the API knows."""
        taken = set(names)
        strange = sorted(set(body) - taken)
        if strange and self.quirks.unknown_fields == "refused":
            raise self.misshapen(strange[0], "is unknown")
        return {name: value for name, value in body.items() if name in taken}

    def number(self, field: str, value: Any) -> Decimal | None:
        """A number, or text that is one; null and blank are none. Raises 422 for anything else."""
        number = as_decimal(value)
        if number is None and value not in (None, ""):
            raise self.invalid(**{field: "is not a number"})
        return number

    def rows(self, field: str, value: Any) -> list[Row]:
        """A list of objects; null is none."""
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.misshapen(field, "is invalid")
        return value

    def reference(self, field: str, table: str, value: Any) -> int | None:
        """The id of a row of another table; null, blank and 0 are none. Raises 422 for one that is not there."""
        if value in (None, "", 0, "0"):
            return None
        row = self.row(table, value)
        if row is None:
            raise self.invalid(**{field.removesuffix("_id"): "must exist"})
        return int(row["id"])

    def custom_values(self, kind: str, value: Any, before: Mapping[str, Any]) -> dict[str, Any]:
        """Custom fields after a write of ``{name, value}`` rows: by title, slug or ``field_<id>``; others drop out."""
        merge = kind != "material" or self.quirks.custom_fields_merge
        after: dict[str, Any] = dict(before) if merge else {}
        for row in self.rows("custom_fields", value):
            for field in self.tables["custom_fields"].values():
                if field["kind"] == kind and row.get("name") in (field["name"], slug(field), f"field_{field['id']}"):
                    after[str(field["id"])] = row.get("value")
        return after

    def custom_read(self, values: Mapping[str, Any], *, slugs: bool) -> dict[str, Any]:
        """Custom fields as an object, by title or slug."""
        fields = ((self.tables["custom_fields"].get(int(key)), value) for key, value in values.items())
        return {(slug(field) if slugs else field["name"]): value for field, value in fields if field}


def as_decimal(value: Any) -> Decimal | None:
    """A JSON number, or text that is one."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        return None
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def money(value: Any, form: str) -> Any:
    """An amount as the API tells it: ``number``, ``text`` (``"450.5"``, ``"150.0"``) or ``comma`` (``"1 234,50"``)."""
    number = as_decimal(value)
    if number is None:
        return None
    if form == "number":
        return number
    if form == "comma":
        return f"{number:,.2f}".replace(",", " ").replace(".", ",")
    text = format(number.normalize(), "f")
    return text if "." in text else f"{text}.0"


_LATIN = {
    **dict(zip("абвгґдзиійклмнопрстуф", "abvhgdziiiklmnoprstuf", strict=True)),
    "е": "ie",
    "є": "ie",
    "ж": "zh",
    "ї": "yi",
    "х": "kh",
    "ц": "ts",
    "ч": "ch",
    "ш": "sh",
    "щ": "shch",
    "ю": "yu",
    "я": "ya",
    "ы": "y",
    "э": "e",
    "ё": "yo",
    "ь": "",
    "ъ": "",
}


def slug(field: Mapping[str, Any]) -> str:
    """The other name of a custom field, as clients have met them: its title in Latin letters and its number."""
    letters = "".join(_LATIN.get(letter, letter) for letter in str(field["name"]).lower())
    return re.sub(r"[^a-z0-9]+", "_", letters).strip("_") + f"_{field['id']}"
