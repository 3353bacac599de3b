"""``/order*``: making, reading and changing orders, with their tags."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pipeline.testing.fakehttp import Answer, Asked, FakeApi
from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import (
    Keep,
    Listing,
    Row,
    between,
    body_of,
    equal,
    includes_of,
    invalid,
    page,
    parts,
    read,
    refuse,
    select,
    truth,
)
from plugins.systems.keycrm._fake_bodies import CHANGE, IMPORT, NEW
from plugins.systems.keycrm._fake_catalogue import Catalogue
from plugins.systems.keycrm._fake_money import Cash
from plugins.systems.keycrm._fake_parties import Parties
from plugins.systems.keycrm._fake_show import Show
from plugins.systems.keycrm._fake_stock import ZERO, Goods

INCLUDES = (
    "attachments.file",
    "tags",
    "buyer",
    "products.offer",
    "manager",
    "status",
    "payments",
    "expenses",
    "marketing",
    "shipping.lastHistory",
    "shipping.deliveryService",
    "custom_fields",
    "assigned",
)


class Orders:
    """The handlers, and what seeds need of them."""

    def __init__(self, account: Account, goods: Goods, show: Show, catalogue: Catalogue, parties: Parties) -> None:
        self.account, self.goods, self.show = account, goods, show
        self.catalogue, self.parties = catalogue, parties
        self.cash = Cash(account, show)
        self.listing = Listing(
            {
                "status_id": equal("status_id"),
                "source_id": equal("source_id"),
                "source_uuid": equal("source_uuid"),
                "buyer_phone": lambda value: self._by_buyer("phone", value),
                "buyer_email": lambda value: self._by_buyer("email", value),
                "created_between": between("ordered_at"),  # documented: not by created_at
                "updated_between": between("updated_at"),
                "shipping_between": self._by_shipping,
                "payment_status": equal("payment_status"),
                "has_tracking_code": self._by_tracking,
            },
            INCLUDES,
            ("id", "created_at", "updated_at", "ordered_at"),
        )

    def routes(self, api: FakeApi) -> None:
        """Register everything; the fixed words under ``/order/`` are registered before."""
        api.add("GET", "/v1/order", self._list)
        api.add("POST", "/v1/order", self._post)
        api.add("POST", "/v1/order/import", self._import)
        api.add("GET", "/v1/order/{number}", self._one)
        api.add("PUT", "/v1/order/{number}", self._put)
        self.cash.routes(api)
        api.add("POST", "/v1/order/{number}/tag/{tag}", self._post_tag)
        api.add("DELETE", "/v1/order/{number}/tag/{tag}", self._delete_tag)

    # --- reading --------------------------------------------------------------------------------------------------

    def _list(self, asked: Asked) -> Answer:
        include = includes_of(self.listing, asked, self.account.quirks)
        rows = select(self.listing, asked, self.account.quirks, list(self.account.table("orders").values()))
        return page(asked, self.account.quirks, rows, lambda row: self.show.order(row, include))

    def _one(self, asked: Asked, number: str) -> Row:
        include = includes_of(self.listing, asked, self.account.quirks)
        return self.show.order(self.account.one("orders", number), include)

    def _by_buyer(self, column: str, value: str) -> Keep:
        wanted = {self.parties.key(column, part) for part in parts(value)}

        def keep(row: Row) -> bool:
            buyer = self.account.get("buyers", row["client_id"])
            return bool(buyer and wanted & {self.parties.key(column, one) for one in buyer[column] or ()})

        return keep

    @staticmethod
    def _by_shipping(value: str) -> Keep:
        keep = between("shipping_date_actual")(value)
        return lambda row: keep(row["shipping"])

    @staticmethod
    def _by_tracking(value: str) -> Keep:
        wanted = truth(value)
        return lambda row: bool(row["shipping"].get("tracking_code")) is wanted

    # --- making ---------------------------------------------------------------------------------------------------

    def _post(self, asked: Asked) -> Answer:
        values = read(body_of(asked), NEW, self.account.quirks)
        self._refuse(values, "")
        return Answer(201, self.show.order(self.create(values)))

    def _import(self, asked: Asked) -> Answer:
        bodies = read(body_of(asked), IMPORT, self.account.quirks)["orders"]
        for index, values in enumerate(bodies):
            self._refuse(values, f"orders.{index}.")
        rows = [self.create(values) for values in bodies]
        match self.account.quirks.import_answer:
            case "status":
                return Answer(201, {"status": True})
            case "empty":
                return Answer(201, b"", content_type="application/json")
            case "orders":
                return Answer(201, [self.show.order(row) for row in rows])

    def _refuse(self, values: Row, path: str) -> None:
        """What cannot be made is answered by 422 before anything is."""
        errors: dict[str, list[str]] = {}
        source = values.get("source_id")
        if source is None and not (values.get("source_name") and self.account.quirks.source_by_name):
            errors[f"{path}source_id"] = ["The source id field is required."]
        elif source is not None and self.account.get("sources", source) is None:
            errors[f"{path}source_id"] = ["The selected source id is invalid."]
        if self.account.quirks.duplicate_source_uuid == "refuse" and values.get("source_uuid"):
            same = (source, values["source_uuid"])
            if any((one["source_id"], one["source_uuid"]) == same for one in self.account.table("orders").values()):
                errors[f"{path}source_uuid"] = ["The source uuid has already been taken."]
        for index, one in enumerate(values.get("payments") or ()):
            if self.cash.named("payment_methods", one, "payment_method") is None:
                errors[f"{path}payments.{index}.payment_method_id"] = ["The selected payment method id is invalid."]
        if values.get("manager_id") is not None and self.account.get("users", values["manager_id"]) is None:
            errors[f"{path}manager_id"] = ["The selected manager id is invalid."]
        service = (values.get("shipping") or {}).get("delivery_service_id")
        if service is not None and self.account.get("delivery_services", service) is None:
            errors[f"{path}shipping.delivery_service_id"] = ["The selected delivery service id is invalid."]
        if errors:
            invalid(errors, self.account.quirks)

    def create(self, values: Mapping[str, Any], number: int | None = None) -> Row:
        """An order of a checked body, in the first status, with its buyer found or made and its goods reserved."""
        now = self.account.stamp()
        source = self._source(values)
        status = self._first_status()
        row = self.account.new(
            "orders",
            {
                **{name: values.get(name) for name in ("source_uuid", "buyer_comment", "manager_comment", "promocode")},
                **{name: values.get(name) for name in ("discount_percent", "discount_amount", "manager_id")},
                **{name: values.get(name) or ZERO for name in ("shipping_price", "wrap_price", "taxes")},
                "gift_message": values.get("gift_message"),
                "is_gift": bool(values.get("is_gift")),
                "gift_wrap": bool(values.get("gift_wrap")),
                "source_id": source["id"],
                "global_source_uuid": values.get("source_uuid"),
                "client_id": self.parties.of_order(values["buyer"])["id"],
                "status_id": status["id"],
                "status_group_id": status["group_id"],
                "status_changed_at": now,
                "ordered_at": values.get("ordered_at") or now,
                "closed_at": now if status["is_closing_order"] else None,
                "is_expired": False,
                "fiscal_result": [],
                "currency": source["currency_code"],
                "shipping": {},
                "marketing": {**(values.get("marketing") or {}), "created_at": now, "updated_at": now},
                "tag_ids": [],
                "custom": {},
                "lines": [],
                "own": {"payments": [], "expenses": [], "attachments": []},
                "held": [],
                "effect": "free",
            },
            number,
        )
        for one in values.get("products") or ():
            row["lines"].append(self._line(one))
        self._ship(row, values.get("shipping") or {})
        self.catalogue.set_custom(row, values.get("custom_fields"), "order")
        for one in values.get("payments") or ():
            self.cash.pay(row, one, self.account.quirks.inline_payment)
        self.goods.follow(row)
        self.cash.reckon(row)
        self.account.order_events = [one for one in self.account.order_events if one[1] != row["id"]]
        return row

    def _source(self, values: Mapping[str, Any]) -> Row:
        if values.get("source_id") is not None:
            return self.account.table("sources")[values["source_id"]]
        name = values["source_name"]
        for row in self.account.table("sources").values():
            if row["name"] == name:
                return row
        return self.account.new(
            "sources", {"name": name, "alias": name.lower(), "driver": "other", "currency_code": "UAH"}
        )

    def _first_status(self) -> Row:
        rows = self.account.table("statuses").values()
        return next(row for row in rows if row["is_active"] and row["group_id"] == 1)

    def _line(self, values: Row) -> Row:
        sku = values.get("sku")
        found = self.account.offers_with(sku) if sku and self.account.quirks.sku_links else []
        offer = found[0] if found else None
        product = self.account.table("products")[offer["product_id"]] if offer else None
        defaults = offer or {"price": ZERO, "purchased_price": ZERO}
        number = self.account.next_ids["lines"] = self.account.next_ids.get("lines", 0) + 1
        price, bought = values.get("price"), values.get("purchased_price")
        return {
            "id": number,
            "offer_id": offer["id"] if offer else None,
            "name": values.get("name") or (product["name"] if product else None),
            "sku": sku,
            "price": defaults["price"] if price is None else price,
            "purchased_price": defaults["purchased_price"] if bought is None else bought,
            "quantity": Decimal(1) if values.get("quantity") is None else values["quantity"],
            **{name: values.get(name) for name in ("discount_percent", "discount_amount", "comment", "picture")},
            "unit_type": values.get("unit_type") or (product["unit_type"] if product else None),
            "upsale": False,
            "product_status_id": None,
            "properties": [one for one in values.get("properties") or () if one.get("name") and one.get("value")],
            "shipment_type": "warehouse",
            "warehouse_id": None,
            "stock_status": None,
        }

    def _ship(self, row: Row, values: Row) -> None:
        shipping = row["shipping"]
        for name, value in values.items():
            if name == "shipping_date":
                shipping["shipping_date_actual"] = value and f"{value}T00:00:00.000000Z"
            elif name == "shipping_service":
                named = self.cash.named("delivery_services", {"name": value}, "name")
                if named is not None and shipping.get("delivery_service_id") is None:
                    shipping["delivery_service_id"] = named["id"]
            else:
                shipping[name] = value

    # --- changing -------------------------------------------------------------------------------------------------

    def _put(self, asked: Asked, number: str) -> Answer:
        row = self.account.one("orders", number)
        values = read(body_of(asked), CHANGE, self.account.quirks)
        self.change(row, values)
        return Answer(202, self.show.order(row))

    def change(self, row: Row, values: Mapping[str, Any]) -> None:
        """Take over a checked body of PUT. Answers 422, and the quirk's status for a second tracking code."""
        status = self.account.get("statuses", values.get("status_id"))
        if values.get("status_id") is not None and status is None:
            invalid({"status_id": ["The selected status id is invalid."]}, self.account.quirks)
        shipping = values.get("shipping")
        if shipping and shipping.get("tracking_code") and row["shipping"].get("tracking_code"):
            refuse(self.account.quirks.tracking_again, "The order has a tracking code already.")
        before = _content(row)
        for name in ("buyer_comment", "manager_comment", "discount_percent", "discount_amount"):
            if name in values:
                row[name] = values[name]
        for one in values.get("products") or ():
            self._change_line(row, one)
        if shipping is not None:
            if self.account.quirks.nested_put == "replace":
                tracking = row["shipping"].get("tracking_code")
                row["shipping"] = {"tracking_code": tracking} if tracking else {}
            self._ship(row, shipping)
        self.catalogue.set_custom(row, values.get("custom_fields"), "order")
        if status and status["id"] != row["status_id"]:
            self._enter(row, status)
        self.goods.follow(row)
        self.cash.reckon(row)
        if self.account.quirks.idle_put_touches or _content(row) != before:
            self.account.touch(row)

    def _enter(self, row: Row, status: Row) -> None:
        now = self.account.stamp()
        row["status_id"], row["status_group_id"], row["status_changed_at"] = status["id"], status["group_id"], now
        row["closed_at"] = now if status["is_closing_order"] else None
        self.account.order_events.append(("order.change_order_status", row["id"]))

    def _change_line(self, order: Row, values: Row) -> None:
        """Lines are found by id or SKU; what is not found is passed over: a PUT adds no lines."""
        number, sku = values.get("id"), values.get("sku")
        wanted = ("id", number) if number is not None else ("sku", sku)
        for line in order["lines"]:
            if wanted[1] is not None and line[wanted[0]] == wanted[1]:
                break
        else:
            return
        changes = {name: value for name, value in values.items() if name not in ("id", "sku")}
        if self.account.quirks.nested_put == "replace":
            blank = dict.fromkeys(("comment", "discount_percent", "discount_amount", "product_status_id"))
            changes = {**blank, **changes}
        if line["offer_id"] is not None:
            changes.pop("name", None)  # documented: only of one-off goods
        for name in ("price", "purchased_price", "quantity"):
            if name in changes and changes[name] is None:
                changes[name] = ZERO
        line.update(changes)

    # --- tags -----------------------------------------------------------------------------------------------------

    def _post_tag(self, _asked: Asked, number: str, tag: str) -> Answer:
        order, row = self.account.one("orders", number), self.account.one("tags", tag)
        if row["id"] not in order["tag_ids"]:
            order["tag_ids"].append(row["id"])
            self.account.touch(order)
        return Answer(202, {"status": True})

    def _delete_tag(self, _asked: Asked, number: str, tag: str) -> Answer:
        order, row = self.account.one("orders", number), self.account.one("tags", tag)
        if row["id"] not in order["tag_ids"]:
            refuse(400, "The order does not have this tag.")
        order["tag_ids"].remove(row["id"])
        self.account.touch(order)
        return Answer(204)


def _content(row: Row) -> str:
    return repr({name: value for name, value in row.items() if name != "updated_at"})
