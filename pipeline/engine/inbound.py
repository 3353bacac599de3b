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
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.engine import acknowledge, mending, quiet, reading, taking, telling, unread
from pipeline.engine.behind import Removal
from pipeline.engine.context import RunContext
from pipeline.engine.inbox import Look, Verdict, chosen, in_period, judge, next_look, oldest_first
from pipeline.engine.keeping import LEASE, Keeper
from pipeline.engine.second import Second
from pipeline.engine.stillness import rest
from pipeline.engine.told import Told
from pipeline.errors import Finding, MistokError, Refused, Transient, Where
from pipeline.flow import FormatPlugin, InboundSettings, InboundStep, StepResult
from pipeline.ledger import files as file_rows
from pipeline.ledger.store import Lease
from pipeline.ledger.tables import FileState
from pipeline.ports import FormatContext, OrderFormat, RemoteFile, wire_text
from pipeline.settings import Settings
from pipeline.texts import T

log = structlog.get_logger("mistok.inbound")

#: Seconds after which an inbox that somebody else works on is worth another look.
BUSY_AGAIN = 30.0
Row = dict[str, Any]


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
    removal: Removal | None = None  #: files that leave the server beside it
    helper: Second | None = None  #: it comes up while the files are waited for
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
            try:
                again_in = self._rounds()
            finally:
                if self.helper is not None:  # nothing was taken after all
                    self.helper.close()
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
            taking.expect(self, looks)
            # counted from the end of the first look: a slow listing must not use up the time for the second one
            until = until or clock.now() + patience
            taking.take(self, [look for look in looks if look.verdict is Verdict.READY])
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
            others = file_rows.missing(
                conn, ctx.client, settings.inbox, settings.folder, (FileState.SEEN, FileState.CLAIMED), listed
            )
        looks = []
        for file in wanted:
            row = rows.get(file)
            if in_period(file, row["first_seen"] if row else now, ctx.since, ctx.until):
                patient = ctx.trigger != "person"
                looks.append(judge(file, row, settings, names, now, ctx.config.config_hash, patient=patient))
        if settings.marker is not None:
            self.markers = {wire_text(file): file for file in listed if file.name.endswith(settings.marker.suffix)}
        gone = [row for row in others if wire_text(file_rows.remote_of(row)) not in names]
        self._write_looks(looks, gone, now)
        for look in looks:
            if look.verdict is Verdict.SET_ASIDE and look.row is not None:
                acknowledge.set_aside(self, look.row)
        return looks

    def _write_looks(self, looks: Sequence[Look], vanished: Sequence[Row], now: Any) -> None:
        # in the order in which they are taken: a lower number in the ledger means an older file everywhere
        new = sorted(
            (look.file for look in looks if look.verdict is Verdict.NEW), key=lambda file: oldest_first(file, now)
        )
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


def _lost(name: str) -> Finding:
    return Finding(
        "lost-copy",
        T("{file} was taken away from the server before its damaged archive copy could be fetched again.", file=name),
        Where(file=name),
        T("Ask the site for this file again."),
    )
