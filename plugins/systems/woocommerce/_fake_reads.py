"""The lists of products and variations of the fake shop, its categories and its shared attributes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import Answer, Asked
from plugins.systems.woocommerce._fake_products import VARIATION, Products
from plugins.systems.woocommerce._fake_shop import DEFAULT_CATEGORY, HOME, Shop
from plugins.systems.woocommerce._fake_wordpress import (
    JSON,
    Kind,
    Row,
    amount,
    asked_list,
    asked_value,
    body_of,
    checked,
    filtered,
    slugged,
    wrong,
)
from plugins.systems.woocommerce._fake_writes import STATUSES, STOCK, TYPES, Writes

_ORDERBYS = "date,id,include,title,slug,modified,menu_order,price,popularity,rating"
_CATEGORY: dict[str, Kind] = {
    **dict.fromkeys(("name", "slug", "description"), "string"),
    "parent": "integer",
    "display": ("default", "products", "subcategories", "both"),
    "image": "object",
    "menu_order": "integer",
}


class Reads:
    """The handlers that tell products and variations."""

    def __init__(self, shop: Shop, products: Products) -> None:
        self.shop = shop
        self.products = products

    def all(self, asked: Asked) -> Answer:
        """``GET /products``: products alone, unless they are looked for by article: then variations as well."""
        by_article = any(asked.param(name) for name in ("sku", "search_sku", "search_name_or_sku", "global_unique_id"))
        rows = list(self.products.rows()) if by_article else self.products.parents()
        rows = self._filtered(asked, rows)
        return self._listing(asked, rows, lambda row: self.products.tell(row, asked.param("context", "view")))

    def one(self, asked: Asked, key: str) -> Row:
        """``GET /products/{id}``: a variation as well."""
        row = self.shop.row("products", key)
        if row is None:
            raise wrong(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        return self.products.tell(row, asked.param("context", "view"))

    def variations(self, asked: Asked, parent: str) -> Answer:
        """``GET /products/{id}/variations``; none for a product that is not there."""
        rows = [row for row in self.products.rows() if row["type"] == VARIATION and row["parent_id"] == int(parent)]
        return self._listing(asked, self._filtered(asked, rows), self.products.tell_variation)

    def variation(self, asked: Asked, parent: str, key: str) -> Row:  # noqa: ARG002 - looked up by its own id alone
        """``GET /products/{id}/variations/{id}``."""
        row = self.shop.row("products", key)
        if row is None:
            raise wrong(404, "woocommerce_rest_product_variation_invalid_id", "Invalid ID.")
        return self.products.tell_variation(row)

    def all_variations(self, asked: Asked) -> Answer:
        """``GET /variations``: of all products, with ``parent_id``."""
        rows = [row for row in self.products.rows() if row["type"] == VARIATION]
        return self._listing(
            asked,
            self._filtered(asked, rows),
            lambda row: self.products.tell_variation(row) | {"parent_id": row["parent_id"]},
        )

    def _listing(self, asked: Asked, rows: Iterable[Row], tell: Any) -> Answer:
        return self.shop.listing(asked, self.shop.between(asked, rows), tell, orderbys=_ORDERBYS)

    def _filtered(self, asked: Asked, rows: Iterable[Row]) -> list[Row]:
        status = asked_value(asked, "status", ("any", "future", "trash", *STATUSES), "any")
        kind = asked_value(asked, "type", TYPES)
        stock_status = asked_value(asked, "stock_status", STOCK)
        on_sale = asked_value(asked, "on_sale", "boolean")
        wanted = {part for part in asked_list(asked, "category") if part.isdigit()}
        categories = self._with_children(int(part) for part in wanted)
        skus = {part.strip().lower() for part in (*asked.param("sku").split(","), asked.param("sku"))}
        words = asked.param("search").lower()
        part = asked.param("search_sku").lower()
        either = asked.param("search_name_or_sku").lower().split()
        sku, code = asked.param("sku"), asked.param("global_unique_id")
        codes = {one.strip() for one in code.split(",")}
        lowest, highest = amount(asked.param("min_price")), amount(asked.param("max_price"))
        parent = {int(key) for key in asked_list(asked, "parent") if key.isdigit()}
        slug = asked.param("slug")

        def passes(row: Row) -> bool:
            price = amount(row["price"])
            return (
                (row["status"] == status if status != "any" else row["status"] not in {"trash", "auto-draft"})
                and kind in (None, row["type"])
                and (stock_status is None or self.products.stock(row)[2] == stock_status)
                and (on_sale is None or self.products.on_sale(row) == on_sale)
                and (not wanted or bool(categories & set(row["categories"])))
                and (not sku or (row["sku"] != "" and row["sku"].lower() in skus))
                and (not words or words in f"{row['name']} {row['description']}".lower())
                and part in row["sku"].lower()
                and (not either or all(word in f"{self.products.name(row)} {row['sku']}".lower() for word in either))
                and (not code or row["global_unique_id"] in codes)
                and (lowest is None or (price is not None and price >= lowest))
                and (highest is None or (price is not None and price <= highest))
                and (not parent or row["parent_id"] in parent)
                and slug in ("", row["slug"])
            )

        return [row for row in rows if passes(row)]

    def _with_children(self, keys: Iterable[int]) -> set[int]:
        """Categories with all below them."""
        found: set[int] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += [row["id"] for row in self.shop.tables["categories"].values() if row["parent"] == key]
        return found


class Categories:
    """The handlers of ``/products/categories``: a tree, told as a flat list with parents."""

    def __init__(self, shop: Shop, products: Products, writes: Writes) -> None:
        self.shop = shop
        self.products = products
        self.writes = writes

    def all(self, asked: Asked) -> Answer:
        """``GET``: by name, unless another order is asked for."""
        rows: Iterable[Row] = self.shop.tables["categories"].values()
        parent = asked_value(asked, "parent", "integer")
        product = asked_value(asked, "product", "integer")
        words, slugs = asked.param("search").lower(), asked_list(asked, "slug")
        rows = [row for row in rows if parent in (None, row["parent"]) and words in row["name"].lower()]
        if slugs:
            rows = [row for row in rows if row["slug"] in slugs]
        if product is not None:
            standing = (self.shop.row("products", product) or {}).get("categories", ())
            rows = [row for row in rows if row["id"] in standing]
        if asked_value(asked, "hide_empty", "boolean", False):
            rows = [row for row in rows if self._count(row)]
        orderbys = "id,include,name,slug,term_group,description,count"
        return self.shop.listing(asked, rows, self.tell, orderbys=orderbys, orderby="name", order="asc")

    def one(self, _asked: Asked, key: str) -> Row:
        """``GET`` one."""
        return self.tell(self._found(key))

    def create(self, asked: Asked) -> Answer:
        """``POST``: 201. One with that name below that parent already: 400 with its id."""
        row = self._create(checked(body_of(asked), _CATEGORY))
        location = {"Location": f"{HOME}/wp-json/wc/v3/products/categories/{row['id']}"}
        return Answer(201, self.tell(row), location, JSON)

    def update(self, asked: Asked, key: str) -> Row:
        """``PUT``: just the fields that it names."""
        return self._update(self._found(key), checked(body_of(asked), _CATEGORY))

    def delete(self, asked: Asked, key: str) -> Row:
        """``DELETE``: only with ``force=true``; there is no trash for categories."""
        row = self._found(key)
        if asked.param("force") not in {"true", "1"}:
            raise wrong(501, "woocommerce_rest_trash_not_supported", "Resource does not support trashing.")
        return self._delete(row)

    def batch(self, asked: Asked) -> Answer:
        """``POST /products/categories/batch``."""
        return self.writes.run_batch(
            asked,
            lambda body: self.tell(self._create(body)),
            lambda body: self._update(self._found(body.get("id")), body),
            lambda key: self._delete(self._found(key)),
        )

    def tell(self, row: Row) -> Row:
        """A category as the API tells it."""
        told: Row = {name: row[name] for name in ("id", "name", "slug", "parent", "description", "display")}
        told["image"] = self.shop.picture(row["image"]) if row["image"] else None
        return told | {"menu_order": row["menu_order"], "count": self._count(row)}

    def _count(self, row: Row) -> int:
        return sum(
            1 for one in self.products.parents() if row["id"] in one["categories"] and one["status"] == "publish"
        )

    def _found(self, key: object) -> Row:
        row = self.shop.row("categories", key)
        if row is None:
            raise wrong(404, "woocommerce_rest_term_invalid", "Resource does not exist.")
        return row

    def _create(self, body: Row) -> Row:
        name = filtered(body.get("name") or "").strip()
        if "name" not in body:
            raise wrong(400, "rest_missing_callback_param", "Missing parameter(s): name", params=["name"])
        if not name:
            raise wrong(400, "empty_term_name", "A name is required for this term.")
        parent = int(body.get("parent") or 0)
        rows = self.shop.tables["categories"].values()
        if parent and parent not in self.shop.tables["categories"]:
            raise wrong(400, "missing_parent", "Parent term does not exist.")
        there = next((row for row in rows if row["parent"] == parent and row["name"].lower() == name.lower()), None)
        if there is not None and not body.get("slug"):
            words = "A term with the name provided already exists with this parent."
            raise wrong(400, "term_exists", words, resource_id=there["id"])
        slug = slugged(str(body.get("slug") or name), (row["slug"] for row in rows))
        row = self.shop.add("categories", self.shop.category_row(name, parent=parent, slug=slug))
        self._write(row, body)
        return row

    def _update(self, row: Row, body: Row) -> Row:
        if body.get("name"):
            row["name"] = filtered(body["name"]).strip()
        if body.get("parent") is not None:
            row["parent"] = int(body["parent"])
        self._write(row, body)
        return self.tell(row)

    def _write(self, row: Row, body: Row) -> None:
        if body.get("description") is not None:
            row["description"] = filtered(body["description"])
        row |= {name: body[name] for name in ("display", "menu_order") if body.get(name) is not None}
        picture = body.get("image")
        if isinstance(picture, dict) and (picture.get("id") or picture.get("src")):
            known = self.shop.row("media", picture.get("id") or 0)
            row["image"] = (
                known["id"]
                if known
                else self.shop.fetch_picture(picture.get("src"), "woocommerce_rest_invalid_remote_image_url")
            )

    def _delete(self, row: Row) -> Row:
        if row["id"] == DEFAULT_CATEGORY:
            raise wrong(500, "woocommerce_rest_cannot_delete", "Default product category cannot be deleted.")
        told = self.tell(row)
        del self.shop.tables["categories"][row["id"]]
        for child in self.shop.tables["categories"].values():
            if child["parent"] == row["id"]:
                child["parent"] = row["parent"]
        for product in self.products.parents():
            if row["id"] in product["categories"]:
                left = [key for key in product["categories"] if key != row["id"]]
                product["categories"] = left or [DEFAULT_CATEGORY]
        return told


class Attributes:
    """The handlers of ``/products/attributes`` and their terms."""

    def __init__(self, shop: Shop, writes: Writes) -> None:
        self.shop = shop
        self.writes = writes

    def all(self, _asked: Asked) -> list[Row]:
        """``GET /products/attributes``: all on one page."""
        return [self.tell(row) for row in self.shop.tables["attributes"].values()]

    def create(self, asked: Asked) -> Answer:
        """``POST /products/attributes``: 201."""
        name = str(checked(body_of(asked), {"name": "string"}).get("name", "")).strip()
        if not name:
            raise wrong(400, "rest_missing_callback_param", "Missing parameter(s): name", params=["name"])
        return Answer(201, self.tell(self.make(name)), {}, JSON)

    def make(self, name: str) -> Row:
        """A shared attribute."""
        rows = self.shop.tables["attributes"].values()
        return self.shop.add("attributes", {"name": name, "slug": slugged(f"pa_{name}", (row["slug"] for row in rows))})

    def terms(self, asked: Asked, key: str) -> Answer:
        """``GET /products/attributes/{id}/terms``."""
        if self.shop.row("attributes", key) is None:
            raise wrong(404, "woocommerce_rest_taxonomy_invalid", "Taxonomy does not exist.")
        rows = [row for row in self.shop.tables["terms"].values() if row["attribute"] == int(key)]
        orderbys = "id,include,name,slug,term_group,description,count"
        return self.shop.listing(asked, rows, self._term, orderbys=orderbys, orderby="name", order="asc")

    def create_term(self, asked: Asked, key: str) -> Answer:
        """``POST /products/attributes/{id}/terms``: 201."""
        name = str(checked(body_of(asked), {"name": "string"}).get("name", "")).strip()
        if not name:
            raise wrong(400, "rest_missing_callback_param", "Missing parameter(s): name", params=["name"])
        return Answer(201, self._term(self.writes.term(int(key), name)), {}, JSON)

    def tell(self, row: Row) -> Row:
        """An attribute as the API tells it."""
        told = {"id": row["id"], "name": row["name"], "slug": row["slug"]}
        return told | {"type": "select", "order_by": "menu_order", "has_archives": False}

    def _term(self, row: Row) -> Row:
        told = {"id": row["id"], "name": row["name"], "slug": row["slug"]}
        return told | {"description": "", "menu_order": 0, "count": Decimal(0)}
