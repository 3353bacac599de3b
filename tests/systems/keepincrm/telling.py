"""Agreements of a fake KeepinCRM that are read as orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from pipeline.api import (
    Order,
    SeenOrder,
)
from tests.systems.keepincrm.world import World

HOUR = timedelta(hours=1)
NAMES = ("Нове", "Відправлено", "Виконано")


def key(shop: World, table: str, name: str) -> int:
    return next(own for own, row in shop.fake.account.tables[table].items() if row["name"] == name)


def stages(shop: World) -> dict[str, int]:
    return {name: key(shop, "stages", name) for name in NAMES}


LINES = ({"sku": "LMP-9", "title": "Лак  акриловий", "amount": 2, "price": Decimal("450.50")},)


def add(shop: World, title: str = "№ 5", jobs: Any = LINES, **more: Any) -> int:
    return shop.fake.add_agreement(title, jobs, **{"stage_id": key(shop, "stages", "Нове"), **more})


def seen(shop: World, *args: Any, orders: dict[str, Any] | None = None, **named: Any) -> list[SeenOrder]:
    return list(shop.open(orders=orders or {}).orders(*args, **named))


def only(shop: World, **orders: Any) -> SeenOrder:
    (one,) = seen(shop, orders=orders)
    return one


def order_of(shop: World, **orders: Any) -> Order:
    one = only(shop, **orders)
    assert one.order is not None, one.findings
    return one.order


FORMS: dict[str, dict[str, Any]] = {
    "likeliest": {},
    "text": {"total_form": "text", "total_name": "total"},
    "comma": {"total_form": "comma", "total_name": "total_amount"},
    "nested": {"jobs_read": "nested"},
    "not in lists": {"jobs_in_list": False, "sorting": False, "not_found": "empty"},
    "stage by name": {"stage_read": "name", "stage_filter": True},
    "utc": {"zone": "UTC", "milliseconds": False, "order": "oldest_first"},
    "deaf": {"updated_at_filter": "ignored", "per_page_max": 0, "pagination_counts": False},
    "refusing": {"updated_at_filter": "refused", "unknown_filter": "refused"},
}
