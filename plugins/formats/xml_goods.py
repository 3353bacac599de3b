"""``xml-goods``: catalogue XML of any shape (YML, Prom.ua, Horoshop …) as a source of products; see docs/formats.md."""

from __future__ import annotations

from pipeline.api import FormatPlugin, T
from plugins.formats._goods.xmlgoods import XmlGoods, XmlGoodsSettings, unread

PLUGIN = FormatPlugin(
    name="xml-goods",
    summary=T("Catalogue XML of any shape, mapped by XPath in the config"),
    format=XmlGoods(),
    settings=XmlGoodsSettings,
    unread=unread,
)
