"""Looks whether a shop is as its connection says: currency, units, stock management, rights of the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.api import Finding, Refused, T, Who
from plugins.systems.woocommerce import values as v
from plugins.systems.woocommerce.client import NoRoute, WooApi
from plugins.systems.woocommerce.reading import PRODUCTS, Reader
from plugins.systems.woocommerce.settings import WooSettings


def check(api: WooApi, settings: WooSettings, reader: Reader) -> Sequence[Finding]:
    """What is not as it should be. Raises Refused (no login, no API), Transient."""
    api.get(PRODUCTS, (("per_page", "1"), ("_fields", "id")))
    findings: list[Finding] = []
    try:
        reader.currency()
    except Refused as error:
        if error.code == "login":
            raise
        findings += error.findings
    wanted = {
        ("general", "woocommerce_currency"): ("currency", settings.currency),
        ("products", "woocommerce_weight_unit"): ("weight_unit", settings.weight_unit),
        ("products", "woocommerce_dimension_unit"): ("dimension_unit", settings.dimension_unit),
    }
    for (group, name), (own, given) in wanted.items():
        there = _setting(api, group, name)
        if there and given and there != given:
            findings.append(
                Finding(
                    "woo-settings",
                    T("`{name}` of the connection is {given}, and the shop has {there}.", name=own, given=given,
                      there=there),
                    hint=T("Correct it in the connection: numbers would be read and written wrongly."),
                    who=Who.ADMIN, about=f"setting:{own}",
                )
            )  # fmt: skip
    if _setting(api, "products", "woocommerce_manage_stock") == "no":
        findings.append(
            Finding(
                "woo-stock-off",
                T("The shop does not keep quantities of stock."),
                hint=T("Turn on stock management in the shop: WooCommerce, Settings, Products, Inventory."),
                who=Who.ADMIN,
            )
        )
    return findings


def _setting(api: WooApi, group: str, name: str) -> str:
    """A setting of the shop; "" where it has none of that name. Raises Refused when the key's user may not see it."""
    try:
        told: Any = api.get(f"/settings/{group}/{name}")
    except NoRoute:
        return ""
    return v.text(told.get("value")) if isinstance(told, Mapping) else ""
