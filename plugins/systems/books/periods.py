"""The closed period: up to a day nothing may come into the books any more, nor change in them."""

from __future__ import annotations

from datetime import datetime, tzinfo

from sqlalchemy import Connection, bindparam, delete, insert, select

from pipeline.api import Held, T, Where, look_up
from plugins.systems.books import tables as t

_CLOSED = "closed_until"  # name of the fact
_FACT = select(t.facts.c.value).where(t.facts.c.name == bindparam("name"))


def closed_until(connection: Connection) -> datetime | None:
    """The moment before which nothing may come or change any more; None: all is open."""
    found = look_up(connection, _FACT, name=_CLOSED)
    return datetime.fromisoformat(found[0][0]) if found and found[0][0] else None


def close_until(connection: Connection, moment: datetime | None) -> None:
    """Close what is dated before ``moment`` (aware); None opens all again."""
    connection.execute(delete(t.facts).where(t.facts.c.name == _CLOSED))
    if moment is not None:
        connection.execute(insert(t.facts).values(name=_CLOSED, value=moment.isoformat()))


def check_period(connection: Connection, when: datetime, zone: tzinfo | None) -> None:
    """Raises Held when ``when`` lies in the closed period."""
    check_open(closed_until(connection), when, zone)


def check_open(until: datetime | None, when: datetime, zone: tzinfo | None, order: str | None = None) -> None:
    """Raises Held when ``when`` lies before ``until`` (of :func:`closed_until`). ``order``: whose date it is."""
    if until is not None and when < until:
        raise Held(
            T(
                "The books are closed for what is dated before {until}, and this is of {when}.",
                until=until.astimezone(zone),
                when=when.astimezone(zone),
            ),
            hint=T("Open the period (mistok books period --open) and let it run again, or enter it by hand."),
            where=Where(order=order),
            code="closed-period",
        )
