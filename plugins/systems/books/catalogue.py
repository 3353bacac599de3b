"""Gives the products out: as objects, or column by column (columns stay columns from the database to the file)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Numeric,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)

from pipeline.api import (
    CATALOGUE_FIELDS,
    PART,
    Batch,
    ConfigError,
    MatchRules,
    Money,
    Price,
    Product,
    Ref,
    SpecialPrice,
    T,
    TextColumn,
    Variant,
    look_up,
    normal_form,
)
from plugins.systems.books import tables as t
from plugins.systems.books.database import Database
from plugins.systems.books.marks import mark
from plugins.systems.books.pages import TextPages, ahead, column_of, decimal_of, iso_of, parts, specials
from plugins.systems.books.store import SEPARATOR

_ZERO = Decimal("0.00")
_PARENT = t.products.alias("parent")
_TEXTS = ("name", "short_description", "description")
_SPECIAL = ("special_price", "special_start", "special_end")
Convert = Callable[[Sequence[Any]], Sequence[Any]]
Span = tuple[str, str]  # codes: the last one of the page before, and the last one of this page


def count(connection: Connection) -> int:
    """How many rows ``batches`` will give: products and their variants."""
    return int(connection.execute(select(func.count()).select_from(t.products)).scalar_one())


def begin(connection: Connection) -> None:
    """What the transaction of ``connection`` sees is fixed by its first look, which is this one."""
    connection.execute(select(t.products.c.id).limit(1)).first()


def batches(database: Database, fields: Sequence[str], at: datetime, size: int) -> Iterator[Batch]:
    """All products, ordered by code, of one moment of the database. See CATALOGUE_FIELDS.

    A variant takes from its base product what it has not got itself: category, texts, images, tax and unit.
    A base product's stock is that of its variants. Raises ConfigError for a field that is not one of CATALOGUE_FIELDS.
    """
    for name in fields:
        _check_field(name)
    with database.read() as connection:
        yield from Moment(connection).batches(fields, at=at, size=size)


class Moment:
    """The catalogue of one moment: an open transaction that only reads.

    ``unmoved`` tells whether nothing was written into the database since.
    """

    def __init__(self, connection: Connection, unmoved: Callable[[], bool] = lambda: False) -> None:
        self._connection, self._unmoved = connection, unmoved

    def batches(
        self, fields: Sequence[str], *, at: datetime, size: int = 1000, after: str | None = None
    ) -> Iterator[Batch]:
        """As :func:`batches`; of the products after the code ``after``."""
        for name in fields:
            _check_field(name)
        return ahead(_Reader(self._connection, fields, at, size, after or "").next)

    def still(self) -> bool:
        """Whether a moment that was begun in between by another process is this one."""
        return self._unmoved()

    def code_at(self, place: int) -> str:
        """The code of the product at this place of ``batches``."""
        code = t.products.c.code
        return str(self._connection.execute(select(code).order_by(code).limit(1).offset(place)).scalar_one())

    def mark(self, fields: Sequence[str], *, at: datetime) -> str | None:
        """A hash over the tables that ``batches`` would read; None on PostgreSQL, and for odd signs (see marks.py)."""
        return mark(self._connection, fields, at) if self._connection.dialect.name == "sqlite" else None


class _Reader:
    """Reads page after page of one moment."""

    def __init__(self, connection: Connection, fields: Sequence[str], at: datetime, size: int, last: str = "") -> None:
        self._connection, self._fields, self._at, self._size = connection, fields, at, size
        self._paths = paths_of(connection) if "category" in fields else {}
        sqlite = connection.dialect.name == "sqlite"
        self._statement, self._names, self._converts = _statement(fields, sqlite)
        self._texts = TextPages(connection, self._statement, self._names, fields) if sqlite else None
        self._last = last
        self._ended = False

    def next(self) -> Batch | None:
        """The next page; None at the end."""
        if self._ended:
            return None
        batch = self._of_texts(self._texts) if self._texts else None
        batch = batch or self._of_rows()
        self._ended = batch.length < self._size
        return batch if batch.length else None

    def _of_texts(self, pages: TextPages) -> Batch | None:
        page = pages.after(self._last, self._size)
        if page is None:
            return None
        self._last = page.last
        columns = {name: column_of(name, page.texts[name]) for name in self._fields if name in page.texts}
        if page.length and "category" in self._fields:
            known = {str(i): PART.join(path) for i, path in self._paths.items()}
            columns["category"] = TextColumn([known.get(i, "") for i in page.texts["#category"]], parts)
        if page.length and "#special" in page.texts:
            ids = page.texts["#id"]
            places = {int(ids[row]): row for row, has in enumerate(page.texts["#special"]) if has == "1"}
            columns |= self._specials(page.length, places, specials(self._connection, list(places)))
        return Batch(page.length, columns)

    def _specials(
        self, length: int, places: Mapping[int, int], rows: Mapping[int, Sequence[Any]]
    ) -> dict[str, Sequence[Any]]:
        """``places``: of each product that has any, its place in the page."""
        prices, starts, ends = [""] * length, [""] * length, [""] * length
        for product, group in rows.items():
            if (one := _choose(group, self._at)) is None:
                continue
            place = places[product]
            prices[place] = str(one.amount)
            starts[place] = iso_of(one.start_at) if one.start_at is not None else ""
            ends[place] = iso_of(one.end_at) if one.end_at is not None else ""
        return {
            "special_price": TextColumn(prices, decimal_of),
            "special_start": TextColumn(starts, _time_of),
            "special_end": TextColumn(ends, _time_of),
        }

    def _of_rows(self) -> Batch:
        page = self._statement.where(t.products.c.code > self._last).order_by(t.products.c.code).limit(self._size)
        rows = self._connection.execute(page).all()
        if not rows:
            return Batch(0, {})
        raw = dict(zip(self._names, zip(*rows, strict=True), strict=True))
        span = (self._last, raw["#code"][-1])
        self._last = span[1]
        columns: dict[str, Sequence[Any]] = {}
        extra = self._extra(raw, span)
        for name in self._fields:
            if name == "category":
                columns[name] = [self._paths.get(i, ()) for i in raw["#category"]]
            elif name in extra:
                columns[name] = extra[name]
            else:
                convert = self._converts.get(name)
                columns[name] = convert(raw[name]) if convert else raw[name]
        return Batch(len(rows), columns)

    def _extra(self, raw: Mapping[str, Any], span: Span) -> dict[str, Sequence[Any]]:
        """Columns that need a look into tables with many rows a product."""
        connection, fields = self._connection, self._fields
        ids = raw["#id"]
        extra: dict[str, Sequence[Any]] = {}
        if any(name in fields for name in _SPECIAL):
            rows = connection.execute(_within(select(t.specials), t.specials, span)).all()
            extra |= self._specials(len(ids), {i: row for row, i in enumerate(ids)}, _grouped(rows, {}))
        if "stock" in fields:
            left = select(t.stock.c.product_id, type_coerce(_left(), t.Exact)).group_by(t.stock.c.product_id)
            levels = {row[0]: row[1] for row in connection.execute(_within(left, t.stock, span))}
            missing = [i for i in ids if i not in levels]
            of_variants = _variant_stock(connection, missing)
            extra["stock"] = [levels.get(i) or of_variants.get(i) or _ZERO for i in ids]
        if "image" in fields or "images" in fields:
            shown = select(t.images).order_by(t.images.c.product_id, t.images.c.position)
            pictures = _grouped(connection.execute(_within(shown, t.images, span)).all(), {})
            inside = set(ids)
            bases = {parent for parent in raw["#parent"] if parent and parent not in inside}
            pictures |= _group(connection, shown, sorted(bases))
            main: list[str] = []
            others: list[tuple[str, ...]] = []
            for i, parent in zip(ids, raw["#parent"], strict=True):
                own: Sequence[Any] = pictures.get(i) or pictures.get(parent) or ()
                first = bool(own) and own[0][1] == 0  # position 0 is the main one
                main.append(own[0][2] if first else "")
                others.append(tuple([x[2] for x in (own[1:] if first else own)]))
            extra["image"], extra["images"] = main, others
        return extra


def products(database: Database, since: datetime | None, chunk: int = 500) -> Iterator[Product]:
    """Base products with their variants, ordered by code; with ``since`` those changed after it (or a variant of)."""
    with database.read() as connection:
        paths = paths_of(connection)
        base = select(t.products).where(t.products.c.parent_id.is_(None))
        if since is not None:
            moved = select(t.products.c.parent_id).where(
                t.products.c.updated_at > since, t.products.c.parent_id.isnot(None)
            )
            base = base.where((t.products.c.updated_at > since) | t.products.c.id.in_(moved))
        last = ""
        while rows := connection.execute(
            base.where(t.products.c.code > last).order_by(t.products.c.code).limit(chunk)
        ).all():
            last = rows[-1].code
            ids = [row.id for row in rows]
            children = connection.execute(
                select(t.products).where(t.products.c.parent_id.in_(ids)).order_by(t.products.c.code)
            ).all()
            every = ids + [row.id for row in children]
            prices = _group(connection, select(t.prices), every)
            texts = _group(connection, select(t.product_texts), every)
            images = _group(connection, select(t.images).order_by(t.images.c.position), every)
            specials = _group(connection, select(t.specials).order_by(t.specials.c.position), every)
            stock = _sellable(connection, every)
            variants: dict[int, list[Any]] = {}
            for child in children:
                variants.setdefault(child.parent_id, []).append(child)
            for row in rows:
                of = variants.get(row.id, [])
                pictures = images.get(row.id, [])
                level = stock.get(row.id)
                if of and level is None:
                    level = sum((stock.get(child.id) or _ZERO for child in of), _ZERO)
                yield Product(
                    code=row.code,
                    name={x.language: x.name for x in texts.get(row.id, ())},
                    short_description={x.language: x.short_description for x in texts.get(row.id, ())},
                    description={x.language: x.description for x in texts.get(row.id, ())},
                    category=paths.get(row.category_id, ()),
                    unit=row.unit,
                    tax_rate=row.tax_rate,
                    prices=_prices(prices.get(row.id, ()), row.currency),
                    specials=tuple(
                        SpecialPrice(Money(x.amount, row.currency), x.start_at, x.end_at)
                        for x in specials.get(row.id, ())
                    ),
                    stock=level or _ZERO,
                    image=next((x.name for x in pictures if x.position == 0), ""),
                    images=tuple(x.name for x in pictures if x.position > 0),
                    barcode=row.barcode,
                    manufacturer=row.manufacturer,
                    weight=row.weight,
                    published=row.published,
                    updated_at=row.updated_at,
                    variants=tuple(
                        Variant(
                            code=child.code,
                            options=child.options or {},
                            prices=_prices(prices.get(child.id, ()), child.currency),
                            barcode=child.barcode,
                            stock=stock.get(child.id) or _ZERO,
                        )
                        for child in of
                    ),
                )


def _shown_name() -> ColumnElement[Any]:
    x = t.product_texts.c
    of = x.product_id == t.products.c.id
    ours = select(x.name).where(of, x.language == "uk-UA").scalar_subquery()
    return func.coalesce(ours, select(func.min(x.name)).where(of).scalar_subquery())


_ASKED = 400
_NAMED = select(t.products.c.id, t.products.c.code, t.products.c.normal, _shown_name().label("name"))
_BY_CODE = _NAMED.where(t.products.c.code.in_(bindparam("codes", expanding=True)))
_BY_NORMAL = _NAMED.where(t.products.c.normal.in_(bindparam("forms", expanding=True))).order_by(t.products.c.code)


def find(connection: Connection, codes: Collection[str], rules: MatchRules) -> Mapping[str, Sequence[Ref]]:
    """For each of ``codes`` the product of exactly that code, else all of the same normal form; unknown are absent."""
    wanted = list(dict.fromkeys(codes))
    found: dict[str, tuple[Ref, ...]] = {}
    for some in _chunks(wanted, _ASKED):
        for number, code, _normal, name in look_up(connection, _BY_CODE, codes=some):
            found[code] = (Ref(str(number), code, name or ""),)
    forms = {code: form for code in wanted if code not in found and (form := normal_form(code, rules))}
    alike: dict[str, list[Ref]] = {}
    for some in _chunks(sorted(set(forms.values())), _ASKED):
        for number, code, normal, name in look_up(connection, _BY_NORMAL, forms=some):
            alike.setdefault(normal, []).append(Ref(str(number), code, name or ""))
    for code, form in forms.items():
        if form in alike:
            found[code] = tuple(alike[form])
    return found


def _check_field(name: str) -> None:
    base, dot, detail = name.partition(".")
    known = (base in _TEXTS or base == "price") and detail if dot else name in CATALOGUE_FIELDS
    if not known:
        raise ConfigError(
            T("The books have no catalogue field {name}.", name=name),
            hint=T("Fields are: {names}.", names=", ".join(CATALOGUE_FIELDS)),
        )


def _statement(fields: Sequence[str], sqlite: bool) -> tuple[Select[Any], list[str], dict[str, Convert]]:
    # Amounts are fetched as the driver gives them and converted a column at a time.
    raw = BigInteger() if sqlite else Numeric(20, t.PLACES)
    p = t.products
    columns: list[ColumnElement[Any]] = [p.c.id, p.c.code, p.c.parent_id]
    names = ["#id", "#code", "#parent"]
    converts: dict[str, Convert] = {}
    source: Any = p.outerjoin(_PARENT, p.c.parent_id == _PARENT.c.id)

    def add(name: str, column: ColumnElement[Any], convert: Convert | None = None) -> None:
        columns.append(column)
        names.append(name)
        if convert:
            converts[name] = convert

    joined: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys(fields):
        base, _, detail = name.partition(".")
        if base in _TEXTS and detail:
            if detail not in joined:
                own, inherited = t.product_texts.alias(), t.product_texts.alias()
                source = source.outerjoin(own, and_(own.c.product_id == p.c.id, own.c.language == detail))
                source = source.outerjoin(
                    inherited, and_(inherited.c.product_id == p.c.parent_id, inherited.c.language == detail)
                )
                joined[detail] = (own, inherited)
            own, inherited = joined[detail]
            add(name, _filled(own.c[base], inherited.c[base]))
        elif base == "price":
            kind = detail or "retail"
            price = t.prices.alias()
            source = source.outerjoin(price, and_(price.c.product_id == p.c.id, price.c.kind == kind))
            add(name, type_coerce(price.c.amount, raw), _amounts)
        elif name in ("code", "currency", "barcode", "published", "updated_at"):
            add(name, p.c[name])
        elif name in ("unit", "manufacturer"):
            add(name, _filled(p.c[name], _PARENT.c[name]))
        elif name == "tax_rate":
            add(name, type_coerce(func.coalesce(p.c.tax_rate, _PARENT.c.tax_rate), raw), _amounts)
        elif name == "weight":
            add(name, type_coerce(p.c.weight, raw), _amounts)
        elif name == "parent":
            add(name, func.coalesce(_PARENT.c.code, ""))
        elif name == "options":
            add(name, p.c.options, lambda column: [value or {} for value in column])
        elif name == "category_id":
            add(name, func.coalesce(p.c.category_id, _PARENT.c.category_id), _texts_of)
    if "category" in fields:
        add("#category", func.coalesce(p.c.category_id, _PARENT.c.category_id))
    return select(*columns).select_from(source), names, converts


def _filled(own: ColumnElement[Any], inherited: ColumnElement[Any]) -> ColumnElement[Any]:
    """A variant's own text, else that of its base; SQLite would call a function for each ``nullif``."""
    return case((own != literal_column("''"), own), else_=func.coalesce(inherited, literal_column("''")))


def _time_of(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _amounts(column: Sequence[Any]) -> Sequence[Any]:
    return [t.tidy(value) for value in column]


def _texts_of(column: Sequence[Any]) -> Sequence[Any]:
    return ["" if value is None else str(value) for value in column]


def _within(statement: Select[Any], table: Table, span: Span) -> Select[Any]:
    """Rows of ``table`` of the products after ``span[0]`` up to ``span[1]``: naming a thousand ids would be slower."""
    p = t.products.c
    joined = statement.join_from(table, t.products, p.id == table.c.product_id)
    return joined.where(p.code > span[0], p.code <= span[1])


def _choose(rows: Sequence[Any], at: datetime) -> Any:
    """The special in force at ``at`` (the one that began last), else the next to come, else None."""
    if len(rows) == 1:  # as nearly every product that has any
        return rows[0] if rows[0].end_at is None or at < rows[0].end_at else None
    live = [r for r in rows if r.end_at is None or at < r.end_at]
    now = [r for r in live if r.start_at is None or r.start_at <= at]
    if now:
        return max(now, key=lambda r: (r.start_at is not None, r.start_at or at, r.position))
    return min(live, key=lambda r: (r.start_at, r.position), default=None)


def _left() -> ColumnElement[Any]:
    # clamped in each warehouse, as rules.stock.sellable does: a debt in one never eats another's goods
    return func.sum(
        case(
            (t.stock.c.on_hand > t.stock.c.reserved, t.stock.c.on_hand - t.stock.c.reserved),
            else_=literal(Decimal(0), t.Exact),
        )
    )


def _sellable(connection: Connection, ids: Sequence[int]) -> dict[int, Decimal]:
    left = type_coerce(_left(), t.Exact)
    statement = select(t.stock.c.product_id, left).group_by(t.stock.c.product_id)
    found: dict[int, Decimal] = {}
    for some in _chunks(ids):
        found |= {row[0]: row[1] for row in connection.execute(statement.where(t.stock.c.product_id.in_(some)))}
    return found


def _variant_stock(connection: Connection, ids: Sequence[int]) -> dict[int, Decimal]:
    left = type_coerce(_left(), t.Exact)
    statement = (
        select(t.products.c.parent_id, left)
        .join(t.stock, t.stock.c.product_id == t.products.c.id)
        .group_by(t.products.c.parent_id)
    )
    found: dict[int, Decimal] = {}
    for some in _chunks(ids):
        found |= {row[0]: row[1] for row in connection.execute(statement.where(t.products.c.parent_id.in_(some)))}
    return found


def paths_of(connection: Connection) -> dict[Any, tuple[str, ...]]:
    """The path of every category, from the root down, by id."""
    rows = connection.execute(select(t.categories.c.id, t.categories.c.path))
    return {row.id: tuple(row.path.split(SEPARATOR)) for row in rows}


def _group(connection: Connection, statement: Select[Any], ids: Sequence[int]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = {}
    column = statement.selected_columns["product_id"]
    for some in _chunks(ids):
        _grouped(connection.execute(statement.where(column.in_(some))).all(), grouped)
    return grouped


def _grouped(rows: Sequence[Any], into: dict[int, list[Any]]) -> dict[int, list[Any]]:
    for row in rows:
        into.setdefault(row[0], []).append(row)  # product_id is the first column of each of these tables
    return into


def _prices(rows: Iterable[Any], currency: str) -> tuple[Price, ...]:
    return tuple(Price(Money(row.amount, currency), row.kind) for row in sorted(rows, key=lambda row: str(row.kind)))


def _chunks(values: Sequence[Any], size: int = 5000) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
