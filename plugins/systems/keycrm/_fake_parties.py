"""``/buyer*``, ``/companies*``, ``/users``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.testing.fakehttp import Answer, Answered, Asked, FakeApi
from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import (
    F,
    Keep,
    Listing,
    Row,
    between,
    body_of,
    check,
    equal,
    includes_of,
    invalid,
    page,
    parts,
    read,
    select,
)
from plugins.systems.keycrm._fake_catalogue import CUSTOM, Catalogue
from plugins.systems.keycrm._fake_show import Show

TEXT = F("str", nullable=True)
ADDRESS = dict.fromkeys(
    (
        "address",
        "additional_address",
        "city",
        "region",
        "zip_code",
        "country",
        "recipient_full_name",
        "recipient_phone",
        "warehouse_ref",
        "shipping_service",
    ),
    TEXT,
)
BUYER = {
    "full_name": F("str", required=True),
    "birthday": F("date", nullable=True),
    "email": F("strings", nullable=True),
    "phone": F("strings", nullable=True),
    "note": TEXT,
    "discount": F("num", nullable=True),
    "company_id": F("int", nullable=True),
    "manager_id": F("int", nullable=True),
    "shipping": F("list", nullable=True, fields=ADDRESS),
    "custom_fields": CUSTOM,
}
BUYERS = {"buyers": F("list", required=True, fields=BUYER)}
COMPANY = {
    "name": F("str", required=True),
    "title": TEXT,
    "bank_account": TEXT,
    "notes": TEXT,
    "manager_id": F("int", nullable=True),
    "buyer_id": F("values", nullable=True),
    "custom_fields": CUSTOM,
}
COMPANY_LIST = Listing(
    {
        "company_id": equal("id"),
        "created_between": between("created_at"),
        "updated_between": between("updated_at"),
    },
    ("manager", "buyer", "custom_fields"),
)
USER_LIST = Listing(
    {
        **{name: equal(name) for name in ("id", "full_name", "role_id", "status", "email", "phone")},
        "created_between": between("created_at"),
        "last_logged_between": between("last_logged_at"),
    }
)


class Parties:
    """The handlers, and whom an order's buyer is."""

    def __init__(self, account: Account, show: Show, catalogue: Catalogue) -> None:
        self.account, self.show, self.catalogue = account, show, catalogue
        self.listing = Listing(
            {
                "buyer_id": equal("id"),
                "buyer_phone": lambda value: self._having("phone", value),
                "buyer_email": lambda value: self._having("email", value),
                "created_between": between("created_at"),
                "updated_between": between("updated_at"),
            },
            ("manager", "shipping", "company", "loyalty", "custom_fields"),
        )

    def routes(self, api: FakeApi) -> None:
        """Register everything."""
        api.add("GET", "/v1/buyer", self._buyers)
        api.add("POST", "/v1/buyer", self._post_buyer)
        api.add("POST", "/v1/buyer/import", self._import)
        api.add("GET", "/v1/buyer/{number}", self._buyer)
        api.add("PUT", "/v1/buyer/{number}", self._put_buyer)
        api.add("GET", "/v1/companies", self._companies)
        api.add("POST", "/v1/companies", self._post_company)
        api.add("GET", "/v1/companies/{number}", self._company)
        api.add("PUT", "/v1/companies/{number}", self._put_company)
        api.add("GET", "/v1/users", self._users)

    # --- buyers ---------------------------------------------------------------------------------------------------

    def key(self, column: str, value: str) -> str:
        """What an e-mail or a phone is compared by."""
        if column == "phone" and self.account.quirks.phone_match == "digits":
            return "".join(letter for letter in value if letter.isdigit())
        return value.strip()

    def _having(self, column: str, value: str) -> Keep:
        wanted = {self.key(column, part) for part in parts(value)}
        return lambda row: bool(wanted & {self.key(column, one) for one in row[column] or ()})

    def of_order(self, values: Mapping[str, Any]) -> Row:
        """The buyer of a posted order: one who is there, unchanged, or a new one."""
        match = self.account.quirks.buyer_match
        columns = ("phone", "email") if match == "phone or email" else ("phone",) if match == "phone" else ()
        for column in columns:
            if values.get(column):
                keep = self._having(column, values[column])
                found = next((row for row in self.account.table("buyers").values() if keep(row)), None)
                if found:
                    return found
        lists = {name: [values[name]] if values.get(name) else [] for name in ("email", "phone")}
        return self.create({"full_name": values.get("full_name"), **lists})

    def create(self, values: Mapping[str, Any], number: int | None = None) -> Row:
        """A buyer of a checked body."""
        row = self.account.new(
            "buyers",
            {
                **{name: values.get(name) for name in ("full_name", "birthday", "note", "discount")},
                **{name: values.get(name) for name in ("company_id", "manager_id")},
                **{name: list(values.get(name) or ()) for name in ("email", "phone", "shipping")},
                "loyalty": [],
                "custom": {},
            },
            number,
        )
        self.catalogue.set_custom(row, values.get("custom_fields"), "client")
        return row

    def _buyers(self, asked: Asked) -> Answer:
        include = includes_of(self.listing, asked, self.account.quirks)
        rows = select(self.listing, asked, self.account.quirks, list(self.account.table("buyers").values()))
        return page(asked, self.account.quirks, rows, lambda row: self.show.buyer(row, include))

    def _buyer(self, asked: Asked, number: str) -> Row:
        include = includes_of(self.listing, asked, self.account.quirks)
        return self.show.buyer(self.account.one("buyers", number), include)

    def _post_buyer(self, asked: Asked) -> Answer:
        values = read(body_of(asked), BUYER, self.account.quirks)
        self._refuse(values)
        return Answer(201, self.show.buyer(self.create(values)))

    def _import(self, asked: Asked) -> Answer:
        values, errors = check(body_of(asked), BUYERS, self.account.quirks)
        if errors:
            raise Answered(Answer(400, {"status": False}))
        for one in values["buyers"]:
            self.create(one)
        return Answer(201, {"status": True})

    def _put_buyer(self, asked: Asked, number: str) -> Answer:
        row = self.account.one("buyers", number)
        values = read(body_of(asked), BUYER, self.account.quirks)
        self._refuse(values)
        for name in ("full_name", "birthday", "note", "discount", "company_id", "manager_id"):
            if name in values:
                row[name] = values[name]
        for name in ("email", "phone"):
            if name in values:
                kept = [] if self.account.quirks.buyer_lists_replace else row[name]
                row[name] = list(dict.fromkeys([*kept, *(values[name] or ())]))
        if "shipping" in values:
            row["shipping"] = list(values["shipping"] or ())
        self.catalogue.set_custom(row, values.get("custom_fields"), "client")
        self.account.touch(row)
        return Answer(202, self.show.buyer(row))

    def _refuse(self, values: Row) -> None:
        for name, table in (("company_id", "companies"), ("manager_id", "users")):
            if values.get(name) is not None and self.account.get(table, values[name]) is None:
                invalid({name: [f"The selected {name.replace('_', ' ')} is invalid."]}, self.account.quirks)

    # --- companies and users --------------------------------------------------------------------------------------

    def _companies(self, asked: Asked) -> Answer:
        include = includes_of(COMPANY_LIST, asked, self.account.quirks)
        rows = select(COMPANY_LIST, asked, self.account.quirks, list(self.account.table("companies").values()))
        return page(asked, self.account.quirks, rows, lambda row: self.show.company(row, include))

    def _company(self, asked: Asked, number: str) -> Row:
        include = includes_of(COMPANY_LIST, asked, self.account.quirks)
        return self.show.company(self.account.one("companies", number), include)

    def _post_company(self, asked: Asked) -> Answer:
        return Answer(201, self._answer(self.create_company(read(body_of(asked), COMPANY, self.account.quirks))))

    def _put_company(self, asked: Asked, number: str) -> Answer:
        """The one PUT that is answered by 200."""
        row = self.account.one("companies", number)
        self._fill(row, read(body_of(asked), COMPANY, self.account.quirks))
        self.account.touch(row)
        return Answer(200, self._answer(row))

    def create_company(self, values: Mapping[str, Any], number: int | None = None) -> Row:
        """A company of a checked body."""
        blank = dict.fromkeys(("title", "bank_account", "notes", "manager_id"))
        row = self.account.new("companies", {"name": values["name"], **blank, "custom": {}}, number)
        self._fill(row, values)
        return row

    def _fill(self, row: Row, values: Mapping[str, Any]) -> None:
        for name in ("name", "title", "bank_account", "notes", "manager_id"):
            if name in values:
                row[name] = values[name]
        if "buyer_id" in values:
            wanted = {str(one) for one in values["buyer_id"] or ()}
            for buyer in self.account.table("buyers").values():
                if str(buyer["id"]) in wanted:
                    buyer["company_id"] = row["id"]
                elif buyer["company_id"] == row["id"]:
                    buyer["company_id"] = None
        self.catalogue.set_custom(row, values.get("custom_fields"), "company")

    def _answer(self, row: Row) -> Row:
        return {**self.show.company(row), "custom_fields": self.show.custom(row)}

    def _users(self, asked: Asked) -> Answer:
        rows = select(USER_LIST, asked, self.account.quirks, list(self.account.table("users").values()))
        return page(asked, self.account.quirks, rows, lambda row: self.show.user(row) or {})
