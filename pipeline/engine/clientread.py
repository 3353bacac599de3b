"""Reads the config of one of many clients without letting it disturb the others.

One that has no plugins of its own is read here. Plugins may hang, crash or end the program as they are loaded, so those
are loaded in a process of their own, and the service gets a config whose own parts are left out: the steps' settings as
what the engine knows of them, a system's as nothing.
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import lightlog  # noqa: F401 - before all that loads structlog
from pipeline.config.clients import Found, read_client
from pipeline.config.load import plugin_folder
from pipeline.config.model import ClientConfig
from pipeline.engine.apart import Apart, NoAnswer
from pipeline.errors import ConfigError, Finding, Where, Who
from pipeline.settings import Settings
from pipeline.texts import T, Text

if TYPE_CHECKING:
    from pipeline.registry import Source

NOT_CHECKED = "config-not-checked"  #: code of the finding of a client whose own plugins let nobody read it
#: So many clients' own plugins are loaded side by side: one that hangs takes its minute, and the others go on.
AT_ONCE = 4
#: Seconds between two looks at what is being read, where nothing tells of it.
LONGEST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Read:
    """A client as the service knows it, and what its workers are started with: own plugins, pickled config, and whether
    they deliver its notices (None: the config is wrong).

    ``own``: it has plugins of its own, so what they are is left out of the config here.
    """

    found: Found
    payload: tuple[tuple[Source, ...], bytes, bool] | None = field(default=None, repr=False)
    own: bool = False
    tells_itself: bool = False  #: a channel is of its own plugins, so its workers deliver its notices
    escalates: bool = False  #: somebody is to be told elsewhere of what nobody has clicked


class Reading:
    """One client being read. Nothing here blocks: ask :meth:`result` when :attr:`waitable` is ready, or again later."""

    def __init__(self, folder: Path, how: Any, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._result: Read | None = None
        self._apart: Apart | None = None
        if not has_own(folder):
            self._result = _read(folder, environ)
            return
        try:
            self._apart = Apart(how, _read, folder, environ)
        except NoAnswer as error:
            self._result = self._wrong(error.why)

    @property
    def waitable(self) -> Any:
        """What becomes ready with the result; None where there is nothing to wait for."""
        return self._apart.waitable if self._apart is not None else None

    @property
    def left(self) -> float:
        """Seconds after which there is a result in any case."""
        return self._apart.left if self._apart is not None else 0.0

    def result(self) -> Read | None:
        """The client; None: not yet."""
        if self._apart is None:
            return self._result
        try:
            self._result = self._apart.result()
        except NoAnswer as error:
            self._result = self._wrong(error.why)
        if self._result is not None:
            self._apart = None
        return self._result

    def close(self) -> None:
        """End it, whether it is through or not."""
        if self._apart is not None:
            self._apart.close()
            self._apart = None

    def _wrong(self, why: Text) -> Read:
        return Read(Found(self.folder, None, (not_checked(self.folder, why),)))


def not_checked(folder: Path, why: Text) -> Finding:
    """What is said of a client whose own plugins let nobody read it."""
    text = T("The config could not be checked: {why}.", why=why)
    hint = T("A plugin of your own may hang or end the program: `mistok check` shows it.")
    return Finding(NOT_CHECKED, text, Where(file=str(Found(folder).source)), hint, Who.ADMIN)


def has_own(folder: Path) -> bool:
    """Whether the client has plugins of its own, as far as can be seen without loading anything."""
    try:
        return plugin_folder(folder) is not None
    except ConfigError:  # no YAML: which is told by what reads it
        return False


class Readings:
    """Clients being read: those with plugins of their own apart, some side by side, all others here and at once.

    Safe from threads. ``how`` gives the context of ``multiprocessing`` when one is needed.
    """

    def __init__(self, how: Callable[[], Any], environ: Mapping[str, str] | None = None) -> None:
        self._how, self._environ = how, environ
        self._lock = threading.Lock()
        self._waiting: deque[Path] = deque()
        self._reading: dict[Path, Reading] = {}
        self._closed = False

    @property
    def under_way(self) -> bool:
        """Whether some of those that were asked for are not read yet."""
        with self._lock:
            return bool(self._waiting or self._reading)

    def begin(self, folders: Iterable[Path]) -> list[Read]:
        """Read these, anew where it is under way; gives those that could be read at once."""
        through = []
        for folder in folders:
            self.drop(folder)
            if has_own(folder):
                with self._lock:
                    self._waiting.append(folder)
            else:
                through.append(_read(folder, self._environ))
        self._go_on()
        return through

    def ready(self) -> list[Read]:
        """Those that were read since; does not wait for others."""
        through = []
        with self._lock:
            for folder, one in list(self._reading.items()):
                if (result := one.result()) is not None:
                    del self._reading[folder]
                    through.append(result)
        self._go_on()
        return through

    def wait(self) -> list[Read]:
        """The same, but waits until there is one; nothing when none is under way."""
        while not (through := self.ready()) and self.under_way:
            with self._lock:
                longest = min((one.left for one in self._reading.values()), default=0.0)
                pipes = [one.waitable for one in self._reading.values() if one.waitable is not None]
            if pipes:
                wait(pipes, min(longest, LONGEST_WAIT))
        return through

    def drop(self, folder: Path) -> None:
        """Nobody wants to know it any more."""
        with self._lock:
            if folder in self._waiting:
                self._waiting.remove(folder)
            if (one := self._reading.pop(folder, None)) is not None:
                one.close()

    def close(self) -> None:
        """End all; none is begun any more."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            for one in self._reading.values():
                one.close()
            self._reading.clear()

    def _go_on(self) -> None:
        with self._lock:
            while self._waiting and len(self._reading) < AT_ONCE and not self._closed:
                folder = self._waiting.popleft()
                self._reading[folder] = Reading(folder, self._how(), self._environ)


def all_read(
    folders: Iterable[Path], environ: Mapping[str, str] | None = None, *, how: Callable[[], Any] | None = None
) -> Iterator[Found]:
    """These clients, in this order, for a verb: waits until all of them are read. ``how``: gives the context of
    ``multiprocessing`` (:func:`context_of_a_verb` by default).
    """
    folders = tuple(folders)
    with closing(Readings(how or context_of_a_verb, environ)) as readings:
        through = {one.found.folder: one.found for one in readings.begin(folders)}
        while some := readings.wait():
            through.update((one.found.folder, one.found) for one in some)
    yield from (through[folder] for folder in folders)


#: What a process that reads a config needs whoever's it is, and what it is quicker with.
_LOADED = ("pipeline.lightlog", __name__, "pipeline.transports", "pipeline.api")


def context_of_a_verb(*more: str) -> Any:
    """How a verb makes processes: forked off one that has loaded what reads a config, where that can be done.

    ``more``: modules that it needs besides; only the first call of a process can name them.
    """
    from pipeline.engine import nursery

    made: Any = multiprocessing.get_context("forkserver" if nursery.FORKS else "spawn")
    if nursery.FORKS:
        made.set_forkserver_preload([*_LOADED, *more])
    return made


def _read(folder: Path, environ: Mapping[str, str] | None) -> Read:
    from pipeline.engine.ownplugins import plugin_folder as folder_of_plugins
    from pipeline.registry import own_plugins, own_sources

    found = read_client(folder, environ=environ)
    if found.config is None:
        return Read(found)
    try:
        sources = own_sources(folder_of_plugins(found.config))
        own = own_plugins(sources)
    except ConfigError as error:  # it was edited a moment ago
        return Read(Found(folder, None, error.findings, found.own))
    tells = any(("channel", one.type) in own for one in found.config.alerts.channels)
    payload = (sources, pickle.dumps(found.config), tells)
    escalates = bool(found.config.alerts.escalate)
    if not sources:
        return Read(found, payload, escalates=escalates)
    known_to_all = Found(folder, without_own(found.config, own), own=found.own)
    return Read(known_to_all, payload, own=True, tells_itself=tells, escalates=escalates)


def without_own(config: ClientConfig, own: frozenset[tuple[str, str]]) -> ClientConfig:
    """The config without anything that only the client's own plugins (``own``: their kinds and names) can read or do:
    a channel of theirs may have the settings of any other one, or none.
    """
    connections = {
        name: spec.model_copy(
            update={"params": known(spec.params), "format_params": _known_or_none(spec.format_params)}
        )
        for name, spec in config.connections.items()
    }
    jobs = {
        name: job.model_copy(
            update={
                "steps": tuple(
                    step.model_copy(
                        update={"params": known(step.params), "format_params": _known_or_none(step.format_params)}
                    )
                    for step in job.steps
                )
            }
        )
        for name, job in config.jobs.items()
    }
    alerts = config.alerts
    alerts = alerts.model_copy(
        update={
            "channels": tuple(one for one in alerts.channels if ("channel", one.type) not in own),
            "escalate": tuple(one for one in alerts.escalate if ("channel", one.channel.type) not in own),
        }
    )
    return config.model_copy(update={"connections": connections, "jobs": jobs, "alerts": alerts})


def _known_or_none(params: Settings | None) -> Settings | None:
    return None if params is None else known(params)


def known(params: Settings) -> Settings:
    """The settings as the nearest class that everybody can read; as nothing where there is none but ``Settings``."""
    for kind in type(params).__mro__:
        if not is_own(kind):
            if kind is type(params):
                return params
            fields = getattr(kind, "model_fields", {})
            return kind.model_construct(**{name: getattr(params, name) for name in fields})  # type: ignore[attr-defined,no-any-return]
    raise TypeError(type(params).__name__)  # Settings itself is not a client's own


def is_own(kind: type) -> bool:
    """Whether a class comes from a plugin of the client's own."""
    from pipeline.registry import OWN

    return kind.__module__.startswith(OWN)
