"""An account of the fake Quincefin, opened as the engine opens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stamina

from pipeline.api import Gate, Pacer, SystemEnv
from pipeline.ports import open_gate
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.quincefin import open_account
from plugins.systems.quincefin.fake import HEADER, KEY, FakeQuincefin, Quirks
from plugins.systems.quincefin.settings import QuincefinSettings
from plugins.systems.quincefin.system import Quincefin
from tests.systems.quincefin.conftest import Clock

CODES = ("COF-1", "TEA-1", "GIFT-1")
STATUSES = ("new", "confirmed", "paid", "shipped", "completed", "cancelled", "refunded")


@dataclass
class Account:
    """A fake account, and sessions to it. ``ids``: what people have put in, by name."""

    fake: FakeQuincefin
    url: str
    clock: Clock
    settings: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    gate: Gate = open_gate
    pacer: Pacer | None = None
    sessions: list[Quincefin] = field(default_factory=list)

    def open(self, **more: Any) -> Quincefin:
        """A session of its own."""
        given = {
            "untried_writes": True,
            "url": self.url,
            "token": KEY,
            "header": HEADER,
            "pace": 50,
            **self.settings,
            **more,
        }
        settings = QuincefinSettings.model_validate(given)
        env = SystemEnv("books", "demo", Path(), "UAH", "Europe/Kyiv", self.clock, gate=self.gate, pacer=self.pacer)
        self.sessions.append(open_account(settings, env))
        return self.sessions[-1]

    def asked(self, path: str = "") -> list[str]:
        """What was asked so far, without the prefix: ``order/add``."""
        return [one.path.removeprefix("/api/v2/") for one in self.fake.asked("POST", f"/api/v2/{path}")]

    def sent(self, path: str) -> Any:
        """The body of the last request to a path."""
        return self.fake.asked("POST", f"/api/v2/{path}")[-1].json()

    def order(self, number: int = 0) -> Mapping[str, Any]:
        """An order as the account keeps it, in the order of their making."""
        return self.fake.orders()[number]


class Fast(Pacer):
    """Nobody waits."""

    @contextmanager
    def turn(self, key: str, limits: Any) -> Iterator[None]:
        yield

    def leave_alone(self, key: str, seconds: float) -> None:
        pass


@contextmanager
def account(quirks: Quirks | None = None, **settings: Any) -> Iterator[Account]:
    """One with an organisation, a warehouse, statuses and three products; tries are made again without a pause."""
    clock = Clock()
    fake = FakeQuincefin(quirks, clock.now)
    with FakeServer(fake) as server, stamina.set_testing(True, attempts=4):
        one = Account(fake, server.url, clock, pacer=Fast())
        ids = one.ids
        ids["company"] = fake.put("companies", Name="ТОВ Приклад")
        ids["main"] = fake.put("stores", Name="Основний")
        ids |= {name: fake.put("statuses", Name=name) for name in STATUSES}
        ids |= {name: fake.put("sources", Name=name) for name in ("shop", "market")}
        ids["bank"], ids["cash"] = fake.put("accounts", Name="Рахунок"), fake.put("accounts", Name="Каса")
        ids["user"] = fake.put("users", Name="Олена")
        ids["delivery"] = fake.put("service", Name="Доставка", ParentFolder=None)
        ids["retail"] = fake.put("price_type", Name="Роздріб")
        for n, code in enumerate(CODES):
            ids[code] = fake.add_product(f"Товар {code}", code, stock={ids["main"]: 1000 + n})
        one.settings = {
            "company": ids["company"],
            "warehouses": {"main": ids["main"]},
            "warehouse": "main",
            "statuses": {name: ids[name] for name in STATUSES},
            "sources": {name: ids[name] for name in ("shop", "market")},
            "users": {"Олена": ids["user"]},
            "accounts": {"Рахунок": ids["bank"], "Каса": {"id": ids["cash"], "kind": "cash"}},
            "orders": {"statuses": {name: name for name in STATUSES}},
            **settings,
        }
        try:
            yield one
        finally:
            for session in one.sessions:
                session.close()
