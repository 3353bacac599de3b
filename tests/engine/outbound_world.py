"""A client whose catalogue goes out: a system of our own making, a server in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.archive import Archive
from pipeline.config.model import ClientConfig
from pipeline.engine.context import RunContext, go_on
from pipeline.engine.outbound import publish
from pipeline.errors import Finding
from pipeline.flow import FormatPlugin, OutboundStep, StepResult
from pipeline.ledger.store import Ledger
from pipeline.model import Product
from pipeline.ports import Batch, System
from pipeline.registry import Registry
from pipeline.transports.memory import MemoryTransport
from pipeline.transports.wrap import DryRun
from plugins.formats import joomshopping_csv
from plugins.steps import export_catalogue
from plugins.steps.export_catalogue import ExportSettings

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STEP = export_catalogue.PLUGIN.kind
CSV = joomshopping_csv.PLUGIN


class Killed(BaseException):
    """The process is gone at this point."""


@dataclass
class StillClock:
    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Shelf:
    """A system with nothing but a catalogue."""

    rows: list[dict[str, Any]]
    name: str = "books"
    asked: tuple[str, ...] = ()

    def products(self, since: datetime | None = None) -> Iterator[Product]:
        return iter(())

    def count(self) -> int:
        return len(self.rows)

    def batches(self, fields: Sequence[str], *, at: datetime, size: int = 1000) -> Iterator[Batch]:
        self.asked = tuple(fields)
        for start in range(0, len(self.rows), 3):
            part = self.rows[start : start + 3]
            yield Batch(len(part), {name: [row.get(name, _EMPTY.get(name, "")) for row in part] for name in fields})

    def check(self) -> Sequence[Finding]:
        return ()

    def close(self) -> None:
        pass


class Deaf:
    """A system that has no catalogue."""

    name = "books"

    def check(self) -> Sequence[Finding]:
        return ()

    def close(self) -> None:
        pass


_EMPTY: Mapping[str, Any] = {
    "category": (),
    "images": (),
    "published": True,
    "tax_rate": Decimal(20),
    "stock": Decimal(5),
    "weight": None,
    "price.old": None,
    "special_price": None,
    "special_start": None,
    "special_end": None,
    "updated_at": None,
    "options": {},
}


def product(code: str, price: str | None = "10.00", **more: Any) -> dict[str, Any]:
    return {"code": code, "name.uk-UA": f"Товар {code}", "price": Decimal(price) if price else None, **more}


@dataclass
class World:
    """A client with books, a site and a folder of pictures."""

    base: Path
    rows: list[dict[str, Any]] = field(default_factory=lambda: [product(f"{n:04}") for n in range(10)])
    clock: StillClock = field(default_factory=StillClock)
    site: MemoryTransport = field(default_factory=lambda: MemoryTransport("site", ["", "import"]))
    disk: MemoryTransport = field(default_factory=lambda: MemoryTransport("disk", ["", "photos"]))
    ledgers: list[Ledger] = field(default_factory=list)

    def run(
        self,
        *,
        reach: Callable[[str], None] = go_on,
        dry_run: bool = False,
        approve: bool = False,
        step: OutboundStep | None = None,
        plugin: FormatPlugin = CSV,
        shop: Mapping[str, Any] | None = None,
        system: System | None = None,
        **settings: Any,
    ) -> StepResult:
        assert isinstance(STEP, OutboundStep)
        ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=self.base, clock=self.clock)
        self.ledgers.append(ledger)
        temp = self.base / f"temp{len(self.ledgers)}"
        temp.mkdir()
        ctx = RunContext(
            config=ClientConfig(client="acme", connections={}, jobs={}, base=self.base),
            registry=Registry({}, {}, {}, {}, {}),
            ledger=ledger,
            archive=Archive(self.base / "archive"),
            clock=self.clock,
            job="catalogue",
            temp=temp,
            dry_run=dry_run,
            approve=approve,
            reach=reach,
            _transports={"site": DryRun(self.site) if dry_run else self.site, "disk": self.disk},
            _systems={"books": system or Shelf(self.rows)},
        )
        chosen = ExportSettings.model_validate({"from": "books", "to": "site", "folder": "import", **settings})
        try:
            return publish(step or STEP, chosen, plugin, plugin.settings.model_validate(shop or {}), ctx)
        finally:
            ledger.close()

    @property
    def files(self) -> dict[str, bytes]:
        return {name: data for name, (data, _) in self.site.files["import"].items()}

    def table(self, table: sa.Table) -> list[dict[str, Any]]:
        ledger = Ledger("sqlite:///ledger.sqlite3", client="acme", base=self.base, clock=self.clock)
        try:
            with ledger.read() as conn:
                return [dict(row) for row in conn.execute(sa.select(table)).mappings()]
        finally:
            ledger.close()

    def codes(self) -> list[str]:
        lines = self.files["catalogue.csv"].decode().splitlines()[1:]
        return [line.split(";")[0] for line in lines]
