"""The writes to products and variations of the fake shop: one by one, with their schema, and in batches, without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.testing.fakehttp import Answer, Answered, Asked
from plugins.systems.woocommerce._fake_products import VARIATION, Products, blank_product
from plugins.systems.woocommerce._fake_shop import DEFAULT_CATEGORY, HOME, Shop
from plugins.systems.woocommerce._fake_wordpress import (
    JSON,
    Kind,
    Row,
    body_of,
    checked,
    filtered,
    kept,
    moment,
    price_text,
    slugged,
    truth,
    wrong,
)

STATUSES = ("draft", "pending", "private", "publish")
STOCK = ("instock", "outofstock", "onbackorder")
TYPES = ("simple", "grouped", "external", "variable")
_SHARED: dict[str, Kind] = {
    **dict.fromkeys(("description", "sku", "global_unique_id", "regular_price", "sale_price"), "string"),
    **dict.fromkeys(("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt"), "string"),
    **dict.fromkeys(("virtual", "downloadable", "manage_stock"), "boolean"),
    "tax_status": ("taxable", "shipping", "none"),
    "tax_class": "string",
    "stock_status": STOCK,
    "backorders": ("no", "notify", "yes"),
    "low_stock_amount": "integer",
    "weight": "string",
    "dimensions": "object",
    "attributes": "array",
    "menu_order": "integer",
    "meta_data": "array",
}
_PRODUCT: dict[str, Kind] = {
    **_SHARED,
    **dict.fromkeys(("name", "slug", "short_description", "external_url", "button_text", "purchase_note"), "string"),
    "type": TYPES,
    "status": (*STATUSES, "future", "auto-draft", "trash"),
    "featured": "boolean",
    "catalog_visibility": ("visible", "catalog", "search", "hidden"),
    "sold_individually": "boolean",
    "reviews_allowed": "boolean",
    "parent_id": "integer",
    "default_attributes": "array",
    **dict.fromkeys(("categories", "tags", "images"), "array"),
}
_VARIATION: dict[str, Kind] = {**_SHARED, "status": STATUSES, "image": "object"}
_TEXTS = ("name", "description", "short_description")
_PLAIN = ("catalog_visibility", "tax_status", "tax_class", "backorders", "external_url", "button_text", "purchase_note")
_FLAGS = ("featured", "virtual", "downloadable", "sold_individually", "reviews_allowed")


class Writes:
    """The handlers that change products and variations."""

    def __init__(self, shop: Shop, products: Products) -> None:
        self.shop = shop
        self.products = products

    # --- one by one ----------------------------------------------------------------------------------------------

    def create(self, asked: Asked) -> Answer:
        """``POST /products``: 201."""
        row = self._create(checked(body_of(asked), self._schema(_PRODUCT)))
        location = {"Location": f"{HOME}/wp-json/wc/v3/products/{row['id']}"}
        return Answer(201, self.products.tell(row, "edit"), location, JSON)

    def update(self, asked: Asked, key: str) -> Row:
        """``PUT /products/{id}`` (PATCH and POST do the same): just the fields that it names."""
        return self._update({"id": key, **checked(body_of(asked), self._schema(_PRODUCT))})

    def delete(self, asked: Asked, key: str) -> Row:
        """``DELETE /products/{id}``: into the trash, or for good with ``force=true``."""
        return self._delete(int(key), force=asked.param("force") in {"true", "1"})

    def create_variation(self, asked: Asked, parent: str) -> Answer:
        """``POST /products/{id}/variations``: 201."""
        row = self._create_variation(int(parent), checked(body_of(asked), self._schema(_VARIATION)))
        location = {"Location": f"{HOME}/wp-json/wc/v3/products/{parent}/variations/{row['id']}"}
        return Answer(201, self.products.tell_variation(row), location, JSON)

    def update_variation(self, asked: Asked, parent: str, key: str) -> Row:
        """``PUT /products/{id}/variations/{id}``."""
        row = self.shop.row("products", key)
        if row is not None and row["parent_id"] and row["parent_id"] != int(parent):
            raise wrong(403, "woocommerce_rest_cannot_edit", "Parent product does not match current variation.")
        return self._update_variation(int(parent), {"id": key, **checked(body_of(asked), self._schema(_VARIATION))})

    def delete_variation(self, asked: Asked, parent: str, key: str) -> Row:  # noqa: ARG002 - the path names it
        """``DELETE /products/{id}/variations/{id}``."""
        return self._delete_variation(int(key), force=asked.param("force") in {"true", "1"})

    # --- batches -------------------------------------------------------------------------------------------------

    def batch(self, asked: Asked) -> Answer:
        """``POST /products/batch``."""
        return self.run_batch(
            asked,
            lambda body: self.products.tell(self._create(body), "edit"),
            self._update,
            lambda key: self._delete(key, force=True),
        )

    def batch_variations(self, asked: Asked, parent: str) -> Answer:
        """``POST /products/{id}/variations/batch``. What is updated becomes a variation of that product."""
        key = int(parent)
        return self.run_batch(
            asked,
            lambda body: self.products.tell_variation(self._create_variation(key, body)),
            lambda body: self._update_variation(key, body),
            lambda one: self._delete_variation(one, force=True),
        )

    def run_batch(
        self,
        asked: Asked,
        create: Callable[[Row], Row],
        update: Callable[[Row], Row],
        delete: Callable[[int], Row],
    ) -> Answer:
        """All of ``create``, then ``update``, then ``delete``; what fails is told in the place of its row.

        Values are not held against the schema: whatever WooCommerce makes of them is what they are.
        """
        body = body_of(asked)
        parts = {name: body.get(name) or [] for name in ("create", "update", "delete")}
        if not all(isinstance(part, list) for part in parts.values()):
            words = "<p>There has been a critical error on this website.</p>"
            raise wrong(500, "internal_server_error", words)
        limit = self.shop.quirks.batch_limit
        if sum(map(len, parts.values())) > limit:
            raise wrong(
                413,
                "woocommerce_rest_request_entity_too_large",
                f"Unable to accept more than {limit} items for this request.",
            )
        told: dict[str, list[Row]] = {}
        for name, act in (("create", create), ("update", update)):
            for item in parts[name]:
                row = item if isinstance(item, dict) else {}
                key = 0 if name == "create" else row.get("id")
                told.setdefault(name, []).append(_tried(key, lambda act=act, row=row: act(row)))  # type: ignore[misc]
        for item in parts["delete"]:
            key = int(item) if str(item).isdigit() else 0
            if key:
                told.setdefault("delete", []).append(_tried(key, lambda key=key: delete(key)))  # type: ignore[misc]
        return Answer(200, told, {}, JSON)

    # --- products ------------------------------------------------------------------------------------------------

    def _schema(self, schema: Mapping[str, Kind]) -> dict[str, Kind]:
        return {**schema, "stock_quantity": "number" if self.shop.quirks.stock_decimals else "integer"}

    def _create(self, body: Mapping[str, Any]) -> Row:
        if body.get("id"):
            raise wrong(400, "woocommerce_rest_product_exists", "Cannot create existing product.")
        row = blank_product(status="publish")
        self._write(row, body)
        row["slug"] = self.products.slug(str(body.get("slug") or row["name"]))
        if not row["categories"]:
            row["categories"] = [DEFAULT_CATEGORY]
        made = self.products.enter(row)
        self.shop.happened("product.created", made)
        return made

    def _update(self, body: Mapping[str, Any]) -> Row:
        row = self.shop.row("products", body.get("id"))
        if row is None:
            raise wrong(400, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        if row["type"] == VARIATION:
            raise _is_variation()
        self._write(row, body)
        if body.get("slug") and body["slug"] != row["slug"]:
            row["slug"] = self.products.slug(str(body["slug"]))
        self.products.settle(row)
        self.products.touch(row)
        self.shop.happened("product.updated", row)
        return self.products.tell(row, "edit")

    def _delete(self, key: int, *, force: bool) -> Row:
        row = self.shop.row("products", key)
        if row is None:
            raise wrong(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        if row["type"] == VARIATION:
            raise _is_variation()
        told = self.products.tell(row, "edit")
        self._drop(row, "product", force=force)
        if force:
            for child in self.products.variations(key):
                del self.shop.tables["products"][child["id"]]
        self.shop.happened("product.deleted", row)
        return told

    def _create_variation(self, parent: int, body: Mapping[str, Any]) -> Row:
        if body.get("id"):
            raise wrong(400, "woocommerce_rest_product_variation_exists", "Cannot create existing product_variation.")
        row = blank_product(type=VARIATION, parent_id=parent)
        self._write(row, body)
        made = self.products.enter(row)
        self._moved(made)
        return made

    def _update_variation(self, parent: int, body: Mapping[str, Any]) -> Row:
        row = self.shop.row("products", body.get("id"))
        if row is None or row["type"] != VARIATION:
            raise wrong(400, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        new = {**row, "parent_id": parent}
        self._write(new, body)
        row.update(new)
        self.products.moves += 1
        self.products.settle(row)
        self._moved(row)
        return self.products.tell_variation(row)

    def _delete_variation(self, key: int, *, force: bool) -> Row:
        row = self.shop.row("products", key)
        if row is None or row["type"] != VARIATION:
            raise wrong(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        told = self.products.tell_variation(row)
        parent = self.products.parent(row)
        self._drop(row, "product_variation", force=force)
        if parent is not None:
            self.products.sync(parent)
        return told

    def _moved(self, row: Row) -> None:
        self.products.touch(row)
        parent = self.products.parent(row)
        if parent is not None:
            self.shop.happened("product.updated", parent)

    def _drop(self, row: Row, kind: str, *, force: bool) -> None:
        if force:
            del self.shop.tables["products"][row["id"]]
            return
        if row["status"] == "trash":
            raise wrong(410, "woocommerce_rest_already_trashed", f"The {kind} has already been deleted.")
        row["status"] = "trash"

    # --- fields --------------------------------------------------------------------------------------------------

    def _write(self, row: Row, body: Mapping[str, Any]) -> None:
        """Put the fields of a body into a row, all or, when one is refused, none. Null is as good as not sent."""
        given = {name: value for name, value in body.items() if value is not None}
        new: Row = {}
        variation = row["type"] == VARIATION
        if "type" in given and not variation:
            new["type"] = given["type"] if given["type"] in TYPES else "simple"
        for name in _TEXTS:
            if name in given and (name == "description" or not variation):
                new[name] = filtered(given[name])
        if "status" in given:
            new["status"] = given["status"] if given["status"] in {*STATUSES, "future", "trash"} else "draft"
        new |= {name: str(given[name]) for name in _PLAIN if name in given}
        new |= {name: truth(given[name]) for name in _FLAGS if name in given}
        if "sku" in given:
            new["sku"] = str(given["sku"]).strip()
            self._check_sku(row, new["sku"])
        if "global_unique_id" in given:
            new["global_unique_id"] = self._gtin(row, given["global_unique_id"])
        separator = self.shop.quirks.decimal_separator
        for name in ("regular_price", "sale_price", "weight"):
            if name in given:
                new[name] = price_text(given[name], separator)
        if isinstance(given.get("dimensions"), dict):
            sizes = {name: given["dimensions"].get(name) for name in ("length", "width", "height")}
            new |= {name: price_text(size, separator) for name, size in sizes.items() if size is not None}
        for name in ("date_on_sale_from", "date_on_sale_to"):
            for key, zone in ((name, self.shop.zone), (f"{name}_gmt", ZoneInfo("UTC"))):
                if key in given:
                    new[name] = kept(moment(given[key], zone)) if given[key] else None
        self._stock_of(row, given, new)
        self._lists_of(row, given, new)
        if "menu_order" in given:
            new["menu_order"] = int(given["menu_order"])
        row.update(new)

    def _stock_of(self, row: Row, given: Mapping[str, Any], new: Row) -> None:
        """A quantity counts only where stock is kept; its status then follows from it."""
        if "manage_stock" in given:
            new["manage_stock"] = truth(given["manage_stock"])
        if "stock_status" in given:
            new["stock_status"] = given["stock_status"] if given["stock_status"] in STOCK else "instock"
        if not new.get("manage_stock", row["manage_stock"]):
            return
        if "stock_quantity" in given:
            quantity = Decimal(str(given["stock_quantity"] or 0))
            new["stock_quantity"] = quantity if self.shop.quirks.stock_decimals else Decimal(int(quantity))
        if "low_stock_amount" in given:
            new["low_stock_amount"] = int(given["low_stock_amount"])

    def _lists_of(self, row: Row, given: Mapping[str, Any], new: Row) -> None:
        variation = row["type"] == VARIATION
        if isinstance(given.get("categories"), list) and not variation:
            keys = [int(one.get("id") or 0) for one in given["categories"] if isinstance(one, dict)]
            known = [key for key in dict.fromkeys(keys) if key in self.shop.tables["categories"]]
            new["categories"] = known or [DEFAULT_CATEGORY]
        if isinstance(given.get("tags"), list) and not variation:
            new["tags"] = [self._tag(one) for one in given["tags"] if isinstance(one, dict)]
        if "images" in given and not variation:
            pictures = [one for one in given["images"] if isinstance(one, dict) and one]
            new["images"] = [self._picture(one, "product") for one in pictures]
        if "image" in given and variation:
            picture = given["image"]
            kept_ = isinstance(picture, dict) and (picture.get("id") or picture.get("src"))
            new["images"] = [self._picture(picture, "variation")] if kept_ else []
        if isinstance(given.get("attributes"), list):
            if variation:
                new["chosen"] = self._choose(row, given["attributes"])
            else:
                new["attributes"] = [one for raw in given["attributes"] if (one := self._attribute(raw))]
        if isinstance(given.get("default_attributes"), list):
            new["default_attributes"] = given["default_attributes"]
        if isinstance(given.get("meta_data"), list):
            new["meta"] = self.meta_after(row["meta"], given["meta_data"])

    def meta_after(self, before: list[Row], given: list[Any]) -> list[Row]:
        """Meta data after a write: by id, else by key; null removes it."""
        rows = [dict(one) for one in before]
        for one in given:
            if not isinstance(one, dict) or "key" not in one:
                continue
            there = next((row for row in rows if row["id"] == one.get("id") or row["key"] == one["key"]), None)
            if there is None:
                self.shop.last += 1
                rows.append({"id": self.shop.last, "key": one["key"], "value": one.get("value")})
            else:
                there["value"] = one.get("value")
        return [row for row in rows if row["value"] is not None]

    def _check_sku(self, row: Row, sku: str) -> None:
        others = [one for one in self.products.by_sku(sku) if one["id"] != row.get("id")]
        living = [one for one in others if one["status"] != "trash"]
        quirks = self.shop.quirks
        if living and quirks.sku_conflict == "invalid_sku":
            raise wrong(
                400,
                "product_invalid_sku",
                "Invalid or duplicated SKU.",
                resource_id=living[0]["id"],
                unique_sku=f"{sku}-1",
            )
        if living or (others and quirks.trashed_sku == "not_created"):
            words = f"The product with SKU ({sku}) you are trying to insert is already present in the lookup table"
            raise wrong(400, "woocommerce_rest_product_not_created", words)

    def _gtin(self, row: Row, value: Any) -> str:
        code = "".join(sign for sign in str(value) if sign.isdigit() or sign in "xX-")
        taken = [one for one in self.products.rows() if code and one["global_unique_id"] == code]
        if any(one["id"] != row.get("id") for one in taken):
            words = "Invalid or duplicated GTIN, UPC, EAN or ISBN."
            raise wrong(400, "product_invalid_global_unique_id", words, resource_id=taken[0]["id"])
        return code

    def _picture(self, picture: Mapping[str, Any], kind: str) -> int:
        key = int(picture.get("id") or 0)
        if not key and picture.get("src"):
            key = self.shop.fetch_picture(picture["src"], f"woocommerce_{kind}_image_upload_error")
        media = self.shop.row("media", key)
        if media is None:
            raise wrong(400, f"woocommerce_{kind}_invalid_image_id", f"#{key} is an invalid image ID.")
        media |= {name: str(picture[name]) for name in ("name", "alt") if picture.get(name)}
        return key

    def _tag(self, given: Mapping[str, Any]) -> int:
        if "name" not in given:
            return int(given.get("id") or 0)
        tags = self.shop.tables["tags"]
        found = next((row for row in tags.values() if row["name"] == given["name"]), None)
        slug = slugged(str(given["name"]), (row["slug"] for row in tags.values()))
        return int((found or self.shop.add("tags", {"name": given["name"], "slug": slug}))["id"])

    def _attribute(self, given: Any) -> Row | None:
        """An attribute of a product: a shared one by its id, or one of its own by its name."""
        if not isinstance(given, dict):
            return None
        shared = self.shop.row("attributes", given["id"]) if given.get("id") else None
        name = shared["name"] if shared else str(given.get("name") or "")
        options = given.get("options")
        options = options.split("|") if isinstance(options, str) else options
        if not name or not isinstance(options, list) or (shared and not options):
            return None
        options = [str(one).strip() for one in options]
        if shared:
            for option in options:
                self.term(shared["id"], option)
        flags = {flag: truth(given.get(flag, False)) for flag in ("visible", "variation")}
        place = int(given.get("position") or 0)
        return {"id": shared["id"] if shared else 0, "name": name, "position": place, **flags, "options": options}

    def term(self, attribute: int, name: str) -> Row:
        """A value of a shared attribute, made where it is not there."""
        terms = [row for row in self.shop.tables["terms"].values() if row["attribute"] == attribute]
        found = next((row for row in terms if row["name"] == name), None)
        slug = slugged(name, (row["slug"] for row in terms))
        return found or self.shop.add("terms", {"attribute": attribute, "name": name, "slug": slug})

    def _choose(self, row: Row, given: list[Any]) -> dict[str, str]:
        """What makes a variation: only attributes of its product that are meant for variations; others drop out."""
        parent = self.shop.row("products", row["parent_id"])
        if parent is None:
            words = "Cannot set attributes due to invalid parent product."
            raise wrong(404, "woocommerce_rest_product_variation_invalid_parent", words)
        chosen = {}
        for one in given:
            if not isinstance(one, dict):
                continue
            found = next(
                (
                    attribute
                    for attribute in parent["attributes"]
                    if attribute["variation"]
                    and (
                        (one.get("id") and attribute["id"] == one["id"])
                        or (not one.get("id") and not attribute["id"] and _same(attribute["name"], one.get("name")))
                    )
                ),
                None,
            )
            if found:
                chosen[found["name"]] = str(one.get("option") or "")
        return chosen


def _same(name: str, other: Any) -> bool:
    return name.strip().lower() == str(other or "").strip().lower()


def _is_variation() -> Answered:
    where = "/products/&lt;product_id&gt;/variations/&lt;id&gt;"
    words = f"To manipulate product variations you should use the {where} endpoint."
    return wrong(404, "woocommerce_rest_invalid_product_id", words)


def _tried(key: Any, act: Callable[[], Row]) -> Row:
    try:
        return act()
    except Answered as refused:
        return {"id": key, "error": refused.answer.body}
