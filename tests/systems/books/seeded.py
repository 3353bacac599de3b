"""Books as other programs fill them, past the code under test: what the contract of a sync's ends works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from pipeline.api import ProductDraft
from pipeline.testing.sync_subject import Places, Subject
from plugins.systems.books import tables as t
from tests.systems.books.conftest import Place

SEPARATOR = "\x1f"


def seed(place: Place, drafts: Sequence[ProductDraft]) -> None:
    """Products as other programs of the books put them in."""
    now = place.clock.now()
    with place.open().database.write() as connection:
        for draft in drafts:
            base = 0
            for offer in (draft.base, *draft.variants):
                values, code = offer.values, offer.keys["sku"]
                row = {name: values[name] for name in ("unit", "barcode", "manufacturer", "weight") if name in values}
                row |= {"published": values.get("published", True), "options": dict(values.get("options", {})) or None}
                row |= {"category_id": _category(connection, values.get("category", ()))}
                row |= {"code": code, "normal": code.casefold(), "parent_id": base or None, "content": "x" * 40}
                row |= {"currency": values.get("currency", "UAH"), "updated_at": now, "tax_rate": Decimal(20)}
                own = _added(connection, insert(t.products).values(**row))
                base = base or own
                _sides(connection, own, values)


def _added(connection: Any, statement: Any) -> int:
    return int(connection.execute(statement).inserted_primary_key[0])


def _sides(connection: Any, own: int, values: Mapping[str, Any]) -> None:
    texts = {name: values.get(name, "") for name in ("name", "short_description", "description")}
    connection.execute(insert(t.product_texts).values(product_id=own, language="uk-UA", **texts))
    connection.execute(insert(t.product_texts).values(product_id=own, language="ru-RU", name="Грунтовка"))
    connection.execute(insert(t.prices).values(product_id=own, kind="vip", amount=Decimal("99.99")))
    for name, kind in (("price", "retail"), ("price.cost", "cost"), ("price.old", "old")):
        if values.get(name) is not None:
            connection.execute(insert(t.prices).values(product_id=own, kind=kind, amount=values[name]))
    for n, one in enumerate(values.get("specials", ())):
        row = {"amount": one.money.amount, "start_at": one.start, "end_at": one.end}
        connection.execute(insert(t.specials).values(product_id=own, position=n, **row))
    for n, name in enumerate(values.get("images", ())):
        connection.execute(insert(t.images).values(product_id=own, position=n, name=name))


def _category(connection: Any, path: tuple[str, ...]) -> int | None:
    found: int | None = None
    for n in range(1, len(path) + 1):
        joined = SEPARATOR.join(path[:n])
        there = connection.execute(select(t.categories.c.id).where(t.categories.c.path == joined)).scalar()
        if there is None:
            row = {"parent_id": found, "name": path[n - 1], "path": joined}
            there = _added(connection, insert(t.categories).values(**row))
        found = int(there)
    return found


def rows(place: Place) -> dict[str, Mapping[str, Any]]:
    """All that the tables have of each product."""
    found: dict[str, dict[str, Any]] = {}
    with place.open().reading() as connection:
        for row in connection.execute(select(t.products)).mappings():
            found[str(row["id"])] = dict(row)
        for row in connection.execute(select(t.product_texts)).mappings():
            for name in ("name", "short_description", "description"):
                found[str(row["product_id"])][f"{name}.{row['language']}"] = row[name]
        for row in connection.execute(select(t.prices)).mappings():
            found[str(row["product_id"])][f"price.{row['kind']}"] = row["amount"]
        for table in (t.specials, t.images):
            for row in connection.execute(select(table).order_by(table.c.position)).mappings():
                found[str(row["product_id"])].setdefault(table.name, []).append(tuple(row.values())[1:])
        for row in connection.execute(select(t.stock)).mappings():
            found[str(row["product_id"])][f"stock.{row['warehouse_id']}"] = (row["on_hand"], row["reserved"])
    return dict(found)


def categories(place: Place) -> list[tuple[str, ...]]:
    """Every category, as the parents say."""
    with place.open().reading() as connection:
        there = {row.id: row for row in connection.execute(select(t.categories))}
    paths = []
    for row in there.values():
        path = [row.name]
        while row.parent_id is not None:
            row = there[row.parent_id]  # noqa: PLW2901 - up to the root
            path.insert(0, row.name)
        paths.append(tuple(path))
    return paths


def seed_stock(place: Place, places: Places) -> None:
    """Levels as a stocktaking puts them in."""
    with place.open().database.write() as connection:
        codes = {row.code: row.id for row in connection.execute(select(t.warehouses))}
        for (product, warehouse), (on_hand, reserved) in places.items():
            key = {"product_id": int(product), "warehouse_id": codes[warehouse]}
            here = (t.stock.c.product_id == key["product_id"]) & (t.stock.c.warehouse_id == key["warehouse_id"])
            connection.execute(t.stock.delete().where(here))
            row = key | {"on_hand": on_hand, "reserved": reserved, "updated_at": place.clock.now()}
            connection.execute(insert(t.stock).values(**row))


def subject_of(place: Place) -> Subject:
    """Empty books with three warehouses."""
    books = place.open()
    for code in ("main", "second", "третій"):
        books.ensure("warehouse", code)

    def tick() -> datetime:
        place.clock.moment += timedelta(hours=1)
        return place.clock.now()

    def remove(own: str) -> None:
        with place.open().database.write() as connection:
            connection.execute(t.products.delete().where(t.products.c.id == int(own)))

    texts = {name: (f"{name}.uk-UA",) for name in ("name", "short_description", "description")}
    same = {n: (n,) for n in ("currency", "specials", "images", "unit", "barcode", "manufacturer", "weight", "options")}
    return Subject(
        open=place.open,
        seed=lambda drafts: seed(place, drafts),
        rows=lambda: rows(place),
        columns={
            **texts,
            **same,
            "price": ("price.retail",),
            "price.cost": ("price.cost",),
            "price.old": ("price.old",),
            "category": ("category_id",),
            "published": ("published",),
            "stock": ("stock.1", "stock.2", "stock.3"),
        },
        stamps=("updated_at", "content"),
        tick=tick,
        remove=remove,
        categories=lambda: categories(place),
        articleless=False,
        twins=False,
        many=130,
        warehouses=("main", "second", "третій"),
        reserves=True,
        seed_stock=lambda places: seed_stock(place, places),
    )
