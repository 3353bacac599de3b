"""``dilovod``: Dilovod, Ukrainian accounting in the cloud, by its packet API. See docs/systems/dilovod.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.dilovod.settings import DilovodSettings

if TYPE_CHECKING:
    from plugins.systems.dilovod.system import Dilovod


def open_base(settings: DilovodSettings, env: SystemEnv) -> Dilovod:
    """The base that ``settings`` describe; the network is asked at first use."""
    from plugins.systems.dilovod.system import Dilovod  # loaded only when a base is opened

    return Dilovod(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.dilovod.system import Dilovod

    return (Dilovod,)


PLUGIN = SystemPlugin(
    name="dilovod",
    summary=T("Dilovod: goods, prices and stock out; orders, shipments, returns and payments in, by its API"),
    settings=DilovodSettings,
    open=open_base,
    classes=classes,
)
