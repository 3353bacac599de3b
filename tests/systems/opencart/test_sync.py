"""A shop on OpenCart and the books kept in step by the engine's own walk, from the YAML on: both ways."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.load import load_config
from pipeline.engine.runtime import RunOptions, RunReport, run_job
from tests.systems.opencart.shops import Shop
from tests.systems.opencart.test_reading import levels, told

pytestmark = [pytest.mark.server("mariadb"), pytest.mark.xdist_group("mariadb-2")]
CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
currency: USD
connections:
  shop:
    type: opencart
    host: {host}
    port: {port}
    user: {user}
    password: ${{env:SHOP_PASSWORD}}
    database: {database}
  books: {{type: books, seed: [references.csv]}}
log: {{file: null}}
jobs:
"""
#: One of the two is master: a config that has both ways is refused.
OUT = """\
  goods:
    steps: [{step: sync-catalogue, from: shop, to: books, match: {keys: [model]}}]
  stock:
    steps: [{step: sync-stock, from: shop, to: books, match: {keys: [model]}, warehouses: {main: [""]}}]
"""
IN = """\
  prices:
    steps:
      - {step: sync-prices, from: books, to: shop, match: {keys: [sku], target: model}, fields: [price, specials]}
  back:
    steps: [{step: sync-stock, from: books, to: shop, match: {keys: [sku], target: model}}]
"""


@pytest.fixture
def world(demo_shop: Shop, tmp_path: Path) -> Callable[..., RunReport]:
    """``world("goods")`` runs that job, and must not fail."""
    server = demo_shop.server
    text = CONFIG.format(host=server.host, port=server.port, user=server.user, database=demo_shop.database)
    path = tmp_path / "config.yaml"
    (tmp_path / "references.csv").write_text("kind;code;name\nwarehouse;main;Склад\n", encoding="utf-8")

    def run(job: str, **options: Any) -> RunReport:
        path.write_text(text + (OUT if f"  {job}:" in OUT else IN), encoding="utf-8")
        config = load_config(path, environ={"SHOP_PASSWORD": server.password})
        report = run_job(config, job, RunOptions(**options))
        told = [str(finding.text) for step in report.steps for finding in step.findings]
        assert report.state in ("done", "waiting"), told
        return report

    return run


def notes(report: RunReport) -> list[str]:
    """What the run remarks."""
    return [str(note) for step in report.steps if step.result for note in step.result.notes]


def changes(report: RunReport) -> dict[str, int]:
    """What it did."""
    return {word: n for word, n in report.counts.items() if n and word not in ("matched", "unchanged")}


def test_the_goods_go_into_the_books_with_their_variants_and_then_nothing_is_left_to_do(
    demo_shop: Shop, world: Callable[..., RunReport]
) -> None:
    first = world("goods")
    assert first.counts["new"] == 33  # of 19 products three are sold by 17 variants
    assert changes(world("goods", full=True)) == {}
    demo_shop.run("update {p}product set price = 110, date_modified = utc_timestamp() where product_id = 35")
    third = world("goods")
    assert changes(third) == {"updated": 3}  # its three sizes cost more with it
    assert changes(world("goods", full=True)) == {}


def test_what_a_reading_comes_upon_is_told_by_the_run(demo_shop: Shop, world: Callable[..., RunReport]) -> None:
    demo_shop.run("update {p}category set parent_id = 28 where category_id = 25")
    for options in ({"dry_run": True}, {}):
        assert [note for note in notes(world("goods", **options)) if "each other's parents" in note]


def test_prices_and_stock_go_from_the_books_into_the_shop(demo_shop: Shop, world: Callable[..., RunReport]) -> None:
    world("goods")
    before = told(demo_shop)
    first = world("stock", approve=True)
    assert not [note for note in notes(first) if "warehouse" in note]
    # somebody in the shop has typed other prices and stock: the books put them right
    demo_shop.run("update {p}product set price = 1, quantity = 3 where product_id in (28, 29)")
    demo_shop.run("update {p}product_option_value set quantity = 1 where product_option_value_id = 13")
    assert changes(world("prices", approve=True, full=True)) != {}
    assert changes(world("back", approve=True, full=True)) != {}
    after = told(demo_shop)
    assert [after[one].values["price"] for one in ("28", "29")] == [before[one].values["price"] for one in ("28", "29")]
    found = levels(demo_shop)
    assert [found[one][1] for one in ("28", "29", "35:47")] == [Decimal(939), Decimal(999), Decimal(10)]
    assert changes(world("prices", full=True)) == {}
