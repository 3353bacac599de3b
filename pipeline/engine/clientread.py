"""Reads the config of one of many clients without letting it disturb the others.

One that has no plugins of its own is read here. Plugins may hang, crash or end the program as they are loaded, so those
are loaded in a process of their own, and the service gets a config whose own parts are left out: the steps' settings as
what the engine knows of them, a system's as nothing.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.clients import Found, read_client
from pipeline.config.load import plugin_folder
from pipeline.config.model import ClientConfig
from pipeline.engine.configwatch import CHECK_LIMIT
from pipeline.engine.worker import be_quiet_and_mortal
from pipeline.errors import ConfigError, Finding, Where, Who
from pipeline.settings import Settings
from pipeline.texts import T

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from pipeline.registry import Source


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


class Reading:
    """One client being read. Nothing here blocks: ask :meth:`result` when :attr:`waitable` is ready, or again later."""

    def __init__(self, folder: Path, how: Any, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._result: Read | None = None
        self._process: BaseProcess | None = None
        self._until = time.monotonic() + CHECK_LIMIT
        try:
            apart = plugin_folder(folder) is not None
        except ConfigError:  # no YAML: which is told by what reads it
            apart = False
        if not apart:
            self._result = _read(folder, environ)
            return
        self._pipe, theirs = how.Pipe(duplex=False)
        self._process = how.Process(target=_main, args=(theirs, folder, environ), name="mistok-read")
        self._process.start()
        theirs.close()

    @property
    def waitable(self) -> Any:
        """What becomes ready with the result; None where there is nothing to wait for."""
        return self._pipe if self._process is not None else None

    def result(self) -> Read | None:
        """The client; None: not yet."""
        if self._process is None:
            return self._result
        if self._pipe.poll():
            try:
                made: Read = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - of our own process
            except (EOFError, ImportError, AttributeError, pickle.UnpicklingError):
                made = self._wrong(T("the check ended without an answer"))
        elif time.monotonic() >= self._until:
            made = self._wrong(T("the check took longer than {n} seconds", n=round(CHECK_LIMIT)))
        else:
            return None
        self._result = made
        self.close()
        return made

    def close(self) -> None:
        """End it, whether it is through or not."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._pipe.close()
            self._process = None

    def _wrong(self, why: Any) -> Read:
        found = Found(self.folder)
        text = T("The config could not be checked: {why}.", why=why)
        hint = T("A plugin of your own may hang or end the program: `mistok check` shows it.")
        finding = Finding("config-not-checked", text, Where(file=str(found.source)), hint, Who.ADMIN)
        return Read(Found(self.folder, None, (finding,)))


def _read(folder: Path, environ: Mapping[str, str] | None) -> Read:
    from pipeline.engine.ownplugins import plugin_folder as own_plugins
    from pipeline.registry import own_sources

    found = read_client(folder, environ=environ)
    if found.config is None:
        return Read(found)
    sources = own_sources(own_plugins(found.config))
    tells = any(is_own(type(one.params)) for one in found.config.alerts.channels)
    payload = (sources, pickle.dumps(found.config), tells)
    if not sources:
        return Read(found, payload)
    return Read(Found(folder, without_own(found.config), own=found.own), payload, own=True, tells_itself=tells)


def _main(pipe: Connection, folder: Path, environ: Mapping[str, str] | None) -> None:
    be_quiet_and_mortal()
    pipe.send_bytes(pickle.dumps(_read(folder, environ)))


def without_own(config: ClientConfig) -> ClientConfig:
    """The config without anything that only the client's own plugins can read."""
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
            "channels": tuple(one for one in alerts.channels if not is_own(type(one.params))),
            "escalate": tuple(one for one in alerts.escalate if not is_own(type(one.channel.params))),
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
