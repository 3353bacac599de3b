"""Products that an order names: found by name, added as a card, and the services among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, select, update

from pipeline.api import NewProduct, Offer, ProductDraft, Ref, RowOutcome, look_up
from plugins.systems.books import tables as t
from plugins.systems.books.applying import Taking, creating, in_batches
from plugins.systems.books.database import Database
from plugins.systems.books.keys import name_key
from plugins.systems.books.offers import KEY
from plugins.systems.books.views import NAME

_P = t.products.c
_TEXTS = t.product_texts.alias()  # beside the ones that the shown name is taken from


def by_name(connection: Connection, names: Collection[str]) -> dict[str, tuple[Ref, ...]]:
    """For each of ``names`` all products of that name in any language, ordered by code; unknown ones are absent."""
    keys = {name: form for name in names if (form := name_key(name))}
    found: dict[str, dict[str, Ref]] = {}
    for some in _chunks(sorted(set(keys.values()))):
        query = _shown().add_columns(_TEXTS.c.name_key).join(_TEXTS, _TEXTS.c.product_id == _P.id)
        for row in connection.execute(query.where(_TEXTS.c.name_key.in_(some))):
            found.setdefault(row.name_key, {})[row.code] = Ref(str(row.id), row.code, row.name or "")
    return {name: tuple(found[form].values()) for name, form in keys.items() if form in found}


def references(connection: Connection, table: Table, codes: Collection[str]) -> dict[str, Ref]:
    """The known ones of ``codes`` in a reference table."""
    return {
        code: Ref(str(number), code, name)
        for some in _chunks(list(codes), 400)
        for number, code, name in look_up(connection, _named(table), codes=some)
    }


@cache
def _named(table: Table) -> Select[Any]:
    c = table.c
    return select(c.id, c.code, c.name).where(c.code.in_(bindparam("codes", expanding=True)))


def add(database: Database, products: Sequence[NewProduct], taking: Taking) -> Sequence[RowOutcome]:
    """Add each card that is not there by its article, a variant below its base; one outcome each, in order."""
    return in_batches(
        database,
        products,
        lambda _: ["", ""],  # the card, and maybe its base
        lambda connection, rows: _add(connection, rows, taking),
    )


def _add(connection: Connection, products: Sequence[NewProduct], taking: Taking) -> Sequence[RowOutcome]:
    outcomes = creating(connection, [_draft(one) for one in products], taking)
    services = [
        int(outcome.ids[-1])
        for one, outcome in zip(products, outcomes, strict=True)
        if one.service and outcome.error is None and not outcome.existed
    ]
    connection.execute(update(t.products).where(_P.id.in_(services)).values(service=True))
    return outcomes


def _draft(one: NewProduct) -> ProductDraft:
    values: dict[str, Any] = {"name": one.name, "unit": one.unit, "barcode": one.barcode}
    if not one.base:
        return ProductDraft(base=Offer(keys={KEY: one.code}, values=values))
    variant = Offer(kind="variant", keys={KEY: one.code}, values=values | {"options": dict(one.options)})
    base = Offer(kind="base", keys={KEY: one.base}, values={"name": one.base_name or one.name, "unit": one.unit})
    return ProductDraft(base=base, variants=(variant,))


# --- services, as a list that documents refer to -------------------------------------------------------------------


def services(connection: Connection, codes: Collection[str] | None = None) -> Sequence[Ref]:
    """The products that are services, ordered by code; of ``codes`` only, where they are given."""
    query = _shown().where(_P.service)
    if codes is not None:
        query = query.where(_P.code.in_(list(codes)))
    return tuple(Ref(str(row.id), row.code, row.name or "") for row in connection.execute(query))


def _shown() -> Select[Any]:
    return select(_P.id, _P.code, NAME.label("name")).order_by(_P.code)


def _chunks(values: Sequence[str], size: int = 5000) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
