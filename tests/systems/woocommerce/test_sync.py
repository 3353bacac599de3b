"""A shop on WooCommerce kept in step by the engine's own walk: from a system in memory into it, and back out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import decisions
from pipeline.ledger import plans as plan_rows
from pipeline.registry import load_registry
from pipeline.testing.fakehttp import Answer
from plugins.systems.woocommerce.fake import KEY, SECRET
from tests.engine.sync_world import BELOW, MemorySystem, plugin, put, single, special, with_variants
from tests.systems.woocommerce.conftest import Clock
from tests.systems.woocommerce.shops import Shop, served

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  erp: {{type: memory-erp}}
  shop: {{type: woocommerce, url: "{url}", key: {key}, secret: {secret}, batch: 10}}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  goods:
    every: 5m
    steps:
      - step: sync-catalogue
        from: {source}
        to: {target}
        match: {{keys: [sku]}}
  stock:
    every: 5m
    steps:
      - step: sync-stock
        from: {source}
        to: {target}
        match: {{keys: [sku]}}
"""


class At(SystemClock):
    """The time of the test."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def now(self) -> Any:
        return self.clock.moment


@dataclass
class World:
    """A client with a system in memory and a shop."""

    folder: Path
    shop: Shop
    erp: MemorySystem = field(
        default_factory=lambda: MemorySystem(replace(BELOW, keys=("sku",), delta=False, batch=20))
    )
    source: str = "erp"
    target: str = "shop"
    more: str = ""  #: further settings of the step about goods

    def registry(self) -> Any:
        registry = load_registry()
        return replace(registry, systems={**registry.systems, "memory-erp": plugin("memory-erp", self.erp)})

    def config(self) -> Any:
        path = self.folder / "config.yaml"
        text = CONFIG.format(url=self.shop.url, key=KEY, secret=SECRET, source=self.source, target=self.target)
        path.write_text(text.replace("{keys: [sku]}", f"{{keys: [sku]}}{self.more}", 1), encoding="utf-8")
        return load_config(path, registry=self.registry())

    def run(self, job: str = "goods", *, full: bool = False, trigger: str = "person", after: int = 300) -> RunReport:
        self.shop.clock.pass_(seconds=after)
        clock = At(self.shop.clock)
        return run_job(
            self.config(), job, RunOptions(full=full, trigger=trigger), registry=self.registry(), clock=clock
        )

    def approve(self) -> None:
        """A person's word on the newest waiting plan."""
        clock = At(self.shop.clock)
        with Client.open(self.config(), registry=self.registry(), clock=clock) as client, client.ledger.begin() as conn:
            row = next(one for one in plan_rows.listing(conn, "acme") if one["state"] == "waiting")
            decisions.decide(
                conn, "acme", row["subject"], row["digest"], "accept", ["plan"], by="anna", now=clock.now()
            )


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    with served(clock) as shop:
        yield World(tmp_path, shop)


def good(report: RunReport) -> dict[str, int]:
    """The counts of a run that has not failed."""
    assert report.state in ("done", "waiting"), [str(one.text) for step in report.steps for one in step.findings]
    return {word: n for word, n in report.counts.items() if n}


def filled(world: World) -> None:
    """Three goods, one of them with variants, with all that a catalogue has."""
    now = world.shop.clock.moment
    put(
        world.erp,
        single(
            "1", "E-1", name="Емаль & ґрунт", price="450.50", category=("Фарби", "Емалі"), weight=Decimal("1.2"),
            description="<p>Опис</p>", images=("https://erp.example/1.jpg",),
            specials=(special("399", now + timedelta(days=1), now + timedelta(days=3)),),
        ),
        single("2", "E-2", name="Лак", price="90"),
        *with_variants(
            "3", "F-1",
            ("31", "F-1-R", {"price": Decimal(100), "options": {"Колір": "Червоний"}}),
            ("32", "F-1-G", {"price": Decimal(110), "options": {"Колір": "Зелений"}}),
            name="Фарба", category=("Фарби",),
        ),
    )  # fmt: skip


def writes(world: World) -> list[str]:
    """Paths of what was posted since the log was emptied."""
    return [one.path.removeprefix("/wp-json/wc/v3") for one in world.shop.fake.asked("POST")]


# --- into the shop ---------------------------------------------------------------------------------------------------


def test_a_catalogue_is_made_in_the_shop_and_then_only_changes_go(world: World) -> None:
    filled(world)
    assert good(world.run())["new"] == 4
    row = world.shop.row("E-1")
    assert (row["name"], row["regular_price"], row["sale_price"]) == ("Емаль &amp; ґрунт", "450.50", "399")
    assert world.shop.paths() == [("Фарби",), ("Фарби", "Емалі")]
    assert {world.shop.row(sku)["parent_id"] for sku in ("F-1-R", "F-1-G")} == {world.shop.row("F-1")["id"]}
    world.shop.fake.forget()
    assert "updated" not in good(world.run())
    assert "updated" not in good(world.run(full=True))
    assert writes(world) == [], "a full look finds all as it should be"
    put(world.erp, single("2", "E-2", name="Лак", price="95"))
    assert good(world.run())["updated"] == 1
    assert world.shop.row("E-2")["regular_price"] == "95"
    assert writes(world) == ["/products/batch"]


def test_a_product_that_the_shop_has_with_variations_is_the_same_when_it_is_sent_without(world: World) -> None:
    filled(world)
    good(world.run())
    world.shop.fake.forget()
    world.more = "\n        base_only: [Фарби]\n        vanished: hide"
    for _ in range(2):
        assert good(world.run(full=True)) == {"matched": 3}
    assert writes(world) == []
    assert {world.shop.row(sku)["status"] for sku in ("F-1", "F-1-R", "F-1-G")} == {"publish"}


def test_a_variation_that_the_source_hides_is_hidden_in_the_shop_and_comes_back(world: World) -> None:
    filled(world)
    good(world.run())
    variant = world.erp.content["31"]
    for shown, status in ((False, "private"), (True, "publish")):
        put(world.erp, replace(variant, values={**variant.values, "published": shown}))
        assert good(world.run(full=True))["updated"] == 1
        assert world.shop.row("F-1-R")["status"] == status
        assert "updated" not in good(world.run(full=True))


def test_what_somebody_changes_in_the_shop_is_put_right_and_his_own_fields_stay(world: World) -> None:
    filled(world)
    good(world.run())
    world.shop.row("E-1").update(regular_price="400", purchase_note="Дякуємо", menu_order=7)
    assert good(world.run(full=True))["updated"] == 1
    row = world.shop.row("E-1")
    assert (row["regular_price"], row["purchase_note"], row["menu_order"]) == ("450.50", "Дякуємо", 7)


def test_a_lost_reply_makes_nothing_twice_even_when_nothing_is_found_at_once(world: World) -> None:
    filled(world)
    world.shop.fake.lose_reply(method="POST", path="/wp-json/wc/v3/products/batch")
    seen = world.shop.fake.after

    def busy(asked: Any, answer: Any) -> Any:
        if "sku" in dict(asked.query) and len(world.shop.fake.shop.tables["products"]) > 0:
            return Answer(503, "<html>busy</html>")
        return seen(asked, answer)

    world.shop.fake.after = busy  # type: ignore[method-assign]
    report = world.run()
    assert report.exit_code != 0
    world.shop.fake.after = seen  # type: ignore[method-assign]
    world.shop.fake.forget()
    good(world.run())
    good(world.run(full=True))
    skus = sorted(row["sku"] for row in world.shop.fake.products.rows())
    assert skus == ["E-1", "E-2", "F-1", "F-1-G", "F-1-R"]


def test_rows_that_the_shop_refuses_are_told_and_the_others_go(world: World) -> None:
    filled(world)
    world.shop.fake.shop.unreachable.add("https://erp.example/1.jpg")
    report = world.run()
    assert good(report)
    assert world.shop.fake.products.by_sku("E-1") == []
    assert world.shop.row("E-2")["name"] == "Лак"
    assert "erp.example/1.jpg" in " ".join(str(note) for step in report.steps for note in step.result.notes)  # type: ignore[union-attr]
    world.shop.fake.shop.unreachable.clear()
    good(world.run())
    assert world.shop.row("E-1")["name"] == "Емаль &amp; ґрунт"


def test_a_key_that_has_expired_stops_the_run_and_the_next_goes_on(world: World) -> None:
    filled(world)
    keys = dict(world.shop.fake.shop.keys)
    world.shop.fake.shop.keys.clear()
    report = world.run(trigger="schedule")
    assert report.state == "failed"
    assert "cannot list resources" in str(report.steps[0].findings[0].text)
    asked = len(world.shop.fake.log)
    world.run(trigger="schedule", after=60)
    assert len(world.shop.fake.log) == asked, "nobody knocks on and on"
    world.shop.fake.shop.keys.update(keys)
    assert good(world.run())["new"] == 4


@pytest.mark.parametrize("wrong", ["0", "4505"])
def test_a_price_that_falls_to_nothing_or_jumps_waits_for_a_person(world: World, wrong: str) -> None:
    filled(world)
    good(world.run())
    put(world.erp, single("2", "E-2", name="Лак", price=wrong))
    assert world.run().exit_code == 1
    assert world.shop.row("E-2")["regular_price"] == "90"
    world.approve()
    good(world.run())
    assert world.shop.row("E-2")["regular_price"] == wrong


def test_twins_by_notation_are_one_product(world: World) -> None:
    world.shop.fake.add_product("е-2 ", "Лак", "1")  # with a Cyrillic letter
    put(world.erp, single("2", "E-2", name="Лак", price="9"))
    assert good(world.run()).get("new") is None
    assert len(world.shop.rows()) == 1


def test_stock_is_kept_in_step_and_what_was_not_counted_is_counted_from_then_on(world: World) -> None:
    filled(world)
    good(world.run())
    world.erp.stock = {
        ("1", ""): (Decimal(5), Decimal(2)), ("2", ""): (Decimal(0), Decimal(0)),
        ("31", ""): (Decimal(-4), Decimal(0)), ("32", ""): (Decimal(9), Decimal(0)),
    }  # fmt: skip
    assert world.run("stock").exit_code == 1, "what was never in step is looked at by a person"
    world.approve()
    good(world.run("stock"))
    shown = {sku: world.shop.row(sku)["stock_quantity"] for sku in ("E-1", "E-2", "F-1-R", "F-1-G")}
    assert shown == {"E-1": 3, "E-2": 0, "F-1-R": 0, "F-1-G": 9}
    assert world.shop.row("E-2")["stock_status"] == "outofstock", "it was sold without counting before"
    world.shop.fake.forget()
    world.erp.stock["1", ""] = (Decimal(8), Decimal(0))
    good(world.run("stock"))
    good(world.run("stock"))
    assert writes(world) == ["/products/batch"]
    assert world.shop.row("E-1")["stock_quantity"] == 8


# --- out of the shop -------------------------------------------------------------------------------------------------


def test_a_shop_is_read_into_another_system_with_its_changes(world: World) -> None:
    world.source, world.target = "shop", "erp"
    world.shop.fake.seed()
    good(world.run())
    there = {one.keys.get("sku"): one for one in world.erp.content.values()}
    assert there["LMP-9"].values["price"] == Decimal("450.50")
    assert there["EM-R-1"].values["options"] == {"Колір": "Червона", "Об'єм": "1 л"}
    assert there["EM-R-1"].product == there["EM-B-05"].product
    world.shop.fake.forget()
    with world.shop.fake.lock:
        row = world.shop.row("EM-R-1")
        row["regular_price"] = "333"
        world.shop.fake.products.touch(row)
    world.shop.clock.pass_(minutes=30)
    good(world.run())
    assert any("modified_after" in dict(one.query) for one in world.shop.fake.asked("GET"))
    there = {one.keys.get("sku"): one for one in world.erp.content.values()}
    assert there["EM-R-1"].values["price"] == Decimal(333)


def test_stock_is_read_out_of_the_shop(world: World) -> None:
    world.source, world.target = "shop", "erp"
    world.shop.fake.seed()
    good(world.run())
    world.run("stock")
    world.approve()
    good(world.run("stock"))
    by_id = {own: quantity for own, _, quantity in world.erp.pushes}
    there = {one.keys.get("sku"): own for own, one in world.erp.content.items()}
    assert by_id == {there["LMP-9"]: Decimal(10), there["EM-R-1"]: Decimal(12)}, "what is not counted is not told"
