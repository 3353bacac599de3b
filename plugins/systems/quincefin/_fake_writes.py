"""Adding and updating in the fake Quincefin. No body of a write is documented: what comes is kept, within reason."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pipeline.testing.fakehttp import Answered
from plugins.systems.quincefin._fake_account import CENT, FLAT, UNKNOWN, Account, Row, as_number
from plugins.systems.quincefin._fake_lists import NAMES, ORDER, REFERENCES, Listed

NEEDED = ("Company", "Partner", "Contract")
AMOUNTS = ("Sum", "Price", "Quantity", "Discount", "Delivery")


class Writes:
    """The methods ``add`` and ``update``."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def add(self, listed: Listed, body: Any) -> Row:
        """New records; the answer has their ids."""
        return self._each(listed, body, self._added)

    def update(self, listed: Listed, body: Any) -> Row:
        """Changed records, by ``Id``."""
        return self._each(listed, body, self._updated)

    def _each(self, listed: Listed, body: Any, write: Any) -> Row:
        account, quirks = self.account, self.account.quirks
        if isinstance(body, list) != (quirks.bodies == "array") and quirks.bodies != "either":
            account.refuse(f"the body is no {quirks.bodies}")
        records = body if isinstance(body, list) else [body]
        if not records or not all(isinstance(one, dict) for one in records):
            account.refuse("the body has no record")
        before = account.dump()
        done: list[Row] = []
        refused: Answered | None = None
        for one in records:
            try:
                done.append(write(listed, self._read(listed, one)))
            except Answered as answered:
                refused = refused or answered
        if refused:
            if not quirks.batch_partial:
                account.load(before)
            raise refused
        full = quirks.add_answer == "records"
        return {
            "success": True,
            "data": [account.shown(listed, row, {}) if full else {"Id": row["Id"]} for row in done],
        }

    # --- one record -----------------------------------------------------------------------------------------------

    def _read(self, listed: Listed, given: Row) -> Row:
        """The fields of a record under the fake's own names, checked as far as it knows them."""
        quirks = self.account.quirks
        values: Row = {}
        for word, value in given.items():
            name = self.account.own_name(listed, word)
            if name is None:
                if quirks.unknown_fields == "refused":
                    self.account.refuse(f"unknown field {word}")
                if quirks.unknown_fields == "stored":
                    values[UNKNOWN + word] = value
            elif name in FLAT.values():
                kinds = {field: kind for kind, field in FLAT.items()}
                values.setdefault("Contacts", []).append({"Type": kinds[name], "Value": value})
            else:
                values[name] = self._value(listed, name, value)
        if not quirks.fixed_by_api:
            values.pop("Fixed", None)
        return values

    def _value(self, listed: Listed, name: str, value: Any) -> Any:
        account = self.account
        if value is None:
            return None
        if name == "Date":
            return account.stamp(account.moment(value, name))
        if name in AMOUNTS and as_number(value) is None:
            account.refuse(f"wrong {name}")
        if name in ("Fixed", "Archive"):
            if value not in (True, False):
                account.refuse(f"wrong {name}")
            return bool(value)
        if name == "Product":
            return self._line_value(name, value)
        if name in REFERENCES:
            return self._reference(listed, name, value)
        if name == "Contacts":
            if not isinstance(value, list) or not all(
                isinstance(one, dict) and set(one) == {"Type", "Value"} for one in value
            ):
                account.refuse(f"wrong {name}")
            return value
        if name == "Products":
            if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                account.refuse(f"wrong {account.quirks.lines_field}")
            return [{word: self._line_value(word, one) for word, one in line.items()} for line in value]
        return value

    def _line_value(self, word: str, value: Any) -> Any:
        account = self.account
        if word in AMOUNTS and as_number(value) is None:
            account.refuse(f"wrong {word}")
        known = isinstance(value, int) and (value in account.tables["product"] or value in account.tables["service"])
        if word == "Product" and not known:
            account.refuse(f"there is no product {value}")
        return value

    def _reference(self, listed: Listed, name: str, value: Any) -> Any:
        """A reference is an id or ``{Id}``; statuses and sources may be named, as nothing is known about them."""
        account = self.account
        key = value.get("Id") if isinstance(value, dict) else value
        if isinstance(key, str) and key.isdecimal():
            key = int(key)
        table = REFERENCES[name] or f"{listed.path.removesuffix('/folder')}/folder"
        if table in NAMES and isinstance(key, str):
            return key
        if isinstance(key, bool) or not isinstance(key, int) or key not in account.tables[table]:
            account.refuse(f"there is no {name} {key}")
        return key

    def _added(self, listed: Listed, values: Row) -> Row:
        account, quirks = self.account, self.account.quirks
        values.pop("Id", None)
        if listed.path == ORDER:
            site = values.get("NumberOrderSite")
            if (
                quirks.unique_site_number
                and site
                and any(row.get("NumberOrderSite") == site for row in account.tables[ORDER].values())
            ):
                account.refuse(f"there is an order {site}")
        if listed.path == "product":
            values.setdefault("Kind", "P")
        self._check(listed, values)
        return account.put(listed.path, values)

    def _updated(self, listed: Listed, values: Row) -> Row:
        account, quirks = self.account, self.account.quirks
        key = as_number(values.pop("Id", None))
        row = account.tables[listed.path].get(int(key)) if key is not None else None
        if row is None:
            account.refuse("there is no record with that Id")
        if row.get("Fixed") and quirks.update_fixed == "refused":
            account.refuse("the document is published")
        self._open(listed, row.get("Date"))
        lines = values.get("Products")
        if quirks.update_lines == "merge" and lines is not None:
            values["Products"] = [*(row.get("Products") or ()), *lines]
        if quirks.contacts == "flat" and "Contacts" in values:  # a phone alone leaves the mail
            sent = {one["Type"] for one in values["Contacts"]}
            values["Contacts"] += [one for one in row.get("Contacts") or () if one["Type"] not in sent]
        kept = ("Id", "Number", "Date", "Fixed", "Archive", "Kind") if quirks.update == "full" else tuple(row)
        changed = {**{name: row[name] for name in kept if name in row}, **values}
        self._check(listed, changed)
        account.tables[listed.path][row["Id"]] = changed
        return changed

    def _check(self, listed: Listed, row: Row) -> None:
        """What a document must be, and its sum."""
        account, quirks = self.account, self.account.quirks
        if not listed.is_document:
            return
        self._open(listed, row.get("Date") or account.stamp(account.now()))
        if listed.path == ORDER and quirks.required:
            for name in NEEDED:
                if not row.get(name):
                    account.refuse(f"{name} is required")
        if "Products" in listed.fields and (quirks.sum_computed or "Sum" not in row):
            row["Sum"] = total(row) if quirks.sum_computed else Decimal(0)

    def _open(self, listed: Listed, date: str | None) -> None:
        closed = self.account.closed
        if listed.is_document and closed and date and datetime.fromisoformat(date) < self.account.day(closed):
            self.account.refuse("the period is closed")


def total(row: Row) -> Decimal:
    """The sum of the lines, less their discounts and the document's, with the delivery."""
    sums = Decimal(0)
    for line in deepcopy(row.get("Products") or []):
        price, quantity = as_number(line.get("Price")) or 0, as_number(line.get("Quantity")) or 0
        sums += Decimal(price) * Decimal(quantity) - (as_number(line.get("Discount")) or 0)
    sums += (as_number(row.get("Delivery")) or 0) - (as_number(row.get("Discount")) or 0)
    return sums.quantize(CENT, ROUND_HALF_UP)
