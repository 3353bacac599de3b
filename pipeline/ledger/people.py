"""Who may use the page: users, their sessions, and what each of them did there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.ledger.tables import audit, row_dict, sessions, users

Row = dict[str, Any]
#: A session's last use is written down this often at most: looking at a page writes nothing else.
_TOUCH = timedelta(minutes=1)


# --- users -----------------------------------------------------------------------------------------------------------


def listing(conn: sa.Connection, client: str) -> list[Row]:
    """The client's users by name."""
    query = sa.select(users).where(users.c.client == client).order_by(users.c.name)
    return [row_dict(row) for row in conn.execute(query)]


def by_name(conn: sa.Connection, client: str, name: str) -> Row | None:
    """The user of that name; names differ in more than case."""
    row = conn.execute(sa.select(users).where(users.c.client == client, users.c.name == name.casefold())).first()
    return row_dict(row) if row else None


def keep(
    conn: sa.Connection, client: str, name: str, *, role: str, password: str | None, now: datetime
) -> tuple[int, bool]:
    """Add a user, or give one that is there another role and, unless None, another password (as a hash).

    Gives the user's number and whether it is new. Whoever gets another role or password must log in anew.
    """
    known = by_name(conn, client, name)
    if known is None:
        values = {"client": client, "name": name.casefold(), "role": role, "password": password, "created": now}
        result = conn.execute(users.insert().values(**values, changed=now))
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0]), True
    changes: dict[str, Any] = {"role": role, "changed": now}
    if password is not None:
        changes["password"] = password
    conn.execute(users.update().where(users.c.id == known["id"]).values(**changes))
    conn.execute(sessions.delete().where(sessions.c.user_id == known["id"]))
    return int(known["id"]), False


def rehash(conn: sa.Connection, user_id: int, password: str | None) -> None:
    """Keep the same password under a stronger hash; None: there is none any more."""
    conn.execute(users.update().where(users.c.id == user_id).values(password=password))


def remove(conn: sa.Connection, client: str, name: str) -> bool:
    """Remove a user and end its sessions; False when there is none. What it did stays in the audit log."""
    known = by_name(conn, client, name)
    if known is None:
        return False
    conn.execute(sessions.delete().where(sessions.c.user_id == known["id"]))
    conn.execute(users.delete().where(users.c.id == known["id"]))
    return True


# --- sessions --------------------------------------------------------------------------------------------------------


def begin_session(
    conn: sa.Connection,
    client: str,
    user_id: int,
    *,
    token: str,
    csrf: str,
    address: str,
    now: datetime,
    until: datetime,
) -> None:
    """Keep a session by the hash of its token, and forget all that are over."""
    conn.execute(sessions.delete().where(sessions.c.client == client, sessions.c.until <= now))
    conn.execute(
        sessions.insert().values(
            token=token, client=client, user_id=user_id, csrf=csrf, address=address, begun=now, seen=now, until=until
        )
    )


def session(conn: sa.Connection, client: str, token: str, now: datetime, idle: timedelta) -> Row | None:
    """The live session of that token's hash, with its user's ``name`` and ``role``; None when it is over."""
    query = (
        sa.select(sessions, users.c.name, users.c.role)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.client == client, sessions.c.token == token)
        .where(sessions.c.until > now, sessions.c.seen > now - idle)
    )
    row = conn.execute(query).first()
    return row_dict(row) if row else None


def is_stale(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether :func:`touch` has something to write."""
    return bool(now - row["seen"] >= _TOUCH)


def touch(conn: sa.Connection, token: str, now: datetime) -> None:
    """The session was used."""
    conn.execute(sessions.update().where(sessions.c.token == token).values(seen=now))


def end_session(conn: sa.Connection, token: str) -> None:
    """Log out."""
    conn.execute(sessions.delete().where(sessions.c.token == token))


# --- the audit log ---------------------------------------------------------------------------------------------------


def record(
    conn: sa.Connection,
    client: str,
    *,
    at: datetime,
    who: str,
    role: str,
    address: str,
    act: str,
    subject: str = "",
    outcome: str = "done",
    data: Mapping[str, Any] | None = None,
) -> int:
    """Write down one act on the page and give its number; ``outcome``: done, refused, failed."""
    result = conn.execute(
        audit.insert().values(
            client=client,
            at=at,
            who=who[:128],
            role=role,
            address=address[:64],
            act=act,
            subject=subject[:200],
            outcome=outcome,
            data=dict(data) if data else None,
        )
    )
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def acts(conn: sa.Connection, client: str, *, who: str = "", below: int | None = None, most: int = 100) -> list[Row]:
    """What was done, newest first; ``who``: by this user only, ``below``: before the act of this number."""
    query = sa.select(audit).where(audit.c.client == client)
    if who:
        query = query.where(audit.c.who == who.casefold())
    if below is not None:
        query = query.where(audit.c.id < below)
    return [row_dict(row) for row in conn.execute(query.order_by(audit.c.id.desc()).limit(most))]
