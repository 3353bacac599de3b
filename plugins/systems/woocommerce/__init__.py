"""``woocommerce``: a shop on WordPress with WooCommerce, through its REST API. See docs/systems/woocommerce.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.woocommerce.settings import WooSettings

if TYPE_CHECKING:
    from plugins.systems.woocommerce.system import WooCommerce


def open_shop(settings: WooSettings, env: SystemEnv) -> WooCommerce:
    """The shop that ``settings`` describe; it is asked nothing before the first use."""
    from plugins.systems.woocommerce.system import WooCommerce

    return WooCommerce(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.woocommerce.system import WooCommerce

    return (WooCommerce,)


PLUGIN = SystemPlugin(
    name="woocommerce",
    summary=T("A shop on WooCommerce, through its REST API: goods with variations, stock, special prices, orders"),
    settings=WooSettings,
    open=open_shop,
    classes=classes,
)
