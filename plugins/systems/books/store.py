"""Writes checked products and references into the database: new ones are added, known ones brought up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update
from sqlalchemy import Table as SqlTable

from pipeline.api import MatchRules, T, Text, look_up, normal_form
from plugins.systems.books import tables as t
from plugins.systems.books.keys import email_key, name_key, phone_key
from plugins.systems.books.load import Item, Report, Table

CHUNK = 5000
SEPARATOR = "\x1f"  # between the names of a category's path; nobody types it
_PLAIN = ("unit", "currency", "tax_rate", "barcode", "manufacturer", "weight", "published", "service")
_EMPTY: dict[str, Any] = {"unit": "", "barcode": "", "manufacturer": "", "published": True, "service": False}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did, or would do."""

    new: int
    changed: int
    unchanged: int
    notes: tuple[Text, ...] = ()


def store_products(connection: Connection, table: Table, *, now: datetime, currency: str, rules: MatchRules) -> Loaded:
    """Bring the database up to ``table``, by code. What the table has no column for stays as it is; an empty cell
    clears. Reserved stock is never touched. Raises Rejected for a parent that is not there or is a variant itself.
    """
    known = {
        row.code: row
        for row in connection.execute(
            select(t.products.c.id, t.products.c.code, t.products.c.content, t.products.c.parent_id)
        )
    }
    _check_parents(table, known)
    content = {item.code: item.content for item in table.items}
    fresh = [item for item in table.items if item.code not in known]
    changed = [item for item in table.items if item.code in known and known[item.code].content != content[item.code]]
    categories = ensure_categories(
        connection, {item.values["category"] for item in table.items if item.values.get("category")}
    )
    ensure(connection, t.currencies, {currency} | {c for item in table.items if (c := item.values.get("currency"))})
    columns = [name for name in _PLAIN if name in table.columns]

    def row(item: Item) -> dict[str, Any]:
        values = {name: _EMPTY.get(name) if (value := item.values.get(name)) is None else value for name in columns}
        if "currency" in values:
            values["currency"] = values["currency"] or currency
        if "category" in table.columns:
            values["category_id"] = categories.get(item.values.get("category") or ())
        options = {key[1]: value for key, value in item.values.items() if key[0] == "option" and value}
        if any(key[0] == "option" for key in table.columns):
            values["options"] = options or None
        return values | {"content": content[item.code], "updated_at": now}

    if fresh:
        many(
            connection,
            insert(t.products),
            [
                {"code": item.code, "normal": normal_form(item.code, rules), "currency": currency} | row(item)
                for item in fresh
            ],
        )
    ids = {code: r.id for code, r in known.items()}
    if fresh:
        ids |= {
            r.code: r.id for r in connection.execute(select(t.products.c.id, t.products.c.code)) if r.code not in ids
        }
    many(
        connection,
        update(t.products).where(t.products.c.id == bindparam("product")),
        [{"product": ids[item.code]} | row(item) for item in changed],
    )
    touched = [*fresh, *changed]
    if "parent" in table.columns:
        many(
            connection,
            update(t.products).where(t.products.c.id == bindparam("product")).values(parent_id=bindparam("base")),
            [
                {"product": ids[item.code], "base": ids.get(item.values.get("parent") or "")}
                for item in touched
                if item.values.get("parent") or item.code in known
            ],
        )
    new_ids = {ids[item.code] for item in fresh}
    _texts(connection, table, touched, ids)
    _prices(connection, table, touched, ids, new_ids)
    _specials(connection, table, touched, ids, new_ids)
    _images(connection, table, touched, ids, new_ids)
    _stock(connection, table, touched, ids, now)
    return Loaded(
        len(fresh), len(changed), len(table.items) - len(fresh) - len(changed), (*table.notes, *_alike(connection))
    )


def store_references(connection: Connection, rows: Iterable[Mapping[str, str]], *, now: datetime) -> int:
    """Add or rename the references in ``rows`` (see load.read_references). Gives how many there were."""
    n = 0
    for row in rows:
        n += 1
        table = t.REFERENCES[row["kind"]]
        values = party_values(row, now) if table is t.parties else {"name": row.get("name", "")}
        found = connection.execute(select(table.c.id).where(table.c.code == row["code"])).scalar()
        if found is None:
            connection.execute(insert(table).values(code=row["code"], **values))
        else:
            values.pop("created_at", None)
            connection.execute(update(table).where(table.c.id == found).values(**values))
    return n


def party_values(row: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Columns of a party from plain words."""
    names = ("first_name", "last_name", "middle_name", "edrpou", "tax_number", "phone", "email")
    values: dict[str, Any] = {name: row.get(name, "") for name in names}
    full = " ".join(part for part in (values["last_name"], values["first_name"], values["middle_name"]) if part)
    return values | {
        "name": row.get("name") or full or row.get("code", ""),
        "kind": "company" if len(values["edrpou"]) == 8 else "person",
        "phone_key": phone_key(values["phone"]),
        "email_key": email_key(values["email"]),
        "created_at": now,
    }


def ensure(
    connection: Connection, table: SqlTable, codes: Iterable[str], names: Mapping[str, str] | None = None
) -> dict[str, int]:
    """The ids of ``codes`` in a reference table, adding those that are not there."""
    wanted = sorted(set(codes))
    if not wanted:
        return {}
    found = known_codes(connection, table, wanted)
    missing = [code for code in wanted if code not in found]
    if missing:
        add = inserting(connection, table).on_conflict_do_nothing()
        connection.execute(add, [{"code": code, "name": (names or {}).get(code, "")} for code in missing])
        found |= known_codes(connection, table, missing)
    return found


def known_codes(connection: Connection, table: SqlTable, codes: Iterable[str]) -> dict[str, int]:
    """The ids of those of ``codes`` that are in a reference table."""
    wanted = list(codes)
    return {
        code: number
        for start in range(0, len(wanted), 400)
        for code, number in look_up(connection, _by_code(table), codes=wanted[start : start + 400])
    }


@cache
def _by_code(table: SqlTable) -> Select[Any]:
    return select(table.c.code, table.c.id).where(table.c.code.in_(bindparam("codes", expanding=True)))


def renormalise(connection: Connection, rules: MatchRules) -> None:
    """Make ``products.normal`` anew when the declared rules are not those that it was made with."""
    current = connection.execute(select(t.facts.c.value).where(t.facts.c.name == "matching")).scalar()
    if current == repr(rules):
        return
    many(
        connection,
        update(t.products).where(t.products.c.id == bindparam("product")).values(normal=bindparam("form")),
        [
            {"product": r.id, "form": normal_form(r.code, rules)}
            for r in connection.execute(select(t.products.c.id, t.products.c.code))
        ],
    )
    connection.execute(delete(t.facts).where(t.facts.c.name == "matching"))
    connection.execute(insert(t.facts).values(name="matching", value=repr(rules)))


def many(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Execute a statement for each of ``rows``, so many at a time that a batch stays small."""
    for start in range(0, len(rows), CHUNK):
        connection.execute(statement, rows[start : start + CHUNK])


def _check_parents(table: Table, known: Mapping[str, Any]) -> None:
    report = Report(table.file)
    here = {item.code: item for item in table.items}
    for item in table.items:
        parent = item.values.get("parent")
        if not parent:
            continue
        if parent in here and "parent" in table.columns:
            nested = bool(here[parent].values.get("parent"))
        elif parent in known:
            nested = known[parent].parent_id is not None
        else:
            report.add(T("Base product {code} is not known.", code=parent), item.row, header="parent")
            continue
        if nested:
            report.add(T("Base product {code} is a variant itself.", code=parent), item.row, header="parent")
    report.close()


def ensure_categories(connection: Connection, wanted: set[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """The ids of all categories by path; those of ``wanted`` and on the way to them are added, parents first."""
    ids = {
        tuple(r.path.split(SEPARATOR)): int(r.id)
        for r in connection.execute(select(t.categories.c.id, t.categories.c.path))
    }
    for path in sorted(wanted):
        for depth in range(1, len(path) + 1):
            part = path[:depth]
            if part not in ids:
                done = connection.execute(
                    insert(t.categories).values(parent_id=ids.get(part[:-1]), name=part[-1], path=SEPARATOR.join(part))
                )
                ids[part] = int(done.inserted_primary_key[0]) if done.inserted_primary_key else 0
    return ids


def _texts(connection: Connection, table: Table, items: Sequence[Item], ids: Mapping[str, int]) -> None:
    given = sorted(
        {
            key
            for key in table.columns
            if isinstance(key, tuple) and key[0] in ("name", "short_description", "description")
        }
    )
    for language in sorted({tag for _, tag in given}):
        names = [name for name, tag in given if tag == language]
        rows = [
            {"product_id": ids[item.code], "language": language}
            | {name: item.values.get((name, language)) or "" for name in names}
            for item in items
        ]
        keep_texts(connection, rows, names)


def keep_texts(connection: Connection, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Set the texts ``names`` of products by language, and with a name what it is found by."""
    if "name" in names:
        for row in rows:
            row["name_key"] = name_key(row["name"])
        names = [*names, "name_key"]
    upsert(connection, t.product_texts, rows, names)


def _prices(connection: Connection, table: Table, items: Sequence[Item], ids: Mapping[str, int], new: set[int]) -> None:
    for key in sorted(key for key in table.columns if isinstance(key, tuple) and key[0] == "price"):
        kind = key[1]
        forget(connection, t.prices, [i for item in items if (i := ids[item.code]) not in new], t.prices.c.kind == kind)
        many(
            connection,
            insert(t.prices),
            [
                {"product_id": ids[item.code], "kind": kind, "amount": item.values[key]}
                for item in items
                if item.values.get(key) is not None
            ],
        )


def _specials(
    connection: Connection, table: Table, items: Sequence[Item], ids: Mapping[str, int], new: set[int]
) -> None:
    if "special_price" not in table.columns:
        return
    forget(connection, t.specials, [i for item in items if (i := ids[item.code]) not in new])
    many(
        connection,
        insert(t.specials),
        [
            {
                "product_id": ids[item.code],
                "position": 0,
                "amount": item.values["special_price"],
                "start_at": item.values.get("special_start"),
                "end_at": item.values.get("special_end"),
            }
            for item in items
            if item.values.get("special_price") is not None
        ],
    )


def _images(connection: Connection, table: Table, items: Sequence[Item], ids: Mapping[str, int], new: set[int]) -> None:
    first, others = t.images.c.position == 0, t.images.c.position > 0
    for column, which in (("image", first), ("images", others)):
        if column not in table.columns:
            continue
        forget(connection, t.images, [i for item in items if (i := ids[item.code]) not in new], which)
        rows = []
        for item in items:
            value = item.values.get(column)
            names = (value,) if isinstance(value, str) else value or ()
            start = 0 if column == "image" else 1
            rows += [{"product_id": ids[item.code], "position": n, "name": name} for n, name in enumerate(names, start)]
        many(connection, insert(t.images), rows)


def _stock(connection: Connection, table: Table, items: Sequence[Item], ids: Mapping[str, int], now: datetime) -> None:
    keys = [key for key in table.columns if isinstance(key, tuple) and key[0] == "stock"]
    warehouses = ensure(connection, t.warehouses, [code for _, code in keys])
    for key in sorted(keys):
        warehouse = warehouses[key[1]]
        rows = [
            {"product_id": ids[item.code], "warehouse_id": warehouse, "on_hand": value, "reserved": Decimal(0)}
            | {"updated_at": now}
            for item in items
            if (value := item.values.get(key)) is not None
        ]
        upsert(connection, t.stock, rows, ["on_hand", "updated_at"])
        empty = [ids[item.code] for item in items if item.values.get(key) is None]
        for start in range(0, len(empty), CHUNK):
            connection.execute(
                update(t.stock)
                .where(t.stock.c.warehouse_id == warehouse, t.stock.c.product_id.in_(empty[start : start + CHUNK]))
                .values(on_hand=Decimal(0), updated_at=now)
            )


def inserting(connection: Connection, table: SqlTable) -> Any:
    """An INSERT that may say what happens where the row is there already. The other dialect is not loaded: 2 MiB."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as of_sqlite

        return of_sqlite(table)
    from sqlalchemy.dialects.postgresql import insert as of_postgresql

    return of_postgresql(table)


def upsert(connection: Connection, table: SqlTable, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Insert ``rows``; where the primary key is there already, set the columns ``names``."""
    if not rows:
        return
    add = inserting(connection, table)
    add = add.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key], set_={name: add.excluded[name] for name in names}
    )
    many(connection, add, rows)


def forget(connection: Connection, table: SqlTable, ids: Sequence[int], *where: Any) -> None:
    """Delete the rows of these products for which ``where`` holds."""
    for start in range(0, len(ids), CHUNK):
        connection.execute(delete(table).where(table.c.product_id.in_(ids[start : start + CHUNK]), *where))


def _alike(connection: Connection) -> list[Text]:
    """A remark for each group of products that differ only by what does not count in an article."""
    twins = select(t.products.c.normal).group_by(t.products.c.normal).having(func.count() > 1)
    groups: dict[str, list[str]] = {}
    for r in connection.execute(
        select(t.products.c.normal, t.products.c.code).where(t.products.c.normal.in_(twins)).order_by(t.products.c.code)
    ):
        groups.setdefault(r.normal, []).append(r.code)
    return [
        T("Products {codes} differ only in what does not count in an article.", codes=", ".join(codes))
        for codes in groups.values()
    ]
