"""The front of a fleet: one of its workers takes the webhooks of all clients that it has, and hands them to the queue.

The page beside it is a process of its own (``pipeline.web.server.ManyPage``), which the command line starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig
from pipeline.engine.fleet.queue import Ask
from pipeline.engine.fleet.roster import Member
from pipeline.engine.hooks import Hooks, start_hooks
from pipeline.errors import MistokError
from pipeline.ledger.hasty import FIRST, LONGEST, QuickLedger
from pipeline.repeats import Repeats

log = structlog.get_logger("mistok.front")


@dataclass
class Front:
    """Listens for the webhooks of clients that have some. Used from one thread at a time."""

    _listening: dict[str, tuple[str, Hooks | None]] = field(default_factory=dict)  #: by client, with its config's hash
    #: whose ledger did not answer: its config's hash, for how many seconds it is left alone, and until when
    _again: dict[str, tuple[str, float, float]] = field(default_factory=dict)
    _closed: bool = False
    _repeats: Repeats = field(default_factory=Repeats)

    def follow(self, members: Mapping[str, Member], hint: Callable[[Ask], None]) -> None:
        """Listen for these clients and for no others; ``hint`` is called from threads, for each job that is to look."""
        for name, (known, hooks) in list(self._listening.items()):
            if name not in members or members[name].config.config_hash != known:
                del self._listening[name]
                if hooks is not None:
                    hooks.stop()
        for name, member in members.items():
            known, _, until = self._again.get(name, ("", 0.0, 0.0))
            if known == member.config.config_hash and until > time.monotonic():
                continue
            if name not in self._listening and member.config.hooks is not None and not self._closed:
                self._begin(member.config, hint)

    def _begin(self, config: ClientConfig, hint: Callable[[Ask], None]) -> None:
        try:
            ledger = QuickLedger(config.ledger.url, client=config.client, base=config.base, clock=SystemClock())
        except MistokError as error:  # tried again at a later look
            self._failed(config, error)
            return
        try:
            hooks = start_hooks(config, ledger, lambda job: hint(Ask(config.client, job, "webhook")))
            self._listening[config.client] = (config.config_hash, hooks)
            self._again.pop(config.client, None)
            self._repeats.well(log, "hooks_failed", config.client, client=config.client)
            if self._closed and hooks is not None:
                hooks.stop()
        except Exception as error:  # noqa: BLE001 - the others' webhooks are taken all the same
            self._failed(config, error)
        finally:
            ledger.close()

    def _failed(self, config: ClientConfig, error: Exception) -> None:
        wait = self._later(config)
        self._repeats.tell(log, "hooks_failed", error, config.client, client=config.client, again_in=wait)

    def _later(self, config: ClientConfig) -> float:
        """When it is tried again, ever later; gives in how many seconds. An edited config is tried at once."""
        known, wait, _ = self._again.get(config.client, ("", 0.0, 0.0))
        wait = min(max(wait * 2, FIRST), LONGEST) if known == config.config_hash else FIRST
        self._again[config.client] = (config.config_hash, wait, time.monotonic() + wait)
        return wait

    @property
    def ports(self) -> dict[str, int]:
        """Where it listens, by client."""
        return {name: hooks.port for name, (_, hooks) in self._listening.items() if hooks is not None}

    def close(self) -> None:
        """Listen no more, whatever is being begun."""
        self._closed = True
        for _, hooks in list(self._listening.values()):
            if hooks is not None:
                hooks.stop()
        self._listening.clear()
