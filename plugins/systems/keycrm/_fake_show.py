"""Rows as the API shows them: which keys, which only with an include, and the looks of dates and numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

from plugins.systems.keycrm._fake_account import Account
from plugins.systems.keycrm._fake_ask import Row, words
from plugins.systems.keycrm._fake_quirks import Quirks
from plugins.systems.keycrm._fake_stock import ZERO, Goods

PIECES = "шт"  # the account's own unit, shown as null
SUMS = frozenset(words("grand_total products_total payments_total expenses_sum total_discount margin_sum orders_sum"))
ALWAYS_ISO = frozenset({"shipping_date_actual"})
#: Columns of an order, as documented and as recorded live; the webhook sends most of them, too.
ORDER = words(
    "id parent_id source_uuid global_source_uuid status_on_source source_id client_id grand_total products_total"
    " payments_total margin_sum promocode total_discount discount_amount discount_percent expenses_sum shipping_price"
    " wrap_price taxes manager_id manager_comment buyer_comment gift_message is_gift gift_wrap status_id"
    " status_group_id status_changed_at status_expired_at is_expired has_reserves payment_status fiscal_status"
    " fiscal_result currency last_synced_at source_updated_at created_at ordered_at updated_at closed_at deleted_at"
)
LINE = words(
    "id name sku price price_sold purchased_price discount_percent discount_amount total_discount quantity unit_type"
    " upsale comment product_status_id picture properties shipment_type stock_status"
)
SHIPPING = words(
    "delivery_service_id tracking_code shipping_status shipping_address_city shipping_address_country"
    " shipping_address_country_code shipping_address_region shipping_address_zip shipping_secondary_line"
    " shipping_receive_point recipient_full_name recipient_phone shipping_date_actual"
)
PAYMENT = words(
    "id destination_id payment_method_id amount actual_amount actual_currency source_currency transaction_uuid"
    " description status fiscal_result payment_date is_expense bill_id created_at updated_at"
)
EXPENSE = words(
    "id destination_id expense_type_id amount actual_currency transaction_uuid description status payment_date"
    " created_at updated_at"
)
MARKETING = words("utm_source utm_medium utm_campaign utm_term utm_content created_at updated_at")
USER = words(
    "id first_name last_name full_name username email phone role_id status created_at updated_at last_logged_at"
)
BUYER = words("id full_name birthday email phone note created_at updated_at")
COMPANY = words("id name title notes bank_account manager_id created_at updated_at")
FILE = words("id file_name url size extension original_file_name mime_type created_at updated_at")
#: What lists of names show, by table.
DICTIONARY = {
    "sources": words("id name alias driver source_uuid source_name currency_code created_at updated_at"),
    "statuses": words(
        "id name alias is_active group_id is_closing_order is_reserved expiration_period created_at updated_at"
        " deleted_at"
    ),
    "payment_methods": words("id name alias is_active"),
    "expense_types": words("id name alias is_active is_reserved by_order"),
    "delivery_services": words("id name source_name alias"),
    "product_statuses": words("id name alias position is_active is_reserved created_at updated_at"),
    "tags": words("id name alias color created_at updated_at"),
}
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def only(row: Row, keys: Iterable[str]) -> Row:
    """The keys in this order; null for what the row does not have."""
    return {key: row.get(key) for key in keys}


class Show:
    """The shapes of one account's rows."""

    def __init__(self, account: Account) -> None:
        self.account = account

    # --- catalogue ------------------------------------------------------------------------------------------------

    def product(self, row: Row, include: Collection[str] = ()) -> Row:
        """``sku``, ``barcode`` and prices only without variants, as documented."""
        offers = self.account.offers_of(row)
        prices = [offer["price"] for offer in offers] or [ZERO]
        shown = {
            **only(row, ("id", "name", "description")),
            "thumbnail_url": row["pictures"][0] if row["pictures"] else None,
            "attachments_data": list(row["pictures"]),
            "quantity": sum((Goods.total(offer, "quantity") for offer in offers), ZERO),
            "in_reserve": sum((Goods.total(offer, "reserve") for offer in offers), ZERO),
            **only(row, ("unit_type", "currency_code")),
            "min_price": min(prices),
            "max_price": max(prices),
            **only(row, ("weight", "length", "width", "height", "has_offers", "is_archived", "category_id")),
            **only(row, ("created_at", "updated_at")),
            "sources": [],
        }
        if not row["has_offers"]:
            shown |= only(offers[0], ("sku", "barcode", "price", "purchased_price"))
        return shown | self._custom(row, include, values=self.custom(row))

    def offer(self, row: Row, include: Collection[str] = ()) -> Row:
        """A variant, or the one offer of a product without any."""
        product = self.account.table("products")[row["product_id"]]
        pictures = product["pictures"]
        shown = {
            **only(row, ("id", "product_id", "sku", "barcode")),
            "thumbnail_url": row["image_url"] or (pictures[0] if pictures else None),
            **only(row, ("price", "purchased_price")),
            "quantity": Goods.total(row, "quantity"),
            "in_reserve": Goods.total(row, "reserve"),
            **only(row, ("weight", "length", "width", "height", "properties", "is_default", "is_archived")),
            **only(row, ("created_at", "updated_at")),
        }
        if "product" in include:
            properties: dict[str, list[str]] = {}
            for one in self.account.offers_of(product):
                for each in one["properties"]:
                    values = properties.setdefault(each["name"], [])
                    if each["value"] not in values:
                        values.append(each["value"])
            shown["product"] = {**self.product(product), "properties_agg": properties}
        return shown | counted(include, "product", 1)

    def stock(self, row: Row, *, details: bool) -> Row:
        """An offer's balance; ``details``: by warehouse, too."""
        shown = {
            **only(row, ("id", "sku", "price", "purchased_price")),
            "quantity": Goods.total(row, "quantity"),
            "reserve": Goods.total(row, "reserve"),
        }
        if details:
            none = {"quantity": ZERO, "reserve": ZERO}
            shown["warehouse"] = [
                {"id": one["id"], "name": one["name"], **row["stock"].get(str(one["id"]), none)}
                for one in self.account.table("warehouses").values()
                if str(one["id"]) in row["stock"] or self.account.quirks.empty_warehouses
            ]
        return shown

    @staticmethod
    def category(row: Row) -> Row:
        """A category; the order of the list is not parents first."""
        return only(row, ("id", "name", "parent_id"))

    @staticmethod
    def field(row: Row, *, options: bool) -> Row:
        """The definition of a custom field."""
        shown = only(row, ("id", "name", "uuid", "model", "type", "required", "position", "is_multiple"))
        if options:
            shown["options"] = [
                {"id": row["id"] * 100 + index, "field_id": row["id"], "value": value}
                for index, value in enumerate(row["options"], 1)
            ]
        return shown

    def custom(self, row: Row) -> list[Row]:
        """The custom fields that are filled."""
        return [
            {**only(one, ("id", "uuid", "name", "type")), "value": row["custom"][one["uuid"]]}
            for one in self.account.table("custom_fields").values()
            if one["uuid"] in row["custom"]
        ]

    @staticmethod
    def _custom(row: Row, include: Collection[str], values: list[Row]) -> Row:
        shown: Row = {"custom_fields": values} if "custom_fields" in include else {}
        return shown | counted(include, "custom_fields", len(row["custom"]))

    # --- orders ---------------------------------------------------------------------------------------------------

    def order(self, row: Row, include: Collection[str] = ()) -> Row:
        """An order with what was asked for."""
        shown = only(row, ORDER)
        many = {
            "products": [self.line(line, include) for line in row["lines"]],
            "tags": [only(self.account.table("tags")[one], DICTIONARY["tags"]) for one in row["tag_ids"]],
            "payments": [only(one, PAYMENT) for one in self.of_order("payments", row)],
            "expenses": [only(one, EXPENSE) for one in self.of_order("expenses", row)],
            "custom_fields": self.custom(row),
            "assigned": [self._assigned(one) for one in (self.account.get("users", row["manager_id"]),) if one],
            "attachments": [self._attachment(one, include) for one in self.of_order("attachments", row)],
        }
        single = {
            "buyer": self._buyer_of_order(self.account.get("buyers", row["client_id"])),
            "manager": self.user(self.account.get("users", row["manager_id"])),
            "status": self._status(row),
            "marketing": only(row["marketing"], MARKETING),
            "shipping": self._shipping(row, include),
        }
        for name, value in (many | single).items():
            if name in include:
                shown[name] = value
            shown |= counted(include, name, len(value) if isinstance(value, list) else int(value is not None))
        return shown

    def line(self, row: Row, include: Collection[str]) -> Row:
        """A line; its offer and warehouse only with ``products.offer``."""
        shown = only(row, LINE)
        if "products.offer" not in include:
            return shown
        warehouse = self.account.get("warehouses", row["warehouse_id"])
        if self.account.quirks.line_warehouse and warehouse and row["shipment_type"] == "warehouse":
            shown["warehouse"] = only(warehouse, ("id", "name", "description", "is_active"))
        offer = self.account.get("offers", row["offer_id"])
        return {**shown, "offer": self.offer(offer) if offer else None}

    def of_order(self, table: str, order: Row) -> list[Row]:
        """The payments, expenses or attachments of the order."""
        return [self.account.table(table)[number] for number in order["own"][table]]

    def _status(self, row: Row) -> Row | None:
        status = self.account.get("statuses", row["status_id"])
        return only(status, DICTIONARY["statuses"]) if status else None

    def _shipping(self, row: Row, include: Collection[str]) -> Row:
        shown = only(row["shipping"], SHIPPING)
        branch = row["shipping"].get("warehouse_ref")
        shown["address_payload"] = {"city_ref": None, "warehouse_ref": branch} if branch else None
        if "shipping.deliveryService" in include:
            service = self.account.get("delivery_services", row["shipping"].get("delivery_service_id"))
            shown["delivery_service"] = only(service, DICTIONARY["delivery_services"]) if service else None
        if "shipping.lastHistory" in include:
            shown["last_history"] = None
        return shown

    def payment(self, row: Row) -> Row:
        """A payment as the answer to its writing: with its method, and, as a quirk, without its id."""
        method = self.account.table("payment_methods")[row["payment_method_id"]]
        keys = PAYMENT if self.account.quirks.payment_has_id else [key for key in PAYMENT if key != "id"]
        return {**only(row, keys), "payment_method": only(method, DICTIONARY["payment_methods"])}

    def expense(self, row: Row) -> Row:
        """An expense as the answer to its writing."""
        kind = self.account.table("expense_types")[row["expense_type_id"]]
        return {**only(row, EXPENSE), "expense_type": only(kind, DICTIONARY["expense_types"])}

    # --- people and files -----------------------------------------------------------------------------------------

    @staticmethod
    def _buyer_of_order(row: Row | None) -> Row | None:
        """In orders and companies e-mail and phone are texts; at ``/buyer`` they are lists."""
        if row is None:
            return None
        first = {name: row[name][0] if row[name] else None for name in ("email", "phone")}
        return only({**row, **first}, ("id", "full_name", "email", "phone", "company_id", "manager_id"))

    @staticmethod
    def user(row: Row | None) -> Row | None:
        """A manager."""
        return only(row, USER) if row else None

    @staticmethod
    def _assigned(row: Row) -> Row:
        shown = only(row, [key for key in USER if key != "role_id"])
        return {**shown, "role": {"id": row["role_id"], "name": f"role {row['role_id']}", "alias": "role"}}

    def buyer(self, row: Row, include: Collection[str] = ()) -> Row:
        """A buyer with what was asked for."""
        shown = only(row, BUYER)
        company = self.account.get("companies", row["company_id"])
        single = {
            "manager": self.user(self.account.get("users", row["manager_id"])),
            "company": {
                "id": company["id"],
                "name": company["name"],
                "full_name": company["title"],
                "address": None,
                "banking_detailse": company["bank_account"],
                "note": company["notes"],
                **only(company, ("created_at", "updated_at")),
            }
            if company
            else None,
        }
        many = {"shipping": row["shipping"], "loyalty": row["loyalty"], "custom_fields": self.custom(row)}
        for name, value in (single | many).items():
            if name in include:
                shown[name] = value
            shown |= counted(include, name, len(value) if isinstance(value, list) else int(value is not None))
        return shown

    def company(self, row: Row, include: Collection[str] = ()) -> Row:
        """A company; of several buyers the document shows one."""
        shown = only(row, COMPANY)
        buyers = [one for one in self.account.table("buyers").values() if one["company_id"] == row["id"]]
        if "manager" in include:
            shown["manager"] = self.user(self.account.get("users", row["manager_id"]))
        if "buyer" in include:
            shown["buyer"] = self._buyer_of_order(buyers[0]) if buyers else None
        shown |= counted(include, "manager", int(row["manager_id"] is not None))
        return shown | counted(include, "buyer", len(buyers)) | self._custom(row, include, values=self.custom(row))

    def _attachment(self, row: Row, include: Collection[str]) -> Row:
        shown = only(row, ("id", "file_id", "created_at", "updated_at"))
        if "attachments.file" in include:
            shown["file"] = only(self.account.table("files")[row["file_id"]], FILE)
        return shown


def counted(include: Collection[str], name: str, count: int) -> Row:
    """``nameCount`` and ``nameExists``, where they were asked for."""
    shown: Row = {}
    if f"{name}Count" in include:
        shown[f"{name}_count"] = count
    if f"{name}Exists" in include:
        shown[f"{name}_exists"] = count > 0
    return shown


def dress(value: Any, quirks: Quirks, key: str = "") -> Any:
    """An answer's values with dates and decimals in the looks that the quirks say."""
    if isinstance(value, dict):
        return {name: dress(inner, quirks, name) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [dress(inner, quirks) for inner in value]
    if isinstance(value, Decimal):
        if key in SUMS and quirks.strings != "none":
            return f"{value:.2f}"
        return f"{value:f}" if quirks.strings == "all" else value
    plain = quirks.dates == "plain" and key not in ALWAYS_ISO and key != "value"
    if plain and isinstance(value, str) and _STAMP.fullmatch(value):
        return f"{value[:10]} {value[11:19]}"
    return value
