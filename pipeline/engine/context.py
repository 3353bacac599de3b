"""What a run carries with it: the client's config, its ledger and archive, open connections, the clock, progress."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.archive import Archive
from pipeline.config.model import ClientConfig
from pipeline.engine.backoff import ConnectionGate
from pipeline.engine.pacing import LedgerPacer
from pipeline.errors import ConfigError
from pipeline.flow import SystemEnv
from pipeline.ledger.store import Ledger
from pipeline.ports import Clock, FormatContext, GoodsFormat, GoodsReader, Notice, OrderStream, System, Transport
from pipeline.registry import Registry
from pipeline.texts import T, Text
from pipeline.transports import open_transport

#: (done, total or None, what): called often, must be cheap
Progress = Callable[[int, int | None, Text], None]


def no_progress(_done: int, _total: int | None, _what: Text) -> None:
    """Nobody watches."""


def go_on(_point: str) -> None:
    """Nothing happens at a named point of a walk."""


def nothing_before() -> None:
    """Nothing else is at work on a connection."""


@dataclass
class _Told:
    """What a transaction has to tell, until its end."""

    events: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class RunContext:
    """One run of one job. Opens transports and systems at first use and closes them all in :meth:`close`."""

    config: ClientConfig
    registry: Registry
    ledger: Ledger
    archive: Archive
    clock: Clock
    job: str
    temp: Path
    run_id: int | None = None
    trigger: str = "person"
    dry_run: bool = False
    approve: bool = False
    full: bool = False  #: of a sync: compare everything of both sides
    by: str = ""  #: the person who decided that it goes on, for the cards that it closes
    since: datetime | None = None
    until: datetime | None = None
    report: Progress = no_progress
    #: Called at each named point between effects (``inbound:archived``). Crash tests and `mistok selftest` stop there.
    reach: Callable[[str], None] = go_on
    #: When the step is to make room for others (by the steady clock); None: it has all the time that it wants.
    slice_ends: float | None = None
    _transports: dict[str, Transport] = field(default_factory=dict)
    _systems: dict[str, System] = field(default_factory=dict)
    _busy: dict[str, Callable[[], None]] = field(default_factory=dict)  #: connections at work in a thread
    _lent: set[str] = field(default_factory=set)  #: connections that a system uses besides
    _told: dict[sa.Connection, _Told] = field(default_factory=dict)
    #: large files that are read at places, open until the run ends, by their bytes and what reads them
    streams: dict[tuple[str, int, str], OrderStream] = field(default_factory=dict)

    @property
    def client(self) -> str:
        """Whose run it is."""
        return self.config.client

    @property
    def base(self) -> Path:
        """The config's folder."""
        return self.config.base

    @property
    def slice_is_over(self) -> bool:
        """Whether others wait to work: what is left is for the job's next run, which follows soon."""
        return self.slice_ends is not None and time.monotonic() >= self.slice_ends

    def progress(self, done: int, total: int | None, what: Text) -> None:
        """Tell how far it is."""
        self.report(done, total, what)

    def transport(self, name: str) -> Transport:
        """The connection of that name, once nothing is at work on it any more. Raises ConfigError: there is none."""
        if (wait := self._busy.pop(name, None)) is not None:
            wait()
        if name not in self._transports:
            spec = self.config.connections.get(name)
            if spec is None or spec.kind != "transport":
                raise ConfigError(T("There is no connection {name} for files in the config.", name=name))
            self._transports[name] = open_transport(
                name,
                spec.type,
                spec.params,
                base=self.config.base,
                dry_run=self.dry_run,
                gate=self._gate(name),
            )
        return self._transports[name]

    def in_turn(self, name: str, wait: Callable[[], None]) -> tuple[Transport, Callable[[], None]]:
        """The connection of that name for a thread beside the run, and what returns when it may use it: when whatever
        was given it before is over. Whoever asks for the connection from now on waits until ``wait`` returns."""
        before = self._busy.pop(name, nothing_before)
        transport = self.transport(name)
        self._busy[name] = wait
        return transport, before

    def is_lent(self, name: str) -> bool:
        """Whether a system has the connection of that name, too: it may use it at any time."""
        return name in self._lent

    def _lend(self, name: str) -> Transport:
        self._lent.add(name)
        return self.transport(name)

    def system(self, name: str) -> System:
        """The system of that name. Raises ConfigError when there is none."""
        if name not in self._systems:
            spec = self.config.connections.get(name)
            if spec is None or spec.kind != "system":
                raise ConfigError(T("There is no system {name} in the config.", name=name))
            self._systems[name] = self.registry.systems[spec.type].open(spec.params, self.system_env(name))
        return self._systems[name]

    def system_env(self, name: str) -> SystemEnv:
        """What a system is told of the client."""
        config = self.config
        return SystemEnv(
            name,
            config.client,
            config.base,
            config.currency,
            config.timezone,
            self.clock,
            dry_run=self.dry_run,
            gate=self._gate(name),
            pacer=LedgerPacer(self.ledger),
            transport=self._lend,
            goods=self._goods(name),
        )

    def _goods(self, name: str) -> GoodsReader | None:
        """The catalogue format of a connection, ready to read."""
        spec = self.config.connections[name]
        if spec.format_params is None:
            return None
        settings = spec.format_params
        form = self.registry.formats[getattr(spec.params, "format").type].format  # noqa: B009 - of the plugin's own
        assert isinstance(form, GoodsFormat)
        return GoodsReader(
            form.shape(settings), lambda data, file: form.goods(data, settings, self.format_context(file))
        )

    def _gate(self, name: str) -> ConnectionGate:
        spec = self.config.connections[name]
        return ConnectionGate(
            self.ledger, name, spec, trigger=self.trigger, passive=self.dry_run, zone=self.config.zone
        )

    def format_context(self, file: str = "") -> FormatContext:
        """What a format is told of the client, as of now."""
        config = self.config
        return FormatContext(
            client=config.client,
            timezone=config.zone,
            currency=config.currency,
            language=config.catalogue_language,
            now=self.clock.now(),
            file=file,
            base=config.base,
        )

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A writing transaction of the ledger. Its events and notices are written together at its end."""
        with self.ledger.begin() as connection:
            told = self._told[connection] = _Told()
            try:
                yield connection
            finally:
                del self._told[connection]
            self.ledger.append(connection, told.events, told.notices)

    def event(self, conn: sa.Connection, subject: str, event: str, **data: object) -> None:
        """Append to the story of ``subject``, as part of this run, in a transaction of :meth:`begin`."""
        self._told[conn].events.append(self.ledger.event_row(subject, event, data, run_id=self.run_id))

    def notify(self, conn: sa.Connection, notice: Notice) -> None:
        """Write a notice in the transaction (of :meth:`begin`) of the outcome that it tells of."""
        row = self.ledger.notice_row(notice)
        self._told[conn].notices.append({**row, "data": {"job": self.job, **row["data"]}})

    def close(self) -> None:
        """Close what was opened. A connection that breaks while closing is no trouble of the run."""
        for transport in self._transports.values():
            with contextlib.suppress(OSError):
                transport.close()
        for system in self._systems.values():
            with contextlib.suppress(OSError):
                system.close()
        for stream in self.streams.values():
            stream.close()
        self._transports.clear()
        self._systems.clear()
        self.streams.clear()
