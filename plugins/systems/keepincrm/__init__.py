"""``keepincrm``: KeepinCRM, a Ukrainian CRM with an API at api.keepincrm.com. See docs/systems/keepincrm.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.keepincrm.settings import KeepinSettings

if TYPE_CHECKING:
    from plugins.systems.keepincrm.system import Keepin


def open_keepin(settings: KeepinSettings, env: SystemEnv) -> Keepin:
    """The account that ``settings`` describe; it is asked at first use."""
    from plugins.systems.keepincrm.system import Keepin  # an HTTP client is loaded only when a CRM is opened

    return Keepin(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.keepincrm.system import Keepin

    return (Keepin,)


PLUGIN = SystemPlugin(
    name="keepincrm",
    summary=T("KeepinCRM: goods, prices and stock by office, through its API"),
    settings=KeepinSettings,
    open=open_keepin,
    classes=classes,
)
