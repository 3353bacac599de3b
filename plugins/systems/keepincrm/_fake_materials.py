"""Materials (goods), their categories and their stock by office in the fake KeepinCRM."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import Answer, Answered, Asked
from plugins.systems.keepincrm._fake_account import Account, Row, as_decimal, money
from plugins.systems.keepincrm._fake_lists import listing, object_of

_PLAIN = ("sku", "title", "unit", "link_url", "asset_url", "vat_group_title")
_MONEY = ("price", "cost")
_WRITTEN = (
    *_PLAIN, *_MONEY, "currency", "cost_currency", "weight", "volume", "category_id", "irrelevant", "available",
    "stock_rests_attributes", "custom_fields", "named_custom_prices",
)  # fmt: skip


def blank_material(**values: Any) -> Row:
    """All fields of a material's row."""
    return {
        "sku": "", "title": "", "unit": "шт.", "price": Decimal(0), "currency": "UAH", "cost": None,
        "cost_currency": "UAH", "weight": None, "volume": None, "link_url": None, "asset_url": None,
        "category_id": None, "vat_group_title": None, "marketplace_uid": None, "irrelevant": False,
        "custom_fields": {}, "named_prices": {}, "rests": [], "own": Decimal(0), "extra": {}, **values,
    }  # fmt: skip


class Materials:
    """The handlers of ``/materials…``."""

    def __init__(self, account: Account) -> None:
        self.account = account

    # --- requests ------------------------------------------------------------------------------------------------

    def all(self, asked: Asked) -> Row:
        """``GET /materials``."""
        quirks = self.account.quirks
        rows = [one for one in self.rows() if quirks.archived_listed or not one["irrelevant"]]
        office = asked.param("office_id") if quirks.office_filter else ""
        return listing(self.account, asked, rows, lambda row: self.tell(row, in_list=True, office=office))

    def one(self, _asked: Asked, key: str) -> Row:
        """``GET /materials/{id}``."""
        return self.tell(self.account.found("materials", key))

    def by_sku(self, _asked: Asked, sku: str) -> Row:
        """``GET /materials/sku/{sku}``."""
        row = self.match(self._path_sku(sku), path=True)
        if row is None:
            raise Answered(self.account.not_found())
        return self.tell(row)

    def create(self, asked: Asked) -> Answer:
        """``POST /materials``: 201."""
        self.account.allow(self.account.quirks.create_material, "base")
        return Answer(201, self.tell(self._made(object_of(self.account, asked))))

    def change(self, asked: Asked, key: str) -> Row:
        """``PATCH /materials/{id}``."""
        row = self.account.found("materials", key)
        self.write(row, object_of(self.account, asked))
        return self.tell(row)

    def put_by_sku(self, asked: Asked, sku: str) -> Answer | Row:
        """``PUT /materials/sku/{sku}``: changes just the fields that it names."""
        sku = self._path_sku(sku)
        row = self.match(sku, path=True)
        if row is not None:
            self.write(row, object_of(self.account, asked))
            return self.tell(row)
        switch = self.account.quirks.upsert_by_sku
        if switch != "creates":
            self.account.allow(switch, "sku")
        return Answer(201, self.tell(self._made({"sku": sku, **object_of(self.account, asked)})))

    def delete(self, _asked: Asked, key: str) -> Answer:
        """``DELETE /materials/{id}``."""
        quirks = self.account.quirks
        if quirks.delete_material == "not_found":
            raise Answered(self.account.not_found())
        row = self.account.found("materials", key)
        if quirks.delete_material == "archives":
            row["irrelevant"] = True
            self.account.touch(row)
        else:
            del self.account.tables["materials"][row["id"]]
        return Answer(204) if quirks.delete_answer == "empty" else Answer(200, self.tell(row))

    def categories(self, asked: Asked) -> Row:
        """``GET /materials/categories``."""
        self.account.allow(self.account.quirks.categories, "base")
        return listing(self.account, asked, self.account.tables["categories"].values(), self._category)

    def create_category(self, asked: Asked) -> Answer:
        """``POST /materials/categories``: 201."""
        quirks = self.account.quirks
        self.account.allow(quirks.categories, "base")
        self.account.allow(quirks.create_category, "base")
        names = (quirks.category_name, "parent_id") if quirks.category_parents else (quirks.category_name,)
        body = self.account.known(object_of(self.account, asked), names)
        name = body.get(quirks.category_name)
        if not isinstance(name, str) or not name.strip():
            raise self.account.invalid(**{quirks.category_name: "is required"})
        parent = self.account.reference("parent_id", "categories", body.get("parent_id"))
        return Answer(201, self._category(self.account.add("categories", {"name": name.strip(), "parent_id": parent})))

    # --- reading -------------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """All, oldest first."""
        return list(self.account.tables["materials"].values())

    def match(self, sku: str, *, path: bool = False) -> Row | None:
        """The material that the CRM takes for a SKU. Several may have it; an empty one never matches."""
        quirks = self.account.quirks
        caseless = path and not quirks.sku_case
        found = [
            row
            for row in self.rows()
            if sku and (row["sku"] == sku or (caseless and (row["sku"] or "").lower() == sku.lower()))
        ]
        if not found:
            return None
        if quirks.duplicate_sku == "touched":
            return max(found, key=lambda row: row["updated_at"])
        return found[0 if quirks.duplicate_sku == "first" else -1]

    def available(self, row: Row, office: str = "") -> Decimal:
        """The rest over all offices, or in one."""
        rests = [one for one in row["rests"] if not office or str(one["office_id"]) == office]
        if not row["rests"]:
            return Decimal(row["own"])
        return sum((Decimal(one["available"]) for one in rests), Decimal(0))

    def tell(self, row: Row, *, in_list: bool = False, office: str = "") -> Row:
        """A material as the API tells it."""
        quirks = self.account.quirks
        told: Row = {"id": row["id"], "sku": row["sku"], "title": row["title"], "unit": row["unit"]}
        for name in _MONEY:
            value = money(row[name], quirks.price_form)
            if quirks.price_names != "plain":
                told[f"{name}_amount"] = value
            if quirks.price_names != "amount":
                told[name] = value
        for name in ("currency", "cost_currency", "weight", "volume", "link_url", "asset_url"):
            told[name] = row[name]
        for name in ("category_id", "vat_group_title", "marketplace_uid", "irrelevant"):
            told[name] = row[name]
        available = self.available(row, office)
        if in_list or quirks.stock_names == "both":
            told["stock_available"] = available
        if not in_list or quirks.stock_names == "both":
            told["available"] = available
        if quirks.category_read != "absent":
            category = self.account.named("categories", row["category_id"])
            told["category"] = category and (category if quirks.category_read == "object" else category["name"])
        if quirks.rests_read:
            offices = {str(one["office_id"]) for one in row["rests"]}
            told["stock_rests"] = {key: {"available": self.available(row, key)} for key in sorted(offices)}
        if quirks.named_prices != "absent":
            told["named_custom_prices"] = self._named_prices(row)
        told["custom_fields"] = self.account.custom_read(
            row["custom_fields"], slugs=quirks.custom_fields_read == "slugs"
        )
        if quirks.material_times:
            told |= {name: self.account.moment(row[name]) for name in ("created_at", "updated_at")}
        return told | {name: row["extra"].get(name) for name in quirks.extra_fields}

    def _named_prices(self, row: Row) -> Any:
        form = self.account.quirks.named_prices
        told = [
            (kind["name"], price["amount"], price["currency"])
            for key, price in row["named_prices"].items()
            if (kind := self.account.row("price_kinds", key))
        ]
        if form == "list":
            return [{"name": name, "price": amount, "currency": currency} for name, amount, currency in told]
        if form == "text":
            return {name: f"{money(amount, 'text')} {currency}" for name, amount, currency in told}
        return {name: amount for name, amount, _currency in told}

    def _category(self, row: Row) -> Row:
        quirks = self.account.quirks
        told = {"id": row["id"], quirks.category_name: row["name"]}
        return told | {"parent_id": row["parent_id"]} if quirks.category_parents else told

    def _path_sku(self, sku: str) -> str:
        """A SKU in a path as the server's router hands it on."""
        quirks = self.account.quirks
        if "/" in sku and not quirks.sku_slash:
            raise Answered(self.account.not_found())
        return sku if quirks.sku_dot else sku.rpartition(".")[0] or sku

    # --- writing -------------------------------------------------------------------------------------------------

    def _made(self, body: Mapping[str, Any]) -> Row:
        title, sku = body.get("title"), body.get("sku")
        if not isinstance(title, str) or not title.strip():
            raise self.account.invalid(title="is required")
        if self.account.quirks.sku_unique and sku and any(row["sku"] == sku for row in self.rows()):
            raise self.account.invalid(sku="has already been taken")
        row = blank_material()
        self.write(row, body)  # before it is there: what is refused leaves nothing behind
        made = self.account.add("materials", row)
        self.account.happened("material.created", made)
        return made

    def write(self, row: Row, body: Mapping[str, Any]) -> None:
        """Put the fields of a body into a row; all of them or, when one is refused, none."""
        account, quirks = self.account, self.account.quirks
        given = account.known(body, (*_WRITTEN, *quirks.extra_fields))
        new: Row = {}
        for name in (*_PLAIN, "currency", "cost_currency"):
            if name in given:
                if isinstance(given[name], (dict, list)):
                    raise account.misshapen(name, "is invalid")
                new[name] = given[name] if given[name] is None else str(given[name])
        if "title" in new and not (new["title"] or "").strip():
            raise account.invalid(title="is required")
        for name in (*_MONEY, "weight", "volume"):
            if name in given:
                new[name] = account.number(name, given[name])
        if "category_id" in given:
            new["category_id"] = account.reference("category_id", "categories", given["category_id"])
        if "irrelevant" in given:
            new["irrelevant"] = given["irrelevant"] in (True, "true", "1", 1)
        if "custom_fields" in given:
            new["custom_fields"] = account.custom_values("material", given["custom_fields"], row["custom_fields"])
        if "named_custom_prices" in given:
            new["named_prices"] = self._prices_after(row, given["named_custom_prices"])
        if "available" in given:
            own = account.number("available", given["available"])
            if quirks.available_write == "sets" and not row["rests"]:
                new["own"] = own or Decimal(0)
        if "stock_rests_attributes" in given:
            new["rests"] = self._rests_after(row, given["stock_rests_attributes"])
        extra = {name: given[name] for name in quirks.extra_fields if name in given}
        row.update(new)
        row["extra"] = row["extra"] | extra
        if "id" in row:
            account.touch(row)
            account.happened("material.stock" if "rests" in new or "own" in new else "material.updated", row)

    def _prices_after(self, row: Row, given: Any) -> dict[str, Row]:
        if not isinstance(given, dict):
            raise self.account.misshapen("named_custom_prices", "is invalid")
        kinds = self.account.tables["price_kinds"]
        after = dict(row["named_prices"]) if self.account.quirks.named_prices_merge else {}
        for name, value in given.items():
            kind = next((one for one in kinds.values() if one["name"] == name), None)
            if kind is None:
                if self.account.quirks.unknown_price_kind == "ignored":
                    continue
                if self.account.quirks.unknown_price_kind == "refused":
                    raise self.account.invalid(named_custom_prices=f"{name}: is unknown")
                kind = self.account.add("price_kinds", {"name": name})
            amount, _, currency = str(value).strip().partition(" ") if isinstance(value, str) else (value, "", "")
            number = as_decimal(amount)
            if number is None and amount not in (None, ""):
                raise self.account.invalid(named_custom_prices=f"{name}: is not a number")
            if number is None:
                after.pop(str(kind["id"]), None)
            else:
                after[str(kind["id"])] = {"amount": number, "currency": currency.strip() or row["currency"]}
        return after

    def _rests_after(self, row: Row, given: Any) -> list[Row]:
        quirks = self.account.quirks
        rests: list[Row] = [dict(one) for one in row["rests"]]
        if quirks.rests_write == "refused":
            raise self.account.invalid(stock_rests="cannot be changed: stock is kept by documents")
        for one in self.account.rows("stock_rests_attributes", given):
            office = next(
                (
                    office
                    for office in self.account.tables["offices"].values()
                    if str(one.get("office_id") or "") == str(office["id"])
                    or (one.get("office_hash_id") and one["office_hash_id"] == office["hash_id"])
                ),
                None,
            )
            if office is None:
                if quirks.unknown_office == "ignored":
                    continue
                raise self.account.invalid(stock_rests="office must exist")
            number = self.account.number("stock_rests.available", one.get("available")) or Decimal(0)
            there = next((rest for rest in rests if rest["office_id"] == office["id"]), None)
            if there is not None and quirks.rests_write == "set":
                there["available"] = number
            else:
                rests.append({"office_id": office["id"], "available": number})
        return rests

    def move_stock(self, key: int, office_id: int, amount: Decimal) -> None:
        """What a sale (below zero) or a receipt in the CRM does to a rest; it may fall below zero."""
        row = self.account.tables["materials"][key]
        there = next((rest for rest in row["rests"] if rest["office_id"] == office_id), None)
        if there is None:
            there = {"office_id": office_id, "available": Decimal(0)}
            row["rests"].append(there)
        there["available"] = Decimal(there["available"]) + amount
        self.account.touch(row)
        self.account.happened("material.stock", row)
