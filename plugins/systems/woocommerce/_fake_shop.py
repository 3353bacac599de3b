"""The state of the fake shop: rows by table, its settings, media, and the lists that it answers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Asked, pages
from plugins.systems.woocommerce._fake_quirks import Quirks
from plugins.systems.woocommerce._fake_wordpress import (
    JSON,
    Row,
    asked_list,
    asked_value,
    dates,
    invalid,
    kept,
    moment,
    wrong,
)

TABLES = ("products", "categories", "attributes", "terms", "tags", "media", "orders", "notes", "webhooks")
HOME = "https://shop.example"
DEFAULT_CATEGORY = 15  # "Uncategorized": what has no category stands in it
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d(?::\d\d)?)?"
)  # what WordPress takes for one
_PICTURES = (".jpg", ".jpeg", ".jpe", ".gif", ".png", ".bmp", ".tif", ".tiff", ".ico", ".webp")


class Shop:
    """Tables of rows by id in plain values: times as ISO text in UTC, prices as text, amounts as Decimal."""

    def __init__(self, quirks: Quirks, now: Callable[[], datetime]) -> None:
        self.quirks = quirks
        self.now = now
        self.keys: dict[str, Row] = {}  #: by consumer key: its secret and permissions
        self.tables: dict[str, dict[int, Row]] = {name: {} for name in TABLES}
        self.last = 100
        self.settings: Row = {
            "title": "Крамниця",
            "currency": "UAH",
            "weight_unit": "kg",
            "dimension_unit": "cm",
            "price_decimals": 2,
            "prices_include_tax": False,
            "version": "10.5.0",
            "order_statuses": [
                "pending",
                "processing",
                "on-hold",
                "completed",
                "cancelled",
                "refunded",
                "failed",
                "checkout-draft",
            ],
        }
        self.unreachable: set[str] = set()  #: pictures that the shop cannot fetch, by URL
        self.happened: Callable[[str, Row], None] = lambda _topic, _row: None
        self.tables["categories"][DEFAULT_CATEGORY] = self.category_row("Uncategorized", id=DEFAULT_CATEGORY)

    # --- rows ----------------------------------------------------------------------------------------------------

    @property
    def zone(self) -> ZoneInfo:
        """The site's."""
        return ZoneInfo(self.quirks.zone)

    def stamp(self) -> str:
        """Now, as it is kept."""
        return kept(self.now()) or ""

    def add(self, table: str, row: Mapping[str, Any]) -> Row:
        """A new row with an id and its times."""
        self.last += 1
        made = {"id": self.last, "created": self.stamp(), "modified": self.stamp(), **row}
        self.tables[table][made["id"]] = made
        return made

    def row(self, table: str, key: object) -> Row | None:
        """By id, as a number or its text."""
        text = str(key)
        return self.tables[table].get(int(text)) if text.isascii() and text.isdigit() else None

    @staticmethod
    def category_row(name: str, **values: Any) -> Row:
        """All fields of a category's row."""
        blank: Row = {"slug": name.lower(), "parent": 0, "description": "", "display": "default", "image": None}
        return {"name": name, **blank, "menu_order": 0, **values}

    def dump(self) -> dict[str, Any]:
        """All of it as JSON values."""
        tables = {name: list(rows.values()) for name, rows in self.tables.items()}
        return {"keys": self.keys, "settings": self.settings, "last": self.last, **tables}

    def restore(self, state: Mapping[str, Any], blanks: Mapping[str, Callable[..., Row]]) -> None:
        """Take what ``dump`` gave, or a part of it that a person wrote; ``blanks`` add the fields left out."""
        self.keys |= state.get("keys", {})
        self.settings |= state.get("settings", {})
        stamps = dict.fromkeys(("created", "modified"), self.stamp())
        for name in TABLES:
            whole = blanks.get(name, dict)
            self.tables[name] |= {row["id"]: stamps | whole(**row) for row in state.get(name, ())}
        highest = max((key for rows in self.tables.values() for key in rows), default=0)
        self.last = max(self.last, state.get("last", 0), highest)

    # --- media ---------------------------------------------------------------------------------------------------

    def fetch_picture(self, url: Any, code: str) -> int:
        """Copy a picture from elsewhere into the shop, anew each time; gives its id. Raises 400 where it cannot."""
        parts = urlsplit(str(url))
        name = posixpath.basename(parts.path)
        if parts.scheme not in {"http", "https"} or url in self.unreachable:
            raise wrong(400, code, f"Error getting remote image {url}. Error: A valid URL was not provided.")
        if not name.lower().endswith(_PICTURES):
            raise wrong(400, code, "Invalid image: Sorry, you are not allowed to upload this file type.")
        stem, ending = posixpath.splitext(name)
        taken = {posixpath.basename(row["src"]) for row in self.tables["media"].values()}
        number, own = 0, name
        while own in taken:
            number += 1
            own = f"{stem}-{number}{ending}"
        src = f"{HOME}/wp-content/uploads/{self.now().astimezone(self.zone):%Y/%m}/{own}"
        return int(self.add("media", {"src": src, "name": own, "alt": "", "from": str(url)})["id"])

    def picture(self, key: object) -> Row | None:
        """A picture as the API tells it."""
        row = self.row("media", key)
        if row is None:
            return None
        told: Row = {"id": row["id"], **dates("date_created", row["created"], self.zone)}
        told |= dates("date_modified", row["modified"], self.zone)
        return told | {"src": row["src"], "name": row["name"], "alt": row["alt"]}

    # --- lists ---------------------------------------------------------------------------------------------------

    def listing(self, asked: Asked, rows: Iterable[Row], tell: Callable[[Row], Any], **defaults: str) -> Answer:
        """The asked page of rows that are filtered already, sorted as asked, with the counts in headers."""
        chosen = self._sorted(asked, list(rows), defaults)
        page = asked_value(asked, "page", "integer", 1)
        size = asked_value(asked, "per_page", "integer", 10)
        if page < 1:
            raise invalid({"page": "page must be greater than or equal to 1"})
        if not 1 <= size <= 100:
            raise invalid({"per_page": "per_page must be between 1 (inclusive) and 100 (inclusive)"})
        offset = asked_value(asked, "offset", "integer")
        part = chosen[offset : offset + size] if offset is not None else pages(chosen, page, size)
        total = -(-len(chosen) // size)
        headers = {"X-WP-Total": str(len(chosen)), "X-WP-TotalPages": str(total)}
        rest = [(name, value) for name, value in asked.query if name != "page"]
        links = [
            f'<{HOME}{asked.path}?{urlencode([*rest, ("page", str(number))])}>; rel="{rel}"'
            for rel, number, there in (("prev", min(page - 1, total), page > 1), ("next", page + 1, total > page))
            if there
        ]
        if links:
            headers["Link"] = ", ".join(links)
        return Answer(200, [tell(row) for row in part], headers, JSON)

    def _sorted(self, asked: Asked, rows: list[Row], defaults: Mapping[str, str]) -> list[Row]:
        names = tuple(defaults.get("orderbys", "date,id,include,title,slug,modified").split(","))
        by = asked_value(asked, "orderby", names, defaults.get("orderby", "date"))
        order = asked_value(asked, "order", ("asc", "desc"), defaults.get("order", "desc"))
        included = [int(part) for part in asked_list(asked, "include") if part.isdigit()]
        excluded = set(asked_list(asked, "exclude"))
        rows = [row for row in rows if str(row["id"]) not in excluded and (not included or row["id"] in included)]
        if by == "include" and included:
            return sorted(rows, key=lambda row: included.index(row["id"]))
        rows.sort(key=lambda row: row["id"])
        if by != "id":
            rows.sort(key=lambda row: _order_key(row, by))
        return rows if order == "asc" else rows[::-1]

    def between(self, asked: Asked, rows: Iterable[Row]) -> list[Row]:
        """The rows within ``after``, ``before``, ``modified_after`` and ``modified_before``; none of them includes its
        own second.

        A date with a zone means its moment, one without is of the site. With ``dates_are_gmt`` the given text is still
        read so, and its local time compared with times in GMT: right only for a date without a zone.
        """
        gmt = asked_value(asked, "dates_are_gmt", "boolean", False)
        chosen = list(rows)
        for name in ("after", "before", "modified_after", "modified_before"):
            text = asked.param(name)
            if not text:
                continue
            when = moment(text, self.zone) if _DATE.fullmatch(text) else None
            if when is None:
                raise invalid({name: "Invalid date."})
            if gmt:
                when = when.astimezone(self.zone).replace(tzinfo=ZoneInfo("UTC"))
            column = "modified" if name.startswith("modified") else "created"
            later = name.endswith("after")
            chosen = [
                row
                for row in chosen
                if (datetime.fromisoformat(row[column]) > when if later else datetime.fromisoformat(row[column]) < when)
            ]
        return chosen


def _order_key(row: Row, by: str) -> Any:
    if by == "price":
        return Decimal(row.get("price") or 0)
    if by in {"date", "modified"}:
        return row["created" if by == "date" else "modified"]
    if by in {"menu_order", "count", "parent", "popularity", "rating", "term_group"}:
        return row.get(by) or 0
    return str(row.get("name" if by == "title" else by) or "").lower()
