"""Runs a job: opens what it needs, takes its lease, runs its steps one after another, records how it went."""

from __future__ import annotations

import os
import secrets as random_names
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Self

import structlog

from pipeline import lightsql  # noqa: F401 - before all that loads SQLAlchemy
from pipeline.archive import Archive
from pipeline.clock import SystemClock
from pipeline.config.masking import mask, mask_any
from pipeline.config.model import ClientConfig, JobConfig, StepSpec
from pipeline.engine import alarms, garbage, guard, lastwords, offspring, unread
from pipeline.engine.context import Progress, RunContext, go_on, no_progress
from pipeline.engine.endings import mark_of, no_result, record_end, timed_out, unexpected
from pipeline.engine.heap import one_heap
from pipeline.engine.keeping import Keeper
from pipeline.engine.ownplugins import plugin_folder
from pipeline.engine.shown import configs
from pipeline.engine.shown.stories import STARTED_BY
from pipeline.errors import ConfigError, Finding, MistokError, Refused, Transient
from pipeline.flow import (
    DocumentsStep,
    FreeStep,
    InboundSettings,
    InboundStep,
    OutboundSettings,
    OutboundStep,
    ReportSettings,
    ReportStep,
    StepResult,
    SyncStep,
)
from pipeline.ledger import tables as t
from pipeline.ledger.store import Lease, Ledger
from pipeline.ports import Clock
from pipeline.registry import Registry, load_registry
from pipeline.settings import Settings
from pipeline.texts import T, current_language, hiding

log = structlog.get_logger("mistok.run")

#: A job is free again so long after its machine is gone; a process of this machine that died is seen at once.
LEASE = timedelta(minutes=2)
#: A process that does not end by itself at its time limit, as its step holds the interpreter, is ended after so long.
HARD = timedelta(seconds=20)
#: Troubles of this machine, not of a server: a person must make room or mend rights.
OWN_TROUBLE = frozenset({alarms.FULL, "archive", "ledger"})
DONE, WAITING, WRONG, UNREACHABLE = 0, 1, 2, 3  #: exit codes, as the help says


@dataclass(frozen=True, slots=True)
class StepReport:
    """How one step went: its result, or what stopped it. ``reference`` finds an unexpected error in the log."""

    step: str
    result: StepResult | None = None
    findings: tuple[Finding, ...] = ()
    reference: str = ""
    exit_code: int = DONE
    again_in: float | None = None  #: seconds after which what failed is worth another try


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run went. ``state``: done, waiting, failed, skipped. Plain values: it crosses processes."""

    job: str
    state: str
    steps: tuple[StepReport, ...] = ()
    run_id: int | None = None
    exit_code: int = DONE
    again_in: float | None = None
    more: bool = False  #: it made room for others in the middle of its work

    @property
    def wake_at(self) -> datetime | None:
        """When a step wants the job to run besides its schedule."""
        return min((s.result.wake_at for s in self.steps if s.result and s.result.wake_at), default=None)

    @property
    def counts(self) -> Mapping[str, int]:
        """All steps' counts together."""
        total: dict[str, int] = {}
        for step in self.steps:
            for word, number in (step.result.counts if step.result else {}).items():
                total[word] = total.get(word, 0) + number
        return total


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is asked for. ``trigger``: schedule, watch, catch-up, person, retry, webhook or wake."""

    trigger: str = "person"
    by: str = ""  #: who has asked for it, on the page
    scheduled_for: datetime | None = None
    dry_run: bool = False
    approve: bool = False
    full: bool = False  #: of a sync: compare everything of both sides
    since: datetime | None = None
    until: datetime | None = None
    slice: float | None = None  #: seconds after which an inbound step makes room for others between two batches


@dataclass
class Client:
    """An opened client: config, plugins, ledger and archive. Close it, or use it as a context manager."""

    config: ClientConfig
    registry: Registry
    ledger: Ledger
    archive: Archive
    clock: Clock
    _stack: ExitStack = field(default_factory=ExitStack)
    without: MistokError | None = None  #: why an empty ledger stands in for the client's own; None: it does not

    @classmethod
    def open(
        cls,
        config: ClientConfig,
        *,
        registry: Registry | None = None,
        clock: Clock | None = None,
        read_only: bool = False,
        guarded: bool = True,
        kind: type[Ledger] = Ledger,
    ) -> Client:
        """Open the client's state.

        Args:
            read_only: (dry runs) make no file: a missing ledger is an empty temporary one.
            guarded: refuse a ledger that is missing or empty beside an archive that is not: somebody has lost it.
                False, with ``read_only``: an empty temporary one stands in for one that is lost or damaged.
            kind: how the ledger is waited for.

        Raises ConfigError or Transient when the ledger cannot be used.
        """
        clock = clock or SystemClock()
        archive = Archive(config.path(config.archive.path))
        missing = guard.file_missing(config)
        without: MistokError | None = None
        if missing:
            without = guard.lost(config, archive)
            if without is not None and guarded:
                raise without
        stack = ExitStack()
        try:
            ledger = _open_ledger(config, clock, stack, read_only=read_only and missing, kind=kind)
        except ConfigError as error:
            if guarded or not read_only or error.code != guard.DAMAGED:
                raise
            without = error
            ledger = _open_ledger(config, clock, stack, read_only=True)
        if not missing and without is None and not guard.has_story(ledger):
            without = guard.lost(config, archive)
            if without is not None and guarded:
                stack.close()
                raise without
        return cls(config, registry or load_registry(plugin_folder(config)), ledger, archive, clock, stack, without)

    def close(self) -> None:
        """Let go of the ledger."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _open_ledger(
    config: ClientConfig, clock: Clock, stack: ExitStack, *, read_only: bool, kind: type[Ledger] = Ledger
) -> Ledger:
    base, url = config.base, config.ledger.url
    if read_only:
        base = Path(stack.enter_context(TemporaryDirectory(prefix="mistok-", ignore_cleanup_errors=True)))
        url = "sqlite:///ledger.sqlite3"
    ledger = kind(url, client=config.client, base=base, clock=clock)
    stack.callback(ledger.close)
    return ledger


def run_job(
    config: ClientConfig,
    job: str,
    options: RunOptions | None = None,
    *,
    registry: Registry | None = None,
    clock: Clock | None = None,
    report: Progress = no_progress,
    reach: Callable[[str], None] = go_on,
    end_at_limit: bool = False,
    opened: Client | None = None,
) -> RunReport:
    """Run one job of a client now.

    Takes the job's lease first: a run that is under way elsewhere makes this one ``skipped``. What goes wrong is in the
    report, in the ledger (``runs``) and in the log; nothing but ConfigError (no such job, bad plugin) is raised.

    Args:
        end_at_limit: end this whole process when a step exceeds its time limit (``mistok run`` in its own process;
            under ``serve`` the supervisor ends the worker instead).
        opened: the same client, by whoever has it open already: a connection to a server costs more than a short run.
            It stays open. Not for dry runs.
    """
    options = options or RunOptions()
    if job not in config.jobs:
        raise ConfigError(
            T("There is no job {name} in {file}.", name=job, file=str(config.source)),
            hint=T("Its jobs are: {names}.", names=", ".join(config.jobs)),
        )
    one_heap()
    with (
        garbage.seldom(),
        hiding(lambda words: mask(words, config.secrets)),
        nullcontext(opened)
        if opened is not None
        else Client.open(config, registry=registry, clock=clock, read_only=options.dry_run) as client,
    ):
        return _Run(client, job, config.jobs[job], options, report, reach, end_at_limit).go()


@dataclass
class _Run:
    client: Client
    job: str
    spec: JobConfig
    options: RunOptions
    report: Progress
    reach: Callable[[str], None]
    end_at_limit: bool
    run_id: int | None = None

    def go(self) -> RunReport:
        if self.options.dry_run:
            return self._finish(self._steps())
        ledger = self.client.ledger
        try:
            lease = ledger.acquire(f"job:{self.job}", LEASE)
        except Transient as error:
            self._tell_in_spite(error)
            raise
        if lease is None:
            self._record_skip()
            return RunReport(self.job, "skipped")
        try:
            with Keeper(ledger, lease, LEASE):
                self._record_start(lease)
                return self._finish(self._steps())
        except Transient as error:
            self._tell_in_spite(error)
            raise
        except KeyboardInterrupt:
            if self.end_at_limit:  # Ctrl-C in a process of its own: nobody should think that this run still works
                record_end(ledger, self.run_id, self.job, "interrupted")
            raise
        finally:
            ledger.release(lease)

    def _tell_in_spite(self, error: Transient) -> None:
        """The ledger could not be written. On a full disk there is a reserve for saying so, once."""
        ledger = self.client.ledger
        if error.code != alarms.FULL:
            return
        ledger.make_room()
        with suppress(Transient):
            if self.run_id is None:  # it had not even begun
                with ledger.begin() as conn:
                    alarms.failed(ledger, conn, self.job, error.findings[0])
            else:
                record_end(ledger, self.run_id, self.job, "failed", finding=error.findings[0])
            ledger.release_all()

    def _has_room(self) -> bool:
        places = (self.client.archive.root, Path(gettempdir()))
        return alarms.have_room(self.client.ledger, places)

    def _steps(self) -> list[StepReport]:
        reports: list[StepReport] = []
        ends = time.monotonic() + self.options.slice if self.options.slice is not None else None
        with TemporaryDirectory(prefix="mistok-run-", ignore_cleanup_errors=True) as temp:
            for number, spec in enumerate(self.spec.steps):
                self.reach(f"step:{number}")  # the supervisor's time limit counts from here
                ctx = RunContext(
                    config=self.client.config,
                    registry=self.client.registry,
                    ledger=self.client.ledger,
                    archive=self.client.archive,
                    clock=self.client.clock,
                    job=self.job,
                    temp=Path(temp),
                    run_id=self.run_id,
                    trigger=self.options.trigger,
                    dry_run=self.options.dry_run,
                    approve=self.options.approve,
                    full=self.options.full,
                    since=self.options.since,
                    until=self.options.until,
                    report=self.report,
                    reach=self.reach,
                    slice_ends=ends,
                )
                try:
                    with self._limited(spec) if self.end_at_limit else nullcontext():
                        reports.append(_run_step(spec, ctx, number))
                finally:
                    ctx.close()
                if (result := reports[-1].result) is not None and result.more:
                    break  # the steps behind it wait until it is through
                if reports[-1].findings and number + 1 < len(self.spec.steps):
                    log.info("steps_left_out", job=self.job, after=spec.step)
                    break
        return reports

    @contextmanager
    def _limited(self, spec: StepSpec) -> Iterator[None]:
        """End this whole process, and what the step has started, when the step takes longer than its time."""
        language = current_language()  # a thread of its own would know none
        ledger, finding = self.client.ledger, timed_out(self.job, spec.step, self.spec.time_limit)
        words = [text.render(language) for text in (finding.text, finding.hint) if text]

        def end() -> None:
            try:
                log.error("time_limit", job=self.job, step=spec.step)
                for line in words:
                    print(line, flush=True)  # noqa: T201 - the last words of a process that ends here
                # before its programs end, which lets the step go on
                record_end(ledger, self.run_id, self.job, "timed_out", finding=finding)
            except MistokError as error:  # such as a ledger that the step itself has locked
                log.warning("end_not_written", job=self.job, error=error.text.render("en"))
            finally:
                offspring.kill(offspring.of_process())
                os._exit(WAITING)

        timer = threading.Timer(self.spec.time_limit.total_seconds(), end)
        timer.daemon = True
        with lastwords.ended_after(self.spec.time_limit + HARD, ledger, self.run_id, self.job, finding, words):
            timer.start()
            try:
                yield
            finally:
                timer.cancel()

    def _record_start(self, lease: Lease) -> None:
        ledger, options = self.client.ledger, self.options
        with ledger.begin() as conn:
            # a run of this job that still says "running" belongs to a process that was killed: we hold its lease now
            conn.execute(
                t.runs.update()
                .where(t.runs.c.client == ledger.client, t.runs.c.job == self.job, t.runs.c.state == "running")
                .values(state="interrupted", ended=ledger.clock.now())
            )
            result = conn.execute(
                t.runs.insert().values(
                    client=ledger.client,
                    job=self.job,
                    trigger=options.trigger,
                    scheduled_for=options.scheduled_for,
                    started=ledger.clock.now(),
                    state="running",
                    config_hash=self.client.config.config_hash,
                )
            )
            assert result.inserted_primary_key is not None
            self.run_id = int(result.inserted_primary_key[0])
            configs.remember(ledger, conn, self.client.config)
            if options.by:
                started = {"user": options.by, "host": socket.gethostname()}
                ledger.event(conn, f"job:{self.job}", STARTED_BY, started, run_id=self.run_id)
            specs = (spec.params for job in self.client.config.jobs.values() for spec in job.steps)
            taken = [params for params in specs if isinstance(params, InboundSettings)]
            unread.forget_inboxes(conn, ledger.client, taken, ledger.clock.now())
        # a look every few seconds is no news; what it finds is told when the run ends
        tell = log.debug if options.trigger == "watch" else log.info
        tell("run_started", job=self.job, run=self.run_id, trigger=options.trigger, fence=lease.fence)

    def _record_skip(self) -> None:
        ledger = self.client.ledger
        now = ledger.clock.now()
        with ledger.begin() as conn:
            conn.execute(
                t.runs.insert().values(
                    client=ledger.client,
                    job=self.job,
                    trigger=self.options.trigger,
                    scheduled_for=self.options.scheduled_for,
                    started=now,
                    ended=now,
                    state="skipped",
                )
            )
        log.info("run_skipped", job=self.job, why="the run before it is still under way")

    def _finish(self, steps: Sequence[StepReport]) -> RunReport:
        exit_code = _worst(step.exit_code for step in steps)
        findings = [finding for step in steps for finding in step.findings]
        # rows that a target did not take make no failure of the job, and what they left over is not done
        state = "failed" if findings else "done" if exit_code == DONE else "waiting"
        left_alone = [step.result is not None and step.result.left_alone for step in steps]
        if state == "done" and steps and all(left_alone):
            state = "skipped"
        again = [
            seconds
            for step in steps
            for seconds in (step.again_in, step.result.again_in if step.result else None)
            if seconds is not None
        ]
        more = any(step.result is not None and step.result.more for step in steps)
        report = RunReport(self.job, state, tuple(steps), self.run_id, exit_code, min(again, default=None), more)
        if self.run_id is not None:
            reference = next((step.reference for step in steps if step.reference), "")
            record_end(
                self.client.ledger,
                self.run_id,
                self.job,
                state,
                counts={"busy": 1} if state == "skipped" else report.counts,
                finding=findings[0] if findings else None,
                well=state in ("done", "waiting") and not any(left_alone),
                reference=reference,
                mark=mark_of(findings) if exit_code != UNREACHABLE else "",
                room=self._has_room,
            )
        idle = self.options.trigger == "watch" and state == "done" and not report.counts
        (log.debug if idle else log.info)("run_ended", job=self.job, run=self.run_id, state=state, **report.counts)
        return report


def _worst(codes: Any) -> int:
    order = (DONE, WAITING, UNREACHABLE, WRONG)
    return max(codes, key=order.index, default=DONE)


def _run_step(spec: StepSpec, ctx: RunContext, number: int = 0) -> StepReport:
    plugin = ctx.registry.steps[spec.step]
    result: Any  # a client's step may give back anything
    try:
        if not ctx.dry_run:
            from pipeline.engine import proving

            proving.look(ctx, spec.params)
        match plugin.kind:
            case InboundStep() as step:
                result = _inbound(step, spec, ctx)
            case OutboundStep() as step:
                result = _outbound(step, spec, ctx)
            case SyncStep() as step:
                from pipeline.engine.sync.catalogue import CatalogueRun
                from pipeline.engine.sync.levels import StockRun

                kind = CatalogueRun if step.what == "catalogue" else StockRun
                result = kind(step, spec, ctx, number).run(full=ctx.full)
            case DocumentsStep() as step:
                from pipeline.engine.documents.walk import DocumentsRun

                result = DocumentsRun.of(step, spec, ctx, number).run()
            case ReportStep() as step:
                from pipeline.engine.report.step import run

                assert isinstance(spec.params, ReportSettings)
                result = run(step, spec.params, ctx)
            case FreeStep() as step:
                result = step.run(spec.params, ctx)
    except ConfigError as error:
        return StepReport(spec.step, findings=error.findings, exit_code=WRONG)
    except (Transient, Refused) as error:
        log.warning("step_failed", job=ctx.job, step=spec.step, code=error.code, error=error.text.render("en"))
        code = WAITING if error.code in OWN_TROUBLE else UNREACHABLE
        return StepReport(spec.step, findings=error.findings, exit_code=code, again_in=error.again_in)
    except MistokError as error:
        log.error("step_failed", job=ctx.job, step=spec.step, code=error.code, error=error.text.render("en"))
        return StepReport(spec.step, findings=error.findings, exit_code=WAITING)
    except (Exception, SystemExit) as error:  # a plugin may even call sys.exit: that ends its step, not the service
        reference = random_names.token_hex(4)
        log.exception("step_failed_unexpectedly", job=ctx.job, step=spec.step, reference=reference)
        return StepReport(
            spec.step, findings=(unexpected(spec.step, error, reference),), reference=reference, exit_code=WAITING
        )
    if not isinstance(result, StepResult):
        return StepReport(spec.step, findings=(no_result(spec.step, result),), exit_code=WAITING)
    details = tuple(mask_any(dict(row), ctx.config.secrets) for row in result.details)
    code = UNREACHABLE if result.unreachable else WAITING if result.waiting or result.findings else DONE
    return StepReport(spec.step, replace(result, details=details), result.findings, exit_code=code)


def _format(spec: StepSpec, ctx: RunContext) -> tuple[Any, Settings]:
    assert isinstance(spec.params, (InboundSettings, OutboundSettings))
    return ctx.registry.formats[spec.params.format.type], spec.format_params or Settings()


def _inbound(step: InboundStep, spec: StepSpec, ctx: RunContext) -> StepResult:
    assert isinstance(spec.params, InboundSettings)
    plugin, format_settings = _format(spec, ctx)
    if ctx.dry_run:
        from pipeline.engine.preview import preview

        return preview(step, spec.params, plugin, format_settings, ctx)
    from pipeline.engine.inbound import Inbound

    return Inbound(step, spec.params, plugin, format_settings, ctx).run()


def _outbound(step: OutboundStep, spec: StepSpec, ctx: RunContext) -> StepResult:
    from pipeline.engine.outbound import publish

    assert isinstance(spec.params, OutboundSettings)
    if ctx.since or ctx.until:
        raise ConfigError(
            T("Step {step} publishes the whole catalogue: --since and --until do not go with it.", step=spec.step)
        )
    plugin, format_settings = _format(spec, ctx)
    return publish(step, spec.params, plugin, format_settings, ctx)
