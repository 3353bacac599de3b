"""Tells what the books sell, offer by offer, in pages: an end of a sync is read with a memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Literal

from sqlalchemy import Connection, Select, Table, or_, select

from pipeline.api import Money, Offer, OfferTraits, SpecialPrice
from plugins.systems.books import tables as t
from plugins.systems.books.catalogue import paths_of
from plugins.systems.books.database import Database
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.values import COLUMNS, TEXTS

KEY = "sku"
BATCH = 500  #: rows of one transaction of a sync
PAGE = 1000  # base and single products that are read at once
#: A row bears the time at which its transaction began, and is seen only when that has ended: what is asked for is told
#: from a little earlier.
SETTLE = timedelta(minutes=5)
_P = t.products.c
_KEPT = (*TEXTS, *COLUMNS, "price", "specials", "category", "images")
_PLAIN = ("currency", "barcode", "published")
_INHERITED = ("unit", "manufacturer")
#: Columns are taken from a row together: asking for each by its name is what takes the time of a large catalogue.
_TEXTS_OF, _PLAIN_OF, _INHERITED_OF = attrgetter(*TEXTS), attrgetter(*_PLAIN), attrgetter(*_INHERITED)
_NO_TEXTS, _NO_BASE = ("",) * len(TEXTS), ("",) * len(_INHERITED)


def traits(settings: BooksSettings) -> OfferTraits:
    """What the books can do as an end of a sync."""
    fields = frozenset((*_KEPT, *(f"price.{kind}" for kind in settings.price_kinds)))
    return OfferTraits(
        keys=(KEY,), reads=fields, writes=fields, creates=fields, dated_specials=True, delta=True, batch=BATCH
    )


def offers(
    database: Database,
    settings: BooksSettings,
    since: datetime | None,
    wordless: Callable[[Sequence[str]], None] = lambda _others: None,
) -> Iterator[Offer]:
    """All offers of one moment of the database, oldest first; the base of a product before its variants.

    With ``since`` products of which something has changed since, each with all its variants. A variant tells of its
    base product what it has not got itself: texts, category, images, unit and manufacturer. ``wordless`` is told when
    nothing of what was read has texts in the language of the settings, and in which languages there are any.
    """
    bases = select(t.products).where(_P.parent_id.is_(None)).order_by(_P.id).limit(PAGE)
    if since is not None:
        moved = select(_P.parent_id).where(_P.updated_at >= since - SETTLE, _P.parent_id.is_not(None))
        bases = bases.where(or_(_P.updated_at >= since - SETTLE, _P.id.in_(moved)))
    with database.read() as connection:
        reader = Reader(connection, settings)
        last = 0
        while rows := connection.execute(bases.where(_P.id > last)).all():
            first, last = last + 1, rows[-1].id
            variants: dict[int, list[Any]] = {}
            below = select(t.products).where(_P.parent_id >= first, _P.parent_id <= last).order_by(_P.id)
            for row in connection.execute(below).all():  # all at once is quicker than one by one
                variants.setdefault(row.parent_id, []).append(row)
            yield from reader.told(rows, variants, (first, last))
        if last and not reader.worded and (others := other_languages(connection, settings.language)):
            wordless(others)


def other_languages(connection: Connection, language: str) -> Sequence[str]:
    """The languages of texts, where there are texts and none of them is in ``language``."""
    tag = t.product_texts.c.language
    if connection.execute(select(tag).where(tag == language).limit(1)).first() is not None:
        return ()
    return connection.execute(select(tag).distinct().order_by(tag)).scalars().all()


def by_id(connection: Connection, settings: BooksSettings, ids: Sequence[int]) -> dict[int, Offer]:
    """The offers with these ids, as :func:`offers` tells them; unknown ones are absent."""
    wanted = select(t.products).where(_P.id.in_(ids))
    rows = {row.id: row for row in connection.execute(wanted)}
    more = sorted({row.parent_id for row in rows.values() if row.parent_id} - rows.keys())
    bases = {row.id: row for row in connection.execute(select(t.products).where(_P.id.in_(more)))} if more else {}
    every = rows | bases
    families: dict[int, list[Any]] = {}
    for row in every.values():
        if row.parent_id:
            families.setdefault(row.parent_id, []).append(row)
    roots = [row for row in every.values() if not row.parent_id]
    told = Reader(connection, settings).told(roots, families, None)
    return {int(offer.id): offer for offer in told if int(offer.id) in rows}


@dataclass(frozen=True, slots=True)
class _Sides:
    """Rows of the tables that have many rows a product, by product."""

    texts: Mapping[int, Any]
    prices: Mapping[int, Sequence[Any]]
    specials: Mapping[int, Sequence[Any]]
    images: Mapping[int, Sequence[Any]]


class Reader:
    """Makes offers of rows of products, within one transaction."""

    def __init__(self, connection: Connection, settings: BooksSettings) -> None:
        self._connection, self._settings = connection, settings
        self._paths = paths_of(connection)
        self.worded = False  #: something of what was told has texts
        self._kinds = {"retail": "price"} | {kind: f"price.{kind}" for kind in settings.price_kinds}

    def told(
        self, bases: Sequence[Any], variants: Mapping[int, Sequence[Any]], span: tuple[int, int] | None
    ) -> Iterator[Offer]:
        """Each base and single product, and after it its variants. ``span``: the ids of ``bases`` lie in it."""
        ids = [row.id for row in bases]
        children = [row.id for below in variants.values() for row in below]
        sides = self._sides(ids, children, span)
        for row in bases:
            below = variants.get(row.id, ())
            yield self._offer(row, None, sides, "base" if below else "single")
            for child in below:
                yield self._offer(child, row, sides, "variant")

    def _offer(self, row: Any, base: Any, sides: _Sides, kind: Literal["single", "base", "variant"]) -> Offer:
        number = row.id
        own, of_base = sides.texts.get(number), sides.texts.get(base.id) if base else None
        pairs = zip(_TEXTS_OF(own) if own else _NO_TEXTS, _TEXTS_OF(of_base) if of_base else _NO_TEXTS, strict=True)
        values: dict[str, Any] = dict(zip(TEXTS, [mine or theirs for mine, theirs in pairs], strict=True))
        values |= zip(_PLAIN, _PLAIN_OF(row), strict=True)
        pairs = zip(_INHERITED_OF(row), _INHERITED_OF(base) if base else _NO_BASE, strict=True)
        values |= zip(_INHERITED, [mine or theirs for mine, theirs in pairs], strict=True)
        values |= dict.fromkeys(self._kinds.values())
        for price in sides.prices.get(number, ()):
            if price.kind in self._kinds:
                values[self._kinds[price.kind]] = price.amount
        values["weight"] = row.weight
        category = row.category_id or (base.category_id if base else None)
        values["category"] = self._paths.get(category, ())
        values["specials"] = tuple(
            SpecialPrice(Money(x.amount, row.currency), x.start_at, x.end_at) for x in sides.specials.get(number, ())
        )
        pictures = sides.images.get(number) or (sides.images.get(base.id) if base else None) or ()
        values["images"] = tuple([x.name for x in pictures])
        if kind == "variant":
            values["options"] = row.options or {}
        return Offer(
            id=str(number),
            product=str(base.id if base else number),
            kind=kind,
            keys={KEY: row.code},
            values=values,
            updated_at=row.updated_at,
        )

    def _sides(self, bases: Sequence[int], children: Sequence[int], span: tuple[int, int] | None) -> _Sides:
        x, s, i = t.product_texts, t.specials, t.images
        texts = select(x).where(x.c.language == self._settings.language)
        kinds = select(t.prices).where(t.prices.c.kind.in_(list(self._kinds)))
        get = self._get
        worded = {row.product_id: row for rows in get(texts, x, bases, children, span).values() for row in rows}
        self.worded = self.worded or bool(worded)
        return _Sides(
            worded,
            get(kinds, t.prices, bases, children, span),
            get(select(s).order_by(s.c.start_at.is_not(None), s.c.start_at, s.c.position), s, bases, children, span),
            get(select(i).order_by(i.c.position), i, bases, children, span),
        )

    def _get(
        self,
        statement: Select[Any],
        table: Table,
        bases: Sequence[int],
        children: Sequence[int],
        span: tuple[int, int] | None,
    ) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = {}
        product = table.c.product_id
        named = list(children)
        if span is None:
            named += bases
        else:  # naming a thousand ids would be slower than naming where they lie
            named = [one for one in named if not span[0] <= one <= span[1]]
            for row in self._connection.execute(statement.where(product >= span[0], product <= span[1])).all():
                found.setdefault(row.product_id, []).append(row)
        for start in range(0, len(named), 5000):
            some = named[start : start + 5000]
            for row in self._connection.execute(statement.where(product.in_(some))).all():
                found.setdefault(row.product_id, []).append(row)
        return found
