"""Finding archive copies: by name, hash, date or order number, with the journal of the archive and, if it is there,
the ledger."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.archive import Archive, Entry, Index, safe_name
from pipeline.archive.journal import distinct
from pipeline.archive.names import names_for
from pipeline.errors import ConfigError, MistokError, system_words
from pipeline.ledger import tables as t
from pipeline.rules.searching import fold, matcher
from pipeline.texts import T

_CHUNK = 400
HERE, DROPPED, MISSING = "here", "dropped", "missing"


@dataclass(frozen=True, slots=True)
class Found:
    """One file that came or went: its line of the journal, the orders in it, and whether its copy is here."""

    entry: Entry
    state: str  #: here, dropped (by retention), missing
    orders: tuple[str, ...] = ()


def search(
    archive: Archive,
    client: str,
    text: str | None = None,
    *,
    conn: sa.Connection | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    exact: bool = False,
) -> list[Found]:
    """Files of a client, newest first.

    Args:
        text: words of the name or folder, a pattern of the whole name (``*.xml``), the beginning of a SHA-256 (four
            characters or more), or the number of an order; None: all.
        conn: the ledger, for numbers of orders; without it they are not known.
        since: came or went at or after this.
        until: came or went before this.
        exact: the whole name, not words of it.
    """
    index = Index.of(archive.journal)
    entries = [
        entry
        for entry in distinct(index.of_client(client))
        if (since is None or entry.at >= since) and (until is None or entry.at < until)
    ]
    numbers = orders_in(conn, client) if conn is not None else {}
    if text is not None and text.strip():
        entries = [entry for entry in entries if _matches(entry, text.strip(), numbers, exact=exact)]
    found = [Found(entry, _state(archive, index, entry), _numbers(numbers, entry)) for entry in entries]
    return sorted(found, key=lambda one: one.entry.at, reverse=True)


def _matches(entry: Entry, text: str, numbers: dict[str, dict[str, str]], *, exact: bool) -> bool:
    if re.fullmatch(r"[0-9A-Fa-f]{4,64}", text) and entry.sha256.startswith(text.lower()):
        return True
    orders = numbers.get(entry.sha256, {})
    if text.lstrip("№#") in {*orders, *orders.values()}:
        return True
    if exact:
        return fold(entry.name) == fold(text)
    if any(sign in text for sign in "*?"):
        return fnmatchcase(fold(entry.name), fold(text))
    return matcher(text)((entry.name, entry.folder), ())


def _numbers(orders: dict[str, dict[str, str]], entry: Entry) -> tuple[str, ...]:
    return tuple(dict.fromkeys(orders.get(entry.sha256, {}).values()))


def _state(archive: Archive, index: Index, entry: Entry) -> str:
    if archive.find(entry.sha256) is not None:
        return HERE
    return DROPPED if index.let_go(entry.client, entry.sha256) else MISSING


def orders_in(conn: sa.Connection, client: str) -> dict[str, dict[str, str]]:
    """The orders in each file, by its hash: number by id, in the order of their appearance."""
    query = (
        sa.select(t.files.c.sha256, t.orders.c.number, t.orders.c.order_id)
        .join(t.sightings, t.sightings.c.file_id == t.files.c.id)
        .join(t.orders, t.orders.c.id == t.sightings.c.order_row)
        .where(t.files.c.client == client, t.files.c.sha256.is_not(None))
        .order_by(t.sightings.c.id)
    )
    found: dict[str, dict[str, str]] = {}
    for sha, number, order_id in conn.execute(query):
        found.setdefault(sha, {})[order_id] = number
    return found


def lost(archive: Archive, conn: sa.Connection, client: str) -> list[dict[str, Any]]:
    """Rows of the ledger whose copy should be here and is not."""
    found: list[dict[str, Any]] = []
    gone: dict[str, bool] = {}
    for table, direction in ((t.files, "in"), (t.publications, "out")):
        columns = (table.c.id, table.c.name, table.c.connection, table.c.folder, table.c.sha256)
        query = sa.select(*columns).where(
            table.c.client == client, table.c.sha256.is_not(None), table.c.pruned.is_(None)
        )
        for row in conn.execute(query.order_by(table.c.id)):
            if row.sha256 not in gone:
                gone[row.sha256] = archive.find(row.sha256) is None
            if gone[row.sha256]:
                found.append({**row._mapping, "direction": direction})  # noqa: SLF001 - the documented mapping view
    return found


def without_line(archive: Archive) -> int:
    """How many copies stand in no line of the journal. Raises Transient."""
    index = Index.of(archive.journal)
    try:
        return sum(sha not in index.kept for sha in archive.hashes())
    except OSError as error:
        raise archive.trouble(error) from error


def from_ledger(conn: sa.Connection, client: str) -> Iterable[Entry]:
    """What the ledger tells of this client's copies, as lines for the journal."""
    for row in conn.execute(sa.select(t.files).where(t.files.c.client == client, t.files.c.sha256.is_not(None))):
        yield Entry(
            sha256=row.sha256,
            client=client,
            at=row.first_seen,
            size=row.size,
            name=row.name,
            connection=row.connection,
            folder=row.folder,
            modified=row.modified,
            raw=row.raw or "",
        )
    for row in conn.execute(sa.select(t.publications).where(t.publications.c.client == client)):
        yield Entry(
            sha256=row.sha256,
            client=client,
            at=row.at,
            size=row.size,
            name=row.name,
            direction="out",
            connection=row.connection,
            folder=row.folder,
            job=row.job,
            rows=row.rows,
        )


def extract(archive: Archive, found: Sequence[Found], to: Path) -> list[tuple[Found, Path]]:
    """Write copies into folder ``to`` (made if missing), each content once, under names that are free there.

    Raises ConfigError when the folder cannot be written, MistokError when a copy is missing or unsound.
    """
    written: list[tuple[Found, Path]] = []
    for one in {one.entry.sha256: one for one in found}.values():
        source = archive.find(one.entry.sha256)
        if source is None or not archive.verify(one.entry.sha256):
            archive.read(one.entry.sha256)  # says so
            continue
        try:
            to.mkdir(parents=True, exist_ok=True)
            written.append((one, _write(source, to, safe_name(one.entry.name or one.entry.sha256), one.entry.sha256)))
        except OSError as error:
            raise ConfigError(
                T("{path} cannot be written: {words}", path=str(to), words=system_words(error)),
                hint=T("Name another folder by --to."),
            ) from error
    return written


def _write(source: Path, to: Path, name: str, sha: str) -> Path:
    for path in map(Path, names_for(str(to), name)):
        try:
            target = path.open("xb")
        except FileExistsError:
            if path.is_file() and _digest(path) == sha:
                return path  # extracted before
            continue
        try:
            with target, source.open("rb") as reader:
                shutil.copyfileobj(reader, target, 1 << 20)
        except BaseException:
            path.unlink(missing_ok=True)  # half a file would pass for the whole one
            raise
        return path
    raise AssertionError("unreachable: the names never end")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: Columns of the table that people read; its keys are those of the journal.
COLUMNS = (
    ("at", T("When")),
    ("direction", T("Direction")),
    ("client", T("Client")),
    ("connection", T("Connection")),
    ("folder", T("Folder")),
    ("name", T("File")),
    ("size", T("Bytes")),
    ("modified", T("Time on the server")),
    ("rows", T("Rows")),
    ("sha256", T("SHA-256")),
    ("view", T("Name in the view")),
    ("state", T("Copy")),
)
DIRECTIONS = {"in": T("came"), "out": T("published"), "": T("not known")}
STATES = {HERE: T("here"), DROPPED: T("dropped by retention"), MISSING: T("missing")}


def write_table(archive: Archive, target: Path, clients: Collection[str] | None = None) -> int:
    """Write what came and went as a CSV that spreadsheets open; gives the number of rows. An old table is replaced.

    Raises ConfigError when the file cannot be written.
    """
    index = Index.of(archive.journal)
    entries = distinct(entry for found in index.kept.values() for entry in found)
    chosen = sorted(
        (entry for entry in entries if clients is None or entry.client in clients), key=lambda entry: entry.at
    )
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
            writer.writerow([str(heading) for _name, heading in COLUMNS])
            for entry in chosen:
                state = _state(archive, index, entry)
                writer.writerow([_cell(entry, name, state) for name, _heading in COLUMNS])
        partial.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):  # a disk that is read-only says so again
            partial.unlink(missing_ok=True)
        raise ConfigError(
            T("{path} cannot be written: {words}", path=str(target), words=system_words(error)),
            hint=T("Close it if it is open in another program, or name another file by --to."),
        ) from error
    return len(chosen)


def _cell(entry: Entry, name: str, state: str) -> str:
    if name == "state":
        return str(STATES[state])
    value = getattr(entry, name)
    if name == "direction":
        return str(DIRECTIONS.get(value, value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    text = "" if value is None else str(value)
    # a name that begins like a formula must not become one in a spreadsheet
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def none_found(text: str) -> MistokError:
    """What is said when nothing matches."""
    return MistokError(
        T("The archive has nothing that matches {text}.", text=text),
        code="not-found",
        hint=T("Look with mistok archive list; a part of the name is enough there."),
    )
