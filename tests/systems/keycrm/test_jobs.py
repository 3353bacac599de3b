"""KeyCRM in the engine's own walks: a shop and an account kept in step, there and back, through faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import cards
from pipeline.registry import load_registry
from plugins.systems.keycrm.fake import FakeKeyCrm, Quirks
from tests.engine.sync_world import FLAT, SHOP, MemorySystem, plugin, put, single, with_variants
from tests.systems.keycrm.account import SECOND, Account, account, set_stock
from tests.systems.keycrm.conftest import held

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  shop: {{type: memory-shop}}
  crm:
    type: keycrm
    key: key
    url: {url}/v1
    warehouses: {{main: 1, second: 2}}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  goods:
    every: 5m
    steps:
      - step: {step}
        from: {source}
        to: {target}
{more}
"""


class At(SystemClock):
    """A clock that stands where it is put."""

    moment = NOW

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class World:
    """A shop in memory and an account of KeyCRM."""

    folder: Path
    account: Account
    shop: MemorySystem = field(default_factory=lambda: MemorySystem(SHOP))
    step: str = "sync-catalogue"
    source: str = "shop"
    target: str = "crm"
    more: str = ""
    clock: At = field(default_factory=At)

    @property
    def fake(self) -> FakeKeyCrm:
        return self.account.fake

    def config(self) -> Any:
        path = self.folder / "config.yaml"
        more = "".join(f"        {line}\n" for line in self.more.strip().splitlines())
        values = {"step": self.step, "source": self.source, "target": self.target, "more": more}
        path.write_text(CONFIG.format(url=self.account.url, **values), encoding="utf-8")
        return load_config(path, registry=self.registry())

    def registry(self) -> Any:
        registry = load_registry()
        return replace(registry, systems={**registry.systems, "memory-shop": plugin("memory-shop", self.shop)})

    def run(self, reach: Any = lambda _point: None, **options: Any) -> RunReport:
        self.fake.forget()
        return run_job(
            self.config(), "goods", RunOptions(**options), registry=self.registry(), clock=self.clock, reach=reach
        )

    def back(self) -> None:
        """From KeyCRM to the shop from now on."""
        self.source, self.target = "crm", "shop"
        self.shop.traits = replace(FLAT, variants="offers")

    def cards(self) -> list[str]:
        """What the open cards say."""
        client = Client.open(self.config(), registry=self.registry(), clock=self.clock)
        with client, client.ledger.read() as conn:
            found = cards.listing(conn, "acme")
        return [code for card in found for code in codes(card["findings"])]

    def prices(self) -> dict[str, Decimal]:
        return {row["sku"]: row["price"] for row in self.fake.account.table("offers").values()}


def codes(findings: Any) -> list[str]:
    import json

    found = json.loads(findings) if isinstance(findings, str) else findings
    return [one["code"] for one in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with account() as one:
        yield World(tmp_path, one)


def good(report: RunReport) -> RunReport:
    assert report.state in ("done", "waiting"), [str(one.text) for step in report.steps for one in step.findings]
    return report


def fill(shop: MemorySystem, count: int, price: str = "10.00") -> None:
    put(shop, *(single(str(n), f"A-{n:03}", price=price, category=("Фарби",)) for n in range(1, count + 1)))


# --- from a shop to KeyCRM -------------------------------------------------------------------------------------------


def test_a_catalogue_goes_in_and_a_second_run_sends_nothing(world: World) -> None:
    fill(world.shop, 120)
    put(
        world.shop,
        *with_variants(
            "900", "J",
            ("901", "J-R", {"price": Decimal(99), "options": {"Колір": "червоний"}}),
            ("902", "J-G", {"price": Decimal(98), "options": {"Колір": "зелений"}}),
            name="Куртка", category=("Одяг", "Куртки"), images=("https://shop.test/1.jpg",),
        ),
    )  # fmt: skip
    assert good(world.run()).counts == {"new": 122}
    assert world.prices() == {**{f"A-{n:03}": Decimal("10.00") for n in range(1, 121)}, "J-R": 99, "J-G": 98}
    assert good(world.run(full=True)).counts == {"matched": 123}
    assert [line for line in world.account.asked() if not line.startswith("GET")] == []
    assert good(world.run()).counts == {}
    assert world.account.asked() == [], "between two full looks KeyCRM is not read"


def test_a_changed_price_is_one_request_and_a_look(world: World) -> None:
    fill(world.shop, 60)
    good(world.run())
    put(world.shop, single("3", "A-003", price="12.00", category=("Фарби",)))
    assert good(world.run()).counts["updated"] == 1
    assert world.account.asked() == ["GET /products/categories", "GET /offers", "PUT /offers", "GET /offers"]
    assert world.fake.asked("PUT")[0].json() == {"offers": [{"id": 3, "price": 12}]}


def test_prices_alone_are_kept_in_step_after_a_person_has_looked(world: World) -> None:
    for n in (1, 2):
        world.fake.add_product(f"Товар {n}", f"A-{n:03}", price=9, purchased_price=5)
    fill(world.shop, 2)
    world.step = "sync-prices"
    assert good(world.run()).state == "waiting"
    assert world.account.asked("PUT") == []
    good(world.run(approve=True))
    assert set(world.prices().values()) == {Decimal("10.00")}
    assert {row["purchased_price"] for row in world.fake.account.table("offers").values()} == {5}


def test_a_product_that_keycrm_refuses_is_told_and_the_others_go_in(world: World) -> None:
    fill(world.shop, 3)
    put(world.shop, single("2", "A-002", price="10.00", name="x" * 10, category=("", "Фарби")))
    report = good(world.run())
    assert sorted(world.prices()) == ["A-001", "A-003"]
    assert report.state == "waiting"
    assert "keycrm-value" in world.cards()


def test_what_keycrm_shows_late_is_in_step_at_the_next_run(tmp_path: Path) -> None:
    with account(Quirks(lag=600)) as one:
        world = World(tmp_path, one)
        fill(world.shop, 2)
        good(world.run())
        put(world.shop, single("1", "A-001", price="11.00", category=("Фарби",)))
        report = good(world.run())
        assert (report.state, report.exit_code) == ("waiting", 1), "it is neither done, nor is KeyCRM unreachable"
        assert report.counts["unconfirmed"] == 1
        assert report.steps[0].result is not None
        assert any(
            "A-001" in str(note) and "does not show it yet" in str(note) for note in report.steps[0].result.notes
        )
        assert world.prices()["A-001"] == 10
        one.clock.move(1200)
        report = good(world.run())
        assert (report.state, report.exit_code) == ("done", 0)
        assert "unconfirmed" not in report.counts
        assert world.prices()["A-001"] == 11
        assert world.account.asked("PUT") == [], "it was there already"


# --- stock -----------------------------------------------------------------------------------------------------------


def test_f48_stock_goes_in_by_warehouse_with_reserves_on_top(world: World) -> None:
    fill(world.shop, 3)
    good(world.run())
    set_stock(world.account, {("1", "main"): (Decimal(5), Decimal(2))})
    world.shop.places = ("kyiv", "lviv", "debt")
    world.shop.stock = {
        ("1", "kyiv"): (Decimal(9), Decimal(1)),
        ("1", "debt"): (Decimal(-7), Decimal(0)),  # never eats what lies elsewhere
        ("2", "kyiv"): (Decimal(4), Decimal(0)),
        ("2", "lviv"): (Decimal("2.5"), Decimal(0)),
    }
    world.step = "sync-stock"
    world.more = "warehouses: {main: [kyiv, debt], second: [lviv]}"
    assert good(world.run()).state == "waiting", "the first time a person looks"
    good(world.run(approve=True))
    assert held(world.fake, "A-001", 1) == (10, 2)
    assert [world.fake.quantity("A-002", place) for place in (1, SECOND)] == [4, Decimal("2.5")]
    moved = len(world.fake.movements("api"))
    good(world.run(full=True))
    assert len(world.fake.movements("api")) == moved, "nothing has changed, and no document is made"
    world.shop.stock["2", "kyiv"] = (Decimal(3), Decimal(0))
    good(world.run())
    assert world.account.asked() == ["GET /offers/stocks", "PUT /offers/stocks", "GET /offers/stocks"]
    assert world.fake.quantity("A-002", 1) == 3


def test_stock_on_hand_leaves_the_reserves_to_keycrm(world: World) -> None:
    fill(world.shop, 1)
    good(world.run())
    set_stock(world.account, {("1", "main"): (Decimal(5), Decimal(2))})
    world.shop.places, world.shop.stock = ("kyiv",), {("1", "kyiv"): (Decimal(9), Decimal(0))}
    world.step, world.more = "sync-stock", "level: on-hand\nwarehouses: {main: [kyiv]}"
    good(world.run(approve=True))
    assert held(world.fake, "A-001", 1) == (9, 2)


# --- from KeyCRM to a shop -------------------------------------------------------------------------------------------


def test_keycrm_is_the_master_of_a_shop_s_goods(world: World) -> None:
    category = world.fake.add_category("Кава")
    world.fake.add_product("Кава", "COF-1", price=Decimal("450.5"), category_id=category, weight=Decimal("1.02"))
    world.fake.add_product(
        "Куртка",
        variants=[
            {"sku": "J-R", "price": 99, "properties": [{"name": "Колір", "value": "червоний"}]},
            {"sku": "J-G", "price": 98, "properties": [{"name": "Колір", "value": "зелений"}]},
        ],
    )
    world.fake.add_product("Старе", "OLD-1", is_archived=True)
    world.back()
    assert good(world.run()).counts == {"new": 3}
    there = {offer.keys.get("sku", offer.kind): offer for offer in world.shop.content.values()}
    assert set(there) == {"COF-1", "base", "J-R", "J-G"}
    assert there["COF-1"].values["category"] == ("Кава",)
    assert there["COF-1"].values["weight"] == Decimal("1.02")
    assert there["J-R"].values["options"] == {"Колір": "червоний"}
    assert there["J-R"].product == there["J-G"].product == there["base"].id
    world.shop.updates.clear()
    assert good(world.run(full=True)).counts == {"matched": 4}
    world.fake.account.table("products")[1]["name"] = "Кава, нова"
    good(world.run())
    assert [values for _id, values in world.shop.updates] == [{"name": "Кава, нова"}]
    assert {line.split()[0] for line in world.account.asked()} == {"GET"}, "a master is never written to"


def test_keycrm_is_the_master_of_a_shop_s_stock(world: World) -> None:
    world.fake.add_product("Кава", "COF-1", stock={1: 12, SECOND: 3})
    put(world.shop, single("1", "COF-1"))
    world.back()
    world.fake.add_order([{"sku": "COF-1", "quantity": 2}])
    world.step, world.shop.places = "sync-stock", ("all",)
    world.more = "warehouses: {all: [main, second]}"
    good(world.run(approve=True))
    assert world.shop.pushes == [("1", "all", Decimal(13))]
    world.fake.set_status(1, 19)  # cancelled: its reserve is free again
    good(world.run())
    assert world.shop.pushes[-1] == ("1", "all", Decimal(15))


@pytest.mark.parametrize("base_has_article", [True, False])
def test_a_product_that_keycrm_has_with_offers_is_no_second_one_when_it_is_sent_without(
    world: World, base_has_article: bool
) -> None:
    put(
        world.shop,
        *with_variants(
            "900", "J" if base_has_article else "",
            ("901", "J-R", {"price": Decimal(99), "options": {"Колір": "червоний"}}),
            ("902", "J-G", {"price": Decimal(98), "options": {"Колір": "зелений"}}),
            name="Куртка", category=("Одяг", "Куртки"), model="J-M",
        ),
    )  # fmt: skip
    world.more = "match: {keys: [sku, model]}"
    assert good(world.run()).counts == {"new": 2}
    made = len(world.fake.account.table("products"))
    world.more = "match: {keys: [sku, model]}\nbase_only: [Одяг]\nvanished: zero-stock"
    for _ in range(2):
        report = good(world.run(full=True))
        assert report.counts == {"matched": 1}
        (result,) = [step.result for step in report.steps]
        assert result is not None
        assert [one.code for one in result.remarks] == ["has-variants"]
        assert not result.waiting
    assert [line for line in world.account.asked() if not line.startswith("GET")] == []
    assert len(world.fake.account.table("products")) == made
    put(world.shop, replace(world.shop.content["900"], values={**world.shop.content["900"].values, "name": "Пальто"}))
    assert good(world.run(full=True)).counts == {"updated": 1}
    assert good(world.run(full=True)).counts == {"matched": 1}
