"""``catalogue-file``: a catalogue of any declared shape as a source of products. See docs/systems/catalogue-file.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api import SystemEnv, SystemPlugin, T
from plugins.systems.catalogue_file.settings import CatalogueFileSettings

if TYPE_CHECKING:
    from plugins.systems.catalogue_file.system import CatalogueFile


def open_file(settings: CatalogueFileSettings, env: SystemEnv) -> CatalogueFile:
    """The file that ``settings`` describe; its connection is opened at first use."""
    from plugins.systems.catalogue_file.system import CatalogueFile, StockedFile

    counted = env.goods is not None and env.goods.shape.stock
    return (StockedFile if counted else CatalogueFile)(settings, env)


def classes() -> tuple[type, ...]:
    """What may be opened."""
    from plugins.systems.catalogue_file.system import CatalogueFile, StockedFile

    return (CatalogueFile, StockedFile)


PLUGIN = SystemPlugin(
    name="catalogue-file",
    summary=T("A catalogue file of any shape (XML, CSV, JSON) as a source of products, prices and stock"),
    settings=CatalogueFileSettings,
    open=open_file,
    classes=classes,
)
