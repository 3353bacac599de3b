"""Format ``joomshopping-csv``: the catalogue as the shop's importers take it, checked as the shop's PHP reads it.

Facts about the importers stand in docs/catalogue-format.md; the parts live in ``plugins/formats/_joomshopping``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.api import (
    Batch,
    CatalogueChecker,
    CatalogueReader,
    Chunk,
    DividedFormat,
    FormatContext,
    FormatPlugin,
    PartChecker,
    PhpCsvReader,
    T,
)
from plugins.formats._joomshopping.check import Checker
from plugins.formats._joomshopping.layout import layout
from plugins.formats._joomshopping.settings import JoomShoppingSettings
from plugins.formats._joomshopping.write import Writer, compares_leaves


class JoomShoppingCsv:
    """The format; it keeps nothing between files."""

    steady = True

    def fields(self, settings: JoomShoppingSettings, context: FormatContext) -> Sequence[str]:
        """Which CATALOGUE_FIELDS the chosen columns need."""
        return layout(settings, context).fields

    def encode(
        self, batches: Iterable[Batch], settings: JoomShoppingSettings, context: FormatContext
    ) -> Iterator[Chunk]:
        """The file, header first. Raises Held at the end, with every product that cannot be written and why."""
        return Writer(layout(settings, context)).chunks(batches)

    def checker(self, settings: JoomShoppingSettings, context: FormatContext) -> PartChecker:
        """Reads one file back: PHP's fgetcsv, then the shop's database."""
        return Checker(layout(settings, context))

    def divides(self, settings: JoomShoppingSettings, context: FormatContext) -> bool:
        """Not where the last names of categories are compared over the whole file."""
        return not compares_leaves(layout(settings, context))

    def encode_rest(
        self, batches: Iterable[Batch], settings: JoomShoppingSettings, context: FormatContext
    ) -> Iterator[Chunk]:
        """As ``encode``, without the header."""
        return Writer(layout(settings, context)).chunks(batches, rest=True)

    def rest_checker(self, settings: JoomShoppingSettings, context: FormatContext, rest: Path) -> CatalogueChecker:
        """As ``checker``; it leaves its codes in ``rest``."""
        return Checker(layout(settings, context), rest)

    def read(self, data: bytes, settings: JoomShoppingSettings, context: FormatContext) -> Iterator[Sequence[str]]:
        """The rows that the shop's PHP reads, under the names of the columns."""
        reader = PhpCsvReader(settings.delimiter.encode())
        rows = [*reader.feed(data), *reader.close()]
        if not settings.header:
            yield tuple(spec.header for spec in layout(settings, context).specs)
        for row in rows:
            if row != (None,):
                yield tuple((cell or b"").decode(settings.encoding, "replace").removeprefix("\ufeff") for cell in row)


_: type[DividedFormat] = JoomShoppingCsv
_reads: type[CatalogueReader] = JoomShoppingCsv

PLUGIN = FormatPlugin(
    name="joomshopping-csv",
    summary=T("Catalogue as CSV for JoomShopping: built-in importer, add-ons, stock plug-in or own columns"),
    format=JoomShoppingCsv(),
    settings=JoomShoppingSettings,
)
