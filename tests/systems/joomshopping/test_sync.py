"""The books and a shop kept in step by the engine, over files on a folder and over SFTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.api import SystemEnv
from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine.runtime import RunOptions, RunReport, run_job
from pipeline.errors import ConfigError
from pipeline.testing.sftpd import SftpServer
from plugins.systems.books.settings import BooksSettings
from plugins.systems.books.system import Books
from plugins.systems.joomshopping.fake import FakeShop

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
ledger: {{url: "sqlite:///ledger.sqlite3"}}
log: {{file: null}}
connections:
  site: {site}
  books: {{type: books, seed: products.csv}}
  shop:
    type: joomshopping
    files: {files}
    export: {{folder: export}}
    updates: {{folder: import}}
jobs:
  stock:
    steps:
      - {{step: sync-stock, from: books, to: shop, max_stock_cut: null}}
  prices:
    steps:
      - {{step: sync-prices, from: books, to: shop, max_price_change: null}}
  taken-in:
    steps:
      - {{step: sync-catalogue, from: shop, to: books, fields: [name, unit]}}
"""
PRODUCTS = """\
code;name;price;special_price;special_start;special_end;stock
0042;Ґрунт;389,50;350,00;2026-11-20;2026-12-01;12
E-303;Фарба;100;;;;0
ONLY-HERE;Лак;7;;;;1
"""


class At(SystemClock):
    """A clock that stands where it is put."""

    moment = datetime(2026, 11, 28, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


class World:
    """A client with books and a shop."""

    def __init__(self, base: Path, site: str) -> None:
        self.base, self.site, self.clock = base, site, At()
        (base / "products.csv").write_text(PRODUCTS, encoding="utf-8")
        self.shop = FakeShop(base / "site" / "export", base / "site" / "import")
        for code, amount, left in (("0042", 300, 5), ("е-303 ", 90, 4), ("THERE", 1, 1)):
            self.shop.add(
                product_ean=code,
                names={"uk-UA": "Товар"},
                product_price=Decimal(amount),
                product_quantity=Decimal(left),
            )
        self._ticks = 1_000_000_000
        self.settle()

    def settle(self) -> None:
        """The shop takes what is there, and exports."""
        self.shop.run_task()
        self._ticks += 60
        os.utime(self.shop.export(), (self._ticks, self._ticks))

    def run(self, job: str, files: str = "site") -> RunReport:
        path = self.base / "config.yaml"
        path.write_text(CONFIG.format(site=self.site, files=files), encoding="utf-8")
        options = RunOptions(trigger="person", approve=True, full=True)
        report = run_job(load_config(path, environ={}), job, options, clock=self.clock)
        assert report.state in ("done", "waiting"), [one.text.render("en") for s in report.steps for one in s.findings]
        return report

    def levels(self) -> list[Decimal]:
        return [one.product_quantity for one in self.shop.products.values()]

    def prices(self) -> list[Decimal]:
        return [one.product_price for one in self.shop.products.values()]


@pytest.fixture(params=["local", "sftp"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The same over a folder and over SFTP."""
    for name in ("export", "import"):
        (tmp_path / "site" / name).mkdir(parents=True)
    if request.param == "local":
        yield World(tmp_path, "{type: local, path: site}")
        return
    with SftpServer(tmp_path / "site", user="shop", password="secret-1") as server:
        yield World(
            tmp_path,
            f"{{type: sftp, host: 127.0.0.1, port: {server.port}, user: shop, password: secret-1, "
            f"host_key: '{server.fingerprint}'}}",
        )


def test_stock_goes_from_the_books_to_the_shop(world: World) -> None:
    world.run("stock")
    world.settle()
    assert world.levels() == [Decimal(12), Decimal(0), Decimal(1)]
    world.run("stock")
    assert len(world.shop.taken) == 1
    world.settle()
    assert len(world.shop.taken) == 1, "nothing has changed, so nothing is sent"
    assert sorted(path.name for path in world.shop.updates.iterdir()) == ["stock.csv", "stock.csv.times"]


def test_prices_are_the_special_ones_while_they_hold(world: World) -> None:
    world.run("prices")
    world.settle()
    assert world.prices() == [Decimal(350), Decimal(100), Decimal(1)]
    world.clock.moment += timedelta(days=5)
    world.run("prices")
    world.settle()
    assert world.prices() == [Decimal("389.50"), Decimal(100), Decimal(1)]


def test_stock_and_prices_of_two_jobs_share_the_file(world: World) -> None:
    world.run("stock")
    world.run("prices")
    world.settle()
    assert world.levels()[0] == 12
    assert world.prices()[0] == 350


def test_the_books_take_in_what_the_shop_has(world: World) -> None:
    world.run("taken-in")
    env = SystemEnv("books", "acme", world.base, "UAH", "Europe/Kyiv", world.clock)
    with closing(Books(BooksSettings(), env)) as books:
        found = {offer.keys["sku"]: offer.values for offer in books.offers()}
    assert set(found) == {"0042", "E-303", "ONLY-HERE", "THERE"}
    assert found["0042"]["name"] == "Товар"
    assert found["0042"]["price"] == Decimal("389.50")
    assert found["THERE"]["price"] is None


def test_a_misspelt_connection_is_found_when_the_config_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(site="{type: local, path: site}", files="sitte"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={})
    words = [str(finding.text) for finding in caught.value.findings]
    assert any("sitte" in one for one in words)
    path.write_text(CONFIG.format(site="{type: local, path: site}", files="books"), encoding="utf-8")
    with pytest.raises(ConfigError):
        load_config(path, environ={})
