"""The process that runs jobs for the service, one at a time, and can be ended at any moment.

It is started once and stays, so that a run begins in milliseconds. It gets the checked config from the service (what is
edited meanwhile does not concern it), loads the client's plugins itself, and says what happens over one pipe. It lives
no longer than the service does.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from pipeline import lightlog  # noqa: F401 - before all that loads structlog
from pipeline.config.masking import mask_any
from pipeline.config.model import ClientConfig
from pipeline.engine import calling, offspring
from pipeline.engine.priority import give_way
from pipeline.engine.stopping import OutOfTime, Stop
from pipeline.errors import Finding, MistokError

if TYPE_CHECKING:
    from pipeline.registry import Source

#: Makes a runner, once in each worker: ``module:callable``, given what :class:`Boot` carries.
RUN_JOBS = "pipeline.engine.worker:job_runner"


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to do. ``number`` tells it from the orders before it."""

    number: int
    job: str
    trigger: str
    scheduled_for: datetime | None = None
    by: str = ""  #: who has asked for it
    slice: float | None = None  #: seconds after which it makes room for others, where it can, and comes back
    goes_on: bool = False  #: with what the last slice left: it lets others have the processor first


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded everything and waits."""


@dataclass(frozen=True, slots=True)
class StepBegun:
    """The time limit counts from here."""

    number: int
    step: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over: its state as in the ledger's ``runs``, and when it wants to be looked at again (seconds).

    ``wake_in``: seconds after which the job is to run whatever its schedule says, as when a special price begins.
    """

    number: int
    state: str
    counts: Mapping[str, int] = field(default_factory=dict)
    again_in: float | None = None
    wake_in: float | None = None
    more: bool = False  #: its slice was over: it goes on when it is its turn again


@dataclass(frozen=True, slots=True)
class Failed:
    """The run raised what a run must not raise (``number``), or the worker could not begin (None)."""

    number: int | None
    finding: Finding


@dataclass(frozen=True, slots=True)
class LogLine:
    """A record of the log, to be written by the service, the only one that writes the file."""

    logger: str
    level: int
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Calling:
    """The run calls a server (``answered`` None), and then was answered or gave up."""

    number: int
    server: str
    answered: bool | None = None


Message = Ready | StepBegun | Calling | Ended | Failed | LogLine
#: (order, to be called with its number when a step begins) -> how it ended
Runner = Callable[[Order, Callable[[int], None]], Ended]


@dataclass(frozen=True, slots=True)
class Boot:
    """What a worker is started with. ``payload`` is the runner's own affair."""

    runner: str
    payload: Any
    log_level: str = "info"
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)  #: what is set for its process alone


def boot_for(config: ClientConfig) -> Boot:
    """A worker's start for the jobs of this client."""
    from pipeline.engine.ownplugins import plugin_folder
    from pipeline.registry import own_sources

    # pickled here: the client's own classes can be read only after its plugins were loaded, just those that we have
    payload = (own_sources(plugin_folder(config)), pickle.dumps(config))
    return Boot(RUN_JOBS, payload, config.log.level, config.secrets)


def job_runner(payload: tuple[tuple[Source, ...], bytes], *, warmed: bool = True) -> Runner:
    """The real runner: loads plugins and config, and what a run will need, before the first run asks for it.

    Not ``warmed``: for a process that is made for the very run that waits. Raises ConfigError for a plugin that does
    not load.
    """
    from pipeline.clock import SystemClock
    from pipeline.engine.runtime import RunOptions, run_job
    from pipeline.registry import load_registry

    sources, pickled = payload
    registry = load_registry(sources=sources)
    config: ClientConfig = pickle.loads(pickled)  # noqa: S301 - made by our own parent a moment ago
    clock = SystemClock()
    if warmed:
        from pipeline.engine.warming import warm

        warm(config, registry, clock)

    def run(order: Order, step_begins: Callable[[int], None]) -> Ended:
        def reach(point: str) -> None:
            kind, _, number = point.partition(":")
            if kind == "step":
                step_begins(int(number))

        options = RunOptions(trigger=order.trigger, scheduled_for=order.scheduled_for, by=order.by, slice=order.slice)
        report = run_job(config, order.job, options, registry=registry, clock=clock, reach=reach)
        wake_in = (report.wake_at - clock.now()).total_seconds() if report.wake_at else None
        return Ended(order.number, report.state, dict(report.counts), report.again_in, wake_in, report.more)

    return run


def main(pipe: Connection, boot: Boot) -> None:
    """A worker's life: load, then run what comes over ``pipe`` until it is closed."""
    be_quiet_and_mortal()
    os.environ.update(boot.environ)
    try:
        _live(pipe, boot)
    except Stop:
        offspring.kill(offspring.of_process())  # what the step has started hangs as it does
        sys.exit(1)


def _live(pipe: Connection, boot: Boot) -> None:
    say = Mouth(pipe)
    send_logs(say, boot)
    try:
        module, _, name = boot.runner.partition(":")
        run: Runner = getattr(importlib.import_module(module), name)(boot.payload)
    except MistokError as error:
        say(Failed(None, error.findings[0]))
        return
    say(Ready())
    log = logging.getLogger("mistok.worker")
    while True:
        try:
            order: Order = pipe.recv()
        except (EOFError, OSError):
            return
        if order.goes_on:
            give_way()
        calling.listen(_teller(say, order.number))
        try:
            say(run(order, lambda step, number=order.number: say(StepBegun(number, step))))  # type: ignore[misc]
        except MistokError as error:
            say(Failed(order.number, error.findings[0]))
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # a step may raise any of them
            log.exception("run_raised")
            say(Failed(order.number, _unforeseen(order.job, error)))


def _teller(say: Mouth, number: int) -> calling.Listener:
    return lambda server, answered: say(Calling(number, server, answered))


def _unforeseen(job: str, error: BaseException) -> Finding:
    from pipeline.engine.endings import unexpected

    return unexpected(job, error, "")


class Mouth:
    """Sends whole messages, from any thread. A service that is gone ends the worker, so its silence is no error."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def __call__(self, message: Message) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError, ConnectionError):
            self._pipe.send(message)


class _LogToService(logging.Handler):
    """Hands records to the service: a file that is rotated has room for one writer."""

    def __init__(self, say: Mouth, secrets: frozenset[str]) -> None:
        super().__init__()
        self._say, self._secrets = say, secrets

    def emit(self, record: logging.LogRecord) -> None:
        event = dict(record.msg) if isinstance(record.msg, dict) else {"event": record.getMessage()}
        if record.exc_info and "exception" not in event:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        plain = {
            key: value if isinstance(value, (int, float, bool, str)) else str(value) for key, value in event.items()
        }
        # what is not logged by structlog has passed no mask yet
        self._say(LogLine(record.name, record.levelno, mask_any(plain, self._secrets | known_secrets)))


#: What this process was told of besides, when it serves more than one client.
known_secrets: set[str] = set()


def send_logs(say: Mouth, boot: Boot) -> None:
    from pipeline import logs

    logs.configure(level=boot.log_level, file=None, console=False, secrets=boot.secrets)
    logging.getLogger().addHandler(_LogToService(say, boot.secrets))


def be_quiet_and_mortal() -> None:
    """Leave Ctrl-C and SIGTERM (which reach the whole group) to the service; end when it says so or when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, _end_here)
        signal.signal(signal.SIGUSR2, _end_late)
    parent = multiprocessing.parent_process()
    if parent is not None:
        _die_by_the_kernel_with(parent)
        threading.Thread(target=_die_with, args=(parent,), name="mistok-parent", daemon=True).start()


def _end_here(_signal: int, _frame: object) -> None:
    """Asked to end: unwind, so that temporary files go and leases are let go of."""
    raise Stop


def _end_late(_signal: int, _frame: object) -> None:
    """The same, out of time."""
    raise OutOfTime


def _die_by_the_kernel_with(parent: Any) -> None:
    """Where the kernel can, it ends us with the service: no thread of ours runs while C code holds the interpreter."""
    if sys.platform == "linux":
        import ctypes

        set_death_signal = 1  # PR_SET_PDEATHSIG, see prctl(2)
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
        if not parent.is_alive():  # it went before we asked
            os._exit(1)


def _die_with(parent: Any) -> None:
    parent.join()
    # nobody is left to watch our time limit, and another service may take over: a run must not go on beside it
    os._exit(1)
