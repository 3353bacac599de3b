"""Stock as an end of a sync: tells the levels of each warehouse, and takes what may be sold.

The books keep what is on hand and what of it is reserved for orders. A sync speaks of what may be sold, so a target of
5 with 2 reserved makes 7 on hand: the reserves of orders stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select, true

from pipeline.api import Held, Reserve, RowOutcome, StockLevel, StockTarget, T, Who
from plugins.systems.books import tables as t
from plugins.systems.books.applying import gone, in_batches
from plugins.systems.books.database import Database
from plugins.systems.books.offers import PAGE, SETTLE
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.store import ensure, many
from plugins.systems.books.values import refused

_P, _S, _W = t.products.c, t.stock.c, t.warehouses.c
_NONE = Decimal("0.00")


def levels(database: Database, since: datetime | None) -> Iterator[StockLevel]:
    """One level for each offer and warehouse, also where nothing has ever lain; ordered by offer and warehouse.

    Left out are services, and products whose variants are what lies there. With ``since`` what has changed since, by
    a load, a sync, or an order that reserves, frees or takes.
    """
    variant = t.products.alias()
    is_base = exists(select(variant.c.id).where(variant.c.parent_id == _P.id))
    own = _S.product_id.is_not(None)
    statement = (
        select(_P.id, _P.code, _W.code.label("warehouse"), _S.on_hand, _S.reserved)
        .join_from(t.products, t.warehouses, true())
        .outerjoin(t.stock, and_(_S.product_id == _P.id, _S.warehouse_id == _W.id))
        .where(or_(own, and_(~_P.service, ~is_base)))
        .order_by(_P.id, _W.code)
    )
    if since is not None:
        since -= SETTLE
        statement = statement.where(or_(_S.updated_at >= since, and_(_S.updated_at.is_(None), _P.updated_at >= since)))
    ids = select(_P.id).order_by(_P.id).limit(PAGE)
    with database.read() as connection:
        last = 0
        while page := connection.execute(ids.where(_P.id > last)).scalars().all():
            first, last = last, page[-1]
            for row in connection.execute(statement.where(_P.id > first, _P.id <= last)).all():
                yield StockLevel(row.code, row.warehouse, row.on_hand or _NONE, row.reserved or _NONE, str(row.id))


def reserves(database: Database, code: str) -> list[Reserve]:
    """What open documents hold back of an article, oldest first."""
    line, document = t.document_lines.c, t.documents.c
    query = (
        select(
            document.order_number, document.number, _W.code.label("warehouse"), func.sum(line.reserved).label("held")
        )
        .join_from(t.document_lines, t.documents, document.id == line.document_id)
        .join(t.products, _P.id == line.product_id)
        .join(t.warehouses, _W.id == document.warehouse_id)
        .where(_P.code == code, line.reserved != _NONE, document.closed_at.is_(None))
        .group_by(document.id, document.order_number, document.number, _W.code)
        .order_by(document.id)
    )
    with database.read() as connection:
        return [Reserve(row.order_number, row.number, row.warehouse, row.held) for row in connection.execute(query)]


def apply_stock(
    database: Database, targets: Sequence[StockTarget], settings: BooksSettings, now: datetime
) -> Sequence[RowOutcome]:
    """Set what may be sold; one outcome each, in order. Levels that are so already are not written."""
    return in_batches(
        database,
        targets,
        lambda target: [f"{target.offer.id}/{target.warehouse}"],
        lambda connection, rows: _apply(connection, rows, settings, now),
    )


def _apply(
    connection: Connection, targets: Sequence[StockTarget], settings: BooksSettings, now: datetime
) -> Sequence[RowOutcome]:
    places = _warehouses(connection, targets, settings)
    ids = sorted({int(one.offer.id) for one in targets if one.offer.id.isascii() and one.offer.id.isdecimal()})
    codes = {row.id: row.code for row in connection.execute(select(_P.id, _P.code).where(_P.id.in_(ids)))}
    there = {
        (row.product_id, row.warehouse_id): row
        for row in connection.execute(select(t.stock).where(_S.product_id.in_(ids)))
    }
    outcomes: list[RowOutcome] = []
    rows: dict[tuple[int, int], Decimal] = {}
    for target in targets:
        product = int(target.offer.id) if target.offer.id.isascii() and target.offer.id.isdecimal() else 0
        place = places[target.warehouse]
        try:
            if product not in codes:
                raise gone(target.offer)
            if isinstance(place, Held):
                raise place
            row = there.get((product, place))
            _check(target.quantity, row.reserved if row else _NONE, codes[product])
        except Held as error:
            outcomes.append(RowOutcome(error=error))
            continue
        now_sold = row.on_hand - row.reserved if row else _NONE
        if now_sold != target.quantity:
            rows[product, place] = target.quantity
        outcomes.append(RowOutcome(existed=now_sold == target.quantity))
    _write(connection, rows, now)
    return outcomes


def _check(quantity: Any, reserved: Decimal, code: str) -> None:
    if not isinstance(quantity, Decimal) or not t.fits(quantity) or not t.fits(quantity + reserved):
        raise refused("quantity", T("{value} has too many digits.", value=str(quantity)[:40]), code=code)
    if quantity < 0:
        raise refused("quantity", T("{cell} is below 0.", cell=str(quantity)), code=code)


def _write(connection: Connection, rows: dict[tuple[int, int], Decimal], now: datetime) -> None:
    """On hand := what may be sold + what is reserved at this very moment."""
    if not rows:
        return
    from sqlalchemy.dialects import postgresql, sqlite

    add = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(t.stock)
    add = add.on_conflict_do_update(
        index_elements=["product_id", "warehouse_id"],
        set_={"on_hand": add.excluded.on_hand + _S.reserved, "updated_at": add.excluded.updated_at},
    )
    many(
        connection,
        add,
        # ordered, so that two writers lock rows in one order
        [
            {"product_id": i, "warehouse_id": w, "on_hand": quantity, "reserved": _NONE, "updated_at": now}
            for (i, w), quantity in sorted(rows.items())
        ],
    )


def _warehouses(
    connection: Connection, targets: Sequence[StockTarget], settings: BooksSettings
) -> dict[str, int | Held]:
    """The warehouse of each name that the targets give, or why there is none."""
    known = {row.code: int(row.id) for row in connection.execute(select(_W.id, _W.code))}
    found: dict[str, int | Held] = {}
    for name in sorted({target.warehouse for target in targets}):
        code = name or (next(iter(known)) if len(known) == 1 else settings.default_warehouse)
        if not known and not name:  # books that have no warehouse yet get the one that they would use
            known |= ensure(connection, t.warehouses, [code])
        found[name] = known.get(code) or refused(
            "warehouse",
            T("The books have no warehouse {code}.", code=code),
            T("Set `default_warehouse` to one of: {codes}.", codes=", ".join(sorted(known)))
            if not name
            else T("Warehouses of the books are: {codes}.", codes=", ".join(sorted(known))),
            who=Who.ADMIN,
        )
    return found
