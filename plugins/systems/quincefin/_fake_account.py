"""One account of the fake Quincefin: records by list, how they are found, shown and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Answered
from plugins.systems.quincefin._fake_lists import (
    BANK,
    CASH,
    LISTS,
    NAMES,
    ORDER,
    OUTGOING,
    REFERENCES,
    RETURN,
    Listed,
)
from plugins.systems.quincefin._fake_quirks import Quirks

Row = dict[str, Any]
PAGE = 100  # records; cannot be changed
DAY = timedelta(days=1)
CENT = Decimal("0.01")
CYRILLIC = "\u0421urrency"
UNKNOWN = "unknown "  # before the names of fields that the fake keeps without knowing them
FLAT = {"phone": "Phone", "email": "Email"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?")


class Account:
    """Records by list and id. Moments are kept as text in UTC, amounts as they came."""

    def __init__(self, quirks: Quirks, now: Callable[[], datetime]) -> None:
        self.quirks, self.now = quirks, now
        self.tables: dict[str, dict[int, Row]] = {name: {} for name in (*LISTS, *NAMES)}
        self.last = 100  # of all ids: no record of one list has that of another's by chance
        self.numbers: dict[str, int] = {}
        self.balances: list[Row] = []  #: Product, Store, Quantity: what lies there before any document
        self.closed = ""  #: documents before that day can not be written any more

    # --- refusals -------------------------------------------------------------------------------------------------

    def refuse(self, text: str, status: int | None = None) -> NoReturn:
        """An error, as this account tells them."""
        raise Answered(self.error(text, self.quirks.error_status if status is None else status))

    def error(self, text: str, status: int) -> Answer:
        """The answer that says so."""
        quirks = self.quirks
        if quirks.error_in == "text":
            return Answer(status, text, content_type="text/plain; charset=utf-8")
        told: Any = {"text": text, "list": [text], "object": {"code": status, "text": text}}[quirks.error_form]
        return Answer(status, {"success": False, quirks.error_in: told})

    # --- records --------------------------------------------------------------------------------------------------

    def put(self, path: str, values: Mapping[str, Any]) -> Row:
        """A new record, with an id and, of a document, a number and a date where it has none."""
        self.last += 1
        row = {"Id": self.last, **values}
        if path in LISTS:
            row.setdefault("Archive", False)
            if LISTS[path].is_document:
                self.numbers[path] = self.numbers.get(path, 0) + 1
                row["Number"] = row.get("Number") or f"{self.numbers[path]:09d}"
                row["Date"] = row.get("Date") or self.stamp(self.now())
                row["Fixed"] = bool(row.get("Fixed"))
        self.tables[path][row["Id"]] = row
        return row

    def name_of(self, table: str, key: Any) -> str:
        """The name of a record that a reference leads to."""
        row = self.tables.get(table, {}).get(key) if isinstance(key, int) else None
        return str(row.get("Name") or row.get("Number") or "") if row else ""

    # --- time -----------------------------------------------------------------------------------------------------

    def stamp(self, moment: datetime) -> str:
        """As it is kept."""
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def told(self, stamp: str) -> str:
        """A kept moment as it is told: with a ``Z`` in either zone."""
        moment = datetime.fromisoformat(stamp).astimezone(ZoneInfo(self.quirks.zone))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def day(self, text: str) -> datetime:
        """The beginning of a day."""
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.quirks.zone))

    def moment(self, value: Any, field: str) -> datetime:
        """A day (its beginning) or a moment of a request; refused where it is none."""
        text, kinds = str(value), self.quirks.date_input
        is_day, is_moment = bool(_DAY.fullmatch(text)), bool(_MOMENT.fullmatch(text))
        if not isinstance(value, str) or not ((is_day and kinds != "moment") or (is_moment and kinds != "day")):
            self.refuse(f"{field}: wrong date")
        try:
            moment = datetime.fromisoformat(text.removesuffix("Z"))
        except ValueError:
            self.refuse(f"{field}: wrong date")
        if moment.tzinfo is None:  # a ``Z`` is no more than an ornament where the zone is another
            moment = moment.replace(tzinfo=ZoneInfo(self.quirks.zone))
        return moment

    # --- lists ----------------------------------------------------------------------------------------------------

    def found(self, listed: Listed, given: Mapping[str, Any]) -> list[Row]:
        """The records that pass all members of a filter."""
        members = self._members(listed, given)
        if listed.dated:
            self._need_dates(members)
        quirks = self.quirks
        if "Archive" in listed.filters:
            members.setdefault("Archive", None)
        if listed.path == "product" and quirks.default_kind != "all":
            members.setdefault("Kind", quirks.default_kind)
        rows = list(self.tables[listed.path].values())
        for name, value in members.items():
            rows = [row for row in rows if self._passes(listed, row, name, value)]
        if given and quirks.filtered_order == "newest":
            return sorted(rows, key=lambda row: -int(row["Id"]))
        return sorted(rows, key=lambda row: int(row["Id"]))

    def _members(self, listed: Listed, given: Mapping[str, Any]) -> Row:
        known = {name.lower() if self.quirks.fold_names else name: name for name in listed.filters}
        members: Row = {}
        for name, value in given.items():
            member = known.get(name.lower() if self.quirks.fold_names else name)
            if member is not None:
                members[member] = value
            elif self.quirks.unknown_filter == "refused":
                self.refuse(f"filter: unknown {name}")
        return members

    def _need_dates(self, members: Mapping[str, Any]) -> None:
        alone = self.quirks.id_without_dates and "Id" in members
        for name in ("DateFrom", "DateTo"):
            if members.get(name) is None and not self.quirks.lax_dates and not alone:
                self.refuse(f"filter: {name} is required")

    def _passes(self, listed: Listed, row: Row, name: str, value: Any) -> bool:
        how = listed.filters[name]
        if how == "archive":
            if value not in (None, True, False):
                self.refuse(f"filter: wrong {name}")
            if value is None:
                return self.quirks.archive_default == "all" or not row["Archive"]
            return bool(row["Archive"]) if value and self.quirks.archive == "only" else value or not row["Archive"]
        if how == "folder":
            folder = row.get("ParentFolder")  # null: in none
            return folder is None if value is None else folder in self.wanted(value)
        if value is None:
            return True
        if how == "from":
            return datetime.fromisoformat(row["Date"]) >= self.moment(value, name)
        if how == "to":
            return self._until(row, value)
        if how == "selector":
            return self.quirks.selectors == "attach" or self._has(row, name, self.wanted(value))
        if how == "partner company":
            return any(
                contract.get("Partner") == row["Id"] and contract.get("Company") in self.wanted(value)
                for contract in self.tables["contract"].values()
            )
        if how == "company":
            field = "Company" if self.quirks.contract_filter == "company" else "Id"
            return row.get(field) in self.wanted(value)
        return row.get(name) in self.wanted(value)

    def _until(self, row: Row, value: Any) -> bool:
        """Up to a moment, or to the end of a day."""
        end, date = self.moment(value, "DateTo"), datetime.fromisoformat(row["Date"])
        if self.quirks.date_to == "exclusive":
            return date < end
        return date < end + DAY if _DAY.fullmatch(str(value)) else date <= end

    def wanted(self, value: Any) -> list[Any]:
        """What a member of a filter finds: ids may come as text."""
        many = value if isinstance(value, list) else [value]
        if isinstance(value, list) and self.quirks.arrays == "first":
            many = many[:1]
        return [*many, *(int(one) for one in many if isinstance(one, str) and one.isdecimal())]

    def _has(self, row: Row, name: str, wanted: Sequence[Any]) -> bool:
        if name == "Store":
            return any(one["Product"] == row["Id"] and one["Store"] in wanted for one in self.balances)
        prices = self.tables["price"].values()
        return any(one["Product"] == row["Id"] and one["PriceType"] in wanted for one in prices)

    # --- stock ----------------------------------------------------------------------------------------------------

    def balance(self, product: int, store: int | None = None) -> Decimal:
        """What lies there: what was put, less posted shipments, with posted returns."""
        found = sum(
            (Decimal(one["Quantity"]) for one in self.balances
             if one["Product"] == product and store in (None, one["Store"])),
            Decimal(0),
        )  # fmt: skip
        for path, sign in ((OUTGOING, -1), (RETURN, 1)):
            found += sign * self._moved(path, product, store, fixed=True)
        return found

    def reserved(self, product: int, store: int | None = None) -> Decimal:
        """What orders reserve and no shipment has taken yet."""
        if not self.quirks.reserves:
            return Decimal(0)
        ordered = self._moved(ORDER, product, store, fixed=False)
        return max(ordered - self._moved(OUTGOING, product, store, fixed=True), Decimal(0))

    def _moved(self, path: str, product: int, store: int | None, *, fixed: bool) -> Decimal:
        return sum(
            (
                as_number(line.get("Quantity")) or Decimal(0)
                for row in self.tables[path].values()
                if (row["Fixed"] or not fixed) and store in (None, row.get("Store"))
                for line in row.get("Products") or ()
                if line.get("Product") == product
            ),
            Decimal(0),
        )

    # --- showing --------------------------------------------------------------------------------------------------

    def shown(self, listed: Listed, row: Row, given: Mapping[str, Any]) -> Row:
        """A record as the list tells it; ``given`` is the filter, which may attach prices and balances."""
        quirks = self.quirks
        told: Row = {}
        order = [*listed.fields, *(name for name in row if name not in listed.fields)]
        for name in order:
            if name not in row or (name == "Archive" and not row[name]) or self._hidden(listed, name):
                continue
            value = row[name]
            if name == "Contacts" and quirks.contacts == "flat":
                told |= {FLAT[one["Type"]]: one["Value"] for one in value or () if one["Value"] and one["Type"] in FLAT}
                continue
            if name == "Date":
                value = self.told(value)
            elif name == "Fixed" and quirks.fixed_form == "number":
                value = int(value)
            elif name == "Sum" and quirks.sums == "text":
                value = f"{as_number(value) or 0:.2f}"
            elif name == "Id" and listed.path == ORDER and quirks.ids == "text":
                value = str(value)
            elif name in REFERENCES and isinstance(value, int) and self._as_object(listed):
                table = REFERENCES[name] or f"{listed.path.removesuffix('/folder')}/folder"
                value = {"Id": value, "Name": self.name_of(table, value)}
            told[self._renamed(listed, name)] = deepcopy(value)
        if listed.path in ("product", "service") and quirks.selectors == "attach":
            self._attach(listed, row, told, given)
        return told

    def _hidden(self, listed: Listed, name: str) -> bool:
        quirks = self.quirks
        if name == "Fixed":
            return not quirks.fixed_everywhere and listed.path not in (BANK, CASH)
        if listed.path != "contract":
            return False
        links = ("Currency", "Company", "Partner", "PriceType")
        return (quirks.contract_edition == "new" and name in links) or (
            quirks.contract_edition == "old" and name == "Kind"
        )

    def _renamed(self, listed: Listed, name: str) -> str:
        """A field under the name that this account has for it."""
        quirks = self.quirks
        if listed.path == "contract" and name == "Currency" and quirks.cyrillic_currency:
            return CYRILLIC
        theirs = {"Article": quirks.article_field, "Base": quirks.base_field, "Products": quirks.lines_field}
        return theirs.get(name, name.removeprefix(UNKNOWN))

    def own_name(self, listed: Listed, word: str) -> str | None:
        """The fake's own name of a field of a request; None for one that the list does not have."""
        fold = str.lower if self.quirks.fold_names else str
        own = {fold(self._renamed(listed, name)): name for name in listed.fields}
        if listed.path == "contract":
            own[fold("Currency")] = "Currency"  # the Cyrillic letter may be a slip of the article alone
        if listed.path == "partner" and self.quirks.contacts == "flat":
            own = {name: field for name, field in own.items() if field != "Contacts"}
            own |= {fold(name): name for name in ("Phone", "Email")}
        return own.get(fold(word))

    def _as_object(self, listed: Listed) -> bool:
        how = self.quirks.references
        return how == "objects" or (how == "seen" and listed.path in (BANK, CASH))

    def _attach(self, listed: Listed, row: Row, told: Row, given: Mapping[str, Any]) -> None:
        members = self._members(listed, given)
        if members.get("PriceType") is not None:
            wanted = self.wanted(members["PriceType"])
            told["Prices"] = [
                {name: price[name] for name in ("PriceType", "Price", "Currency")}
                for price in self.latest_prices()
                if price["Product"] == row["Id"] and price["PriceType"] in wanted
            ]
        if listed.path == "product" and members.get("Store") is not None and self.quirks.balance_field:
            wanted = [store for store in self.wanted(members["Store"]) if store in self.tables["stores"]]
            told[self.quirks.balance_field] = [
                {"Store": store, "Quantity": self.balance(row["Id"], store) - self._kept_back(row["Id"], store)}
                for store in dict.fromkeys(wanted)
            ]

    def _kept_back(self, product: int, store: int) -> Decimal:
        return self.reserved(product, store) if self.quirks.balance_net else Decimal(0)

    def latest_prices(self) -> list[Row]:
        """Of each product and type the price that is the last until now."""
        now, last = self.stamp(self.now()), dict[tuple[Any, Any], Row]()
        for row in sorted(self.tables["price"].values(), key=lambda row: (row["Date"], row["Id"])):
            if row["Date"] <= now:
                last[row["Product"], row["PriceType"]] = row
        return list(last.values())

    # --- keeping --------------------------------------------------------------------------------------------------

    def dump(self) -> Row:
        """Everything as JSON values (with Decimals), a copy."""
        tables = {name: list(rows.values()) for name, rows in self.tables.items()}
        rest = {"last": self.last, "numbers": self.numbers, "balances": self.balances, "closed": self.closed}
        return deepcopy({"tables": tables, **rest})

    def load(self, state: Mapping[str, Any]) -> None:
        """What ``dump`` gave, in place of what there is."""
        given = deepcopy(dict(state))
        self.tables = {name: {row["Id"]: row for row in given["tables"].get(name, ())} for name in self.tables}
        self.last, self.numbers = given["last"], given["numbers"]
        self.balances, self.closed = given["balances"], given["closed"]


def as_number(value: Any) -> Decimal | None:
    """A JSON number, or text that is one."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
