"""A ledger made anew, or completed, from the archive alone and the documents that the target has.

Every archived order file that the ledger does not know is read again by the step that takes the files of its inbox; its
orders are looked up in the target by their keys. What has its document gets its end state. Everything else is left to
the next run: a file with anything unsettled in it becomes ``archived``, from where the inbound walk goes on by itself,
finding before it creates. So nothing is made twice, whatever was lost, and all is written in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.archive import Entry, Index, safe_name, upkeep
from pipeline.archive.journal import distinct
from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig
from pipeline.engine import guard, parts, planning
from pipeline.engine.carrying import Place, document_places, places
from pipeline.engine.context import Progress, RunContext, no_progress
from pipeline.engine.inbox import chosen
from pipeline.engine.rebuilt import FileRow, OrderRow, Rebuild, Seen, write
from pipeline.engine.restoring import at_work_now
from pipeline.engine.runtime import Client
from pipeline.errors import ConfigError, Finding, FolderMissing, MistokError, Rejected, Where, Who
from pipeline.ledger import backup
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger import tables as t
from pipeline.ledger.store import Lease
from pipeline.ledger.tables import FileState, OrderState
from pipeline.model import cents
from pipeline.ports import Clock, DocumentRef, OrderFormat, finished
from pipeline.settings import Settings
from pipeline.texts import T, Text

log = structlog.get_logger("mistok.rebuild")

LEASE = timedelta(minutes=10)
_KEYS = 200  #: orders that are looked up in one go
_SETTLED = (OrderState.CREATED, OrderState.REJECTED, OrderState.NOTHING_TO_DO)


def rebuild(
    config: ClientConfig,
    *,
    apply: bool = False,
    reject: bool = False,
    by: str = "",
    clock: Clock | None = None,
    tell: Progress = no_progress,
    reach: Callable[[str], None] = lambda _point: None,
) -> Rebuild:
    """Work out what the archive knows and the ledger does not; with ``apply``, write it down.

    A damaged ledger is set aside first. One that is sound is completed; of its own rows only held orders are changed
    whose document is there. What came before the content that it knows of an order is written down as older.

    Args:
        reject: orders without a document are rejected instead of left to the next run.

    Raises ConfigError (no archive, a job at work), Refused or Transient (an inbox or a target does not answer).
    """
    clock = clock or SystemClock()
    place = guard.file_of(config)
    damaged = place is not None and place.exists() and not _sound(place)
    usable = not damaged and not guard.file_missing(config)
    with TemporaryDirectory(prefix="mistok-", ignore_cleanup_errors=True) as temp:
        folder = Path(temp)
        known = _beside(config, folder) if damaged else config
        with (
            Client.open(known, clock=clock, read_only=True, guarded=False) as client,
            _held(client) if apply and usable else nullcontext(),
        ):
            done = _plan(client, folder, tell, reject=reject)
            if apply and usable:
                reach("rebuild:planned")
                write(client, done, by)
        if apply and not usable:
            reach("rebuild:planned")
            if damaged and place is not None:
                done.before = backup.set_aside(place, clock.now())
            reach("rebuild:aside")
            with Client.open(config, clock=clock, guarded=False) as client:
                write(client, done, by)
    reach("rebuild:written")
    return done


def _sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as conn:
            return bool(conn.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _beside(config: ClientConfig, folder: Path) -> ClientConfig:
    """The config with an empty ledger in ``folder``."""
    ledger = config.ledger.model_copy(update={"url": f"sqlite:///{(folder / 'ledger.sqlite3').as_posix()}"})
    return config.model_copy(update={"ledger": ledger})


@contextmanager
def _held(client: Client) -> Iterator[None]:
    """Nobody takes files in meanwhile. Raises ConfigError when somebody is at it now."""
    ledger = client.ledger
    if busy := at_work_now(ledger):
        raise _busy(busy)
    taken: list[Lease] = []
    try:
        for place in places(client):
            name = f"inbox:{place.settings.inbox}/{place.settings.folder}"
            lease = ledger.acquire(name, LEASE)
            if lease is None:
                raise _busy([name])
            taken.append(lease)
        yield
    finally:
        for lease in taken:
            ledger.release(lease)


def _busy(names: Sequence[str]) -> ConfigError:
    return ConfigError(
        T("Somebody works with this ledger just now: {names}.", names=", ".join(names)),
        code="ledger-busy",
        hint=T("Stop mistok serve and wait until running jobs have ended."),
    )


# --- working it out --------------------------------------------------------------------------------------------------


def _plan(client: Client, temp: Path, tell: Progress, *, reject: bool) -> Rebuild:
    ctx = RunContext(
        config=client.config,
        registry=client.registry,
        ledger=client.ledger,
        archive=client.archive,
        clock=client.clock,
        job="rebuild",
        temp=temp,
        dry_run=True,
        report=tell,
    )
    try:
        return _Planner(client, ctx, reject=reject).plan()
    finally:
        ctx.close()


class _Planner:
    """Works out one rebuild. Reads archive, inboxes and targets; changes nothing."""

    def __init__(self, client: Client, ctx: RunContext, *, reject: bool) -> None:
        self.client, self.ctx, self.reject = client, ctx, reject
        self.done = Rebuild()
        self.papers: list[Entry] = []
        self.places = list(places(client))
        self.systems = {(place.settings.inbox, place.settings.folder) for place in document_places(client)}
        self.index = Index.of(client.archive.journal)

    def plan(self) -> Rebuild:
        entries = distinct(self._entries())
        with self.client.ledger.read() as conn:
            known = _known(conn, self.ctx.client)
        fresh = [entry for entry in entries if not known & {_identity(entry), _look(entry)}]
        published = [entry for entry in fresh if entry.direction == "out"]
        came = [entry for entry in fresh if entry.direction != "out"]
        for number, entry in enumerate(came, 1):
            self.ctx.progress(number, len(came), T("files"))
            self._file(entry)
        self._orders()
        self._waiting()
        self._files()
        self.done.files += [FileRow(entry, None, "published") for entry in published]
        self.done.files += [FileRow(entry, None, "acknowledged", policy="asked") for entry in self.papers]
        return self.done

    def _entries(self) -> Iterator[Entry]:
        """The client's lines of the journal, and what the view tells of copies that have none."""
        yield from self.index.of_client(self.ctx.client)
        nameless = upkeep.without_line(self.client.archive, self.index)
        for entry in nameless:
            if entry.client == safe_name(self.ctx.client):
                yield replace(entry, client=self.ctx.client)

    # --- files ---------------------------------------------------------------------------------------------------

    def _place(self, entry: Entry) -> tuple[Entry, Place | None]:
        for place in self.places:
            if (place.settings.inbox, place.settings.folder.strip("/")) == (entry.connection, entry.folder.strip("/")):
                return entry, place
        if entry.direction == "in":
            return entry, None
        # only its name in the view is known: it can only be of the one inbox that takes such names
        takers = [place for place in self.places if chosen(entry.name, place.settings)]
        if len(takers) != 1:
            return entry, None
        settings = takers[0].settings
        return replace(entry, connection=settings.inbox, folder=settings.folder, direction="in"), takers[0]

    def _file(self, entry: Entry) -> None:
        archive = self.client.archive
        entry, place = self._place(entry)
        if place is None and (entry.connection, entry.folder) in self.systems:
            # an order of a system: its job's next run reads it again, and finds its documents by their keys
            if self.client.archive.find(entry.sha256) is not None:
                self.papers.append(entry)
            return
        if place is None:
            if entry.direction == "in":
                self._remark("no-job", entry, T("No job takes files from {inbox} any more.", inbox=_inbox(entry)))
            return
        row = FileRow(entry, place)
        if archive.find(entry.sha256) is None:
            if self.index.let_go(entry.client, entry.sha256):
                row.state = "pruned"
                self.done.files.append(row)
            else:
                self._remark("archive-missing", entry, T("The copy of {name} is missing.", name=entry.name))
            return
        try:
            path = archive.sound(entry.sha256)
        except MistokError:
            self._remark("archive-unsound", entry, T("The copy of {name} is damaged.", name=entry.name))
            return
        self.done.files.append(row)
        twin = self._twins.setdefault(entry.sha256, row)
        if twin is not row:
            row.twin_of = twin
            return
        self._read(row, path)

    @cached_property
    def _twins(self) -> dict[str, FileRow]:
        return {}

    def _remark(self, code: str, entry: Entry, text: Text) -> None:
        hint = T("Its orders are not added. The file: mistok archive extract {sha}", sha=entry.sha256[:12])
        self.done.findings.append(Finding(code, text, Where(file=entry.name), hint, Who.ADMIN))

    def _read(self, row: FileRow, path: Path) -> None:
        place, entry = row.place, row.entry
        assert place is not None
        plugin = self.client.registry.formats[place.settings.format.type]
        assert isinstance(plugin.format, OrderFormat)
        context = replace(self.ctx.format_context(entry.name), source=f"{entry.connection}/{entry.folder}".strip("/"))
        file = {"id": 0, "name": entry.name, "sha256": entry.sha256}
        least, settings = place.settings.stream_from, place.spec.format_params or Settings()
        try:
            orders = parts.orders(plugin.format, path, least, settings, context, self.ctx.temp)
            row.seen = [_seen(planning.make_work(file, n, one, self.ctx.client)) for n, one in enumerate(orders)]
        except Rejected as error:
            row.unread = error.findings
            return
        except Exception:
            log.exception("format_failed", file=entry.name)  # the next run tells of it, with its card
            row.settled = False

    # --- orders --------------------------------------------------------------------------------------------------

    def _orders(self) -> None:
        appearances: dict[str, list[tuple[FileRow, Seen]]] = {}
        for row in self.done.files:
            for seen in row.seen:
                appearances.setdefault(seen.key, []).append((row, seen))
        with self.client.ledger.read() as conn:
            known = order_rows.by_keys(conn, set(appearances))
            came_in = file_rows.by_ids(conn, {row["file_id"] for row in known.values()})
        found = self._documents({key: _into(seen_in[0][0]) for key, seen_in in appearances.items() if key not in known})
        for key, seen_in in appearances.items():
            before = known.get(key)
            if before is None:
                self._order(seen_in, found.get(key))
                continue
            file = came_in[before["file_id"]]
            self.done.known[key] = before["id"]
            # newer content of the order came since, and stands: what came before it has nothing to say any more
            older = {row.entry for row, _seen in seen_in if self._came_before(row.entry, file)}
            self.done.outgrown.update((entry, key) for entry in older)
            later = [(row, seen) for row, seen in seen_in if row.entry not in older]
            if before["state"] in _SETTLED:
                _look_again(later, before["revision"])
            else:
                for row, _seen in later:
                    row.settled = False

    def _came_before(self, entry: Entry, file: Mapping[str, Any]) -> bool:
        """By their lines in the journal: a clock may have been set back between the two."""
        place = ("in", file["connection"], file["folder"], file["name"], file["sha256"], file["size"], file["modified"])
        mine, other = self._lines.get(_identity(entry)), self._lines.get(place)
        if mine is None or other is None:  # from before there was a journal
            return bool(entry.at < file["first_seen"])
        return mine < other

    @cached_property
    def _lines(self) -> dict[tuple[Any, ...], int]:
        """Where in the journal each file stands first."""
        found: dict[tuple[Any, ...], int] = {}
        for number, entry in enumerate(self.client.archive.journal.entries()):
            if entry is not None and entry.client == self.ctx.client:
                found.setdefault(_identity(entry), number)
        return found

    def _waiting(self) -> None:
        """Held orders whose document was made after the backup that the ledger was restored from."""
        with self.client.ledger.read() as conn:
            held = {row["key"]: row for row in order_rows.in_state(conn, self.ctx.client, OrderState.HELD)}
        systems = {place.settings.into for place in self.places}
        found = self._documents({key: row["into"] for key, row in held.items() if row["into"] in systems})
        for key, ref in found.items():
            row = held[key]
            if row["total"] is not None and _same_sum(Decimal(row["total"]), row["currency"], ref):
                self.done.found.append((row, ref))

    def _documents(self, wanted: Mapping[str, str]) -> dict[str, DocumentRef]:
        """The documents of orders, each key asked of the system of that name: the one that its step books in."""
        by_system: dict[str, list[str]] = {}
        for key, name in wanted.items():
            by_system.setdefault(name, []).append(key)
        found: dict[str, DocumentRef] = {}
        done = 0
        for name, keys in by_system.items():
            target = planning.documents(self.ctx.system(name))
            for start in range(0, len(keys), _KEYS):
                there = target.find(keys[start : start + _KEYS])
                # what is there half way is finished by the next run, if there is to be one: rejected it is not
                found.update(there if self.reject else finished(there))
                done += len(keys[start : start + _KEYS])
                self.ctx.progress(done, len(wanted), T("orders"))
        return found

    def _order(self, seen_in: Sequence[tuple[FileRow, Seen]], ref: DocumentRef | None) -> None:
        if ref is None:
            home, seen = seen_in[-1]  # the newest content is what counts for a document yet to be made
            self.done.orders.append(OrderRow(seen, home, "rejected" if self.reject else "new"))
            for row, _seen in seen_in:
                row.settled = row.settled and self.reject
            return
        # the content that the document was made of: what came after it is looked at again by the next run
        made_of = next((n for n, (_row, seen) in enumerate(seen_in) if _agrees(seen, ref)), None)
        if made_of is None:
            home, seen = seen_in[0]
            self.done.orders.append(OrderRow(seen, home, "other", ref))
            for row, _seen in seen_in:
                row.settled = False
            return
        home, seen = seen_in[made_of]
        self.done.orders.append(OrderRow(seen, home, "created", ref))
        _look_again(seen_in[made_of + 1 :], seen.revision)

    # --- states --------------------------------------------------------------------------------------------------

    def _files(self) -> None:
        listed: dict[tuple[str, str], set[tuple[str, str, int, datetime | None]]] = {}
        newest: dict[tuple[str, str, str, str], FileRow] = {}
        for row in self.done.files:
            newest[row.entry.connection, row.entry.folder, row.entry.name, row.entry.raw] = row
        for row in self.done.files:
            entry = row.entry
            if row.state == "pruned":
                continue
            place = (entry.connection, entry.folder)
            if place not in listed:
                listed[place] = self._listed(*place)
            if row.unread:
                last = newest[(*place, entry.name, entry.raw)]
                row.state = "archived" if (last.twin_of or last).unread else "quarantined"
            elif row.twin_of is not None and row.twin_of.unread:
                row.state = "archived"
            elif row.settled and (row.twin_of is None or row.twin_of.settled):
                there = (entry.name, entry.raw, entry.size, entry.modified) in listed[place]
                row.state = "done" if there else "acknowledged"
            else:
                row.state = "archived"

    def _listed(self, connection: str, folder: str) -> set[tuple[str, str, int, datetime | None]]:
        try:
            listed = self.ctx.transport(connection).list(folder)
        except FolderMissing:
            return set()
        return {(file.name, file.raw.hex() if file.raw else "", file.size, file.modified) for file in listed}


def _seen(work: planning.Work) -> Seen:
    order = work.decoded.order
    return Seen(
        work.key,
        work.source,
        work.order_id,
        work.number,
        work.revision,
        work.decoded.line,
        order.customer.title if order else None,
        order.customer.phone if order else None,
        order.total if order else None,
        order.currency if order else None,
        len(order.lines) if order else None,
        order.created_at if order else None,
        order.payment.method if order else None,
        order.payment.status[:16] if order else None,
        order.status[:64] if order else None,
    )


def _look_again(later: Sequence[tuple[FileRow, Seen]], revision: str) -> None:
    """The next run weighs what came after ``revision`` from the first other content on: the shop may have gone back."""
    changed = False
    for row, seen in later:
        changed = changed or seen.revision != revision
        if changed:
            row.settled = False


def _agrees(seen: Seen, ref: DocumentRef) -> bool:
    """Whether a document may have been made of this content, as far as it tells."""
    return seen.total is None or _same_sum(seen.total, seen.currency, ref)


def _same_sum(total: Decimal, currency: str | None, ref: DocumentRef) -> bool:
    if ref.total is None:
        return True
    return cents(ref.total) == cents(total) and (not ref.currency or ref.currency == currency)


def _into(row: FileRow) -> str:
    assert row.place is not None
    return row.place.settings.into


def _inbox(entry: Entry) -> str:
    return f"{entry.connection}/{entry.folder}".rstrip("/")


def _identity(entry: Entry) -> tuple[Any, ...]:
    if entry.direction == "out":
        return ("out", entry.connection, entry.folder, entry.name, entry.sha256)
    if not entry.direction:
        return ("bytes", entry.sha256)
    return ("in", entry.connection, entry.folder, entry.name, entry.sha256, entry.size, entry.modified)


def _look(entry: Entry) -> tuple[Any, ...]:
    """A quarantined file has one row, however often the same bytes are put there under its name."""
    return ("look", entry.connection, entry.folder, entry.name, entry.sha256)


def _known(conn: sa.Connection, client: str) -> set[tuple[Any, ...]]:
    """Identities of what the ledger has."""
    found: set[tuple[Any, ...]] = set()
    f, p, c = t.files, t.publications, t.cards.c
    # an answered card leaves its file quarantined no more, and its journal as many lines as there were looks
    set_aside = set(conn.execute(sa.select(c.file_id).where(c.client == client, c.kind == "quarantined")).scalars())
    for row in conn.execute(sa.select(f).where(f.c.client == client, f.c.sha256.is_not(None))):
        found.add(("in", row.connection, row.folder, row.name, row.sha256, row.size, row.modified))
        found.add(("bytes", row.sha256))
        if row.state == FileState.QUARANTINED or row.id in set_aside:
            found.add(("look", row.connection, row.folder, row.name, row.sha256))
    for row in conn.execute(sa.select(p).where(p.c.client == client)):
        found.add(("out", row.connection, row.folder, row.name, row.sha256))
        found.add(("bytes", row.sha256))
    return found
