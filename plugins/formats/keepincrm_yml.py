"""``keepincrm-yml``: the catalogue as the YML feed that KeepinCRM imports by its address.

The shape is what KeepinCRM's own module for OpenCart serves (``import_xml`` of its catalogue's controller):
``yml_catalog/shop`` with ``platform`` KeepinCRM, categories by id and parentId, and offers with several pictures,
``stock_quantity``, and a ``param`` for the article, the weight and each of the product's own attributes. YML is Yandex
Market Language; ``group_id``, ``vendor``, ``vendorCode`` and ``oldprice`` are its words for variants, maker, article
and the price before a reduction, which that module leaves out.

Categories stand before the offers, and are only known after them: the offers wait in a temporary file.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO, Annotated, Any

from pydantic import Field, field_validator

from pipeline.api import (
    Batch,
    CatalogueChecker,
    CatalogueFormat,
    Chunk,
    Finding,
    FormatContext,
    FormatPlugin,
    Held,
    Settings,
    T,
    Where,
)
from plugins.formats._columns.rows import PartsColumn, Rows, fields_of
from plugins.formats._columns.settings import TEMPLATE_FIELD
from plugins.formats._columns.spec import Spec
from plugins.formats._xmlout.check import Checker
from plugins.formats._xmlout.layout import Layout, Leaf, Written
from plugins.formats._xmlout.write import FORBIDDEN, attribute, product, text_of

_ROOT = ("yml_catalog", "shop", "offers")
_MEMORY = 16_000_000  #: bytes of offers that wait in memory before they wait on the disk
_DIGITS = 10**15  #: category ids are below it
Category = tuple[str, ...]


class KeepinYmlSettings(Settings):
    """Parameters of the YML feed for KeepinCRM."""

    shop: str = ""
    """Name of the shop; the client's name when left out."""
    company: str = ""
    """Name of the company; the shop's when left out."""
    url: str = ""
    """Address of the shop's site."""
    product_url: str = ""
    """Address of a product's page, such as `https://shop.example/p/{code}`; `{code}` stands for its code."""
    image_url: str = ""
    """Address that file names of images are put behind, such as `https://shop.example/image/`; without it, only images
    whose whole address the system tells."""
    language: Annotated[str, Field(pattern=r"^([a-z]{2}-[A-Z]{2})?$")] = ""
    """Language of texts; the client's catalogue language when not given."""
    variants: bool = True
    """An offer for each variant, with `group_id`, in place of its base product; `false`: base products only."""
    specials: bool = False
    """While a special price holds it is the `price`, and the usual one the `oldprice`."""
    params: dict[str, str] = Field(default_factory=dict)
    """Further `param` elements: name -> field of the catalogue, such as `{Штрихкод: barcode}`."""

    @field_validator("product_url")
    @classmethod
    def _code_only(cls, value: str) -> str:
        for name in TEMPLATE_FIELD.findall(value):
            if name != "code":
                raise ValueError(T("`{name}` is not known in an address: only `{code}` is.", name=name, code="{code}"))
        return value

    @field_validator("params")
    @classmethod
    def _fields_known(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            if name not in _PARAM_FIELDS:
                raise ValueError(
                    T("`{name}` cannot be a param.", name=name),
                    T("Known: {names}.", names=", ".join(_PARAM_FIELDS)),
                )
        return value


_PARAM_FIELDS = ("barcode", "manufacturer", "unit", "weight", "tax_rate")


def _layout(settings: KeepinYmlSettings) -> Layout:
    """The offer. What is reckoned (addresses, availability, price) is put into the batch under names of its own."""

    def leaf(name: str, field: str, **more: Any) -> Leaf:
        return Leaf((name,), Spec(name, field, required=name == "name"), **more)

    price = Spec("price", "yml price", kind="decimal", places=(2, 6), required=True)
    old = Spec("oldprice", "yml oldprice", kind="decimal", places=(2, 6))
    stock = Spec("stock_quantity", "yml stock")
    return Layout(
        root=_ROOT,
        item="offer",
        attributes=(
            Spec("id", "code", required=True),
            Spec("available", "yml available"),
            Spec("group_id", "parent"),
        ),
        leaves=(
            leaf("name", "yml name"),
            leaf("url", "yml url"),
            Leaf(("price",), price),
            *((Leaf(("oldprice",), old),) if settings.specials else ()),
            leaf("currencyId", "currency"),
            leaf("description", "yml description", cdata=True),
            leaf("categoryId", "yml category"),
            Leaf(("picture",), parts="list", source="yml pictures"),
            Leaf(("stock_quantity",), stock),
            leaf("vendor", "manufacturer"),
            leaf("vendorCode", "code"),
            Leaf(("param",), parts="pairs", source="yml params", key="name"),
        ),
    )


class KeepinYml:
    """The format; it keeps nothing between files."""

    def fields(self, settings: KeepinYmlSettings, context: FormatContext) -> Sequence[str]:
        """Which CATALOGUE_FIELDS the feed needs."""
        language = settings.language or context.language
        own = ["price", "stock", "category", "image", "images", "options", "weight", "updated_at"]
        own += [f"name.{language}", f"description.{language}", *settings.params.values()]
        own += ["special_price", "special_start", "special_end"] if settings.specials else []
        given = [name for name in fields_of(_layout(settings).specs) if not name.startswith("yml ")]
        return tuple(dict.fromkeys([*given, *own]))

    def encode(self, batches: Iterable[Batch], settings: KeepinYmlSettings, context: FormatContext) -> Iterator[Chunk]:
        """The file, piece by piece. What has no price is left out and told in the notes.

        Raises Held, with every product that cannot be written for another reason, and why.
        """
        layout = _layout(settings)
        made = _Offers(settings, context)
        rows = Rows(
            layout.specs, context, encoding="utf-8", variants=settings.variants, keep_breaks=False,
            forbidden=FORBIDDEN, without_price=True,
        )  # fmt: skip
        with tempfile.SpooledTemporaryFile(max_size=_MEMORY, mode="w+", encoding="utf-8") as waiting:
            for batch in batches:
                codes, columns, lists = rows.of(made.filled(batch), lambda one: _lists(layout, one))
                offers = [
                    (code, Written([column[row] for column in columns], [parts[row] for parts in lists]).cells())
                    for row, code in enumerate(codes)
                ]
                if offers:
                    waiting.write(json.dumps(offers) + "\n")
            rows.found.raise_held()
            made.raise_for_twins(context)
            bases = made.bases if settings.variants else set()
            yield Chunk(_head(settings, context, made).encode(), (), (), rows.found.left_out(but=bases))
            waiting.seek(0)
            yield from _offers(waiting, layout, bases)
        yield Chunk(b"    </offers>\n  </shop>\n</yml_catalog>\n", (), ())

    def checker(self, settings: KeepinYmlSettings, context: FormatContext) -> CatalogueChecker:
        """Reads one file back, and looks whether every offer's category is there."""
        return _YmlChecker(settings, context)


def _offers(waiting: IO[str], layout: Layout, bases: set[str]) -> Iterator[Chunk]:
    """The offers that waited, without base products whose variants are offers themselves."""
    for line in waiting:
        kept = [(code, tuple(cells)) for code, cells in json.loads(line) if code not in bases]
        if kept:
            text = "".join(product(layout, Written.from_cells(layout, cells)) for _, cells in kept)
            yield Chunk(text.encode(), [code for code, _ in kept], [cells for _, cells in kept])


def _lists(layout: Layout, batch: Batch) -> list[PartsColumn]:
    return [("/".join(leaf.path), batch.columns[leaf.source]) for leaf in layout.lists]


def category_id(path: Category) -> str:
    """The id of a category, made of its path: the same from day to day, whatever other categories come and go."""
    digest = hashlib.sha256("\x1f".join(path).encode()).digest()
    return str(int.from_bytes(digest[:8], "big") % _DIGITS + 1)


class _Offers:
    """Fills in what the feed needs besides the catalogue's own fields, and remembers what stands before the offers."""

    def __init__(self, settings: KeepinYmlSettings, context: FormatContext) -> None:
        self._settings = settings
        self._context = context
        self._language = settings.language or context.language
        self.categories: dict[Category, str] = {}
        self.bases: set[str] = set()
        self.newest: datetime | None = None

    def filled(self, batch: Batch) -> Batch:
        """The batch with the reckoned columns."""
        columns: dict[str, Sequence[Any]] = dict(batch.columns)
        get: Callable[[str], Sequence[Any]] = columns.__getitem__
        codes = [str(code) for code in get("code")]
        self.bases.update(parent for parent in get("parent") if parent)
        moments = [at for at in get("updated_at") if at is not None]
        self.newest = max([*moments, *([self.newest] if self.newest else [])], default=None)
        columns["yml name"] = get(f"name.{self._language}")
        columns["yml description"] = get(f"description.{self._language}")
        columns["yml available"] = ["true" if stock is None or stock > 0 else "false" for stock in get("stock")]
        columns["yml stock"] = [_plain(stock) for stock in get("stock")]
        columns["yml category"] = [self._category(tuple(path)) for path in get("category")]
        columns["yml url"] = [self._url(code) for code in codes]
        columns["yml pictures"] = [
            self._pictures(image, images) for image, images in zip(get("image"), get("images"), strict=True)
        ]
        columns["yml params"] = [self._params(columns, row, code) for row, code in enumerate(codes)]
        columns["yml price"], columns["yml oldprice"] = self._prices(columns)
        return Batch(batch.length, columns)

    def _category(self, path: Category) -> str:
        for depth in range(1, len(path) + 1):
            if path[:depth] not in self.categories:
                self.categories[path[:depth]] = category_id(path[:depth])
        return self.categories[path] if path else ""

    def _url(self, code: str) -> str:
        from urllib.parse import quote

        return self._settings.product_url.replace("{code}", quote(code, safe=""))

    def _pictures(self, image: str, images: Sequence[str]) -> list[str]:
        from urllib.parse import quote

        base = self._settings.image_url
        names = [name for name in (image, *images) if name and (base or "://" in name)]
        return [name if "://" in name else base + quote(name) for name in dict.fromkeys(names)]

    def _params(self, columns: Mapping[str, Sequence[Any]], row: int, code: str) -> list[str]:
        found = ["sku", code]
        weight = columns["weight"][row]
        if weight:
            found += ["weight", _plain(weight)]
        for name, value in columns["options"][row].items():
            found += [name, value]
        for name, field in self._settings.params.items():
            value = columns[field][row]
            words = _plain(value) if isinstance(value, Decimal) else str(value or "")
            found += [name, words] if words else []
        return found

    def _prices(self, columns: Mapping[str, Sequence[Any]]) -> tuple[list[Any], list[Any]]:
        """Price and price before the reduction of each row."""
        usual = list(columns["price"])
        if not self._settings.specials:
            return usual, [None] * len(usual)
        price, old = [], []
        for row, value in enumerate(usual):
            special = columns["special_price"][row]
            start, end = columns["special_start"][row], columns["special_end"][row]
            now = self._context.now
            holds = special is not None and (start is None or start <= now) and (end is None or now < end)
            price.append(special if holds else value)
            old.append(value if holds else None)
        return price, old

    def raise_for_twins(self, context: FormatContext) -> None:
        """Raises Held when two categories have got one id, which no more than chance can do."""
        seen: dict[str, Category] = {}
        for path, number in self.categories.items():
            other = seen.setdefault(number, path)
            if other != path:
                text = T(
                    "Two categories would have one id: {first} and {second}.",
                    first="/".join(other),
                    second="/".join(path),
                )
                raise Held(text, code="twin-category", where=Where(context.file or None), hint=T("Rename one of them."))


def _plain(number: Decimal | None) -> str:
    """``12.000`` -> ``12``; nothing for none."""
    if number is None:
        return ""
    words = format(number, "f")
    return words.rstrip("0").rstrip(".") if "." in words else words


def _head(settings: KeepinYmlSettings, context: FormatContext, made: _Offers) -> str:
    """All that stands before the offers. The date is that of the newest product, so that the same is the same file."""
    at = (made.newest or context.now).astimezone(context.timezone).strftime("%Y-%m-%d %H:%M")
    shop = settings.shop or context.client
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<yml_catalog{attribute('date', at)}>", "  <shop>"]
    for name, words in (
        ("platform", "KeepinCRM"),
        ("name", shop),
        ("company", settings.company or shop),
        ("url", settings.url),
    ):
        lines += [f"    <{name}>{text_of(words)}</{name}>"] if words else []
    lines.append("    <categories>")
    for path in sorted(made.categories, key=lambda one: (len(one), one)):
        parent = attribute("parentId", made.categories[path[:-1]]) if len(path) > 1 else ""
        start = attribute("id", made.categories[path]) + parent
        lines.append(f"      <category{start}>{text_of(path[-1])}</category>")
    return "\n".join([*lines, "    </categories>", "    <offers>", ""])


class _YmlChecker:
    """The offers as any XML, and the categories that they name."""

    def __init__(self, settings: KeepinYmlSettings, context: FormatContext) -> None:
        layout = _layout(settings)
        self._place = [spec.header for spec in layout.specs].index("categoryId")
        self._file = context.file
        self._categories: set[str] = set()
        self._checker = Checker(layout, "utf-8", context.file, self._beside)

    def _beside(self, path: tuple[str, ...], attributes: dict[str, str], _words: str) -> None:
        if path[-1] == "category":
            self._categories.add(attributes.get("id", ""))

    def feed(self, chunk: Chunk) -> Sequence[Finding]:
        """What of ``chunk`` would be read otherwise than meant."""
        found = list(self._checker.feed(chunk))
        for code, cells in zip(chunk.codes, chunk.rows, strict=True):
            if cells[self._place] and cells[self._place] not in self._categories:
                text = T("Product {code}: its category is not in the file.", code=code)
                found.append(Finding("no-category", text, Where(self._file or None, element="categoryId")))
        return found

    def close(self) -> Sequence[Finding]:
        """What the end of the file shows."""
        return self._checker.close()


_: type[CatalogueFormat] = KeepinYml

PLUGIN = FormatPlugin(
    name="keepincrm-yml",
    summary=T("Catalogue as the YML feed that KeepinCRM imports: categories, several images, variants"),
    format=KeepinYml(),
    settings=KeepinYmlSettings,
)
