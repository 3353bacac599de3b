"""Whether anything has changed of what a catalogue is made of: a hash over the tables themselves, on SQLite.

No table is joined with another and no cell looked at: each is read from its first row to its last, which takes a third
of the time of reading the catalogue, and nothing at all of writing and checking it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from plugins.systems.books import tables as t
from plugins.systems.books.pages import ahead

ROWS = 10_000  #: of a table that are read at once
#: between cells, and for NULL, in SQL as they are: char(29) would be called for each cell
_SIGN, _NULL = "'\x1d'", "'\x1e'"
_JOIN = f"CAST(group_concat({{}}, {_SIGN}) AS BLOB)"
_PAGE = "SELECT rowid AS place, {columns} FROM {table} WHERE rowid > ?{where} ORDER BY rowid LIMIT {rows}"
_CELL = b"\x1d"  #: between cells
_VERSION = "1"
#: Columns of products that may be NULL hold numbers and JSON, of specials times: never the sign that stands for NULL.
_NULLABLE = frozenset({"parent_id", "category_id", "tax_rate", "weight", "options", "start_at", "end_at"})
_PRODUCT = ("unit", "currency", "tax_rate", "barcode", "manufacturer", "weight", "published", "options", "updated_at")
_TEXTS = ("name", "short_description", "description")


def mark(connection: Connection, fields: Sequence[str], at: datetime) -> str | None:
    """A hash of the tables' content, as far as ``fields`` look at it, and of which specials have begun and ended.

    None where a text has a sign in it that stands between texts here: it could hide a change.
    """
    whole = hashlib.sha256(f"{_VERSION}{sorted(set(fields))}".encode())
    for table, columns, where in _looked_at(fields):
        if not _add(connection, whole, table, columns, where):
            return None
    if any(name.startswith("special_") for name in fields):
        # which special holds turns only where one begins or ends: of the same rows, the numbers tell which have
        s = t.specials.c
        for moment in (s.start_at, s.end_at):
            passed = connection.execute(select(func.count()).where(moment <= at)).scalar_one()
            whole.update(f"{passed};".encode())
    return whole.hexdigest()


def _looked_at(fields: Sequence[str]) -> list[tuple[str, tuple[str, ...], str]]:
    """Table, columns, and which rows."""
    bases = {name.partition(".")[0] for name in fields}
    category = ("category_id",) if bases & {"category", "category_id"} else ()
    own = tuple(name for name in _PRODUCT if name in bases)
    found = [("products", ("id", "code", "parent_id", *category, *own), "")]
    if "category" in bases:
        found.append(("categories", ("id", "path"), ""))
    if texts := tuple(name for name in _TEXTS if name in bases):
        languages = {name.partition(".")[2] for name in fields if name.partition(".")[0] in _TEXTS}
        found.append(("product_texts", ("product_id", "language", *texts), _among("language", languages)))
    if "price" in bases:
        kinds = {name.partition(".")[2] or "retail" for name in fields if name.partition(".")[0] == "price"}
        found.append(("prices", ("product_id", "kind", "amount"), _among("kind", kinds)))
    if any(name.startswith("special_") for name in bases):
        found.append(("specials", ("product_id", "position", "amount", "start_at", "end_at"), ""))
    if bases & {"image", "images"}:
        found.append(("images", ("product_id", "position", "name"), ""))
    if "stock" in bases:
        found.append(("stock", ("product_id", "warehouse_id", "on_hand", "reserved"), ""))
    return found


def _among(column: str, values: set[str]) -> str:
    words = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))
    return f" AND {column} IN ({words})"


def _add(connection: Connection, whole: hashlib._Hash, table: str, columns: Sequence[str], where: str) -> bool:
    cells = ", ".join(_JOIN.format(f"ifnull({name}, {_NULL})" if name in _NULLABLE else name) for name in columns)
    page = _PAGE.format(columns=", ".join(columns), table=table, where=where, rows=ROWS)
    statement = f"SELECT count(*), max(place), {cells} FROM ({page})"  # noqa: S608 - names of this module's own
    last = -(2**63)

    def read() -> tuple[int, list[bytes]] | None:
        nonlocal last
        count, place, *found = connection.exec_driver_sql(statement, (last,)).one()
        if not count:
            return None
        last = place
        return count, found

    whole.update(f"{table}{columns}".encode())
    pages = ahead(read)
    for count, found in pages:
        for one in found:
            if one.count(_CELL) != count - 1:
                pages.close()
                return False
            whole.update(b"%d;%d;" % (count, len(one)))
            whole.update(one)
    return True
