"""Products and variations of the fake shop: how they are told, found and kept in step with one another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from plugins.systems.woocommerce._fake_shop import DEFAULT_CATEGORY, HOME, Shop
from plugins.systems.woocommerce._fake_wordpress import Row, amount, dates, kept, paragraphs, slugged

VARIATION = "variation"


def blank_product(**values: Any) -> Row:
    """All fields of a product's or a variation's row."""
    return {
        "type": "simple", "parent_id": 0, "name": "", "slug": "", "status": "publish", "featured": False,
        "catalog_visibility": "visible", "description": "", "short_description": "", "sku": "", "global_unique_id": "",
        "price": "", "regular_price": "", "sale_price": "", "date_on_sale_from": None, "date_on_sale_to": None,
        "total_sales": 0, "virtual": False, "downloadable": False, "external_url": "", "button_text": "",
        "tax_status": "taxable", "tax_class": "", "manage_stock": False, "stock_quantity": None,
        "stock_status": "instock", "backorders": "no", "low_stock_amount": None, "sold_individually": False,
        "weight": "", "length": "", "width": "", "height": "", "reviews_allowed": True, "purchase_note": "",
        "categories": [], "tags": [], "images": [], "attributes": [], "default_attributes": [], "chosen": {},
        "menu_order": 0, "meta": [], **values,
    }  # fmt: skip


class Products:
    """What is known of products without a request."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.moves = 0  #: how often a variation came below another product
        self._children: dict[int, list[Row]] = {}
        self._slugs: set[str] = set()
        self._numbers: dict[str, int] = {}  # the last that a slug was given with
        self._gathered_of = (0, 0)  # how many rows and moves both were gathered of

    # --- finding -------------------------------------------------------------------------------------------------

    def rows(self) -> Iterable[Row]:
        """Products and variations."""
        return self.shop.tables["products"].values()

    def parents(self) -> list[Row]:
        """Products alone."""
        return [row for row in self.rows() if row["type"] != VARIATION]

    def variations(self, parent: int) -> list[Row]:
        """The variations of a product that are not in the trash, in their order."""
        self._gather()
        found = [row for row in self._children.get(parent, ()) if row["status"] != "trash"]
        return sorted(found, key=lambda row: (row["menu_order"], row["id"]))

    def slug(self, text: str) -> str:
        """An address part for a product that no other has."""
        self._gather()
        base = slug = slugged(text, ())
        while slug in self._slugs:
            self._numbers[base] = self._numbers.get(base, 1) + 1
            slug = f"{base}-{self._numbers[base]}"
        self._slugs.add(slug)
        return slug

    def _gather(self) -> None:
        """Children by product and slugs, anew where rows have come or gone by another way than ``enter``."""
        now = (len(self.shop.tables["products"]), self.moves)
        if now != self._gathered_of:
            self._children, self._slugs, self._gathered_of = {}, set(), now
            for row in self.rows():
                self._note(row)

    def _note(self, row: Row) -> None:
        if row["type"] == VARIATION:
            self._children.setdefault(row["parent_id"], []).append(row)
        else:
            self._slugs.add(row["slug"])

    def enter(self, row: Row) -> Row:
        """Add a row, settled."""
        self._gather()
        made = self.shop.add("products", row)
        self._note(made)
        self._gathered_of = (len(self.shop.tables["products"]), self.moves)
        self.settle(made)
        return made

    def by_sku(self, sku: str) -> list[Row]:
        """All with that article, those in the trash as well."""
        return [row for row in self.rows() if sku and row["sku"].lower() == sku.lower()]

    def parent(self, row: Row) -> Row | None:
        """The product of a variation."""
        return self.shop.row("products", row["parent_id"]) if row["type"] == VARIATION else None

    # --- price ---------------------------------------------------------------------------------------------------

    def on_sale(self, row: Row) -> bool:
        """Whether the special price holds now: it is below the regular one, and its dates do not exclude it."""
        if row["type"] == "variable":
            return any(self.on_sale(child) for child in self.variations(row["id"]))
        regular, special, now = amount(row["regular_price"]), amount(row["sale_price"]), self.shop.now()
        if special is None or regular is None or regular <= special:
            return False
        begin, end = row["date_on_sale_from"], row["date_on_sale_to"]
        return not (begin and datetime.fromisoformat(begin) > now) and not (end and datetime.fromisoformat(end) < now)

    def settle(self, row: Row) -> None:
        """What a save does: a special price that is none goes, the price is set, stock and its status agree."""
        if row["type"] in {"variable", "grouped"}:
            row |= {"regular_price": "", "sale_price": "", "date_on_sale_from": None, "date_on_sale_to": None}
        else:
            regular, special = amount(row["regular_price"]), amount(row["sale_price"])
            if special is not None and (regular is None or special >= regular):
                row["sale_price"] = ""
            row["price"] = row["sale_price"] if self.on_sale(row) else row["regular_price"]
        self._settle_stock(row)
        if row["type"] == "variable":
            self.sync(row)
        parent = self.parent(row)
        if parent is not None:
            self.sync(parent)

    def _settle_stock(self, row: Row) -> None:
        if not row["manage_stock"] or not self.shop.quirks.manage_stock:
            row |= {"stock_quantity": None, "backorders": "no", "low_stock_amount": None}
            return
        if Decimal(row["stock_quantity"] or 0) > 0:
            row["stock_status"] = "instock"
        else:
            row["stock_status"] = "onbackorder" if row["backorders"] != "no" else "outofstock"

    def sync(self, parent: Row) -> None:
        """Bring a variable product's price and stock status in line with its variations."""
        children = [row for row in self.variations(parent["id"]) if row["status"] == "publish"]
        prices = [row["price"] for row in children if amount(row["price"]) is not None]
        parent["price"] = min(prices, key=Decimal, default="")
        if not parent["manage_stock"] and children:
            statuses = {self.stock(row)[2] for row in children}
            order = ("instock", "onbackorder", "outofstock")
            parent["stock_status"] = next(one for one in order if one in statuses)

    def run_sales(self, *, daily: bool) -> None:
        """Begin and end the special prices that are due. ``daily``: as the job of older versions does it."""
        now = self.shop.now()
        for row in list(self.rows()):
            if row["type"] in {"variable", "grouped"}:
                continue
            begin, end = (
                row[name] and datetime.fromisoformat(row[name]) for name in ("date_on_sale_from", "date_on_sale_to")
            )
            started = bool(begin and begin <= now and row["sale_price"] and row["price"] != row["sale_price"])
            ended = bool(end and end < now)
            if ended and (row["price"] != row["regular_price"] or (daily and row["sale_price"])):
                row["price"] = row["regular_price"]
                if daily:
                    row |= {"sale_price": "", "date_on_sale_from": None, "date_on_sale_to": None}
            elif started and not ended:
                row["price"] = row["sale_price"]
                if daily:
                    row["date_on_sale_from"] = None
            else:
                continue
            self.touch(row)
            parent = self.parent(row)
            if parent is not None:
                self.sync(parent)

    # --- stock ---------------------------------------------------------------------------------------------------

    def stock(self, row: Row) -> tuple[Any, Decimal | None, str]:
        """``manage_stock`` (``parent`` for a variation whose product keeps it), quantity and status."""
        parent = self.parent(row)
        if not row["manage_stock"] and parent is not None and parent["manage_stock"]:
            return "parent", parent["stock_quantity"], parent["stock_status"]
        return row["manage_stock"], row["stock_quantity"], row["stock_status"]

    def take(self, row: Row, quantity: Decimal) -> None:
        """What an order takes of the stock (below zero: gives back), where stock is kept."""
        parent = self.parent(row)
        holder = parent if parent is not None and self.stock(row)[0] == "parent" else row
        if not holder["manage_stock"]:
            return
        holder["stock_quantity"] = Decimal(holder["stock_quantity"] or 0) - quantity
        self.settle(holder)
        if self.shop.quirks.sales_move_date:
            self.touch(holder)

    def touch(self, row: Row) -> None:
        """Note that it was saved."""
        row["modified"] = self.shop.stamp()
        parent = self.parent(row)
        if parent is not None and self.shop.quirks.variations_move_date:
            parent["modified"] = row["modified"]

    # --- telling -------------------------------------------------------------------------------------------------

    def name(self, row: Row) -> str:
        """A variation is called by its product and what was chosen."""
        parent = self.parent(row)
        if parent is None:
            return str(row["name"])
        return " - ".join([str(parent["name"]), ", ".join(row["chosen"].values())]).removesuffix(" - ")

    def tell(self, row: Row, context: str = "view") -> Row:
        """A product as ``/products`` tells it; a variation as well, which is found there by its article."""
        shop = self.shop
        shown = paragraphs if context == "view" else str
        parent = self.parent(row)
        told: Row = {"id": row["id"], "name": self.name(row), "slug": row["slug"], "permalink": self._link(row)}
        told |= dates("date_created", row["created"], shop.zone) | dates("date_modified", row["modified"], shop.zone)
        told |= {name: row[name] for name in ("type", "status", "featured", "catalog_visibility")}
        told |= {name: shown(row[name]) for name in ("description", "short_description")}
        told |= {"sku": row["sku"], "global_unique_id": row["global_unique_id"]} | self._prices(row)
        told |= {"total_sales": row["total_sales"], "virtual": row["virtual"], "downloadable": row["downloadable"]}
        told |= {"downloads": [], "download_limit": -1, "download_expiry": -1}
        told |= {name: row[name] for name in ("external_url", "button_text", "tax_status", "tax_class")}
        told |= self._stock(row) | {"sold_individually": row["sold_individually"]} | self._sizes(row)
        told |= {"shipping_required": not row["virtual"], "shipping_taxable": not row["virtual"]}
        told |= {"shipping_class": "", "shipping_class_id": 0, "reviews_allowed": row["reviews_allowed"]}
        told |= {"average_rating": "0.00", "rating_count": 0, "related_ids": [], "upsell_ids": [], "cross_sell_ids": []}
        told |= {"parent_id": row["parent_id"], "purchase_note": row["purchase_note"]}
        told["categories"] = [] if parent else self._terms("categories", row["categories"])
        told |= {"brands": [], "tags": self._terms("tags", row["tags"])}
        told["images"] = [picture for key in row["images"] if (picture := shop.picture(key))]
        told["has_options"] = row["type"] == "variable"
        told["attributes"] = self._chosen(row, parent) if parent else self._attributes(row)
        told["default_attributes"] = row["default_attributes"]
        told["variations"] = [child["id"] for child in self.variations(row["id"])]
        return told | {"grouped_products": [], "menu_order": row["menu_order"], "meta_data": row["meta"]}

    def tell_variation(self, row: Row) -> Row:
        """A variation as ``/products/{id}/variations`` tells it."""
        shop = self.shop
        told: Row = {"id": row["id"], **dates("date_created", row["created"], shop.zone)}
        told |= dates("date_modified", row["modified"], shop.zone)
        told |= {"description": paragraphs(row["description"]), "permalink": self._link(row), "sku": row["sku"]}
        told |= {"global_unique_id": row["global_unique_id"]} | self._prices(row)
        told |= {name: row[name] for name in ("status", "virtual", "downloadable")}
        told |= {"downloads": [], "download_limit": -1, "download_expiry": -1}
        told |= {"tax_status": row["tax_status"], "tax_class": row["tax_class"]} | self._stock(row) | self._sizes(row)
        told |= {"shipping_class": "", "shipping_class_id": 0}
        told["image"] = shop.picture(row["images"][0]) if row["images"] else None
        parent = self.parent(row)
        told["attributes"] = self._chosen(row, parent) if parent else []
        return told | {"menu_order": row["menu_order"], "meta_data": row["meta"]}

    def _link(self, row: Row) -> str:
        parent = self.parent(row)
        return f"{HOME}/product/{(parent or row)['slug']}/" + ("?" if parent else "")

    def _prices(self, row: Row) -> Row:
        told: Row = {name: row[name] for name in ("price", "regular_price", "sale_price")}
        for name in ("date_on_sale_from", "date_on_sale_to"):
            told |= dates(name, row[name], self.shop.zone)
        return told | {"on_sale": self.on_sale(row), "purchasable": row["status"] == "publish" and row["price"] != ""}

    def _stock(self, row: Row) -> Row:
        managed, quantity, status = self.stock(row)
        allowed = row["backorders"] != "no"
        return {
            "manage_stock": managed,
            "stock_quantity": quantity,
            "stock_status": status,
            "backorders": row["backorders"],
            "backorders_allowed": allowed,
            "backordered": status == "onbackorder" or (bool(managed) and allowed and Decimal(quantity or 0) < 0),
            "low_stock_amount": row["low_stock_amount"],
        }

    def _sizes(self, row: Row) -> Row:
        return {"weight": row["weight"], "dimensions": {name: row[name] for name in ("length", "width", "height")}}

    def _terms(self, table: str, keys: Iterable[int]) -> list[Row]:
        rows = (self.shop.tables[table].get(key) for key in keys)
        return [{"id": row["id"], "name": row["name"], "slug": row["slug"]} for row in rows if row]

    def _attributes(self, row: Row) -> list[Row]:
        told = []
        for one in sorted(row["attributes"], key=lambda one: one["position"]):
            shared = self.shop.row("attributes", one["id"]) if one["id"] else None
            name, slug = (shared["name"], shared["slug"]) if shared else (one["name"], one["name"])
            told.append({**one, "name": name, "slug": slug})
        return told

    def _chosen(self, row: Row, parent: Row) -> list[Row]:
        return [
            {"id": one["id"], "name": one["name"], "slug": one["slug"], "option": row["chosen"][one["name"]]}
            for one in self._attributes(parent)
            if row["chosen"].get(one["name"])
        ]

    # --- rows ----------------------------------------------------------------------------------------------------

    def new_row(self, **values: Any) -> Row:
        """Add a row of given fields."""
        row = blank_product(**values)
        if row["type"] != VARIATION and not row["categories"]:
            row["categories"] = [DEFAULT_CATEGORY]
        for name in ("date_on_sale_from", "date_on_sale_to"):
            if isinstance(row[name], datetime):
                row[name] = kept(row[name])
        return self.enter(row)
