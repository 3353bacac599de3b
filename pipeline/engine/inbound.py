"""The inbound walk: claim -> stage -> archive -> check -> decode -> plan -> find -> create -> acknowledge.

The order of effects is what keeps the promises: the archive copy is synced and read back before a file is read, the key
is committed before the target is called, the outcome and its notice are committed together before the remote file is
touched. Killed anywhere, the next run goes on from the ledger and the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.archive import ArchiveItem
from pipeline.engine import acknowledge, ahead, mending, quiet, reading, second, sharing, telling, unread
from pipeline.engine.ahead import Fetch
from pipeline.engine.context import RunContext
from pipeline.engine.inbox import Look, Verdict, chosen, in_period, judge, next_look
from pipeline.engine.keeping import Keeper
from pipeline.engine.second import Helpers, Second
from pipeline.engine.stillness import rest
from pipeline.engine.told import Told
from pipeline.errors import Finding, MistokError, Refused, Transient, Where
from pipeline.flow import FormatPlugin, InboundSettings, InboundStep, StepResult
from pipeline.ledger import files as file_rows
from pipeline.ledger.store import Lease
from pipeline.ledger.tables import FileState
from pipeline.ports import Decoded, FormatContext, OrderFormat, ReadResult, RemoteFile, wire_text
from pipeline.settings import Settings
from pipeline.texts import T

log = structlog.get_logger("mistok.inbound")

LEASE = timedelta(seconds=90)
#: Seconds after which an inbox that somebody else works on is worth another look.
BUSY_AGAIN = 30.0
BATCH_BYTES = 64_000_000
TAIL = 4096
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A batch that is ours: its rows, since when, and its files on their way."""

    rows: dict[RemoteFile, Row]
    at: datetime
    fetch: Fetch


@dataclass
class Inbound:
    """One run of one inbound step."""

    step: InboundStep
    settings: InboundSettings
    plugin: FormatPlugin
    format_settings: Settings
    ctx: RunContext
    counts: dict[str, int] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    lease: Lease | None = None
    started: datetime = field(init=False)
    troubles: list[MistokError] = field(default_factory=list)
    back_in: float | None = None  #: seconds after which another run is worth it
    stumbled: set[int] = field(default_factory=set)  #: files that their reader stumbled over in this run
    set_aside: set[int] = field(default_factory=set)  #: files that were quarantined in this run
    markers: dict[str, RemoteFile] = field(default_factory=dict)  #: marker files by wire_text, as at the last look
    more: bool = False  #: it makes room for others in the middle of what is there
    hands_off: bool = False  #: the remote folder is left alone: what is due there is done by the job's next run

    def __post_init__(self) -> None:
        self.started = self.ctx.clock.now()

    def count(self, word: str, by: int = 1) -> None:
        """Count for the closing line."""
        if by:
            self.counts[word] = self.counts.get(word, 0) + by

    def tell(self, **row: Any) -> None:
        """Add a row to the table of what happened."""
        self.told.add(row)

    @cached_property  # asked for each file, and the assertion is slow
    def format(self) -> OrderFormat:
        """The step's format, as one that reads orders."""
        assert isinstance(self.plugin.format, OrderFormat)
        return self.plugin.format

    # --- the run -------------------------------------------------------------------------------------------------

    def run(self) -> StepResult:
        """Take what is ready; stay a moment for what will be.

        Raises FolderMissing, Refused or Transient when the inbox, the ledger or the target cannot be used at all.
        """
        with self.holding() as ours:
            if not ours:
                note = T("Another run is working on this inbox; this one left it alone.")
                return StepResult({}, notes=(note,), left_alone=True, again_in=BUSY_AGAIN)
            reading.resume(self)
            again_in = self._rounds()
            acknowledge.all_done(self)
            mending.mend(self)
        waits = any(self.counts.get(word) for word in ("held", "quarantined", "in_doubt", "changed", "refused"))
        return StepResult(
            self.counts,
            waiting=waits,
            details=self.told.rows,
            notes=self.told.notes(),
            findings=self._troubles(),
            unreachable=any(isinstance(error, (Transient, Refused)) for error in self.troubles),
            again_in=min((wait for wait in (again_in, self.back_in) if wait is not None), default=None),
            more=self.more,
        )

    @contextmanager
    def holding(self) -> Iterator[bool]:
        """Be the only one on this inbox for as long as the block runs. False: somebody else is; touch nothing."""
        name = f"inbox:{self.settings.inbox}/{self.settings.folder}"
        self.lease = self.ctx.ledger.acquire(name, LEASE)
        if self.lease is None:
            yield False
            return
        try:
            with Keeper(self.ctx.ledger, self.lease, LEASE):
                yield True
        finally:
            self.ctx.ledger.release(self.lease)

    def come_back(self, seconds: float) -> None:
        """Another run is worth it after so many seconds."""
        self.back_in = min(seconds, self.back_in) if self.back_in is not None else seconds

    def trouble(self, error: MistokError) -> None:
        """Remember what did not work although the run goes on: told at its end as a failure of the job."""
        if all((error.code, type(error)) != (known.code, type(known)) for known in self.troubles):
            self.troubles.append(error)  # of very many orders, say, that a target does not take: one word

    def _troubles(self) -> tuple[Finding, ...]:
        by_code = {error.code: error.findings[0] for error in reversed(self.troubles)}
        return tuple(by_code.values())

    def format_context(self, file: str) -> FormatContext:
        """What the format is told about a file of this inbox."""
        return replace(self.ctx.format_context(file), source=f"{self.settings.inbox}/{self.settings.folder}".strip("/"))

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A writing transaction of this run. Raises Transient, and writes nothing, when the inbox was taken over."""
        assert self.lease is not None
        with self.ctx.begin() as conn:
            if not self.ctx.ledger.holds_in(conn, self.lease, lock=True):
                raise self._taken_over()
            yield conn

    def _taken_over(self) -> Transient:
        return Transient(
            T("Another process took over inbox {name} from this run.", name=self.settings.inbox), code="lease"
        )

    def hold_on(self) -> None:
        """Look whether the inbox is still ours. Raises Transient when somebody took it over."""
        assert self.lease is not None
        if not self.ctx.ledger.holds(self.lease):
            raise self._taken_over()

    def _rounds(self) -> float | None:
        clock = self.ctx.clock
        stable = self.settings.stable
        patience = min(stable * 2 + timedelta(milliseconds=500), timedelta(seconds=5))
        until = None
        local = self.ctx.transport(self.settings.inbox).local_path(self.settings.folder)
        while True:
            looks = self._look()
            # counted from the end of the first look: a slow listing must not use up the time for the second one
            until = until or clock.now() + patience
            self._take([look for look in looks if look.verdict is Verdict.READY])
            if self.more:
                return 0.0
            pending = [look for look in looks if look.verdict in (Verdict.NEW, Verdict.GROWING, Verdict.WAITING)]
            if not pending:
                return None
            now = clock.now()
            wait = next_look(pending, now, self.settings)
            if wait is None or now + timedelta(seconds=wait) > until:
                self.count("waiting", len(pending))
                return wait
            if local is None:
                clock.sleep(wait + 0.01)
                continue
            # the sooner growth is seen, or another file, the sooner the wait for its end begins
            wait = min(wait, max(stable.total_seconds() / 4, 0.05))
            rest(clock, wait + 0.001, local, [look.file.name for look in pending])

    def _look(self) -> list[Look]:
        ctx, settings = self.ctx, self.settings
        try:
            listed = ctx.transport(settings.inbox).list(settings.folder)
        except Refused as error:
            unread.no_inbox(self, error)
            raise
        unread.inbox_found(self)
        quiet.saw(ctx.ledger, settings, {file.name for file in listed})
        # by their names on the server: two that read alike may be two files
        names = {wire_text(file) for file in listed}
        now = ctx.clock.now()
        wanted = [file for file in listed if chosen(file.name, settings)]
        with ctx.ledger.read() as conn:
            rows = file_rows.latest(conn, ctx.client, settings.inbox, settings.folder, wanted)
            seen = file_rows.in_states(
                conn, ctx.client, settings.inbox, settings.folder, (FileState.SEEN, FileState.CLAIMED)
            )
        looks = []
        for file in wanted:
            row = rows.get(file)
            if in_period(file, row["first_seen"] if row else now, ctx.since, ctx.until):
                patient = ctx.trigger != "person"
                looks.append(judge(file, row, settings, names, now, ctx.config.config_hash, patient=patient))
        if settings.marker is not None:
            self.markers = {wire_text(file): file for file in listed if file.name.endswith(settings.marker.suffix)}
        gone = [row for row in seen if wire_text(file_rows.remote_of(row)) not in names]
        self._write_looks(looks, gone, now)
        for look in looks:
            if look.verdict is Verdict.SET_ASIDE and look.row is not None:
                acknowledge.set_aside(self, look.row)
        return looks

    def _write_looks(self, looks: Sequence[Look], vanished: Sequence[Row], now: Any) -> None:
        # in the order in which they are taken: a lower number in the ledger means an older file everywhere
        new = sorted((look.file for look in looks if look.verdict is Verdict.NEW), key=lambda file: _older(file, now))
        growing = [look for look in looks if look.verdict is Verdict.GROWING and look.row]
        if not (new or growing or vanished):
            return
        ctx = self.ctx
        with self.begin() as conn:
            file_rows.insert_seen(conn, ctx.client, self.settings.inbox, new, now)
            file_rows.update_each(
                conn,
                [
                    {
                        "id": look.row["id"],
                        "size": look.file.size,
                        "modified": look.file.modified,
                        "stable_since": now,
                        "last_look": now,
                        "findings": None,
                        "tries": min(look.row["tries"], 1),
                    }
                    for look in growing
                    if look.row
                ],
                now,
            )
            unread.over(self, conn, vanished, T("the file is gone from the server"))
            for row in vanished:
                file_rows.update(conn, [row["id"]], now, state=FileState.ACKNOWLEDGED, policy="vanished")
                ctx.event(conn, f"file:{row['id']}", "vanished")
                if row["sha256"]:  # it was fetched once, and the copy was found damaged: its orders may be missing
                    telling.open_card(self, conn, "lost", f"file:{row['id']}", (_lost(row["name"]),), row["id"])
                    telling.once(self, conn, f"file:{row['id']}", (_lost(row["name"]),))

    # --- taking --------------------------------------------------------------------------------------------------

    def _take(self, looks: Sequence[Look]) -> None:
        large = [look for look in looks if look.file.size > self.settings.max_size]
        for look in large:
            assert look.row is not None
            reading.quarantine(self, look.row, reading.too_large(look.file, self.settings.max_size))
        looks = [look for look in looks if look.file.size <= self.settings.max_size]
        ordered = sorted((look for look in looks if look.row), key=_age)
        batches = [*_batches(ordered, self.settings.batch)]
        helpers = Helpers(self._second, left=2 if len(ordered) >= ahead.LEAST else 0)
        done = 0
        taken: _Claimed | None = None
        coming: _Claimed | None = None
        try:
            for batch, after in zip_longest(batches, batches[1:]):
                self.hold_on()
                taken, coming = coming or self._claim(batch, helpers), None
                staged = self._stage(taken)
                self.ctx.reach("inbound:staged")
                if after and not self.ctx.slice_is_over:
                    coming = self._ahead(after, helpers)
                self._take_staged(taken, staged)
                taken.fetch.close()
                done += len(batch)
                self.ctx.progress(done, len(ordered), T("files"))
                if done < len(ordered) and self.ctx.slice_is_over:
                    self.more = True
                    return
        finally:
            helpers.close()  # nobody waits for it any more
            for one in (taken, coming):
                if one is not None:
                    one.fetch.close()

    def _second(self) -> Second | None:
        """The process that helps. None where others are to have the machine as well."""
        ctx = self.ctx
        if ctx.slice_ends is not None or ctx.is_lent(self.settings.inbox):
            return None

        def read(item: ArchiveItem) -> Decoded:
            return self.format.decode(item.data or b"", self.format_settings, self.format_context(item.name))

        return second.start(ctx.archive.keep_many, read)

    def _claim(self, looks: Sequence[Look], helpers: Helpers) -> _Claimed:
        ctx = self.ctx
        rows = {look.file: look.row for look in looks if look.row is not None}
        assert self.lease is not None
        now = ctx.clock.now()
        with self.begin() as conn:
            file_rows.update(
                conn,
                [row["id"] for row in rows.values()],
                now,
                state=FileState.CLAIMED,
                lease_owner=self.lease.owner,
                lease_until=now + LEASE,
                fence=self.lease.fence,
            )
        ctx.reach("inbound:claimed")
        claimed = _Claimed(rows, now, Fetch(ctx, self.settings.inbox, list(rows)))
        if len(looks) >= ahead.LEAST and (helper := helpers.get()) is not None:
            claimed.fetch.start(helper, lambda result: self._for_helper(claimed, result))
        return claimed

    def _ahead(self, looks: Sequence[Look], helpers: Helpers) -> _Claimed | None:
        """The next batch, on its way already where that is worth it."""
        ctx, inbox = self.ctx, self.settings.inbox
        if len(looks) < ahead.LEAST or ctx.is_lent(inbox):
            return None
        if helpers.get() is None and ctx.transport(inbox).local_path(self.settings.folder) is not None:
            return None
        claimed = self._claim(looks, helpers)
        if not claimed.fetch.started:
            claimed.fetch.start(None, lambda _result: None)
        return claimed

    def _for_helper(self, claimed: _Claimed, result: ReadResult) -> ArchiveItem | None:
        """What the second process is given of a file: nothing of one that is not whole, or large."""
        if result.error is not None or result.data is None:
            return None
        if not self.format.complete(_end(result), self.format_settings):
            return None
        return self._item(claimed, claimed.rows[result.file], result)

    def _item(self, claimed: _Claimed, row: Row, result: ReadResult) -> ArchiveItem:
        ctx = self.ctx
        return ArchiveItem(
            result.path,
            row["name"],
            ctx.client,
            claimed.at.astimezone(ctx.config.zone),
            connection=self.settings.inbox,
            folder=result.file.folder,
            modified=result.file.modified,
            raw=result.file.raw,
            job=ctx.job,
            data=result.data,
        )

    def _take_staged(self, claimed: _Claimed, staged: Sequence[tuple[Row, ReadResult]]) -> None:
        if not staged:
            return
        ctx = self.ctx
        kept = claimed.fetch.copies()
        rest = [pair for pair in staged if pair[1].file not in kept]
        made = ctx.archive.keep_many([self._item(claimed, *pair) for pair in rest]) if rest else ()
        kept = {**kept, **{result.file: copy for (_row, result), copy in zip(rest, made, strict=True)}}
        copies = [kept[result.file] for _row, result in staged]
        ctx.reach("inbound:kept")
        now = ctx.clock.now()
        with self.begin() as conn:
            file_rows.update_each(
                conn,
                [
                    {
                        "id": row["id"],
                        "sha256": copy.sha256,
                        "state": FileState.ARCHIVED,
                        "findings": None,
                        "tries": 0,
                        # what may be deleted later is this very version, whatever a listing said besides
                        "size": result.file.size,
                        "modified": result.file.modified,
                    }
                    for (row, result), copy in zip(staged, copies, strict=True)
                ],
                now,
            )
            sharing.note(ctx.ledger, conn, ctx.archive)
            unread.over(self, conn, [row for row, _result in staged], T("the file was read"))
            for (row, result), copy in zip(staged, copies, strict=True):
                row.update(sha256=copy.sha256, tries=0, size=result.file.size, modified=result.file.modified)
                ctx.event(conn, f"file:{row['id']}", "archived", sha256=copy.sha256, size=copy.size)
        ctx.reach("inbound:archived")
        # what was read back from the archive just now need not be read once more
        data = {row["id"]: result.data for row, result in staged if result.data is not None}
        files = {row["id"]: result.file for row, result in staged}
        reading.process(
            self, [row for row, _result in staged], data, lambda row_id: claimed.fetch.decoded(files[row_id])
        )

    def _stage(self, claimed: _Claimed) -> list[tuple[Row, ReadResult]]:
        rows = claimed.rows
        staged = []
        for result in claimed.fetch.results():
            row = rows[result.file]
            if result.error is not None:
                unread.tell(self, row, result.error)
            elif self._whole(row, _end(result)):
                staged.append((row, result))
        order = {row["id"]: place for place, row in enumerate(rows.values())}
        return sorted(staged, key=lambda pair: order[pair[0]["id"]])

    def _whole(self, row: Row, end: bytes) -> bool:
        if self.format.complete(end, self.format_settings):
            return True
        ctx = self.ctx
        now = ctx.clock.now()
        if now - row["stable_since"] >= self.settings.grace:
            return True  # its time is over: archived and quarantined with what the format says about it
        finding = Finding(
            "incomplete",
            T("The end of {file} is missing; it may still be on its way.", file=row["name"]),
            Where(file=row["name"]),
        )
        with self.begin() as conn:
            file_rows.update(conn, [row["id"]], now, state=FileState.SEEN, findings=file_rows.findings_json([finding]))
            ctx.event(conn, f"file:{row['id']}", "incomplete")
        self.count("waiting")
        self.tell(file=row["name"], outcome="waiting", findings=[finding])
        return False


def _end(result: ReadResult) -> bytes:
    """The last bytes of a fetched file."""
    if result.data is not None:
        return result.data[-TAIL:]
    assert result.path is not None
    with result.path.open("rb") as source:
        source.seek(max(result.path.stat().st_size - TAIL, 0))
        return source.read()


def _age(look: Look) -> tuple[Any, ...]:
    """Oldest first: by our own first look; of those that came at once, by the server's times among themselves."""
    assert look.row is not None
    first = look.row["first_seen"]
    return (first, *_older(look.file, first))


def _older(file: RemoteFile, first_seen: datetime) -> tuple[Any, ...]:
    return (file.modified or first_seen, file.name)


def _batches(looks: Sequence[Look], size: int) -> Iterator[list[Look]]:
    batch: list[Look] = []
    weight = 0
    for look in looks:
        if batch and (len(batch) >= size or weight + look.file.size > BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(look)
        weight += look.file.size
    if batch:
        yield batch


def _lost(name: str) -> Finding:
    return Finding(
        "lost-copy",
        T("{file} was taken away from the server before its damaged archive copy could be fetched again.", file=name),
        Where(file=name),
        T("Ask the site for this file again."),
    )
