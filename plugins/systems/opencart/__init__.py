"""``opencart``: a shop on OpenCart 3.0 or 4.1, through its database. See docs/systems/opencart.md."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.opencart.settings import OpenCartSettings

if TYPE_CHECKING:
    from plugins.systems.opencart.system import OpenCart


def open_shop(settings: OpenCartSettings, env: SystemEnv) -> OpenCart:
    """The shop that ``settings`` describe; it is connected at first use. Raises ConfigError without a driver."""
    from plugins.systems.opencart.database import missing_driver
    from plugins.systems.opencart.system import OpenCart  # SQLAlchemy is loaded only when a shop is opened

    if find_spec("pymysql") is None:
        missing_driver()
    return OpenCart(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.opencart.system import OpenCart

    return (OpenCart,)


PLUGIN = SystemPlugin(
    name="opencart",
    summary=T("A shop on OpenCart 3.0 or 4.1, through its database: goods with options, stock, prices, orders"),
    settings=OpenCartSettings,
    open=open_shop,
    classes=classes,
)
