"""Retention: lets go of archive copies by age and by size, and never of one that somebody or something still needs.

A copy is needed as long as its file is not acknowledged, one of its orders is not in an end state, a card about any of
them is open, or it is the last publication under its name. What the ledger does not know is never dropped either. Rows
and keys stay for ever, with the time in ``pruned``: the same old file is recognised when it comes again.

The row is marked first, then the journal of the archive, then the copy goes: killed anywhere in between, the next call
goes on, and a check of the archive never takes a dropped copy for a lost one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.alerts import notices
from pipeline.archive import Archive, Index, upkeep
from pipeline.config.model import ArchiveConfig, ClientConfig
from pipeline.engine import alarms
from pipeline.errors import Finding, MistokError, Transient
from pipeline.ledger import tables as t
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import FileState, OrderState
from pipeline.repeats import Repeats
from pipeline.texts import T

log = structlog.get_logger("mistok.archive")

DAILY = timedelta(hours=24)
LEASE = timedelta(minutes=30)
SUBJECT = "archive"
_CHUNK = 400
#: One service of many clients goes through so many archives at a time.
_AT_ONCE = threading.Semaphore(2)
_OPEN_ORDERS = (OrderState.NEW, OrderState.CREATING, OrderState.HELD, OrderState.IN_DOUBT)
#: Why a copy stays, in the order in which reasons are looked at.
WAITS, ON_ITS_WAY, LAST, YOUNG, UNKNOWN = "waits", "on_its_way", "last", "young", "unknown"


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy that may be dropped: when the last thing happened to what it holds, and the rows that tell of it."""

    sha256: str
    room: int  #: bytes, with its names in the view
    done: datetime
    names: tuple[str, ...]
    files: tuple[int, ...] = ()
    publications: tuple[int, ...] = ()


@dataclass
class Plan:
    """What retention would drop. ``stays``: how many copies stay, by reason."""

    drop: list[Copy] = field(default_factory=list)
    stays: dict[str, int] = field(default_factory=dict)
    room: int = 0  #: bytes that this client's copies take now
    over: int = 0  #: bytes by which they would still be over ``keep_size`` after that
    unfinished: list[str] = field(default_factory=list)  #: marked by a run that was killed before the copy went

    @property
    def frees(self) -> int:
        """Bytes."""
        return sum(copy.room for copy in self.drop)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What retention did."""

    plan: Plan
    dropped: upkeep.Dropped


def wanted(settings: ArchiveConfig) -> bool:
    """Whether the config asks for anything to be dropped."""
    return settings.keep_days is not None or settings.keep_size is not None


def plan(conn: sa.Connection, client: str, index: Index, settings: ArchiveConfig, now: datetime) -> Plan:
    """What may go, and what goes by the settings. Reads only."""
    result = Plan()
    known, marked, reasons = _rows(conn, client)
    free: list[Copy] = []
    for sha, holders in index.holders.items():
        if client not in holders:
            continue
        size = next(entry.size for entry in index.kept[sha] if entry.client == client)
        room = size * (1 + len(index.views(sha, [client])))
        result.room += room
        arrived = holders[client]
        if sha in reasons:
            _count(result.stays, reasons[sha])
        elif sha in known:
            rows = known[sha]
            free.append(Copy(sha, room, max(arrived, rows.done), rows.names, tuple(rows.files), tuple(rows.published)))
        elif sha in marked and arrived <= marked[sha]:
            result.unfinished.append(sha)
            result.room -= room
        else:
            _count(result.stays, UNKNOWN)
    _choose(result, free, settings, now)
    return result


def prune(
    ledger: Ledger,
    archive: Archive,
    settings: ArchiveConfig,
    *,
    by: str = "",
    tell: upkeep.Tell = upkeep.quiet,
    reach: Callable[[str], None] = lambda _point: None,
) -> Pruned:
    """Drop what the settings let go of, and what a killed run left half-dropped.

    Raises Transient when another prune is under way, or ledger or archive do not answer; nothing is lost then.
    """
    lease = ledger.acquire("archive", LEASE)
    if lease is None:
        raise Transient(
            T("Another process is dropping old copies of the archive just now."),
            code="archive",
            hint=T("Wait until it has ended."),
        )
    try:
        now = ledger.clock.now()
        index = Index.of(archive.journal)
        upkeep.complete(archive, index, ())
        with ledger.begin() as conn:
            # decided and marked in one transaction, so that nobody opens a card in between
            chosen = plan(conn, ledger.client, index, settings, now)
            _mark(conn, t.files, [one for copy in chosen.drop for one in copy.files], now)
            _mark(conn, t.publications, [one for copy in chosen.drop for one in copy.publications], now)
            if chosen.drop:
                ledger.event(
                    conn,
                    SUBJECT,
                    "pruned",
                    {"copies": len(chosen.drop), "bytes": chosen.frees, **({"by": by} if by else {})},
                )
        reach("retention:marked")
        hashes = [*(copy.sha256 for copy in chosen.drop), *chosen.unfinished, *upkeep.left_over(archive, index)]
        came = {sha: len(index.kept.get(sha, ())) for sha in hashes}
        dropped = upkeep.drop(archive, ledger.client, came, index, now, tell)
        reach("retention:dropped")
        log.info("archive_pruned", copies=len(dropped.copies), bytes=dropped.bytes, over=chosen.over)
        return Pruned(chosen, dropped)
    finally:
        ledger.release(lease)


# --- what may go -----------------------------------------------------------------------------------------------------


@dataclass
class _Rows:
    done: datetime
    names: tuple[str, ...] = ()
    files: list[int] = field(default_factory=list)
    published: list[int] = field(default_factory=list)

    def add(self, done: datetime, name: str) -> None:
        self.done = max(self.done, done)
        if name not in self.names:
            self.names = (*self.names, name)


def _rows(conn: sa.Connection, client: str) -> tuple[dict[str, _Rows], dict[str, datetime], dict[str, str]]:
    """Rows by hash that may go; when those were marked that did; and why the others may not."""
    known: dict[str, _Rows] = {}
    marked: dict[str, datetime] = {}
    reasons: dict[str, str] = {}
    waits, busy = _needed(conn, client)
    touched = _touched(conn, client)
    f = t.files
    columns = (f.c.id, f.c.sha256, f.c.name, f.c.state, f.c.updated, f.c.pruned)
    for row in conn.execute(sa.select(*columns).where(f.c.client == client, f.c.sha256.is_not(None))):
        if row.pruned is not None:
            marked[row.sha256] = max(row.pruned, marked.get(row.sha256, row.pruned))
        elif row.id in waits:
            reasons[row.sha256] = WAITS
        elif row.id in busy or row.state not in (FileState.ACKNOWLEDGED, FileState.QUARANTINED):
            reasons.setdefault(row.sha256, ON_ITS_WAY)
        else:
            done = max(row.updated, touched.get(row.id, row.updated))
            rows = known.setdefault(row.sha256, _Rows(done))
            rows.add(done, row.name)
            rows.files.append(row.id)
    p = t.publications
    followed: dict[tuple[str, str, str], datetime] = {}
    for row in conn.execute(sa.select(p).where(p.c.client == client).order_by(p.c.id.desc())):
        place = (row.connection, row.folder, row.name)
        since = followed.get(place)  # until then it was the one that people saw
        followed[place] = row.at
        if since is None:
            reasons.setdefault(row.sha256, LAST)
        elif row.pruned is not None:
            marked[row.sha256] = max(row.pruned, marked.get(row.sha256, row.pruned))
        else:
            rows = known.setdefault(row.sha256, _Rows(since))
            rows.add(since, row.name)
            rows.published.append(row.id)
    return known, marked, reasons


def _needed(conn: sa.Connection, client: str) -> tuple[set[int], set[int]]:
    """Files that an open card waits for, and files with an order on its way."""
    waits: set[int] = set()
    orders: set[int] = set()
    cards = t.cards
    for row in conn.execute(
        sa.select(cards.c.subject, cards.c.file_id).where(cards.c.client == client, cards.c.state == "open")
    ):
        kind, _, number = row.subject.partition(":")
        if row.file_id is not None:
            waits.add(row.file_id)
        if kind == "file" and number.isdigit():
            waits.add(int(number))
        elif kind == "order" and number.isdigit():
            orders.add(int(number))
    waits |= _files_of(conn, orders)
    unfinished = sa.select(t.orders.c.id).where(
        t.orders.c.client == client, t.orders.c.state.in_([str(state) for state in _OPEN_ORDERS])
    )
    return waits, _files_of(conn, set(conn.execute(unfinished).scalars()))


def _files_of(conn: sa.Connection, orders: Collection[int]) -> set[int]:
    found: set[int] = set()
    numbers = sorted(orders)
    for start in range(0, len(numbers), _CHUNK):
        part = numbers[start : start + _CHUNK]
        found.update(conn.execute(sa.select(t.orders.c.file_id).where(t.orders.c.id.in_(part))).scalars())
        found.update(conn.execute(sa.select(t.sightings.c.file_id).where(t.sightings.c.order_row.in_(part))).scalars())
    return found


def _touched(conn: sa.Connection, client: str) -> dict[int, datetime]:
    """When the last thing happened to an order of a file."""
    query = (
        sa.select(t.sightings.c.file_id, sa.func.max(t.orders.c.updated))
        .join(t.orders, t.orders.c.id == t.sightings.c.order_row)
        .where(t.orders.c.client == client)
        .group_by(t.sightings.c.file_id)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def _choose(result: Plan, free: Iterable[Copy], settings: ArchiveConfig, now: datetime) -> None:
    oldest_first = sorted(free, key=lambda copy: (copy.done, copy.sha256))
    left = result.room
    for copy in oldest_first:
        age = now - copy.done
        by_age = settings.keep_days is not None and age > timedelta(days=settings.keep_days)
        by_size = (
            settings.keep_size is not None and left > settings.keep_size and age > timedelta(days=settings.least_days)
        )
        if by_age or by_size:
            result.drop.append(copy)
            left -= copy.room
        else:
            _count(result.stays, YOUNG)
    if settings.keep_size is not None:
        result.over = max(left - settings.keep_size, 0)


def _count(counts: dict[str, int], word: str) -> None:
    counts[word] = counts.get(word, 0) + 1


def _mark(conn: sa.Connection, table: sa.Table, ids: Iterable[int], now: datetime) -> None:
    numbers = sorted(ids)
    for start in range(0, len(numbers), _CHUNK):
        where = table.c.id.in_(numbers[start : start + _CHUNK])
        conn.execute(table.update().where(where).values(pruned=now))


# --- every day -------------------------------------------------------------------------------------------------------


class Daily:
    """Drops old copies once a day while the service is at work, in a thread of its own.

    Args:
        look_every: seconds between two looks at whether a day is over.
    """

    def __init__(self, config: ClientConfig, ledger: Ledger, look_every: float = 600.0) -> None:
        self._settings, self._ledger = config.archive, ledger
        self._archive = Archive(config.path(config.archive.path))
        self._job = "archive"
        self._every, self._next = look_every, float("-inf")
        self._thread: threading.Thread | None = None
        self._repeats = Repeats()

    def tick(self) -> None:
        """Begin when it is time; returns at once."""
        if not wanted(self._settings) or (self._thread is not None and self._thread.is_alive()):
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._every
        self._thread = threading.Thread(target=self._run, name="mistok-archive", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until what was begun is done."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with _AT_ONCE, self._ledger.at_length():
            self._prune()

    def _prune(self) -> None:
        try:
            with self._ledger.read() as conn:
                last = self._ledger.get_value(conn, "retention", "last") or {}
            now = self._ledger.clock.now()
            before = datetime.fromisoformat(last["at"]) if last.get("at") else None
            if before is not None and timedelta(0) <= now - before < DAILY:
                return
            done = prune(self._ledger, self._archive, self._settings)
            with self._ledger.begin() as conn:
                self._ledger.set_value(conn, "retention", "last", {"at": now.isoformat(), **told(done)})
                self._ledger.set_value(conn, "alarm", SUBJECT, {})
            self._repeats.well(log, "archive_not_pruned")
        except MistokError as error:
            self._repeats.tell(log, "archive_not_pruned", error, code=error.code)
            self._alarm(error.findings[0])
        except Exception as error:  # noqa: BLE001 - it is told, and the loop goes on
            self._repeats.tell(log, "archive_not_pruned", error)

    def _alarm(self, finding: Finding) -> None:
        """Told once, until it works again."""
        try:
            with self._ledger.begin() as conn:
                if finding.code == alarms.FULL:
                    alarms.failed(self._ledger, conn, self._job, finding)
                    return
                before = (self._ledger.get_value(conn, "alarm", SUBJECT) or {}).get("code")
                if before != finding.code:
                    self._ledger.notify(conn, notices.failure(SUBJECT, self._job, finding))
                    self._ledger.set_value(conn, "alarm", SUBJECT, {"code": finding.code})
        except MistokError as error:
            log.error("alarm_not_written", error=error.text.render("en"))


def following(ledger: Ledger) -> datetime:
    """When the next tidying is due: a day after the last one, now where there was none. Raises Transient."""
    now = ledger.clock.now()
    with ledger.read() as conn:
        last = ledger.get_value(conn, "retention", "last") or {}
    before = datetime.fromisoformat(last["at"]) if last.get("at") else None
    return before + DAILY if before is not None and before <= now else now


def told(done: Pruned) -> Mapping[str, Any]:
    """The outcome in numbers."""
    return {"copies": len(done.dropped.copies), "bytes": done.dropped.bytes, "over": done.plan.over}
