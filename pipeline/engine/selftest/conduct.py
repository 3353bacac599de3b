"""A selftest from beginning to end: the folder, the profile, the kill table, the settings, and the clean-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import structlog

from pipeline import __version__
from pipeline.config.model import ClientConfig, ConnectionSpec
from pipeline.engine.selftest import folder as own
from pipeline.engine.selftest import made_up
from pipeline.engine.selftest.doors import Doors
from pipeline.engine.selftest.killing import KillTable
from pipeline.engine.selftest.points import POINTS
from pipeline.engine.selftest.profile import Profiler
from pipeline.engine.selftest.report import PointResult, Report, State
from pipeline.engine.selftest.suits import settings_for
from pipeline.errors import ConfigError, Finding, FolderMissing, MistokError, Refused, Transient, Where, Who
from pipeline.flow import InboundSettings, OutboundSettings
from pipeline.ports import Clock, Transport
from pipeline.registry import Registry
from pipeline.texts import T, Text
from pipeline.transports import open_transport

log = structlog.get_logger("mistok.selftest")

_TEMP = "mistok-selftest-"  #: how our folders on this machine begin

#: (done, total, what): steps of the whole selftest
Progress = Callable[[int, int, Text], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a selftest is asked for."""

    points: Sequence[str] = ()  #: at which a run is killed; none: the profile only
    orders: int = 3
    folder: str | None = None  #: in which our own one is made; None: the root, else a folder that the jobs use


def selftest(
    config: ClientConfig,
    registry: Registry,
    connection: str,
    options: Options,
    *,
    clock: Clock,
    tell: Progress = lambda _done, _total, _what: None,
) -> Report:
    """Try the connection's real server, in a folder of our own that is gone afterwards (Ctrl-C included).

    What is wrong with the server is in the report, not raised. Raises ConfigError when there is no such connection, or
    when its settings or the options cannot be used (a key file that is not there, a folder outside of the root).
    The client's ledger, archive and systems are not opened.
    """
    spec = config.connections.get(connection)
    if spec is None or spec.kind != "transport":
        names = [name for name, one in config.connections.items() if one.kind == "transport"]
        raise ConfigError(
            T("There is no connection {name} for files in the config.", name=connection),
            hint=T("There are: {names}.", names=", ".join(names)),
        )
    report = Report(
        client=config.client,
        connection=connection,
        type=spec.type,
        started=clock.now(),
        version=__version__,
        killed=bool(options.points),
    )
    _sweep_here(clock)
    with TemporaryDirectory(prefix=_TEMP, ignore_cleanup_errors=True) as temp:
        try:
            _Conduct(config, registry, spec, report, options, clock, tell, Path(temp)).run()
        except KeyboardInterrupt:
            report.interrupted = True
        except ConfigError:  # a wrong call, or a wrong config: nothing that this server could mend
            raise
        except MistokError as error:
            report.unreachable = True
            report.findings += error.findings
    report.ended = clock.now()
    return report


def _sweep_here(clock: Clock) -> None:
    """Remove what selftests that were killed left on this machine more than a day ago."""
    for path in Path(gettempdir()).glob(_TEMP + "*"):
        with suppress(OSError):
            if clock.now().timestamp() - path.lstat().st_mtime > own.FOREIGN.total_seconds():
                rmtree(path, ignore_errors=True)


@dataclass
class _Conduct:
    config: ClientConfig
    registry: Registry
    spec: ConnectionSpec
    report: Report
    options: Options
    clock: Clock
    tell: Progress
    temp: Path
    _done: int = 0

    @property
    def total(self) -> int:
        """Steps, for the progress bar: the lines of the profile, and the points."""
        return _LINES + len(self.options.points) + 1

    def run(self) -> None:
        """Raises MistokError when the server cannot be used at all."""
        with closing(self._open(patient=True)) as transport, self._folder(transport) as folder:
            self.report.folder = folder
            self._try(transport, folder)

    def _try(self, transport: Transport, folder: str) -> None:
        report = self.report
        settings = self.spec.params.model_dump()
        doors = Doors(open=self._open, variant=self._variant, kind=self.spec.type, settings=settings)
        profiler = Profiler(doors, own.join(folder, "profile"), self.temp, self.clock, self._step)
        transport.make_folder(profiler.folder)
        transport.close()  # some servers allow one session only
        report.lines = profiler.profile.lines
        try:
            profile = profiler.run()
            report.server = profile.value("server") or ""
            report.settings = settings_for(self.config, report.connection, profile)
            if self.options.points:
                few = profile.value("sessions") is not None and profile.value("sessions") < 3
                self._kill(transport, folder, few=few, writable=profile.state("replace") is State.OK)
            with suppress(MistokError):
                profiler.idle()
        finally:
            profiler.close()

    def _kill(self, transport: Transport, folder: str, *, few: bool, writable: bool) -> None:
        report = self.report
        if not writable:
            text = T("Made-up orders cannot be put there, as the profile says: no run was killed.")
            untried = Finding("kill-untried", text, who=Who.ADMIN)
            report.points = [
                PointResult(point, POINTS[point], State.UNTRIED, findings=(untried,)) for point in self.options.points
            ]
            return
        made_up.prepare(self.temp, self.config.currency)
        table = KillTable(
            config=self.config,
            registry=self.registry,
            trial=made_up.Trial(report.connection, folder, str(self.temp)),
            transport=transport,
            orders=self.options.orders,
            few_sessions=few,
            tell=self._point,
            results=report.points,
        )
        absent = table.absent(self.options.points)
        if absent:
            text = T(
                "With `after: keep` no file is taken away: there was no run to kill at {points}.",
                points=", ".join(absent),
            )
            report.remarks.append(Finding("points-absent", text, who=Who.US))
        try:
            table.run([point for point in self.options.points if point not in absent])
            report.findings += table.idle()
        finally:
            report.orders, report.documents = len(table.dropped), table.documents

    # --- the folder ------------------------------------------------------------------------------------------------

    @contextmanager
    def _folder(self, transport: Transport) -> Iterator[str]:
        """A new folder on the server, and its end. Raises Refused when none may be made; Transient."""
        name = own.new_name(self.clock.now().astimezone(self.config.zone))
        parents = self._parents()
        self._step(T("Connecting"))
        self._reach(transport, parents)
        swept = list(own.sweep(transport, parents, self.clock.now()))
        for finding in swept:
            (self.report.findings if finding.code == "left-over" else self.report.remarks).append(finding)
        path = ""
        try:
            path = self._made(transport, parents, name)
            yield path
        except BaseException:
            # stopped between a question and its answer, a session would take the one for that of the next question
            transport.close()
            raise
        finally:
            self._step(T("Cleaning up"))
            if path:
                self._remove(transport, path)
            else:  # stopped while it was being made
                for parent in parents:
                    if self._is_there(transport, parent, name):
                        self._remove(transport, own.join(parent, name))

    def _remove(self, transport: Transport, path: str) -> None:
        self.report.left_over.append(path)  # also when somebody stops us here
        left = own.remove(transport, path)
        self.report.findings += left
        if not left:
            self.report.left_over.remove(path)

    def _reach(self, transport: Transport, parents: Sequence[str]) -> None:
        """The first look: a login or a network that fails is told here, once."""
        missing: FolderMissing | None = None
        for parent in parents:
            try:
                transport.folders(parent)
                return
            except FolderMissing as error:
                missing = missing or error
            except (Transient, Refused) as error:
                if error.code not in ("login", "host-key") and self._active_mode_works():
                    text = T("No data connection came about in passive mode; in active mode one does.")
                    hint = T("Set `passive: false` in connection {name}.", name=self.report.connection)
                    raise Transient(text, code="passive", hint=hint) from error
                raise
        if missing is not None:
            raise missing

    def _active_mode_works(self) -> bool:
        if self.spec.type not in ("ftp", "ftps") or not self.spec.params.model_dump().get("passive"):
            return False
        other = self._variant(passive=False)
        if other is None:
            return False
        with closing(other), suppress(MistokError):
            other.list("")
            return True
        return False

    def _made(self, transport: Transport, parents: Sequence[str], name: str) -> str:
        refused: list[Finding] = []
        for parent in parents:
            try:
                path = own.make(transport, parent, name, self.clock.now(), self.config.client)
            except (Refused, Transient) as error:
                refused += error.findings
                continue
            if parent and refused:
                text = T("In the root no folder may be made: {folder} was made instead.", folder=path)
                self.report.remarks.append(Finding("selftest-folder", text, Where(file=path), who=Who.ADMIN))
            return path
        text = T(
            "No folder could be made on the server for the test: {words}", words=refused[0].text if refused else "?"
        )
        hint = T(
            "Give the login the right to make a folder (a full disk or a quota refuses it too), or name a folder in "
            "which it may: --folder FOLDER."
        )
        raise Refused(text, code="selftest-folder", hint=hint, where=Where(file=parents[0]))

    def _parents(self) -> list[str]:
        if self.options.folder is not None:
            return [own.join(self.options.folder)]
        found = [""]
        for job in self.config.jobs.values():
            for step in job.steps:
                params: Any = step.params
                if (isinstance(params, InboundSettings) and params.inbox == self.report.connection) or (
                    isinstance(params, OutboundSettings) and params.to == self.report.connection
                ):
                    found.append(own.join(params.folder))
        return list(dict.fromkeys(found))

    @staticmethod
    def _is_there(transport: Transport, parent: str, name: str) -> bool:
        try:
            return name in transport.folders(parent)
        except MistokError:
            return False

    # --- doors and progress ----------------------------------------------------------------------------------------

    def _open(self, *, patient: bool = False) -> Transport:
        name, spec = self.report.connection, self.spec
        return open_transport(name, spec.type, spec.params, base=self.config.base, patient=patient)

    def _variant(self, **changes: Any) -> Transport | None:
        params = self.spec.params
        if not set(changes) <= set(type(params).model_fields):
            return None
        changed = params.model_copy(update=changes)
        return open_transport(self.report.connection, self.spec.type, changed, base=self.config.base, patient=False)

    def _step(self, what: Text) -> None:
        self.tell(min(self._done, self.total), self.total, what)
        self._done += 1

    def _point(self, point: str, result: PointResult | None) -> None:
        if result is None:
            self._done = max(self._done, _LINES)
            self._step(T("killing at {point}", point=point))


#: About as many lines has a profile.
_LINES = 18
