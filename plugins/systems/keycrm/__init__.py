"""``keycrm``: the CRM KeyCRM by its REST API. See docs/systems/keycrm.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.keycrm.settings import KeyCrmSettings

if TYPE_CHECKING:
    from plugins.systems.keycrm.system import KeyCrm


def open_account(settings: KeyCrmSettings, env: SystemEnv) -> KeyCrm:
    """The account that ``settings`` describe; the network is asked at first use."""
    from plugins.systems.keycrm.system import KeyCrm  # loaded only when an account is opened

    return KeyCrm(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.keycrm.system import KeyCrm

    return (KeyCrm,)


PLUGIN = SystemPlugin(
    name="keycrm",
    summary=T("KeyCRM: products, prices, stock by warehouse and orders of an account, by its API"),
    settings=KeyCrmSettings,
    open=open_account,
    classes=classes,
)
