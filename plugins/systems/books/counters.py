"""Numbers given one after another. A counter's row is locked until the transaction ends, so a roll-back
leaves no gap."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from pipeline.api import look_up
from plugins.systems.books import tables as t

_LAST = select(t.counters.c.last).where(t.counters.c.name == bindparam("name")).with_for_update()


def lock(connection: Connection, name: str) -> int:
    """The last number given; whoever asks next waits until this transaction has ended."""
    found = look_up(connection, _LAST, name=name)
    if found and found[0][0] is not None:
        return int(found[0][0])
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as add

        connection.execute(add(t.counters).values(name=name, last=0).on_conflict_do_nothing())
        return lock(connection, name)
    connection.execute(insert(t.counters).values(name=name, last=0))
    return 0


def take(connection: Connection, name: str, n: int) -> int:
    """Give ``n`` numbers; the first of them is returned."""
    last = lock(connection, name)
    connection.execute(update(t.counters).where(t.counters.c.name == name).values(last=last + n))
    return last + 1
