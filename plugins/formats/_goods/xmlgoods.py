"""How catalogue XML of any shape is read by a mapping."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from pipeline.api import (
    FormatContext,
    Goods,
    GoodsFormat,
    GoodsShape,
    Rejected,
    T,
    Unread,
    Where,
    parse_xml,
)
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.xmlfile import XmlFile, local_name, path_mistake
from plugins.formats._goods.assemble import Assembler, shape_of
from plugins.formats._goods.fields import TreeSettings
from plugins.formats._goods.refusing import check_tree, nothing

#: YML has one by its own description. It is never loaded; one that declares anything itself is refused as everywhere.
_DOCTYPE = re.compile(
    rb"""<!DOCTYPE\s+[\w:.-]+(?:\s+(?:SYSTEM|PUBLIC)(?:\s+(?:"[^"<>\[]*"|'[^'<>\[]*')){1,2})?\s*>""", re.ASCII
)
_PROLOG = 4096  #: bytes in which it stands


class XmlGoodsSettings(TreeSettings):
    """Parameters of catalogue XML of any shape; paths are XPath."""

    namespaces: dict[str, str] = Field(default_factory=dict)
    """Prefixes that the paths use: `{g: "http://base.google.com/ns/1.0"}`."""
    max_depth: int = Field(default=64, ge=4, le=250)
    """Elements inside one another; a deeper file is refused."""

    @model_validator(mode="after")
    def _mapping_is_right(self) -> XmlGoodsSettings:
        namespaces = tuple(sorted(self.namespaces.items()))
        check_tree(self, lambda _loc, path: path_mistake(path, namespaces))
        return self


class XmlGoods:
    """Reads catalogue XML by a mapping."""

    def goods(self, data: bytes, settings: XmlGoodsSettings, context: FormatContext) -> Goods:
        """See GoodsFormat."""
        return _read(data, settings, context, thorough=False)[0]

    def shape(self, settings: XmlGoodsSettings) -> GoodsShape:
        """See GoodsFormat."""
        return shape_of(settings, settings.variants)


def unread(data: bytes, settings: XmlGoodsSettings, context: FormatContext) -> tuple[Unread, ...]:
    """Elements and attributes that the mapping does not read. Raises Rejected as reading does."""
    return _read(data, settings, context, thorough=True)[1].unread()


def _read(data: bytes, settings: XmlGoodsSettings, context: FormatContext, *, thorough: bool) -> tuple[Goods, XmlFile]:
    data = _DOCTYPE.sub(lambda found: re.sub(rb"[^\r\n]", b" ", found[0]), data[:_PROLOG], count=1) + data[_PROLOG:]
    document = parse_xml(data, file=context.file, default_encoding=settings.encoding, max_depth=settings.max_depth)
    file = XmlFile(document, settings.namespaces)
    file.seen = set() if thorough else None
    where = Where(context.file, document.lines[0], document.columns[0], local_name(document.root))
    assembler = Assembler(settings, context, thorough=thorough)
    try:
        records = file.orders(settings.product, "")
        if settings.categories is not None:
            assembler.categories(file.orders(settings.categories.each, ""), settings.categories)
    except Wrong as wrong:
        raise Rejected(T("{what}.", what=wrong.text), code="no-goods", where=where, hint=wrong.hint) from wrong
    if not records and not settings.allow_empty:
        hint = T(
            "The file begins with <{name}>; the mapping looks for `{path}`.",
            name=local_name(document.root),
            path=settings.product,
        )
        raise nothing(settings.product, where, hint)
    return assembler.read(records, settings.variants, document.notes), file


_: type[GoodsFormat] = XmlGoods
