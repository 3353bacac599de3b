"""``catalogue-csv``: the catalogue as CSV with the columns that the config declares, read back before it is sent.

For any consumer that reads CSV as RFC 4180 has it; the parts live in ``plugins/formats/_columns``.
"""

from __future__ import annotations

from pipeline.api import CatalogueFormat, FormatPlugin, T
from plugins.formats._columns.csvout import CatalogueCsv, CatalogueCsvSettings

_: type[CatalogueFormat] = CatalogueCsv

PLUGIN = FormatPlugin(
    name="catalogue-csv",
    summary=T("Catalogue as CSV with columns of your own"),
    format=CatalogueCsv(),
    settings=CatalogueCsvSettings,
)
