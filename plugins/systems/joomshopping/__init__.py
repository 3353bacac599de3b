"""``joomshopping``: a JoomShopping shop that is reached by files. See docs/systems/joomshopping.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.joomshopping.settings import ShopSettings

if TYPE_CHECKING:
    from plugins.systems.joomshopping.system import ReadShop


def open_shop(settings: ShopSettings, env: SystemEnv) -> ReadShop:
    """The shop that ``settings`` describe; its connection is opened at first use."""
    from plugins.systems.joomshopping.system import ReadShop, Shop

    return Shop(settings, env, settings.updates) if settings.updates else ReadShop(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.joomshopping.system import ReadShop, Shop

    return (ReadShop, Shop)


PLUGIN = SystemPlugin(
    name="joomshopping",
    summary=T("A JoomShopping shop by files: its export is read, and a file tells it stock and prices"),
    settings=ShopSettings,
    open=open_shop,
    classes=classes,
)
