"""The front of a fleet: one of its workers takes the webhooks of all clients that it has, and hands them to the queue.

The page beside it is a process of its own (``pipeline.web.server.ManyPage``), which the command line starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from pipeline.clock import SystemClock
from pipeline.config.model import ClientConfig
from pipeline.engine.fleet.queue import Ask
from pipeline.engine.fleet.roster import Member
from pipeline.engine.hooks import Hooks, start_hooks
from pipeline.errors import MistokError
from pipeline.ledger.store import Ledger

log = structlog.get_logger("mistok.front")


@dataclass
class Front:
    """Listens for the webhooks of clients that have some. Used from one thread at a time."""

    _listening: dict[str, tuple[str, Hooks | None]] = field(default_factory=dict)  #: by client, with its config's hash

    def follow(self, members: Mapping[str, Member], hint: Callable[[Ask], None]) -> None:
        """Listen for these clients and for no others; ``hint`` is called from threads, for each job that is to look."""
        for name, (known, hooks) in list(self._listening.items()):
            if name not in members or members[name].config.config_hash != known:
                del self._listening[name]
                if hooks is not None:
                    hooks.stop()
        for name, member in members.items():
            if name not in self._listening and member.config.hooks is not None:
                self._begin(member.config, hint)

    def _begin(self, config: ClientConfig, hint: Callable[[Ask], None]) -> None:
        try:
            ledger = Ledger(config.ledger.url, client=config.client, base=config.base, clock=SystemClock())
        except MistokError as error:  # tried again at the next look
            log.error("hooks_failed", client=config.client, error=error.text.render("en"))
            return
        try:
            hooks = start_hooks(config, ledger, lambda job: hint(Ask(config.client, job, "webhook")))
            self._listening[config.client] = (config.config_hash, hooks)
        except MistokError as error:
            log.error("hooks_failed", client=config.client, error=error.text.render("en"))
        finally:
            ledger.close()

    @property
    def ports(self) -> dict[str, int]:
        """Where it listens, by client."""
        return {name: hooks.port for name, (_, hooks) in self._listening.items() if hooks is not None}

    def close(self) -> None:
        """Listen no more."""
        for _, hooks in self._listening.values():
            if hooks is not None:
                hooks.stop()
        self._listening.clear()
