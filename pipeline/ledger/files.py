"""Rows of the files that were seen in an inbox, and what happened to each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Finding
from pipeline.ledger.tables import FileState, files, row_dict, set_each
from pipeline.manyrows import change, insert_rows, look_up
from pipeline.ports import RemoteFile

Row = dict[str, Any]
_CHUNK = 400  # names in one statement; SQLite's oldest limit is 999 parameters


def remote_of(row: Mapping[str, Any]) -> RemoteFile:
    """The remote file that a row was made from, as the transport listed it."""
    raw = bytes.fromhex(row["raw"]) if row["raw"] else None
    return RemoteFile(row["folder"], row["name"], row["size"], row["modified"], raw)


def name_of(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """The name of a row as its server has it: two that read alike (UTF-8 and windows-1251) are two files."""
    return row["name"], row["raw"]


def name_on_server(file: RemoteFile) -> tuple[str, str | None]:
    """The same of a listed file."""
    return file.name, _hex(file)


def latest(
    conn: sa.Connection, client: str, connection: str, folder: str, listed: Collection[RemoteFile]
) -> dict[RemoteFile, Row]:
    """The newest row of each listed file of one inbox, by its name on the server, without the columns of its lease."""
    found: dict[tuple[str, str | None], Row] = {}
    names = {file.name for file in listed}
    wanted = sorted(names)
    # a run holds the rows of thousands of files: what they have in common is kept once
    place = {"client": client, "connection": connection, "folder": folder}
    states: dict[str, str] = {}
    for start in range(0, len(wanted), _CHUNK):
        for values in look_up(conn, _LATEST, **place, names=wanted[start : start + _CHUNK]):
            row = dict(zip(_NAMES, values, strict=True))
            row |= {**place, "state": states.setdefault(row["state"], row["state"])}
            found[name_of(row)] = row
    places = ((file, found.get((file.name, _hex(file)))) for file in listed)
    return {file: row for file, row in places if row is not None}


#: Twenty-one: a dict of one more takes twice the room.
_NAMES = tuple(name for name in files.c.keys() if name not in ("lease_owner", "lease_until", "fence"))  # noqa: SIM118
_HERE = (
    (files.c.client == sa.bindparam("client"))
    & (files.c.connection == sa.bindparam("connection"))
    & (files.c.folder == sa.bindparam("folder"))
)
_LATEST = sa.select(*(files.c[name] for name in _NAMES)).where(
    files.c.id.in_(
        sa.select(sa.func.max(files.c.id))
        .where(_HERE, files.c.name.in_(sa.bindparam("names", expanding=True)))
        .group_by(files.c.name, files.c.raw)
    )
)


def _hex(file: RemoteFile) -> str | None:
    return file.raw.hex() if file.raw is not None else None


def insert_seen(conn: sa.Connection, client: str, connection: str, seen: Iterable[RemoteFile], now: datetime) -> None:
    """Write down files at our first look at this version of them."""
    rows = [
        {
            "client": client,
            "connection": connection,
            "folder": file.folder,
            "name": file.name,
            "raw": _hex(file),
            "size": file.size,
            "modified": file.modified,
            "state": FileState.SEEN,
            "first_seen": now,
            "last_look": now,
            "stable_since": now,
            "tries": 0,
            "fence": 0,
            "updated": now,
        }
        for file in seen
    ]
    insert_rows(conn, files, rows)


def update(conn: sa.Connection, ids: Collection[int], now: datetime, **values: Any) -> None:
    """Set the same values on several rows."""
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        new = {f"new_{name}": value for name, value in values.items()}
        change(conn, _set_all(tuple(values)), ids=known[start : start + _CHUNK], new_updated=now, **new)


@lru_cache(maxsize=64)
def _set_all(columns: tuple[str, ...]) -> sa.Update:
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("updated", *columns)}
    return files.update().where(files.c.id.in_(sa.bindparam("ids", expanding=True))).values(values)


def update_each(conn: sa.Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Set values row by row: each mapping has ``id`` and the columns to set (the same ones in all)."""
    set_each(conn, files, rows, now)


def in_states(
    conn: sa.Connection, client: str, connection: str, folder: str, states: Collection[FileState]
) -> list[Row]:
    """Rows of one inbox in the given states, oldest first."""
    query = (
        sa.select(files)
        .where(
            files.c.client == client,
            files.c.connection == connection,
            files.c.folder == folder,
            files.c.state.in_([str(state) for state in states]),
        )
        .order_by(files.c.first_seen, files.c.id)
    )
    return [row_dict(row) for row in conn.execute(query)]


_PLACES = sa.select(files.c.id, files.c.name, files.c.raw).where(
    _HERE, files.c.state.in_(sa.bindparam("states", expanding=True))
)


def missing(
    conn: sa.Connection,
    client: str,
    connection: str,
    folder: str,
    states: Collection[FileState],
    listed: Collection[RemoteFile],
) -> list[Row]:
    """Rows of one inbox in the given states, oldest first, whose names on the server are none of those ``listed``."""
    here = {name_on_server(file) for file in listed}
    known = look_up(
        conn, _PLACES, client=client, connection=connection, folder=folder, states=[str(state) for state in states]
    )
    ids = [number for number, name, raw in known if (name, raw) not in here]
    return sorted(by_ids(conn, ids).values(), key=lambda row: (row["first_seen"], row["id"]))


def by_id(conn: sa.Connection, file_id: int) -> Row | None:
    """One row."""
    return by_ids(conn, [file_id]).get(file_id)


def by_ids(conn: sa.Connection, ids: Collection[int]) -> dict[int, Row]:
    """Rows by id, in order of their ids."""
    found: dict[int, Row] = {}
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        query = sa.select(files).where(files.c.id.in_(known[start : start + _CHUNK])).order_by(files.c.id)
        found.update((row.id, row_dict(row)) for row in conn.execute(query))
    return found


def among(conn: sa.Connection, ids: Collection[int], state: FileState) -> set[int]:
    """Those of the given rows that are in a state."""
    found: set[int] = set()
    known = sorted(ids)
    for start in range(0, len(known), _CHUNK):
        some = known[start : start + _CHUNK]
        found.update(row[0] for row in look_up(conn, _AMONG, ids=some, state=state))
    return found


_AMONG = sa.select(files.c.id).where(
    files.c.id.in_(sa.bindparam("ids", expanding=True)), files.c.state == sa.bindparam("state")
)
_DONE_WITH_HASH = (
    sa.select(files.c.sha256, sa.func.min(files.c.id))
    .where(
        files.c.client == sa.bindparam("client"),
        files.c.sha256.in_(sa.bindparam("hashes", expanding=True)),
        files.c.duplicate_of.is_(None),
        files.c.state.in_([FileState.DONE, FileState.ACKNOWLEDGED]),
    )
    .group_by(files.c.sha256)
)


def done_with_hash(conn: sa.Connection, client: str, hashes: Collection[str]) -> dict[str, int]:
    """For each hash that this client has had processed before: the id of the first such file."""
    found: dict[str, int] = {}
    known = sorted(hashes)
    for start in range(0, len(known), _CHUNK):
        some = known[start : start + _CHUNK]
        found.update((row[0], row[1]) for row in look_up(conn, _DONE_WITH_HASH, client=client, hashes=some))
    return found


def quarantined_twin(conn: sa.Connection, client: str, row: Mapping[str, Any]) -> int | None:
    """The first quarantined file of the same name and bytes in the same inbox, if there is one besides ``row``."""
    if not row["sha256"]:
        return None
    query = sa.select(sa.func.min(files.c.id)).where(
        files.c.client == client,
        files.c.sha256 == row["sha256"],
        files.c.connection == row["connection"],
        files.c.folder == row["folder"],
        files.c.name == row["name"],
        files.c.raw.is_not_distinct_from(row["raw"]),
        files.c.state == FileState.QUARANTINED,
        files.c.id != row["id"],
    )
    found = conn.execute(query).scalar()
    return int(found) if found is not None else None


def forget(conn: sa.Connection, file_id: int) -> None:
    """Take a row away that turned out to be another look at a file which has its row already."""
    conn.execute(files.delete().where(files.c.id == file_id))


_ANY_QUARANTINED = (
    sa.select(files.c.id)
    .where(files.c.client == sa.bindparam("client"), files.c.state == FileState.QUARANTINED)
    .limit(1)
)


def older_quarantined(conn: sa.Connection, client: str, ids: Collection[int]) -> list[int]:
    """Quarantined files that these ones have taken the place of: the same name in the same inbox."""
    if not look_up(conn, _ANY_QUARANTINED, client=client):
        return []
    newer = files.alias("newer")
    known = sorted(ids)
    found: list[int] = []
    for start in range(0, len(known), _CHUNK):
        query = (
            sa.select(files.c.id)
            .join(
                newer,
                (newer.c.client == files.c.client)
                & (newer.c.connection == files.c.connection)
                & (newer.c.folder == files.c.folder)
                & (newer.c.name == files.c.name)
                & newer.c.raw.is_not_distinct_from(files.c.raw)
                & (newer.c.id > files.c.id),
            )
            .where(
                files.c.client == client,
                files.c.state == FileState.QUARANTINED,
                newer.c.id.in_(known[start : start + _CHUNK]),
            )
        )
        found.extend(conn.execute(query).scalars())
    return found


def findings_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as they are kept."""
    return [finding.to_json() for finding in findings]


def findings_of(row: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Findings as they were kept."""
    return tuple(Finding.from_json(data) for data in row.get("findings") or ())
