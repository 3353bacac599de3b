"""An API of so many requests a minute, told in pages and written in batches, as one end of a sync. Its time is virtual:
requests take some of it, waiting takes the rest, and nobody waits really."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.pacing import LedgerPacer
from pipeline.engine.runtime import RunOptions, RunReport, run_job
from pipeline.errors import Finding, Transient
from pipeline.flow import SystemEnv, SystemPlugin
from pipeline.http import HttpClient
from pipeline.ledger.store import Ledger
from pipeline.model import Offer
from pipeline.ports import Limits, OfferChange, OfferTraits, ProductDraft, RowOutcome, System
from pipeline.registry import load_registry
from pipeline.settings import Settings
from pipeline.testing.fakehttp import Answer, Answered, Asked, FakeApi, FakeServer
from pipeline.texts import T
from tests.engine.sync_world import SHOP, MemorySystem, plugin

PAGE, OVERLAP = 100, 2
FIELDS = frozenset({"name", "price", "weight"})
NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  shop: {type: memory-shop}
  crm: {type: limited}
ledger: {url: "sqlite:///ledger.sqlite3"}
log: {file: null}
jobs:
  goods:
    steps: [{step: sync-catalogue, from: shop, to: crm, full_at: null}]
"""


class Virtual(SystemClock):
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True)
class Quirks:
    """How it counts its minute: by the last 60 seconds, or from the first request in it."""

    window: Literal["sliding", "fixed"] = "sliding"
    travel: float = 0.04  #: seconds on the way there, and back


class LimitedApi(FakeApi):
    """Goods by offset, bulk POST and PUT of ``largest`` rows; counts what it refuses."""

    def __init__(self, clock: Virtual, *, quirks: Quirks, per_minute: int, largest: int) -> None:
        super().__init__()
        self.clock, self.quirks, self.per_minute, self.largest = clock, quirks, per_minute, largest
        self.goods: dict[int, dict[str, Any]] = {}
        self.refused = 0
        self.written: list[tuple[int, dict[str, Any]]] = []
        self.meanwhile: list[dict[str, Any]] = []  #: goods that somebody adds in front, one after each page
        self._let: list[float] = []
        self.add("GET", "/goods", self.page)
        self.add("POST", "/goods", self.create)
        self.add("PUT", "/goods", self.change)

    def before(self, asked: Asked) -> None:
        """A request has come."""
        self.clock.sleep(self.quirks.travel)
        now = self.clock.seconds
        if self.quirks.window == "sliding":
            self._let = [one for one in self._let if one > now - 60]
        elif self._let and self._let[0] <= now - 60:
            self._let = []
        if len(self._let) >= self.per_minute:
            self.refused += 1
            raise Answered(Answer(429, {"message": "Too Many Attempts."}, {"Retry-After": "60"}))
        self._let.append(now)

    def after(self, asked: Asked, answer: Answer) -> Answer:
        """It is answered."""
        self.clock.sleep(self.quirks.travel)
        return answer

    def page(self, asked: Asked) -> Any:
        """Some goods, by their ids from the newest down."""
        offset, limit = int(asked.param("offset")), int(asked.param("limit"))
        newest = len(self.goods) - offset
        rows = [self.goods[own] for own in range(newest, max(newest - limit, 0), -1)]
        if self.meanwhile:
            self._add(self.meanwhile.pop(0))
        return {"goods": rows}

    def create(self, asked: Asked) -> Any:
        """New goods."""
        return {"ids": [self._add(row) for row in self._rows(asked)]}

    def change(self, asked: Asked) -> Any:
        """Changes of goods."""
        for row in self._rows(asked):
            own = int(row["id"])
            self.written.append((own, {name: value for name, value in row.items() if name != "id"}))
            self.goods[own] |= row
        return {"status": True}

    def _add(self, row: Mapping[str, Any]) -> int:
        own = len(self.goods) + 1
        self.goods[own] = {**row, "id": own}
        return own

    def _rows(self, asked: Asked) -> list[dict[str, Any]]:
        rows = list(asked.json()["goods"])
        if len(rows) > self.largest:
            raise Answered(Answer(422, {"message": f"at most {self.largest}"}))
        return rows


class LimitedSystem:
    """The connector to it."""

    def __init__(self, api: LimitedApi, url: str, env: SystemEnv) -> None:
        self.api, self.name = api, env.name
        assert env.pacer is not None
        self.http = HttpClient(
            name=env.name, url=url, pacer=env.pacer, limits=Limits(per_minute=api.per_minute), account="key"
        )

    def check(self) -> Sequence[Finding]:
        return ()

    def close(self) -> None:
        self.http.close()

    def offer_traits(self) -> OfferTraits:
        return OfferTraits(
            keys=("sku",), reads=FIELDS, writes=FIELDS, creates=FIELDS, variants="flat", batch=self.api.largest
        )

    def offers(self, since: datetime | None = None) -> Iterator[Offer]:
        offset, seen = 0, set[int]()
        while True:
            rows = self.http.ask("GET", "/goods", params={"offset": offset, "limit": PAGE}).json()["goods"]
            joined = not seen or not rows or any(row["id"] in seen for row in rows)
            for row in rows:
                if row["id"] not in seen:
                    seen.add(row["id"])
                    values = {name: row[name] for name in FIELDS if name in row}
                    own = str(row["id"])
                    yield Offer(id=own, product=own, keys={"sku": row["sku"]}, values=_exact(values))
            if joined and len(rows) < PAGE:
                return
            offset = offset + PAGE - OVERLAP if joined else max(offset - PAGE, 0)

    def create_products(self, drafts: Sequence[ProductDraft]) -> Sequence[RowOutcome]:
        rows = [{"sku": one.base.keys["sku"], **one.base.values} for one in drafts]
        ids = self._sent("POST", rows).json()["ids"]
        return [RowOutcome((str(own),)) for own in ids]

    def update_offers(self, changes: Sequence[OfferChange]) -> Sequence[RowOutcome]:
        self._sent("PUT", [{"id": one.offer.id, **one.values} for one in changes])
        return [RowOutcome((one.offer.id,)) for one in changes]

    def _sent(self, method: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        reply = self.http.ask(method, "/goods", json={"goods": rows})
        if not reply.ok:
            raise Transient(T("{words}", words=reply.words), code="busy")
        return reply


def _exact(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Decimal(value) if isinstance(value, int) else value for name, value in values.items()}


_system: type[System] = LimitedSystem


@dataclass
class Scale:
    """A source in memory, the API, and a client between them."""

    folder: Path
    api: LimitedApi
    url: str
    clock: Virtual
    shop: MemorySystem = field(default_factory=lambda: MemorySystem(SHOP))

    def run(self, **options: Any) -> RunReport:
        """One run of the sync; its waiting is virtual."""
        opened = SystemPlugin(
            name="limited", summary=T("A system in memory"), settings=Settings,
            open=lambda _settings, env: LimitedSystem(self.api, self.url, env),
        )  # fmt: skip
        registry = load_registry()
        mine = {"memory-shop": plugin("memory-shop", self.shop), "limited": opened}
        registry = replace(registry, systems={**registry.systems, **mine})
        path = self.folder / "config.yaml"
        path.write_text(CONFIG, encoding="utf-8")

        def pacer(ledger: Ledger) -> LedgerPacer:
            return LedgerPacer(ledger, self.clock.sleep)

        with patch("pipeline.engine.context.LedgerPacer", pacer):
            return run_job(
                load_config(path, registry=registry), "goods", RunOptions(**options), registry=registry,
                clock=self.clock,
            )  # fmt: skip

    def fill(self, count: int) -> None:
        """So many products in the source."""
        self.shop.content = {str(n): _good(n) for n in range(count)}

    def change(self, every: int) -> int:
        """Another price for one in ``every``; how many these are."""
        changed = [n for n in range(len(self.shop.content)) if n % every == 0]
        for n in changed:
            self.shop.content[str(n)] = _good(n, more=1)
        return len(changed)


def _good(n: int, more: int = 0) -> Offer:
    values = {"name": f"Фарба {n}", "price": Decimal(n % 900 + 100 + more) / 4, "weight": Decimal(n % 9 + 1) / 2}
    return Offer(id=str(n), product=str(n), keys={"sku": f"AR-{n:06}"}, values=values)


@contextmanager
def scale(folder: Path, *, quirks: Quirks | None = None, per_minute: int = 60, largest: int = 500) -> Iterator[Scale]:
    """All of it, served."""
    clock = Virtual()
    api = LimitedApi(clock, quirks=quirks or Quirks(), per_minute=per_minute, largest=largest)
    api.lock = threading.RLock()
    with FakeServer(api) as server:
        yield Scale(folder, api, server.url, clock)
