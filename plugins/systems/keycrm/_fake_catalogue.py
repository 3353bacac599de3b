"""``/products*``, ``/offers*``, ``/custom-fields``: the catalogue, prices and stocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import Answer, Asked, FakeApi
from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import (
    Errors,
    F,
    Listing,
    Row,
    body_of,
    check,
    equal,
    filters_of,
    flag,
    includes_of,
    invalid,
    page,
    read,
    refuse,
    select,
    truth,
)
from plugins.systems.keycrm._fake_show import PIECES, Show
from plugins.systems.keycrm._fake_stock import Goods

CUSTOM = F("list", fields={"uuid": F("str", required=True), "value": F("any", nullable=True)})
SIZES = {name: F("num") for name in ("weight", "length", "width", "height")}
PROPERTIES = F("list", fields={"name": F("str"), "value": F("str")})
PRODUCT = {
    "name": F("str"),
    "description": F("str"),
    "pictures": F("strings", most=6),
    "currency_code": F("str"),
    "sku": F("str"),
    "barcode": F("str"),
    "price": F("num"),
    "purchased_price": F("num"),
    "unit_type": F("str"),
    **SIZES,
    "category_id": F("int"),
    "custom_fields": CUSTOM,
}
NEW_PRODUCT = {**PRODUCT, "name": F("str", required=True)}
PRODUCTS = {"products": F("list", required=True, most=100, fields=NEW_PRODUCT)}
PRICES = {"price": F("num"), "purchased_price": F("num"), **SIZES, "image_url": F("str")}
VARIANTS = {
    "offers": F(
        "list",
        required=True,
        most=100,
        fields={"sku": F("str"), "barcode": F("str"), **PRICES, "properties": PROPERTIES},
    )
}
OFFERS = {"offers": F("list", required=True, most=10_000, fields={"id": F("int"), "sku": F("str"), **PRICES})}
STOCKS = {
    "warehouse_id": F("int", required=True),
    "stocks": F(
        "list",
        required=True,
        most=10_000,
        fields={"id": F("int"), "sku": F("str"), "quantity": F("num", required=True)},
    ),
}
CATEGORY = {"name": F("str", required=True), "parent_id": F("int", nullable=True)}
OFFERS_OWN = ("sku", "barcode", "price", "purchased_price")  # of a product without variants, kept by its one offer

PRODUCT_LIST = Listing(
    {"product_id": equal("id"), "category_id": equal("category_id"), "is_archived": flag("is_archived")},
    ("custom_fields",),
)
OFFER_LIST = Listing(
    {
        "id": equal("id"),
        "product_id": equal("product_id"),
        "sku": equal("sku"),
        "is_archived": flag("is_archived"),
    },
    ("product",),
    ("id", "product_id"),
)
# the query builder ignores what it does not know here (seen live), so a wrong name gives the whole list
STOCK_LIST = Listing(
    {"offers_id": equal("id"), "offers_sku": equal("sku"), "details": lambda _value: lambda _row: True}, lax=True
)
CATEGORY_LIST = Listing({"category_id": equal("id"), "parent_id": equal("parent_id")})
FIELD_LIST = Listing({"model": equal("model")}, ("options",), ("id", "position"))


class Catalogue:
    """The handlers, and what seeds need of them."""

    def __init__(self, account: Account, goods: Goods, show: Show) -> None:
        self.account, self.goods, self.show = account, goods, show

    def routes(self, api: FakeApi) -> None:
        """Register everything."""
        api.add("GET", "/v1/products", self._products)
        api.add("POST", "/v1/products", self._post_product)
        api.add("POST", "/v1/products/import", self._import_products)
        api.add("GET", "/v1/products/categories", self._categories)
        api.add("POST", "/v1/products/categories", self._post_category)
        api.add("GET", "/v1/products/{number}", self._product)
        api.add("PUT", "/v1/products/{number}", self._put_product)
        api.add("POST", "/v1/products/{number}/offers", self._post_offers)
        api.add("GET", "/v1/offers", self._offers)
        api.add("PUT", "/v1/offers", self._put_offers)
        api.add("GET", "/v1/offers/stocks", self._stocks)
        api.add("PUT", "/v1/offers/stocks", self._put_stocks)
        api.add("GET", "/v1/custom-fields", self._fields)

    # --- products -------------------------------------------------------------------------------------------------

    def _products(self, asked: Asked) -> Answer:
        include = includes_of(PRODUCT_LIST, asked, self.account.quirks)
        rows = select(PRODUCT_LIST, asked, self.account.quirks, list(self.account.table("products").values()))
        return page(asked, self.account.quirks, rows, lambda row: self.show.product(row, include))

    def _product(self, asked: Asked, number: str) -> Row:
        include = includes_of(PRODUCT_LIST, asked, self.account.quirks)
        return self.show.product(self.account.one("products", number), include)

    def _post_product(self, asked: Asked) -> Answer:
        values = read(body_of(asked), NEW_PRODUCT, self.account.quirks)
        self._refuse_category(values, "")
        return Answer(201, self.show.product(self.create(values)))

    def _import_products(self, asked: Asked) -> Answer:
        rows = read(body_of(asked), PRODUCTS, self.account.quirks)["products"]
        for index, values in enumerate(rows):
            self._refuse_category(values, f"products.{index}.")
        for values in rows:
            self.create(values)
        return Answer(201, {"status": True})

    def _refuse_category(self, values: Row, path: str) -> None:
        if self.account.get("categories", values.get("category_id")) is None and values.get("category_id") is not None:
            invalid({f"{path}category_id": ["The selected category id is invalid."]}, self.account.quirks)

    def create(self, values: Mapping[str, Any], number: int | None = None) -> Row:
        """A product without variants, and its one offer."""
        blank = dict.fromkeys(("description", "unit_type", "category_id", *SIZES))
        row = self.account.new(
            "products",
            {
                "name": values["name"],
                **blank,
                "currency_code": "UAH",
                "pictures": [],
                "has_offers": False,
                "is_archived": False,
                "offer_ids": [],
                "custom": {},
            },
            number,
        )
        self._fill(row, values)
        self.account.new_offer(row, {name: values.get(name) for name in OFFERS_OWN} | {"is_default": True})
        return row

    def _fill(self, row: Row, values: Mapping[str, Any]) -> None:
        for name in ("name", "description", "category_id", *SIZES):
            if name in values:
                row[name] = values[name]
        if values.get("currency_code"):
            row["currency_code"] = values["currency_code"]
        if "unit_type" in values:
            # pieces are what the account counts in anyway, and are shown as null
            row["unit_type"] = None if values["unit_type"] == PIECES else values["unit_type"]
        if "pictures" in values:
            kept = [] if self.account.quirks.pictures_replace else row["pictures"]
            row["pictures"] = [*kept, *(values["pictures"] or ())][:6]
        self.set_custom(row, values.get("custom_fields"), "crm_product")

    def set_custom(self, row: Row, given: Sequence[Row] | None, model: str) -> None:
        """Take over the custom fields of a body: null and nothing empty a field; those of no such uuid are passed over.

        Answers 422 for a select field's value that is no list of texts.
        """
        known = {one["uuid"]: one for one in self.account.table("custom_fields").values() if one["model"] == model}
        for one in given or ():
            definition = known.get(one["uuid"])
            if definition is None or "value" not in one:
                continue
            value = one["value"]
            if definition["type"] == "select":
                if value is not None and not (isinstance(value, list) and all(isinstance(it, str) for it in value)):
                    invalid({"custom_fields": [f"The value of {one['uuid']} must be an array."]}, self.account.quirks)
            elif value is not None:
                value = str(value).lower() if isinstance(value, bool) else str(value)
            if value in (None, "", []):
                row["custom"].pop(one["uuid"], None)
            else:
                row["custom"][one["uuid"]] = value

    def _put_product(self, asked: Asked, number: str) -> Answer:
        row = self.account.one("products", number)
        values = read(body_of(asked), PRODUCT, self.account.quirks)
        self._refuse_category(values, "")
        if values.get("name", row["name"]) is None:
            invalid({"name": ["The name field is required."]}, self.account.quirks)
        self._fill(row, values)
        if not row["has_offers"]:
            self._fill_offer(self.account.offers_of(row)[0], values)
        self.account.touch(row)
        return Answer(202, self.show.product(row))

    def _fill_offer(self, offer: Row, values: Mapping[str, Any]) -> None:
        if "sku" in values:
            self.account.set_sku(offer, values["sku"])
        for name in ("barcode", "image_url", *SIZES):
            if name in values:
                offer[name] = values[name]
        for name in ("price", "purchased_price"):
            if name in values:
                offer[name] = Decimal(0) if values[name] is None else values[name]
        self.account.touch(offer)

    # --- variants -------------------------------------------------------------------------------------------------

    def _post_offers(self, asked: Asked, number: str) -> Answer:
        product = self.account.one("products", number)
        values, errors = check(body_of(asked), VARIANTS, self.account.quirks)
        if errors:
            refuse(400, next(iter(errors.values()))[0])  # the document has 400 here, where other bulk writes have 422
        for one in values["offers"]:
            self.add_variant(product, one)
        return Answer(201, {"status": True})

    def add_variant(self, product: Row, values: Mapping[str, Any], number: int | None = None) -> Row:
        """One more variant. Properties without a name or a value are dropped, as documented."""
        if not product["has_offers"]:
            product["has_offers"] = True
            if self.account.quirks.first_variant_drops_it:
                for offer in self.account.offers_of(product):
                    self.account.drop_offer(offer)
        properties = [
            {"name": one["name"], "value": one["value"]}
            for one in values.get("properties") or ()
            if one.get("name") and one.get("value")
        ]
        self.account.touch(product)
        return self.account.new_offer(product, {**values, "properties": properties}, number)

    def _offers(self, asked: Asked) -> Answer:
        include = includes_of(OFFER_LIST, asked, self.account.quirks)
        rows = select(OFFER_LIST, asked, self.account.quirks, self._listed(asked, "sku", "id"))
        return page(asked, self.account.quirks, rows, lambda row: self.show.offer(row, include))

    def _listed(self, asked: Asked, sku: str, number: str) -> list[Row]:
        """The offers that a list begins with: all, or those of the SKUs that it is filtered by."""
        filters = filters_of(asked)
        if sku in filters and number not in filters:
            found = {
                row["id"]: row for part in filters[sku].split(",") for row in self.account.offers_with(part.strip())
            }
            return [found[one] for one in sorted(found)]
        return [row for row in self.account.table("offers").values() if self.account.listed(row)]

    def _put_offers(self, asked: Asked) -> Answer:
        rows = read(body_of(asked), OFFERS, self.account.quirks)["offers"]
        self._refuse_rows("offers", rows)
        self._accept({"kind": "prices", "rows": rows})
        return Answer(202, {"status": True})

    # --- stocks ---------------------------------------------------------------------------------------------------

    def _stocks(self, asked: Asked) -> Answer:
        details = truth(filters_of(asked).get("details", ""))
        rows = select(STOCK_LIST, asked, self.account.quirks, self._listed(asked, "offers_sku", "offers_id"))
        return page(asked, self.account.quirks, rows, lambda row: self.show.stock(row, details=details))

    def _put_stocks(self, asked: Asked) -> Answer:
        values = read(body_of(asked), STOCKS, self.account.quirks)
        if self.account.get("warehouses", values["warehouse_id"]) is None:
            invalid({"warehouse_id": ["The selected warehouse id is invalid."]}, self.account.quirks)
        self._refuse_rows("stocks", values["stocks"])
        self._accept({"kind": "stocks", "rows": values["stocks"], "warehouse": values["warehouse_id"]})
        return Answer(202, {"status": True})

    # --- bulk writes: accepted now, done now or later -------------------------------------------------------------

    def _refuse_rows(self, name: str, rows: Sequence[Row]) -> None:
        errors: Errors = {}
        for index, row in enumerate(rows):
            if row.get("id") is None and not row.get("sku"):
                errors[f"{name}.{index}.id"] = ["The id field is required when sku is not present."]
            elif self.account.quirks.unknown_rows == "refuse" and not self._meant(row):
                which = "id" if row.get("id") is not None else "sku"
                errors[f"{name}.{index}.{which}"] = [f"The selected {which} is invalid."]
        if errors:
            invalid(errors, self.account.quirks)

    def _meant(self, row: Row) -> list[Row]:
        if row.get("id") is not None:
            offer = self.account.get("offers", row["id"])
            return [offer] if offer and self.account.listed(offer) else []
        found = self.account.offers_with(row["sku"])
        return found[:1] if self.account.quirks.duplicate_sku == "first" else found

    def _accept(self, write: Row) -> None:
        self.account.pending.append({**write, "due": self.account.later(self.account.quirks.lag)})
        self.settle()

    def settle(self) -> None:
        """Do the accepted writes whose time has come, in their order."""
        now = self.account.stamp()
        while self.account.pending and self.account.pending[0]["due"] <= now:
            write = self.account.pending.pop(0)
            done: Callable[[Row], None] = self._set_prices if write["kind"] == "prices" else self._set_stocks
            done(write)

    def _set_prices(self, write: Row) -> None:
        for row in write["rows"]:
            changes = {name: value for name, value in row.items() if name in PRICES}
            for offer in self._meant(row):
                self._fill_offer(offer, changes)
                self.account.touch(self.account.table("products")[offer["product_id"]])

    def _set_stocks(self, write: Row) -> None:
        wanted = [(offer, row["quantity"]) for row in write["rows"] for offer in self._meant(row)]
        self.goods.put(write["warehouse"], wanted, "api")

    # --- the rest -------------------------------------------------------------------------------------------------

    def _categories(self, asked: Asked) -> Answer:
        rows = select(CATEGORY_LIST, asked, self.account.quirks, list(self.account.table("categories").values()))
        return page(asked, self.account.quirks, rows, self.show.category)

    def _post_category(self, asked: Asked) -> Answer:
        values = read(body_of(asked), CATEGORY, self.account.quirks)
        parent = values.get("parent_id")
        if parent is not None and self.account.get("categories", parent) is None:
            invalid({"parent_id": ["The selected parent id is invalid."]}, self.account.quirks)
        row = self.account.new("categories", {"name": values["name"], "parent_id": parent})
        return Answer(201, self.show.category(row))

    def _fields(self, asked: Asked) -> list[Row]:
        """A bare list, without pages."""
        include = includes_of(FIELD_LIST, asked, self.account.quirks)
        rows = select(FIELD_LIST, asked, self.account.quirks, list(self.account.table("custom_fields").values()))
        return [self.show.field(row, options="options" in include) for row in rows]
