"""``quincefin``: the accounting service Quincefin by its JSON API; ``quincefin-file``: by files that it imports.

See docs/systems/quincefin.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.quincefin.file_settings import QuincefinFileSettings
from plugins.systems.quincefin.settings import QuincefinSettings

if TYPE_CHECKING:
    from plugins.systems.quincefin.file_system import QuincefinFile
    from plugins.systems.quincefin.system import Quincefin


def open_account(settings: QuincefinSettings, env: SystemEnv) -> Quincefin:
    """The account that ``settings`` describe; the network is asked at first use."""
    from plugins.systems.quincefin.system import opened  # loaded only when an account is opened

    return opened(settings, env)


def open_files(settings: QuincefinFileSettings, env: SystemEnv) -> QuincefinFile:
    """The folder of import files that ``settings`` describe."""
    from plugins.systems.quincefin.file_system import QuincefinFile  # loaded only when one is opened

    return QuincefinFile(settings, env)


def accounts() -> tuple[type, ...]:
    """An account as its settings may have it: with all that they can switch on, and with nothing of it."""
    from plugins.systems.quincefin.system import Quincefin, WithAll

    return (Quincefin, WithAll)


def files() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.quincefin.file_system import QuincefinFile

    return (QuincefinFile,)


PLUGINS = (
    SystemPlugin(
        name="quincefin",
        summary=T("Quincefin: orders, shipments, payments, partners, goods and stock of an account, by its API"),
        settings=QuincefinSettings,
        open=open_account,
        classes=accounts,
    ),
    SystemPlugin(
        name="quincefin-file",
        summary=T("Quincefin without its API: orders as XLSX or CSV files that it imports"),
        settings=QuincefinFileSettings,
        open=open_files,
        classes=files,
    ),
)
