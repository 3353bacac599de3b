"""``json-goods``: catalogue JSON of any shape as a source of products; see docs/formats.md."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipeline.api import FormatContext, FormatPlugin, Goods, GoodsFormat, GoodsShape, Rejected, T, Unread, Where
from plugins.formats._declared.convert import Wrong
from plugins.formats._declared.jsonfile import JsonFile, unread_of
from plugins.formats._declared.jsonpath import path_mistake
from plugins.formats._declared.jsontext import parse_json
from plugins.formats._declared.orders import text_of
from plugins.formats._goods.assemble import Assembler, shape_of
from plugins.formats._goods.fields import TreeSettings
from plugins.formats._goods.refusing import check_tree, nothing


class JsonGoodsSettings(TreeSettings):
    """Parameters of catalogue JSON of any shape; paths are such as `offers[0].price`."""

    product: str = "."
    """Path of the products, such as `response.products`; a list stands for all that is in it. Without it the document
    itself is the list of them."""
    max_depth: int = Field(default=32, ge=4, le=250)
    """Objects and arrays inside one another; a deeper file is refused."""

    @model_validator(mode="after")
    def _mapping_is_right(self) -> JsonGoodsSettings:
        check_tree(self, lambda _loc, path: path_mistake(path))
        return self


class JsonGoods:
    """Reads catalogue JSON by a mapping."""

    def goods(self, data: bytes, settings: JsonGoodsSettings, context: FormatContext) -> Goods:
        """See GoodsFormat."""
        return _read(data, settings, context, thorough=False)[0]

    def shape(self, settings: JsonGoodsSettings) -> GoodsShape:
        """See GoodsFormat."""
        return shape_of(settings, settings.variants)


def unread(data: bytes, settings: JsonGoodsSettings, context: FormatContext) -> tuple[Unread, ...]:
    """Keys that the mapping does not read. Raises Rejected as reading does."""
    return unread_of([_read(data, settings, context, thorough=True)[1]])


def _read(
    data: bytes, settings: JsonGoodsSettings, context: FormatContext, *, thorough: bool
) -> tuple[Goods, JsonFile]:
    text, notes = text_of(data, settings, context.file)
    file = JsonFile(parse_json(text, file=context.file, max_depth=settings.max_depth))
    file.seen = set() if thorough else None
    where = Where(context.file, *file.document.place(file.document.start))
    assembler = Assembler(settings, context, thorough=thorough)
    try:
        records = file.orders(settings.product, "")
        if settings.categories is not None:
            assembler.categories(file.orders(settings.categories.each, ""), settings.categories)
    except Wrong as wrong:
        raise Rejected(T("{what}.", what=wrong.text), code="no-goods", where=where, hint=wrong.hint) from wrong
    if not records and not settings.allow_empty:
        raise nothing(settings.product, where, None)
    return assembler.read(records, settings.variants, notes), file


_: type[GoodsFormat] = JsonGoods

PLUGIN = FormatPlugin(
    name="json-goods",
    summary=T("Catalogue JSON of any shape, mapped by paths in the config"),
    format=JsonGoods(),
    settings=JsonGoodsSettings,
    unread=unread,
)
