"""The inbound walk: claim -> stage -> archive -> check -> decode -> plan -> find -> create -> acknowledge.

The order of effects is what keeps the promises: the archive copy is synced and read back before a file is read, the key
is committed before the target is called, the outcome and its notice are committed together before the remote file is
touched. Killed anywhere, the next run goes on from the ledger and the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from pipeline.archive import ArchiveItem
from pipeline.engine import acknowledge, booking
from pipeline.engine.context import RunContext
from pipeline.engine.inbox import Look, Verdict, chosen, in_period, judge, next_look
from pipeline.errors import Changed, Finding, MistokError, Refused, Rejected, Transient, Where, Who
from pipeline.flow import FormatPlugin, InboundSettings, InboundStep, Settings, StepResult
from pipeline.ledger import files as file_rows
from pipeline.ledger.store import Lease
from pipeline.ledger.tables import FileState
from pipeline.ports import Decoded, OrderFormat, ReadResult, RemoteFile
from pipeline.texts import T

log = structlog.get_logger("mistok.inbound")

LEASE = timedelta(seconds=90)
HOLD_EVERY = timedelta(seconds=10)
BATCH_BYTES = 64_000_000
TAIL = 4096
TRIES = 3  #: after so many failures of its format a file is quarantined
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
    details: list[dict[str, Any]] = field(default_factory=list)
    lease: Lease | None = None
    _held_at: datetime | None = None

    def count(self, word: str, by: int = 1) -> None:
        """Count for the closing line."""
        if by:
            self.counts[word] = self.counts.get(word, 0) + by

    def tell(self, **row: Any) -> None:
        """Add a row to the table of what happened."""
        if len(self.details) < 1000:
            self.details.append(row)

    @property
    def format(self) -> OrderFormat:
        """The step's format, as one that reads orders."""
        assert isinstance(self.plugin.format, OrderFormat)
        return self.plugin.format

    # --- the run -------------------------------------------------------------------------------------------------

    def run(self) -> StepResult:
        """Take what is ready; stay a moment for what will be.

        Raises FolderMissing, Refused or Transient when the inbox, the ledger or the target cannot be used at all.
        """
        name = f"inbox:{self.settings.inbox}/{self.settings.folder}"
        self.lease = self.ctx.ledger.acquire(name, LEASE)
        if self.lease is None:
            return StepResult({}, notes=(T("Another run is working on this inbox; this one left it alone."),))
        try:
            booking.mend_held(self)
            self._resume()
            again_in = self._rounds()
            acknowledge.all_done(self)
        finally:
            self.ctx.ledger.release(self.lease)
        waits = any(self.counts.get(word) for word in ("held", "quarantined", "in_doubt", "changed", "refused"))
        return StepResult(self.counts, waiting=waits, details=self.details, again_in=again_in)

    def hold_on(self) -> None:
        """Keep the lease. Raises Transient when somebody took it over: then nothing more may be written.

        It is looked at each time, and made longer every few seconds: that is a commit, which a look is not.
        """
        assert self.lease is not None
        now = self.ctx.clock.now()
        if self._held_at is not None and now - self._held_at < HOLD_EVERY:
            held = self.ctx.ledger.holds(self.lease)
        else:
            held, self._held_at = self.ctx.ledger.renew(self.lease, LEASE), now
        if not held:
            raise Transient(
                T("Another process took over inbox {name} from this run.", name=self.settings.inbox), code="lease"
            )

    def _rounds(self) -> float | None:
        clock = self.ctx.clock
        stable = self.settings.stable
        patience = min(stable * 2 + timedelta(milliseconds=500), timedelta(seconds=5))
        until = None
        local = self.ctx.transport(self.settings.inbox).local_path(self.settings.folder) is not None
        while True:
            looks = self._look()
            # counted from the end of the first look: a slow listing must not use up the time for the second one
            until = until or clock.now() + patience
            self._take([look for look in looks if look.verdict is Verdict.READY])
            pending = [look for look in looks if look.verdict in (Verdict.NEW, Verdict.GROWING, Verdict.WAITING)]
            if not pending:
                return None
            now = clock.now()
            wait = next_look(pending, now, self.settings)
            if wait is None or now + timedelta(seconds=wait) > until:
                self.count("waiting", len(pending))
                return wait
            if local:
                # a look costs nothing here, and the sooner growth is seen, the sooner the wait for its end begins
                wait = min(wait, max(stable.total_seconds() / 4, 0.05))
            clock.sleep(wait + 0.01)

    def _look(self) -> list[Look]:
        ctx, settings = self.ctx, self.settings
        listed = ctx.transport(settings.inbox).list(settings.folder)
        names = {file.name for file in listed}
        now = ctx.clock.now()
        wanted = [file for file in listed if chosen(file.name, settings)]
        with ctx.ledger.read() as conn:
            rows = file_rows.latest(conn, ctx.client, settings.inbox, settings.folder, [file.name for file in wanted])
            seen = file_rows.in_states(
                conn, ctx.client, settings.inbox, settings.folder, (FileState.SEEN, FileState.CLAIMED)
            )
        looks = []
        for file in wanted:
            row = rows.get(file.name)
            if in_period(file, row["first_seen"] if row else now, ctx.since, ctx.until):
                looks.append(judge(file, row, settings, names, now))
        self._write_looks(looks, [row for row in seen if row["name"] not in names], now)
        return looks

    def _write_looks(self, looks: Sequence[Look], vanished: Sequence[Row], now: Any) -> None:
        new = [look.file for look in looks if look.verdict is Verdict.NEW]
        growing = [look for look in looks if look.verdict is Verdict.GROWING and look.row]
        if not (new or growing or vanished):
            return
        ctx = self.ctx
        with ctx.begin() as conn:
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
                    }
                    for look in growing
                    if look.row
                ],
                now,
            )
            for row in vanished:
                file_rows.update(conn, [row["id"]], now, state=FileState.ACKNOWLEDGED, policy="vanished")
                ctx.event(conn, f"file:{row['id']}", "vanished")

    # --- taking --------------------------------------------------------------------------------------------------

    def _take(self, looks: Sequence[Look]) -> None:
        large = [look for look in looks if look.file.size > self.settings.max_size]
        for look in large:
            assert look.row is not None
            self.quarantine(look.row, _too_large(look.file, self.settings.max_size))
        looks = [look for look in looks if look.file.size <= self.settings.max_size]
        ordered = sorted(looks, key=lambda look: (look.row["first_seen"], look.file.name) if look.row else ())
        done = 0
        for batch in _batches(ordered, self.settings.batch):
            self.hold_on()
            self._take_batch(batch)
            done += len(batch)
            self.ctx.progress(done, len(ordered), T("files"))

    def _take_batch(self, looks: Sequence[Look]) -> None:
        ctx = self.ctx
        rows = {look.file: look.row for look in looks if look.row is not None}
        assert self.lease is not None
        now = ctx.clock.now()
        with ctx.begin() as conn:
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
        with TemporaryDirectory(dir=ctx.temp, prefix="stage-") as folder:
            staged = self._stage(rows, Path(folder))
            ctx.reach("inbound:staged")
            if not staged:
                return
            copies = ctx.archive.keep_many(
                [
                    ArchiveItem(result.path, row["name"], ctx.client, now.astimezone(ctx.config.zone))
                    for row, result in staged
                    if result.path
                ]
            )
        ctx.reach("inbound:kept")
        now = ctx.clock.now()
        with ctx.begin() as conn:
            file_rows.update_each(
                conn,
                [
                    {"id": row["id"], "sha256": copy.sha256, "state": FileState.ARCHIVED, "findings": None}
                    for (row, _result), copy in zip(staged, copies, strict=True)
                ],
                now,
            )
            for (row, _result), copy in zip(staged, copies, strict=True):
                row["sha256"] = copy.sha256
                ctx.event(conn, f"file:{row['id']}", "archived", sha256=copy.sha256, size=copy.size)
        ctx.reach("inbound:archived")
        self._process([row for row, _result in staged])

    def _stage(self, rows: dict[RemoteFile, Row], folder: Path) -> list[tuple[Row, ReadResult]]:
        staged = []
        for result in self.ctx.transport(self.settings.inbox).read_many(list(rows), folder):
            row = rows[result.file]
            if result.error is not None:
                self._unread(row, result.error)
            elif result.path is not None and self._whole(row, result.path):
                staged.append((row, result))
        order = {row["id"]: place for place, row in enumerate(rows.values())}
        return sorted(staged, key=lambda pair: order[pair[0]["id"]])

    def _whole(self, row: Row, path: Path) -> bool:
        with path.open("rb") as source:
            source.seek(max(path.stat().st_size - TAIL, 0))
            if self.format.complete(source.read(), self.format_settings):
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
        with ctx.begin() as conn:
            file_rows.update(conn, [row["id"]], now, state=FileState.SEEN, findings=file_rows.findings_json([finding]))
            ctx.event(conn, f"file:{row['id']}", "incomplete")
        self.count("waiting")
        self.tell(file=row["name"], outcome="waiting", findings=[finding])
        return False

    def _unread(self, row: Row, error: MistokError) -> None:
        ctx = self.ctx
        now = ctx.clock.now()
        log.warning("file_not_read", file=row["name"], error=error.text.render("en"), code=error.code)
        with ctx.begin() as conn:
            again = {"stable_since": now} if isinstance(error, Changed) else {}
            file_rows.update(conn, [row["id"]], now, state=FileState.SEEN, tries=row["tries"] + 1, **again)
            ctx.event(conn, f"file:{row['id']}", "not-read", findings=file_rows.findings_json(error.findings))
            if isinstance(error, Refused):
                booking.once(self, conn, f"file:{row['id']}", "failure", error.findings)
        self.count("refused" if isinstance(error, Refused) else "failed")
        self.tell(file=row["name"], outcome="failed", findings=list(error.findings))

    # --- reading and booking -------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Go on with files whose copy is in the archive but whose orders are not all settled."""
        ctx = self.ctx
        with ctx.ledger.read() as conn:
            rows = file_rows.in_states(
                conn, ctx.client, self.settings.inbox, self.settings.folder, (FileState.ARCHIVED, FileState.CHECKED)
            )
        for start in range(0, len(rows), self.settings.batch):
            self.hold_on()
            self._process(rows[start : start + self.settings.batch])

    def _process(self, rows: Sequence[Row]) -> None:
        ctx = self.ctx
        self.count("files", len(rows))
        with ctx.ledger.read() as conn:
            before = file_rows.done_with_hash(conn, ctx.client, [row["sha256"] for row in rows])
        twins = [row for row in rows if row["sha256"] in before and before[row["sha256"]] != row["id"]]
        if twins:
            self._settle_twins(twins, before)
        fresh = [row for row in rows if row["sha256"] not in before or before[row["sha256"]] == row["id"]]
        read: list[tuple[Row, Decoded]] = []
        for row in fresh:
            decoded = self.decode(row)
            if decoded is not None:
                read.append((row, decoded))
        booking.book(self, read)
        acknowledge.rows(self, [row["id"] for row in rows])

    def decode(self, row: Row) -> Decoded | None:
        """The orders of an archived file; None when it was quarantined, or is to be tried again."""
        ctx = self.ctx
        data = ctx.archive.read(row["sha256"])
        try:
            return self.format.decode(data, self.format_settings, ctx.format_context(row["name"]))
        except Rejected as error:
            self.quarantine(row, error.findings)
        except MistokError:
            raise
        except Exception as error:  # a client's format may raise anything
            reference = str(row["sha256"])[:8]
            log.exception("format_failed", reference=reference, file=row["name"])
            if row["tries"] + 1 >= TRIES:
                self.quarantine(row, (_format_failed(row["name"], error, reference),))
            else:
                with ctx.begin() as conn:
                    file_rows.update(conn, [row["id"]], ctx.clock.now(), tries=row["tries"] + 1)
                self.count("failed")
                self.tell(file=row["name"], outcome="failed", findings=[_format_failed(row["name"], error, reference)])
        return None

    def quarantine(self, row: Row, findings: Sequence[Finding]) -> None:
        """Set a file aside with what is wrong with it: its card and its notice in one transaction."""
        ctx = self.ctx
        now = ctx.clock.now()
        words = file_rows.findings_json(findings)
        with ctx.begin() as conn:
            # the same bytes under the same name, set aside before: its card and notice stand already
            before = file_rows.quarantined_twin(conn, ctx.client, row)
            file_rows.update(conn, [row["id"]], now, state=FileState.QUARANTINED, findings=words, duplicate_of=before)
            ctx.event(conn, f"file:{row['id']}", "quarantined", findings=words)
            if before is None:
                booking.open_card(self, conn, "quarantined", f"file:{row['id']}", findings, row["id"])
                ctx.notify(conn, booking.quarantine_notice(row, findings))
        ctx.reach("inbound:quarantined")
        self.count("quarantined")
        self.tell(file=row["name"], outcome="quarantined", findings=list(findings))
        if self.settings.rejected is not None:
            acknowledge.set_aside(self, row)

    def _settle_twins(self, rows: Sequence[Row], before: dict[str, int]) -> None:
        """The same bytes were processed before under another name or on another day: nothing is created."""
        ctx = self.ctx
        now = ctx.clock.now()
        with ctx.begin() as conn:
            for row in rows:
                first = before[row["sha256"]]
                file_rows.update(conn, [row["id"]], now, state=FileState.DONE, duplicate_of=first)
                ctx.event(conn, f"file:{row['id']}", "known", first=first)
        self.count("known", len(rows))
        for row in rows:
            self.tell(file=row["name"], outcome="known")


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


def _too_large(file: RemoteFile, limit: int) -> tuple[Finding, ...]:
    return (
        Finding(
            "too-large",
            T("{file} has {size} bytes; the limit is {limit}.", file=file.name, size=file.size, limit=limit),
            Where(file=file.name),
            T("Send fewer orders in one file, or raise max_size of the step."),
        ),
    )


def _format_failed(name: str, error: Exception, reference: str) -> Finding:
    return Finding(
        "plugin-error",
        T("The format failed on {file} by a mistake of its own ({kind}).", file=name, kind=type(error).__name__),
        Where(file=name),
        T("Look up reference {reference} in the log and send it to the plugin's author.", reference=reference),
        Who.US,
    )
