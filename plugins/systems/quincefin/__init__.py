"""``quincefin``: the accounting service Quincefin by its JSON API. See docs/systems/quincefin.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.quincefin.settings import QuincefinSettings

if TYPE_CHECKING:
    from plugins.systems.quincefin.system import Quincefin


def open_account(settings: QuincefinSettings, env: SystemEnv) -> Quincefin:
    """The account that ``settings`` describe; the network is asked at first use."""
    from plugins.systems.quincefin.system import opened  # loaded only when an account is opened

    return opened(settings, env)


PLUGIN = SystemPlugin(
    name="quincefin",
    summary=T("Quincefin: orders, shipments, payments, partners, goods and stock of an account, by its API"),
    settings=QuincefinSettings,
    open=open_account,
)
