"""Step ``export-catalogue``: publishes the products of a system as a file for the shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from pipeline.api import OutboundSettings, OutboundStep, Settings, StepPlugin, T


class Categories(Settings):
    """``categories:`` of an export, by path from the root down, such as `Авто/Плівки`; a path takes all below it in."""

    include: tuple[str, ...] = ()
    """Only products of these categories; all when not given."""
    exclude: tuple[str, ...] = ()
    """No products of these categories; this is stronger than `include`."""


class ExportSettings(OutboundSettings):
    """Parameters of export-catalogue."""

    only_published: bool = True
    """Leave out products that are not meant for the shop."""
    in_stock_only: bool = False
    """Leave out products with no stock."""
    categories: Categories = Field(default_factory=Categories)
    """Which categories are exported."""


def fields(settings: ExportSettings) -> Sequence[str]:
    """What the choice of rows looks at; nothing when every row goes."""
    chosen = []
    if settings.only_published:
        chosen.append("published")
    if settings.in_stock_only:
        chosen.append("stock")
    if settings.categories.include or settings.categories.exclude:
        chosen.append("category")
    return chosen


def keep(row: Mapping[str, Any], settings: ExportSettings) -> bool:
    """Whether a product goes out."""
    if settings.only_published and not row["published"]:
        return False
    if settings.in_stock_only and row["stock"] is not None and not row["stock"] > 0:
        return False  # None: it is sold without counting
    categories = settings.categories
    if categories.exclude and _within(row["category"], categories.exclude):
        return False
    return not categories.include or _within(row["category"], categories.include)


def _within(path: Sequence[str], chosen: Sequence[str]) -> bool:
    """Whether a category is one of ``chosen`` or lies below one; spaces around the names do not count."""
    names = tuple(name.strip() for name in path)
    for one in chosen:
        wanted = tuple(part.strip() for part in one.split("/"))
        if names[: len(wanted)] == wanted:
            return True
    return False


PLUGIN = StepPlugin(
    name="export-catalogue",
    summary=T("Publish the catalogue of a system as a file for the shop"),
    settings=ExportSettings,
    kind=OutboundStep(keep=keep, fields=fields),
)
