"""Numbers given one after another. A counter's row is locked until the transaction ends, so a roll-back
leaves no gap."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from plugins.systems.books import tables as t


def lock(connection: Connection, name: str) -> int:
    """The last number given; whoever asks next waits until this transaction has ended."""
    last = connection.execute(select(t.counters.c.last).where(t.counters.c.name == name).with_for_update()).scalar()
    if last is not None:
        return int(last)
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
