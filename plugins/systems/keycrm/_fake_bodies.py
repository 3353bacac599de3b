"""What the bodies of orders, payments and expenses may have. Unknown keys are dropped in silence."""

from __future__ import annotations

from plugins.systems.keycrm._fake_ask import F
from plugins.systems.keycrm._fake_catalogue import CUSTOM, PROPERTIES
from plugins.systems.keycrm._fake_show import MARKETING

TEXT, AMOUNT = F("str", nullable=True), F("num", nullable=True)
STATUSES = ("paid", "not_paid", "canceled")
SHIPPING = {
    "delivery_service_id": F("int", nullable=True),
    **dict.fromkeys(
        (
            "tracking_code",
            "shipping_service",
            "shipping_address_city",
            "shipping_address_country",
            "shipping_address_region",
            "shipping_address_zip",
            "shipping_secondary_line",
            "shipping_receive_point",
            "recipient_full_name",
            "recipient_phone",
            "warehouse_ref",
        ),
        TEXT,
    ),
    "shipping_date": F("date", nullable=True),
}
PAYMENT = {
    "payment_method_id": F("int"),
    "payment_method": F("str"),
    "amount": F("num", required=True),
    "status": F("str", nullable=True, among=STATUSES),
    "description": TEXT,
    "payment_date": F("moment", nullable=True),
}
PAYMENT_CHANGE = {"status": F("str", nullable=True, among=STATUSES), "description": TEXT}
EXPENSE = {
    "expense_type_id": F("int"),
    "expense_type": F("str"),
    "amount": F("num", required=True),
    "description": TEXT,
    "payment_date": F("moment", nullable=True),
}
EXPENSE_CHANGE = {"status": F("str", nullable=True, among=("canceled",)), "description": TEXT}
LINE = {
    "sku": F("str"),
    "name": F("str"),
    "price": F("num"),
    "purchased_price": F("num"),
    "discount_percent": AMOUNT,
    "discount_amount": AMOUNT,
    "quantity": F("num"),
    "unit_type": F("str"),
    "comment": F("str"),
    "picture": TEXT,
    "properties": PROPERTIES,
}
LINE_CHANGE = {
    "id": F("int"),
    **{name: LINE[name] for name in ("sku", "name", "comment", "price", "purchased_price")},
    "discount_percent": AMOUNT,
    "discount_amount": AMOUNT,
    "quantity": F("num"),
    "product_status_id": F("int"),
}
IMPORTED = {
    "source_id": F("int"),
    "source_name": F("str"),
    "source_uuid": TEXT,
    "buyer_comment": TEXT,
    "manager_comment": TEXT,
    "promocode": TEXT,
    **dict.fromkeys(("discount_percent", "discount_amount", "shipping_price", "wrap_price", "taxes"), AMOUNT),
    "ordered_at": F("moment", nullable=True),
    "buyer": F("object", required=True, fields={"full_name": TEXT, "email": TEXT, "phone": TEXT}),
    "shipping": F("object", fields=SHIPPING),
    "marketing": F("object", fields=dict.fromkeys(MARKETING[:5], TEXT)),
    "products": F("list", fields=LINE),
    "payments": F("list", fields=PAYMENT),
    "custom_fields": CUSTOM,
}
NEW = {
    **IMPORTED,
    "manager_id": F("int", nullable=True),
    "gift_message": TEXT,
    "is_gift": F("bool"),
    "gift_wrap": F("bool"),
}
# an import knows fewer keys than a single order
IMPORT_SHIPPING = {name: rule for name, rule in SHIPPING.items() if name != "shipping_service"}
IMPORT = {
    "orders": F("list", required=True, most=50, fields={**IMPORTED, "shipping": F("object", fields=IMPORT_SHIPPING)})
}
CHANGE = {
    "buyer_comment": TEXT,
    "manager_comment": TEXT,
    "status_id": F("int"),
    "discount_percent": AMOUNT,
    "discount_amount": AMOUNT,
    "products": F("list", fields=LINE_CHANGE),
    "shipping": F("object", fields=IMPORT_SHIPPING),
    "custom_fields": CUSTOM,
}
