"""``tryton``: Tryton 8, free accounting software, by its JSON-RPC. See docs/systems/tryton.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.tryton.settings import TrytonSettings

if TYPE_CHECKING:
    from plugins.systems.tryton.system import Tryton


def open_base(settings: TrytonSettings, env: SystemEnv) -> Tryton:
    """The database that ``settings`` describe; the network is asked at first use."""
    from plugins.systems.tryton.system import Tryton  # loaded only when a base is opened

    return Tryton(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.tryton.system import Tryton

    return (Tryton,)


PLUGIN = SystemPlugin(
    name="tryton",
    summary=T("Tryton 8: sales with their taxes, shipments, returns and payments in, by its JSON-RPC"),
    settings=TrytonSettings,
    open=open_base,
    classes=classes,
)
