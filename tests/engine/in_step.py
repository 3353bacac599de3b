"""Two systems in memory, and a client whose job keeps them in step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import cards, decisions
from pipeline.ledger import plans as plan_rows
from pipeline.registry import load_registry
from tests.engine.sync_world import (
    FLAT,
    SHOP,
    MemorySystem,
    plugin,
)

NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  shop: {{type: memory-shop}}
  crm: {{type: memory-crm}}
ledger: {{url: "{ledger}"}}
log: {{file: null}}
jobs:
  goods:
    every: 5m
    steps:
      - step: {step}
        from: shop
        to: crm
{more}
"""


class At(SystemClock):
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment


@dataclass
class World:
    """A shop and a CRM in memory, and a client between them."""

    folder: Path
    shop: MemorySystem = field(default_factory=lambda: MemorySystem(SHOP))
    crm: MemorySystem = field(default_factory=lambda: MemorySystem(FLAT))
    step: str = "sync-catalogue"
    more: str = ""
    jobs: str = ""  #: further jobs, as lines below `jobs:`
    ledger: str = "sqlite:///ledger.sqlite3"
    clock: At = field(default_factory=At)

    def config(self) -> Any:
        path = self.folder / "config.yaml"
        more = "".join(f"        {line}\n" for line in self.more.strip().splitlines())
        text = CONFIG.format(step=self.step, more=more, ledger=self.ledger) + self.jobs
        path.write_text(text, encoding="utf-8")
        return load_config(path, registry=self.registry())

    def registry(self) -> Any:
        registry = load_registry()
        mine = {name: plugin(name, one) for name, one in (("memory-shop", self.shop), ("memory-crm", self.crm))}
        return replace(registry, systems={**registry.systems, **mine})

    def run(self, job: str = "goods", reach: Callable[[str], None] = lambda _point: None, **options: Any) -> RunReport:
        return run_job(
            self.config(), job, RunOptions(**options), registry=self.registry(), clock=self.clock, reach=reach
        )

    def later(self, **by: float) -> None:
        self.clock.moment += timedelta(**by)

    def opened(self) -> Client:
        return Client.open(self.config(), registry=self.registry(), clock=self.clock)

    def open_cards(self) -> list[dict[str, Any]]:
        with self.opened() as client, client.ledger.read() as conn:
            return cards.listing(conn, "acme")

    def plans(self) -> list[dict[str, Any]]:
        with self.opened() as client, client.ledger.read() as conn:
            return plan_rows.listing(conn, "acme")

    def decide(self, verdict: str) -> None:
        """A person's word on the newest waiting plan."""
        row = next(one for one in self.plans() if one["state"] == "waiting")
        with self.opened() as client, client.ledger.begin() as conn:
            decisions.decide(
                conn, "acme", row["subject"], row["digest"], verdict, ["plan"], by="anna", now=self.clock.now()
            )

    def map(self, code: str, meant: str) -> None:
        with self.opened() as client, client.ledger.begin() as conn:
            decisions.give_mapping(conn, "acme", "sku", code, meant, by="anna", now=self.clock.now())


def names(system: MemorySystem) -> set[str]:
    return {str(one.values["name"]) for one in system.content.values()}


def by_sku(system: MemorySystem, sku: str) -> list[Any]:
    return [one for one in system.content.values() if one.keys.get("sku") == sku]


def good(report: RunReport) -> RunReport:
    assert report.state in ("done", "waiting"), [str(one.text) for step in report.steps for one in step.findings]
    return report


def notes(report: RunReport) -> str:
    """What the run said besides its counts, line by line."""
    return "\n".join(str(one) for step in report.steps if step.result for one in step.result.notes)
