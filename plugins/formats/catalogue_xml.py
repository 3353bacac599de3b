"""``catalogue-xml``: the catalogue as XML with the elements that the config declares, read back before it is sent."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.api import (
    Batch,
    CatalogueChecker,
    CatalogueFormat,
    Chunk,
    FormatContext,
    FormatPlugin,
    Goods,
    GoodsShape,
    Settings,
    T,
    known_encoding,
)
from plugins.formats._columns.rows import PartsColumn, Rows, fields_of
from plugins.formats._columns.settings import Column
from plugins.formats._columns.spec import Spec, spec_of
from plugins.formats._goods.readback import mapping_of
from plugins.formats._goods.xmlgoods import XmlGoods, XmlGoodsSettings
from plugins.formats._xmlout.check import Checker
from plugins.formats._xmlout.layout import NAME, Layout, Leaf, Written, parts_of
from plugins.formats._xmlout.write import FORBIDDEN, closing, opening, product

_PATH = rf"{NAME}(/{NAME})*"
_BETWEEN = "\x1f"  #: stands in no text of XML
_MANY = {"images": "list", "category": "list", "options": "pairs"}


def _named(value: str, pattern: str) -> str:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(T("`{name}` is no name of an element or attribute.", name=value))
    return value


class Attribute(Column):
    """An attribute."""

    header: Annotated[str, Field(alias="name")]
    """Name of the attribute."""

    @field_validator("header")
    @classmethod
    def _is_name(cls, value: str) -> str:
        return _named(value, NAME)


class Element(Column):
    """An element of a product."""

    header: Annotated[str, Field(alias="name")]
    """Name of the element; `images/image` stands inside of another."""
    each: bool = False
    """One element for each part of `images`, `category` or `options`."""
    key: str | None = None
    """Attribute that names an option, with `each` of `options`."""
    cdata: bool = False
    """Write the text as CDATA."""
    empty: Literal["leave-out", "write"] = "leave-out"
    """What happens to an element that has nothing in it."""
    attributes: tuple[Attribute, ...] = ()
    """Its attributes."""

    @field_validator("header")
    @classmethod
    def _is_path(cls, value: str) -> str:
        return _named(value, _PATH)

    @model_validator(mode="after")
    def _each_fits(self) -> Element:
        if not self.each:
            if self.key is not None:
                raise ValueError(T("`key` belongs to `each` of `options`."))
            return self
        kind = _MANY.get(self.field or "")
        if kind is None:
            raise ValueError(
                T("`each` is for fields of several parts."), T("Known: {names}.", names=", ".join(sorted(_MANY)))
            )
        if (kind == "pairs") != (self.key is not None):
            raise ValueError(T("Each of `options` needs a `key`: the attribute that names it."))
        if self.attributes or self.cdata or self.table or self.required:
            raise ValueError(T("With `each` there are no `attributes`, `cdata`, `table` and `required`."))
        return self


class CatalogueXmlSettings(Settings):
    """Parameters of a catalogue XML with declared elements."""

    root: str = "products"
    """Elements around the products, from the outside in: `catalogue/products`."""
    root_attributes: dict[str, str] = Field(default_factory=dict)
    """Attributes of the outermost element, such as `{version: "1.0"}`."""
    head: dict[str, str] = Field(default_factory=dict)
    """Elements before the products, such as `{shop: Автофарба}`."""
    item: str = "product"
    """Name of a product's element."""
    attributes: tuple[Attribute, ...] = ()
    """Attributes of a product's element."""
    elements: tuple[Element, ...] = ()
    """Elements of a product, in order."""
    encoding: str = "utf-8"
    """A character that it does not have stops the export, naming product and character."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}-[A-Z]{2}$")], ...] = ()
    """Language of texts that name none; the client's catalogue language when not given."""
    variants: Literal["rows", "skip"] = "rows"
    """An element for each variant too, or base products only."""
    path_separator: Annotated[str, Field(min_length=1)] = "/"
    """Between the categories of a path."""
    list_separator: Annotated[str, Field(min_length=1)] = "|"
    """Between the parts of a list that stands in one element."""
    newlines: Literal["space", "keep"] = "space"
    """Line breaks and tabs inside a text: one space instead, or kept."""

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        if known_encoding(value) is None:
            raise ValueError(T("`{value}` is no encoding; write windows-1251, utf-8 or utf-16.", value=value))
        return value

    @field_validator("root")
    @classmethod
    def _root_is_path(cls, value: str) -> str:
        return _named(value, _PATH)

    @field_validator("item")
    @classmethod
    def _item_is_name(cls, value: str) -> str:
        return _named(value, NAME)

    @field_validator("root_attributes", "head")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            _named(name, NAME)
        return value

    @model_validator(mode="after")
    def _has_something(self) -> CatalogueXmlSettings:
        if not self.elements and not self.attributes:
            raise ValueError(T("A product has nothing: give it `elements` or `attributes`."))
        for attributes in (self.attributes, *(element.attributes for element in self.elements)):
            names = [one.header for one in attributes]
            if len(set(names)) != len(names):
                raise ValueError(T("Two attributes of one element have the same name."))
        paths = {element.header for element in self.elements}
        for path in paths:
            if any(other.startswith(f"{path}/") for other in paths):
                raise ValueError(T("`{name}` holds a value and other elements as well.", name=path))
        return self

    @property
    def codec(self) -> str:
        """The encoding by its proper name."""
        return known_encoding(self.encoding) or "utf-8"

    def layout(self, context: FormatContext) -> Layout:
        """The shape of the file."""
        leaves = []
        for element in self.elements:
            path = tuple(element.header.split("/"))
            if element.each and element.field is not None:
                kind: Literal["list", "pairs"] = "pairs" if element.field == "options" else "list"
                leaves.append(Leaf(path, parts=kind, source=element.field, key=element.key or ""))
                continue
            leaves.append(
                Leaf(
                    path,
                    self._spec(element, context),
                    cdata=element.cdata,
                    empty=element.empty == "write",
                    attributes=tuple(self._spec(one, context) for one in element.attributes),
                )
            )
        return Layout(
            root=tuple(self.root.split("/")),
            item=self.item,
            attributes=tuple(self._spec(one, context) for one in self.attributes),
            leaves=tuple(leaves),
            root_attributes=self.root_attributes,
            head=self.head,
        )

    def _spec(self, column: Column, context: FormatContext) -> Spec:
        language = self.languages[0] if self.languages else context.language
        spec = spec_of(column, language, path_separator=self.path_separator, list_separator=self.list_separator)
        return replace(spec, required=column.required or column.field == "code")

    def reading(self, language: str = "") -> XmlGoodsSettings:
        """The mapping by which a file of these elements is read. Raises ConfigError without one of codes."""
        columns: list[tuple[str, Column]] = [(f"@{one.header}", one) for one in self.attributes]
        options: dict[str, str] | None = None
        steps = ""  #: path of elements of which each is a category of the path
        for element in self.elements:
            if element.each and element.field == "options":
                options = {"each": element.header, "name": f"@{element.key}", "value": "."}
            elif element.each and element.field == "category":
                steps = element.header
            else:
                columns.append((element.header, element))
            columns += [(f"{element.header}/@{one.header}", one) for one in element.attributes]
        mapping = mapping_of(
            [(path, column) for path, column in columns if column.field is not None],
            path_separator=self.path_separator,
            list_separator=self.list_separator,
            language=self.languages[0] if self.languages else language,
        )
        if options is not None:
            mapping["fields"]["named_options"] = options
        if steps:
            mapping["fields"]["category"] = {"path": steps, "join": _BETWEEN}
            mapping["path_separator"] = _BETWEEN
        prefixes = {
            name.removeprefix("xmlns:"): value
            for name, value in self.root_attributes.items()
            if name.startswith("xmlns:")
        }
        product = f"/{self.root}/{self.item}"
        own = {"product": product, "encoding": self.encoding, "namespaces": prefixes}
        return XmlGoodsSettings.model_validate({**mapping, **own})


class CatalogueXml:
    """The format; it keeps nothing between files."""

    def goods(self, data: bytes, settings: CatalogueXmlSettings, context: FormatContext) -> Goods:
        """See GoodsFormat: a file of these elements, whoever wrote it."""
        return XmlGoods().goods(data, settings.reading(context.language), context)

    def shape(self, settings: CatalogueXmlSettings) -> GoodsShape:
        """See GoodsFormat."""
        return XmlGoods().shape(settings.reading())

    def fields(self, settings: CatalogueXmlSettings, context: FormatContext) -> Sequence[str]:
        """Which CATALOGUE_FIELDS the elements need."""
        layout = settings.layout(context)
        return tuple(dict.fromkeys([*fields_of(layout.specs), *(leaf.source for leaf in layout.lists)]))

    def encode(
        self, batches: Iterable[Batch], settings: CatalogueXmlSettings, context: FormatContext
    ) -> Iterator[Chunk]:
        """The file, piece by piece. Raises Held at the end, with every product that cannot be written and why."""
        layout = settings.layout(context)
        rows = Rows(
            layout.specs,
            context,
            encoding=settings.codec,
            variants=settings.variants == "rows",
            keep_breaks=settings.newlines == "keep",
            forbidden=FORBIDDEN,
        )
        encoder = codecs.getincrementalencoder(settings.codec)()
        yield Chunk(encoder.encode(opening(layout, settings.encoding.upper())), (), ())
        for batch in batches:
            codes, columns, lists = rows.of(batch, lambda one: lists_of(layout, one))
            if not codes:
                continue
            products = [
                Written([column[row] for column in columns], [parts[row] for parts in lists])
                for row in range(len(codes))
            ]
            text = "".join(product(layout, one) for one in products)
            yield Chunk(encoder.encode(text), codes, [one.cells() for one in products])
        rows.found.raise_held()
        yield Chunk(encoder.encode(closing(layout)), (), ())

    def checker(self, settings: CatalogueXmlSettings, context: FormatContext) -> CatalogueChecker:
        """Reads one file back by a parser that knows nothing of how it was written."""
        return Checker(settings.layout(context), settings.codec, context.file)


def lists_of(layout: Layout, batch: Batch) -> list[PartsColumn]:
    """The columns of elements of which there are several."""
    return [("/".join(leaf.path), parts_of(leaf, batch)) for leaf in layout.lists]


_: type[CatalogueFormat] = CatalogueXml

PLUGIN = FormatPlugin(
    name="catalogue-xml",
    summary=T("Catalogue as XML with elements of your own"),
    format=CatalogueXml(),
    settings=CatalogueXmlSettings,
)
