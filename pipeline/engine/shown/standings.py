"""How each of many clients stands, in a row: for the list of the page and of ``mistok status DIR``."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.clock import SystemClock
from pipeline.config.clients import TWIN, Found
from pipeline.config.model import ClientConfig
from pipeline.engine import guard, health
from pipeline.engine.history import SILENT
from pipeline.engine.runtime import Client
from pipeline.engine.shown.troubles import placed, troubles
from pipeline.engine.sidebyside import side_by_side
from pipeline.errors import Finding, MistokError, Who
from pipeline.ledger.hasty import QuickLedger
from pipeline.registry import Registry
from pipeline.texts import T, Text

LEVELS = {"well": T("well"), "trouble": T("trouble"), "down": T("down"), "wrong": T("wrong config")}
#: How a wrong config is shown of a client whose service goes on with the one before it.
SERVED = T("wrong config, served by the old one")
#: So many clients are looked at side by side, each for so many seconds at most.
AT_ONCE, PATIENCE = 8, 45.0
#: From the best to the worst: whom nobody serves is worse off than who has a config that is told to be wrong.
WORSE = ("well", "trouble", "wrong", "down")


@dataclass(frozen=True, slots=True)
class Standing:
    """One client: its level (see ``LEVELS``), when a run of it began last, what runs now, what waits, what is wrong.

    ``served``: of one whose config is wrong, whether a service is at work by the config before it; None: nobody knows.
    """

    client: str
    folder: Path
    level: str
    last: datetime | None = None
    running: tuple[str, ...] = ()
    cards: int = 0
    troubles: tuple[Text | str, ...] = ()
    served: bool | None = None

    def row(self) -> dict[str, Any]:
        """For --json and tables."""
        return {
            "client": self.client,
            "level": self.level,
            "folder": self.folder,
            "last": self.last,
            "running": list(self.running),
            "cards": self.cards,
            "troubles": [str(words) for words in self.troubles],
            **({"served": self.served} if self.level == "wrong" else {}),
        }

    @property
    def state(self) -> Text:
        """Its level in words."""
        return SERVED if self.served else LEVELS[self.level]

    @property
    def told(self) -> str:
        """What is wrong, in a line."""
        more = f" (+{len(self.troubles) - 1})" if len(self.troubles) > 1 else ""
        return f"{self.troubles[0]}{more}" if self.troubles else ""


def standing(found: Found, registry: Registry, age: timedelta = SILENT) -> Standing:
    """How this client stands. ``age``: a service that was silent for longer is not alive. Raises nothing of ours."""
    config = found.config
    if config is None:
        return _wrong(found, age)
    try:
        with Client.open(config, registry=registry, read_only=True, kind=QuickLedger) as client:
            now = health.examine(config, client.ledger, max_age=age)
            level = health.level(config, now)
            if level is health.Level.DOWN:  # a service at work could not have said so
                client.ledger.must_be_writable()
    except MistokError as error:  # such as a ledger that does not answer
        return Standing(found.name, found.folder, "down", troubles=(error.text,))
    last = max((job.last.started for job in now.jobs if job.last), default=None)
    return Standing(
        found.name,
        found.folder,
        level.value,
        last.astimezone(config.zone) if last else None,
        tuple(job.name for job in now.jobs if job.running_since),
        sum(now.cards.values()),
        tuple(troubles(config, now, found.folder.parent)),
    )


def standings(clients: Sequence[Found], registry: Registry, age: timedelta = SILENT) -> list[Standing]:
    """How each of them stands, some looked at side by side; of one that gives no answer in time, that it does not."""
    here = dict(enumerate(clients))
    answers = side_by_side(here, lambda n: standing(here[n], registry, age), at_once=AT_ONCE, seconds=PATIENCE)
    rows = []
    for n, found in here.items():
        if n in answers:
            rows.append(answers[n].result())
        else:
            rows.append(Standing(found.name, found.folder, "down", troubles=(_no_answer(),)))
    return rows


def ledger_troubles(configs: Sequence[ClientConfig]) -> dict[str, Finding]:
    """By client, why its ledger cannot be used; those that can are not named. Each server's database is asked once."""
    groups: dict[str, list[ClientConfig]] = {}
    for config in configs:
        url = config.ledger.url
        groups.setdefault(f"{config.base} {url}" if url.startswith("sqlite") else url, []).append(config)
    answers = side_by_side(groups, lambda key: _ledger_trouble(groups[key][0]), at_once=AT_ONCE, seconds=PATIENCE)
    found: dict[str, Finding] = {}
    for key, group in groups.items():
        no_answer = Finding("ledger", _no_answer(), who=Who.ADMIN)
        trouble = answers[key].result() if key in answers else no_answer
        if trouble is not None:
            found |= {config.client: trouble for config in group}
    return found


def _ledger_trouble(config: ClientConfig) -> Finding | None:
    try:
        if not guard.file_missing(config):
            ledger = QuickLedger(config.ledger.url, client=config.client, base=config.base, clock=SystemClock())
            try:
                ledger.must_be_writable()
            finally:
                ledger.close()
    except MistokError as error:
        return error.findings[0]
    return None


def _no_answer() -> Text:
    return T("It gave no answer in {n} seconds, its ledger most likely.", n=round(PATIENCE))


def _wrong(found: Found, age: timedelta) -> Standing:
    """How one stands whose config is wrong, as far as its ledger can be found."""
    told, examined = tuple(map(placed, found.findings)), None
    if not any(finding.code == TWIN for finding in found.findings):  # in whose ledger may be what is the other one's
        with suppress(MistokError):
            examined = health.examine_without_config(found.source, max_age=age, environ=found.environ())
    if examined is None:
        return Standing(found.name, found.folder, "wrong", troubles=told)
    config, now = examined
    alive = any(_serves(service, found.source) for service in now.services)
    if alive:
        told = (*told, T("The service goes on with the config that it has."))
    last = now.last_begun.astimezone(config.zone) if now.last_begun else None
    return Standing(found.name, found.folder, "wrong", last, (), sum(now.cards.values()), told, served=alive)


def _serves(service: health.Service, source: Path) -> bool:
    """Whether it is at work by the config before the one in this file. A folder that somebody copied has the words of
    the service of the other one in its ledger, too, or shares it.
    """
    alive = service.life in (health.Life.ALIVE, health.Life.STANDBY)
    if not alive or not service.source or service.host != platform.node():
        return alive  # where another machine has the client's folder is its own affair
    return Path(service.source).resolve() == source.resolve()


def worst(standings: Sequence[Standing]) -> str:
    """The level of the one that stands worst."""
    return max((one.level for one in standings), key=WORSE.index, default="well")


def in_short(standings: Sequence[Standing]) -> str:
    """How many stand how."""
    count = {level: sum(one.level == level for one in standings) for level in LEVELS}
    return "; ".join(f"{LEVELS[level]}: {n}" for level, n in count.items() if n)
