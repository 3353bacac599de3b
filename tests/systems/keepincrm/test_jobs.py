"""A shop kept in step with KeepinCRM by the engine's own walk: the catalogue as it was asked for, prices, stock."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import stamina

from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, RunOptions, RunReport, run_job
from pipeline.ledger import cards
from pipeline.registry import load_registry
from pipeline.testing.fakehttp import FakeServer
from plugins.systems.keepincrm.fake import TOKEN, FakeKeepin
from tests.engine.sync_world import SHOP, MemorySystem, plugin, put, single, special, with_variants

KYIV = ZoneInfo("Europe/Kyiv")
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  shop: {{type: memory-shop}}
  crm: {crm}
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
jobs:
  goods:
    steps:
      - step: {step}
        from: {source}
        to: {target}
{more}
"""


class At(SystemClock):
    """A clock that goes on from where it is put: the pace of requests is reckoned by it."""

    def __init__(self) -> None:
        self.put(datetime(2026, 11, 28, 10, tzinfo=UTC))

    def put(self, moment: datetime) -> None:
        self.moment, self._since = moment, time.monotonic()

    def now(self) -> datetime:
        return self.moment + timedelta(seconds=time.monotonic() - self._since)


@dataclass
class Jobs:
    """A shop in memory, an account on the fake, and a client between them."""

    folder: Path
    fake: FakeKeepin
    url: str
    clock: At
    shop: MemorySystem = field(default_factory=lambda: MemorySystem(SHOP))
    step: str = "sync-catalogue"
    more: str = ""
    settings: dict[str, Any] = field(default_factory=lambda: {"materials_create": "post", "categories": "create"})
    source: str = "shop"
    target: str = "crm"

    def config(self) -> Any:
        wire = {"type": "keepincrm", "token": TOKEN, "url": f"{self.url}/v1", "pace": 50, "per_minute": None}
        wire["untried_writes"] = True
        more = "".join(f"        {line}\n" for line in self.more.strip().splitlines())
        crm = json.dumps(wire | self.settings, ensure_ascii=False)
        path = self.folder / "config.yaml"
        text = CONFIG.format(crm=crm, step=self.step, source=self.source, target=self.target, more=more)
        path.write_text(text, encoding="utf-8")
        return load_config(path, registry=self.registry())

    def registry(self) -> Any:
        registry = load_registry()
        return replace(registry, systems={**registry.systems, "memory-shop": plugin("memory-shop", self.shop)})

    def run(self, **options: Any) -> RunReport:
        return run_job(self.config(), "goods", RunOptions(**options), registry=self.registry(), clock=self.clock)

    def good(self, **options: Any) -> RunReport:
        report = self.run(**options)
        assert report.state in ("done", "waiting"), [str(one.text) for step in report.steps for one in step.findings]
        return report

    def cards(self) -> str:
        """What the open cards say."""
        with (
            Client.open(self.config(), registry=self.registry(), clock=self.clock) as client,
            client.ledger.read() as conn,
        ):
            return json.dumps([row["findings"] for row in cards.listing(conn, "acme")], ensure_ascii=False)

    # --- the account ---------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.fake.account.tables["materials"].values())

    def row(self, sku: str) -> dict[str, Any]:
        (row,) = self.fake.by_sku(sku)
        return row

    def writes(self) -> list[str]:
        """What was written since the log was emptied."""
        return [f"{one.method} {one.path}" for one in self.fake.asked() if one.method != "GET"]

    def path(self, row: dict[str, Any]) -> tuple[str, ...]:
        rows = self.fake.account.tables["categories"]
        names: list[str] = []
        key = row["category_id"]
        while key is not None:
            names.insert(0, rows[key]["name"])
            key = rows[key]["parent_id"]
        return tuple(names)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    clock = At()
    fake = FakeKeepin(now=clock.now)
    with FakeServer(fake) as server, stamina.set_testing(True, attempts=4):
        yield Jobs(tmp_path, fake, server.url, clock)


# --- the catalogue of a shop -----------------------------------------------------------------------------------------


def test_a_shop_without_skus_is_taken_over_with_its_options_and_its_tree_and_a_second_run_does_nothing(
    jobs: Jobs,
) -> None:
    jobs.more = "match: {keys: [sku, model]}\nbase_only: [Інструмент]\nroot: Сайт"
    put(
        jobs.shop,
        *with_variants(
            "1", "",
            ("1-r", "ЕМ-1-ЧЕР", {"options": {"Колір": "Червоний"}, "price": Decimal("450.50")}),
            ("1-g", "ЕМ-1-ЗЕЛ", {"options": {"Колір": "Зелений"}, "price": Decimal("455.00")}),
            name="Емаль", category=("Автофарби", "Емалі"), description="<p>х</p>", weight=Decimal(1),
        ),
        *with_variants(
            "2", "КЛ-7", ("2-a", "КЛ-7-А", {"options": {"Розмір": "А"}}), name="Пульт", price=Decimal(9),
            category=("Інструмент",), images=("https://shop.example/k.jpg",),
        ),
        single("3", "", model="ЛАК-1", price="120.00", name="Лак", category=("Автофарби",)),
    )  # fmt: skip
    report = jobs.good()
    assert report.counts == {"new": 4}
    made = {row["sku"]: (row["title"], row["price"], jobs.path(row), row["asset_url"]) for row in jobs.rows}
    assert made == {
        "ЕМ-1-ЧЕР": ("Емаль (Червоний)", Decimal("450.50"), ("Сайт", "Автофарби", "Емалі"), None),
        "ЕМ-1-ЗЕЛ": ("Емаль (Зелений)", Decimal("455.00"), ("Сайт", "Автофарби", "Емалі"), None),
        "КЛ-7": ("Пульт", Decimal(9), ("Сайт", "Інструмент"), "https://shop.example/k.jpg"),
        "ЛАК-1": ("Лак", Decimal("120.00"), ("Сайт", "Автофарби"), None),
    }
    assert len(jobs.fake.account.tables["categories"]) == 4
    jobs.fake.forget()
    for full in (True, False):
        again = jobs.good(full=full)
        assert again.counts in ({"matched": 4}, {})
    assert jobs.writes() == []


def test_f49_all_copies_are_brought_to_the_shops_state_and_told(jobs: Jobs) -> None:
    for sku in ("АВ-1", "ab - 1", "AB-1"):  # Cyrillic letters, blanks, Latin letters
        jobs.fake.add_material(sku, f"Старий {sku}", price=Decimal(1), category_id=jobs.fake.add_category("Старе"))
    put(jobs.shop, single("1", "AB-1", name="Новий", price="2.50", category=("Нове",)))
    report = jobs.good(approve=True)
    assert report.counts == {"updated": 3, "twins": 1}
    assert {(row["title"], row["price"], jobs.path(row)) for row in jobs.rows} == {
        ("Новий", Decimal("2.50"), ("Нове",))
    }
    assert "twins" in jobs.cards()
    jobs.fake.forget()
    assert jobs.good(full=True).counts == {"matched": 3, "twins": 1}
    assert jobs.writes() == []


def test_one_change_is_one_request_that_names_one_field(jobs: Jobs) -> None:
    for n in range(5):
        put(jobs.shop, single(str(n), f"S-{n}", price="1.00", category=("Фарби",)))
    jobs.good()
    jobs.fake.forget()
    put(jobs.shop, single("3", "S-3", price="1.20", category=("Фарби",)))
    for full in (True, False):
        jobs.good(full=full)
    (asked,) = jobs.fake.asked("PATCH")
    assert asked.path == f"/v1/materials/{jobs.row('S-3')['id']}"
    assert json.loads(asked.body) == {"price": 1.2}


def test_f07_a_lost_reply_to_a_new_product_leaves_no_copy(jobs: Jobs) -> None:
    for n in range(3):
        put(jobs.shop, single(str(n), f"S-{n}", price="1.00"))
    jobs.fake.lose_reply(method="POST", path="/v1/materials$")
    jobs.fake.fail(502, method="GET", path="/v1/materials/sku/S-0", times=1)
    jobs.run()
    for _ in range(2):
        jobs.good(full=True)
    assert sorted(row["sku"] for row in jobs.rows) == ["S-0", "S-1", "S-2"]


def test_f07_a_product_in_doubt_is_found_by_the_next_run(jobs: Jobs) -> None:
    put(jobs.shop, single("1", "S-1", price="1.00"), single("2", "S-2", price="1.00"))
    jobs.fake.drop(method="POST", path="/v1/materials$")
    report = jobs.run()
    assert report.exit_code != 0
    assert [row["sku"] for row in jobs.rows] == ["S-2"]
    jobs.fake.add_material("S-1", "Товар 1", price=Decimal("1.00"))  # it was made after all, a little later
    assert jobs.good().counts == {"matched": 2}
    assert sorted(row["sku"] for row in jobs.rows) == ["S-1", "S-2"]
    assert jobs.cards() == "[]"


def test_f51_what_was_refused_is_done_by_the_next_run_and_nothing_twice(jobs: Jobs) -> None:
    for n in range(6):
        put(jobs.shop, single(str(n), f"S-{n}", price="1.00"))
    jobs.fake.fail(422, {"errors": {"sku": ["зайнято"]}}, method="POST", path="/v1/materials$", times=3)
    jobs.good()
    assert len(jobs.rows) == 3
    assert "sku: зайнято" in jobs.cards()
    jobs.fake.forget()
    jobs.good()
    assert len(jobs.fake.asked("POST")) == 3
    assert sorted(row["sku"] for row in jobs.rows) == [f"S-{n}" for n in range(6)]
    assert jobs.cards() == "[]"


def test_an_account_that_takes_no_new_products_says_so_and_the_known_ones_are_kept_in_step(jobs: Jobs) -> None:
    jobs.fake.behave(create_material="not_found")
    jobs.fake.add_material("S-1", "Товар 1", price=Decimal(1))
    put(jobs.shop, single("1", "S-1", price="2.00"), single("2", "S-2", price="2.00"), single("3", "S-3", price="2.00"))
    jobs.good(approve=True)
    assert [(row["sku"], row["price"]) for row in jobs.rows] == [("S-1", Decimal("2.00"))]
    assert "keepincrm-yml" in jobs.cards()
    assert len(jobs.fake.asked("POST")) == 1
    jobs.settings = {"categories": "off"}
    report = jobs.good(full=True)
    assert report.counts == {"matched": 1}
    assert jobs.cards().count('"not-there"') == 2


# --- special prices --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["mistok", "crm"])
def test_f47_a_special_price_with_its_dates_is_kept_there_and_cleared_when_it_is_over(jobs: Jobs, by: str) -> None:
    kind = jobs.fake.add_named("price_kinds", "Акція")
    fields = [jobs.fake.add_custom_field(name) for name in ("Акція з", "Акція до")]
    places = {"price": "Акція", "from": "Акція з", "to": "Акція до", "switched_by": by}
    jobs.settings["special_price"] = places
    start, end = datetime(2026, 11, 20, tzinfo=KYIV), datetime(2026, 12, 1, tzinfo=KYIV)
    put(jobs.shop, single("1", "S-1", price="150.00", specials=(special("135.00", start, end),)))
    jobs.good()
    row = jobs.row("S-1")
    assert row["price"] == Decimal("135.00" if by == "mistok" else "150.00")
    assert row["named_prices"][str(kind)]["amount"] == Decimal("135.00")
    dates = [row["custom_fields"][str(own)] for own in fields]
    assert dates == ["2026-11-20T00:00+02:00", "2026-12-01T00:00+02:00"]
    jobs.fake.forget()
    jobs.good(full=True)
    assert jobs.writes() == []
    jobs.clock.put(end)
    jobs.good()
    jobs.good(full=True)
    assert row["price"] == Decimal("150.00")
    assert row["named_prices"] == {}
    assert {row["custom_fields"][str(own)] for own in fields} == {""}
    jobs.fake.forget()
    jobs.good(full=True)
    assert jobs.writes() == []


# --- the other way round ---------------------------------------------------------------------------------------------


def test_f48_stock_goes_to_the_offices_and_comes_from_them(jobs: Jobs) -> None:
    offices = {name: jobs.fake.add_office(name) for name in ("Магазин", "Склад")}
    jobs.settings = {"offices": offices}
    jobs.step = "sync-stock"
    jobs.more = "warehouses: {Магазин: [main, second], Склад: [third]}"
    jobs.shop.places = ("main", "second", "third")
    for n in (1, 2):
        put(jobs.shop, single(str(n), f"S-{n}"))
        jobs.fake.add_material(f"S-{n}", rests={offices["Магазин"]: 1})
    jobs.shop.stock = {
        ("1", "main"): (Decimal(5), Decimal(2)),
        ("1", "second"): (Decimal(-4), Decimal(0)),
        ("1", "third"): (Decimal(7), Decimal(0)),
        ("2", "main"): (Decimal(1), Decimal(0)),
    }
    jobs.good(approve=True)

    def rests(sku: str) -> dict[int, Decimal]:
        return {one["office_id"]: one["available"] for one in jobs.row(sku)["rests"]}

    assert rests("S-1") == {offices["Магазин"]: 3, offices["Склад"]: 7}
    assert rests("S-2") == {offices["Магазин"]: 1}
    jobs.fake.forget()
    jobs.good(full=True)
    assert jobs.writes() == []

    jobs.source, jobs.target = "crm", "shop"
    jobs.more = "warehouses: {main: [Магазин, Склад]}"
    jobs.fake.move_stock(jobs.row("S-1")["id"], offices["Магазин"], -9)  # a debt there does not eat the depot's goods
    jobs.shop.pushes.clear()
    jobs.good(approve=True)
    assert jobs.shop.pushes == [("1", "main", Decimal(7))]
