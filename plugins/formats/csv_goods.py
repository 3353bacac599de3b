"""``csv-goods``: catalogue CSV of any shape (a supplier's price list) as a source of products; see docs/formats.md."""

from __future__ import annotations

from pipeline.api import FormatPlugin, T
from plugins.formats._goods.csvgoods import CsvGoods, CsvGoodsSettings, unread

PLUGIN = FormatPlugin(
    name="csv-goods",
    summary=T("Catalogue CSV of any shape, mapped by columns in the config"),
    format=CsvGoods(),
    settings=CsvGoodsSettings,
    unread=unread,
)
