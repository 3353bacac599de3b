"""Orders of the fake shop and their notes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import Answer, Asked
from plugins.systems.woocommerce._fake_products import Products
from plugins.systems.woocommerce._fake_shop import HOME, Shop
from plugins.systems.woocommerce._fake_wordpress import (
    JSON,
    Kind,
    Row,
    amount,
    asked_list,
    asked_value,
    body_of,
    checked,
    dates,
    invalid,
    money,
    price_text,
    wrong,
)
from plugins.systems.woocommerce._fake_writes import Writes

_ADDRESS = ("first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "country")
_BILLING = (*_ADDRESS, "email", "phone")
_TEXTS = ("currency", "customer_note", "payment_method", "payment_method_title", "transaction_id")
_TAKES = {"processing", "completed", "on-hold"}  # the statuses in which an order has taken its goods from the stock
_GIVES = {"cancelled", "pending"}


def blank_order(**values: Any) -> Row:
    """All fields of an order's row."""
    return {
        "number": "", "status": "pending", "currency": "UAH", "customer_id": 0, "customer_note": "",
        "billing": dict.fromkeys(_BILLING, ""), "shipping": dict.fromkeys((*_ADDRESS, "phone"), ""),
        "payment_method": "", "payment_method_title": "", "transaction_id": "", "date_paid": None,
        "date_completed": None, "meta": [], "line_items": [], "shipping_lines": [], "fee_lines": [],
        "coupon_lines": [], "tax_lines": [], "refunds": [], "discount_total": "0", "discount_tax": "0",
        "shipping_tax": "0", "cart_tax": "0", "prices_include_tax": False, "created_via": "checkout",
        "took_stock": False, **values,
    }  # fmt: skip


class Orders:
    """The handlers of ``/orders…``."""

    def __init__(self, shop: Shop, products: Products, writes: Writes) -> None:
        self.shop = shop
        self.products = products
        self.writes = writes

    # --- requests ------------------------------------------------------------------------------------------------

    def all(self, asked: Asked) -> Answer:
        """``GET /orders``: those in the trash only when they are asked for."""
        known = ["any", "trash", *self.shop.settings["order_statuses"]]
        statuses = asked_list(asked, "status") or ["any"]
        for number, status in enumerate(statuses):
            if status not in known:
                listed = ", ".join(known[:-1]) + f", and {known[-1]}"
                raise invalid({"status": f"status[{number}] is not one of {listed}."})
        rows = self.shop.tables["orders"].values()
        customer = asked_value(asked, "customer", "integer")
        product = asked_value(asked, "product", "integer")
        words = asked.param("search").lower()
        chosen = [
            row
            for row in rows
            if (row["status"] in statuses or ("any" in statuses and row["status"] not in {"trash", "auto-draft"}))
            and customer in (None, row["customer_id"])
            and (product is None or any(line["product_id"] == product for line in row["line_items"]))
            and words in " ".join([row["number"], *row["billing"].values(), *row["shipping"].values()]).lower()
        ]
        return self.shop.listing(asked, self.shop.between(asked, chosen), self.tell)

    def one(self, _asked: Asked, key: str) -> Row:
        """``GET /orders/{id}``."""
        return self.tell(self._found(key, 404))

    def create(self, asked: Asked) -> Answer:
        """``POST /orders``: 201."""
        body = checked(body_of(asked), self._schema())
        row = blank_order(currency=self.shop.settings["currency"], created_via="rest-api")
        lines = [self._line(line) for line in body.get("line_items", ()) if isinstance(line, dict)]
        made = self.shop.add("orders", row | {"line_items": lines})
        made["number"] = str(made["id"])
        self._write(made, body)
        self.shop.happened("order.created", made)
        return Answer(201, self.tell(made), {"Location": f"{HOME}/wp-json/wc/v3/orders/{made['id']}"}, JSON)

    def update(self, asked: Asked, key: str) -> Row:
        """``PUT /orders/{id}``: just the fields that it names."""
        return self._update({"id": key, **checked(body_of(asked), self._schema())})

    def delete(self, asked: Asked, key: str) -> Row:
        """``DELETE /orders/{id}``: into the trash, or for good with ``force=true``."""
        return self._delete(int(key), force=asked.param("force") in {"true", "1"})

    def batch(self, asked: Asked) -> Answer:
        """``POST /orders/batch``: updates and deletions."""

        def create(_body: Row) -> Row:
            raise wrong(400, "woocommerce_rest_required_product_reference", "Product ID or SKU is required.")

        return self.writes.run_batch(asked, create, self._update, lambda key: self._delete(key, force=True))

    def notes(self, asked: Asked, key: str) -> list[Row]:
        """``GET /orders/{id}/notes``: all of them, the newest first."""
        order = self._found(key, 404, "woocommerce_rest_order_invalid_id", "Invalid order ID.")
        kind = asked_value(asked, "type", ("any", "customer", "internal"), "any")
        rows = [row for row in self.shop.tables["notes"].values() if row["order"] == order["id"]]
        rows = [row for row in rows if kind == "any" or row["customer_note"] == (kind == "customer")]
        return [self._note(row) for row in rows[::-1]]

    def note(self, _asked: Asked, key: str, note: str) -> Row:
        """``GET /orders/{id}/notes/{id}``."""
        return self._note(self._found_note(key, note))

    def create_note(self, asked: Asked, key: str) -> Answer:
        """``POST /orders/{id}/notes``: 201."""
        order = self._found(key, 404, "woocommerce_rest_order_invalid_id", "Invalid order ID.")
        body = checked(body_of(asked), {"note": "string", "customer_note": "boolean"})
        if not body.get("note"):
            raise wrong(400, "rest_missing_callback_param", "Missing parameter(s): note", params=["note"])
        row = self.add_note(order, body["note"], customer=body.get("customer_note", False))
        return Answer(201, self._note(row), {}, JSON)

    def delete_note(self, asked: Asked, key: str, note: str) -> Row:
        """``DELETE /orders/{id}/notes/{id}?force=true``."""
        if asked.param("force") not in {"true", "1"}:
            raise wrong(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        row = self._found_note(key, note)
        del self.shop.tables["notes"][row["id"]]
        return self._note(row)

    # --- rows ----------------------------------------------------------------------------------------------------

    def add_note(self, order: Row, text: str, *, customer: bool = False) -> Row:
        """A note at an order. ``date_modified`` of the order stays."""
        return self.shop.add("notes", {"order": order["id"], "note": text, "customer_note": customer})

    def set_status(self, row: Row, status: str) -> None:
        """A change of status, with what comes of it: dates, a note, the stock."""
        if status == row["status"]:
            return
        self.add_note(row, f"Order status changed from {row['status']} to {status}.")
        row["status"] = status
        if status == "completed":
            row["date_completed"] = self.shop.stamp()
        if status in {"processing", "completed"} and row["date_paid"] is None:
            row["date_paid"] = self.shop.stamp()
        if status in _TAKES and not row["took_stock"]:
            self._move_stock(row, 1)
        if status in _GIVES and row["took_stock"]:
            self._move_stock(row, -1)

    def _move_stock(self, row: Row, sign: int) -> None:
        row["took_stock"] = sign > 0
        for line in row["line_items"]:
            product = self.shop.row("products", line["variation_id"] or line["product_id"])
            if product is not None:
                self.products.take(product, sign * Decimal(line["quantity"]))

    def _schema(self) -> dict[str, Kind]:
        statuses = (*self.shop.settings["order_statuses"], "trash")
        texts: dict[str, Kind] = dict.fromkeys(_TEXTS, "string")
        lists: dict[str, Kind] = dict.fromkeys(("meta_data", "line_items", "shipping_lines"), "array")
        more: dict[str, Kind] = {"status": statuses, "set_paid": "boolean", "customer_id": "integer"}
        return {**texts, **lists, **more, "billing": "object", "shipping": "object"}

    def _found(self, key: object, status: int, code: str = "", words: str = "Invalid ID.") -> Row:
        row = self.shop.row("orders", key)
        if row is None:
            raise wrong(status, code or "woocommerce_rest_shop_order_invalid_id", words)
        return row

    def _found_note(self, key: str, note: str) -> Row:
        order = self._found(key, 404, "woocommerce_rest_order_invalid_id", "Invalid order ID.")
        row = self.shop.row("notes", note)
        if row is None or row["order"] != order["id"]:
            raise wrong(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")
        return row

    def _update(self, body: Mapping[str, Any]) -> Row:
        row = self._found(body.get("id"), 400)
        self._write(row, body)
        row["modified"] = self.shop.stamp()
        self.shop.happened("order.updated", row)
        return self.tell(row)

    def _write(self, row: Row, body: Mapping[str, Any]) -> None:
        for part, names in (("billing", _BILLING), ("shipping", (*_ADDRESS, "phone"))):
            if isinstance(body.get(part), dict):
                row[part] = row[part] | {
                    name: str(body[part][name]) for name in names if body[part].get(name) is not None
                }
        row |= {name: str(body[name]) for name in _TEXTS if body.get(name) is not None}
        if isinstance(body.get("meta_data"), list):
            row["meta"] = self.writes.meta_after(row["meta"], body["meta_data"])
        for line in body.get("shipping_lines") or ():
            self.shop.last += 1
            total = price_text(line.get("total") or "0", self.shop.quirks.decimal_separator)
            told = {"id": self.shop.last, "method_title": str(line.get("method_title") or ""), "total": total}
            row["shipping_lines"].append(told | {"method_id": str(line.get("method_id") or ""), "total_tax": "0"})
        if body.get("set_paid") is True and row["date_paid"] is None:
            row["date_paid"] = self.shop.stamp()
            self.set_status(row, "processing")
        if body.get("status"):
            if body["status"] not in (*self.shop.settings["order_statuses"], "trash"):
                raise wrong(400, "rest_invalid_param", "Invalid parameter(s): status")
            self.set_status(row, body["status"])

    def _delete(self, key: int, *, force: bool) -> Row:
        row = self._found(key, 404)
        told = self.tell(row)
        if force:
            del self.shop.tables["orders"][key]
        elif row["status"] == "trash":
            raise wrong(410, "woocommerce_rest_already_trashed", "The shop_order has already been deleted.")
        else:
            row["status"] = "trash"
        self.shop.happened("order.deleted", row)
        return told

    def _line(self, given: Mapping[str, Any]) -> Row:
        found = self.products.by_sku(str(given.get("sku") or ""))
        key = found[0]["id"] if found else given.get("variation_id") or given.get("product_id")
        if not key:
            raise wrong(400, "woocommerce_rest_required_product_reference", "Product ID or SKU is required.")
        product = self.shop.row("products", key)
        quantity = Decimal(str(given.get("quantity", 1)))
        price = (product and amount(product["price"])) or Decimal(0)
        total = Decimal(str(given.get("total", price * quantity)))
        name = str(given.get("name") or (self.products.name(product) if product else ""))
        return self.line(product, quantity=quantity, total=total, name=name)

    def line(self, product: Row | None, **values: Any) -> Row:
        """A line of an order for a product, a variation, or something that is in the shop no more."""
        self.shop.last += 1
        parent = self.products.parent(product) if product else None
        blank = {"id": self.shop.last, "name": self.products.name(product) if product else "", "quantity": Decimal(1)}
        keys = {"product_id": parent["id"] if parent else product["id"] if product else 0}
        keys["variation_id"] = product["id"] if parent and product else 0
        chosen = product["chosen"] if parent and product else {}
        meta = [{"id": self.shop.last * 100 + n, "key": key, "value": chosen[key]} for n, key in enumerate(chosen)]
        row: Row = {**blank, **keys, "total": Decimal(0), "total_tax": Decimal(0), "meta": meta, **values}
        row.setdefault("subtotal", row["total"])
        return row

    # --- telling -------------------------------------------------------------------------------------------------

    def tell(self, row: Row) -> Row:
        """An order as the API tells it."""
        shop, places = self.shop, self.shop.settings["price_decimals"]
        goods = sum((Decimal(line["total"]) + Decimal(line["total_tax"]) for line in row["line_items"]), Decimal(0))
        shipping = sum((Decimal(line["total"]) for line in row["shipping_lines"]), Decimal(0))
        fees = sum((Decimal(line["total"]) for line in row["fee_lines"]), Decimal(0))
        tax = Decimal(row["cart_tax"]) + Decimal(row["shipping_tax"])
        told: Row = {
            "id": row["id"],
            "parent_id": 0,
            "number": row["number"] or str(row["id"]),
            "order_key": f"wc_order_{row['id']}",
        }
        told |= {"created_via": row["created_via"], "version": shop.settings["version"], "status": row["status"]}
        told |= {"currency": row["currency"], "prices_include_tax": row["prices_include_tax"]}
        told |= dates("date_created", row["created"], shop.zone) | dates("date_modified", row["modified"], shop.zone)
        sums = {name: row[name] for name in ("discount_total", "discount_tax", "shipping_tax", "cart_tax")}
        sums |= {
            "shipping_total": shipping,
            "total_tax": tax,
            "total": goods + shipping + fees + Decimal(row["shipping_tax"]),
        }
        told |= {name: money(value, places) for name, value in sums.items()}
        told |= {"customer_id": row["customer_id"], "customer_ip_address": "", "customer_user_agent": ""}
        told |= {name: row[name] for name in ("customer_note", "billing", "shipping", "payment_method")}
        told |= {name: row[name] for name in ("payment_method_title", "transaction_id")}
        told |= dates("date_paid", row["date_paid"], shop.zone) | dates(
            "date_completed", row["date_completed"], shop.zone
        )
        told |= {"cart_hash": "", "meta_data": row["meta"]}
        told["line_items"] = [self._tell_line(line, places) for line in row["line_items"]]
        told["tax_lines"] = row["tax_lines"]
        for name in ("shipping_lines", "fee_lines", "coupon_lines"):
            told[name] = [self._tell_part(part, places) for part in row[name]]
        told["refunds"] = [{**one, "total": f"-{money(one['total'], places)}"} for one in row["refunds"]]
        unpaid = row["status"] in {"pending", "failed"}
        return told | {"is_editable": row["status"] in {"pending", "on-hold"}, "needs_payment": unpaid}

    def _tell_line(self, line: Row, places: int) -> Row:
        product = self.shop.row("products", line["variation_id"] or line["product_id"])
        parent = self.products.parent(product) if product else None
        told: Row = {name: line[name] for name in ("id", "name", "product_id", "variation_id", "quantity")}
        sums = {"subtotal": line["subtotal"], "subtotal_tax": line["total_tax"]}
        sums |= {"total": line["total"], "total_tax": line["total_tax"]}
        told |= {"tax_class": "", **{name: money(value, places) for name, value in sums.items()}, "taxes": []}
        told["meta_data"] = [{**one, "display_key": one["key"], "display_value": one["value"]} for one in line["meta"]]
        told["sku"] = product["sku"] if product else None
        told["price"] = Decimal(line["total"]) / Decimal(line["quantity"]) if Decimal(line["quantity"]) else Decimal(0)
        told["image"] = {"id": "", "src": ""}
        return told | {"parent_name": parent["name"] if parent else None}

    def _tell_part(self, part: Row, places: int) -> Row:
        sums: Row = {
            name: money(part[name], places)
            for name in ("total", "total_tax", "discount", "discount_tax")
            if name in part
        }
        return {"meta_data": [], "taxes": [], **part, **sums}

    def _note(self, row: Row) -> Row:
        told = {"id": row["id"], "author": "system", **dates("date_created", row["created"], self.shop.zone)}
        return told | {"note": row["note"], "customer_note": row["customer_note"]}
