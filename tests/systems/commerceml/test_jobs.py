"""Whole jobs: files of a site become documents for a 1C, orders in CommerceML become documents of the books."""

from __future__ import annotations

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from plugins.systems.commerceml.fake import Thing
from tests.e2e.command import ROOT, Said, mistok
from tests.systems.commerceml.world import PASSWORD, USER, Accounting

SAMPLES = ROOT / "samples"
INTO = """
client: demo
connections:
  site: {type: local, path: site}
  1c: {type: commerceml, goods: any, server: {user: exchange, password: s3cret, port: 0}}
jobs:
  orders:
    steps: [{step: import-orders, inbox: site, into: 1c, stable: 0s, after: keep}]
alerts: {channels: []}
"""
FROM = """
client: demo
connections:
  site: {type: local, path: site}
  books: {type: books, url: "sqlite:///books.sqlite3", seed: [products.csv]}
jobs:
  orders:
    steps:
      - {step: import-orders, inbox: site, format: commerceml, into: books, stable: 0s, after: keep}
alerts: {channels: []}
"""


def client(base: Path, config: str, *files: Path) -> None:
    (base / "config.yaml").write_text(config, encoding="utf-8")
    (base / "site").mkdir()
    for path in files:
        shutil.copy(path, base / "site" / path.name)


def run(base: Path, *words: str) -> Said:
    return mistok("--language", "en", *words, cwd=base)


def test_orders_of_a_site_reach_a_1c_once(tmp_path: Path) -> None:
    good = sorted((SAMPLES / "orders" / "good").glob("*.xml"))[:4]
    client(tmp_path, INTO, *good)
    said = run(tmp_path, "run", "orders", "--json")
    assert said.code in (0, 1), said.all
    world = Accounting(tmp_path, http=True, goods="any")
    rows = world.rows("SELECT id, total FROM documents ORDER BY id")
    assert len(rows) >= 3, said.all
    assert world.fake.pull(world.url, USER, PASSWORD) == len(rows)
    run(tmp_path, "run", "orders")
    assert world.rows("SELECT id, total FROM documents ORDER BY id") == rows
    assert world.fake.pull(world.url, USER, PASSWORD) == 0
    told = run(tmp_path, "orders", "--json").json()
    numbers = {one["document"] for one in (told["orders"] if isinstance(told, dict) else told) if one.get("document")}
    assert len(numbers) == len(rows)


@pytest.mark.parametrize(
    ("sample", "form", "totals"),
    [
        (
            "orders-2.05-cp1251.xml",
            "{type: commerceml, statuses: {'[N] Прийнято': new}}",
            ["1349.00"],
        ),  # one is cancelled
        ("orders-2.08.xml", "commerceml", ["848.00"]),
    ],
)
def test_orders_in_commerceml_become_documents_of_the_books(
    tmp_path: Path, sample: str, form: str, totals: list[str]
) -> None:
    client(tmp_path, FROM.replace("format: commerceml", f"format: {form}"), SAMPLES / "commerceml" / sample)
    table = "код;назва;ціна\nTS-200-R;Футболка;450\nБ- 130005;Ґрунтівка;399\nt-box;Рукавиці;24\n"
    (tmp_path / "products.csv").write_text(table, encoding="utf-8")
    said = run(tmp_path, "run", "orders")
    assert said.code == 0, said.all
    found = json.loads(run(tmp_path, "books", "documents", "--json").out)
    assert [one["total"] for one in found] == totals, said.all


SYNC = """
client: demo
connections:
  site: {type: local, path: site}
  1c: {type: commerceml, files: {on: site, take: from-1c, put: to-1c, marker: done.txt}, prices: {price: Роздрібна}}
  books: {type: books, url: "sqlite:///books.sqlite3", seed: [references.csv]}
jobs:
  goods:
    steps:
      - {step: sync-catalogue, from: 1c, to: books}
      - {step: sync-stock, from: 1c, to: books, warehouses: {main: [Основний, Магазин]}}
alerts: {channels: []}
"""


def test_goods_of_a_1c_are_kept_in_step_with_the_books(tmp_path: Path) -> None:
    world = Accounting(tmp_path)
    for n in range(1, 4):
        thing = Thing(f"g{n}", article=f"A-{n}", name=f"Товар {n}", prices={"pr1": Decimal(n)})
        thing.stock = {"w1": Decimal(n), "w2": Decimal(1)}
        world.fake.things[thing.id] = thing
    (tmp_path / "config.yaml").write_text(SYNC, encoding="utf-8")
    shutil.copy(SAMPLES / "references.csv", tmp_path)
    world.export()
    said = run(tmp_path, "run", "goods")
    (plan,) = set(re.findall(r"mistok approve (\d+)", said.out))
    approved = run(tmp_path, "approve", plan)  # stock that was never in step waits for a person
    assert approved.code == 0, approved.all
    rows = {one["code"]: one for one in json.loads(run(tmp_path, "books", "products", "--json").out)}
    assert {code: (row["name"], row["price"]) for code, row in rows.items()} == {
        f"A-{n}": (f"Товар {n}", f"{n}.00") for n in (1, 2, 3)
    }
    assert {code: Decimal(row["stock"]) for code, row in rows.items()} == {f"A-{n}": n + 1 for n in (1, 2, 3)}
    world.fake.things["g2"].prices = {"pr1": Decimal("2.20")}
    world.export(full=False)
    assert run(tmp_path, "run", "goods").code == 0
    rows = {one["code"]: one for one in json.loads(run(tmp_path, "books", "products", "--json").out)}
    assert rows["A-2"]["price"] == "2.20"


def test_a_connection_that_says_two_ways_is_told(tmp_path: Path) -> None:
    both = INTO.replace("server: {", "files: {on: site, take: a, put: b}, server: {")
    client(tmp_path, both)
    said = run(tmp_path, "check")
    assert said.code == 2
    assert "exactly one of files / server" in said.all


def test_the_verbs_are_about_the_connection_that_is_named(tmp_path: Path) -> None:
    other = "  2c: {type: commerceml, goods: any, server: {user: exchange, password: s3cret, port: 0}}\njobs:"
    client(tmp_path, INTO.replace("jobs:", other))
    first = run(tmp_path, "commerceml", "sessions")
    named = run(tmp_path, "commerceml", "sessions", "--connection", "2c")
    assert (first.code, named.code) == (0, 0), first.all + named.all
    assert sorted(path.name for path in (tmp_path / "commerceml").iterdir()) == ["1c", "2c"]
    wrong = run(tmp_path, "commerceml", "sessions", "--connection", "3c")
    assert wrong.code == 2
    assert "3c" in wrong.all


def test_the_connection_is_checked(tmp_path: Path) -> None:
    client(tmp_path, INTO)
    said = run(tmp_path, "check", "--connect")
    assert said.code == 0, said.all


def test_f40_an_order_without_a_rate_waits_until_the_config_gives_one(tmp_path: Path) -> None:
    sample = (SAMPLES / "orders" / "good" / "single.xml").read_text(encoding="utf-8")
    client(tmp_path, INTO)
    (tmp_path / "site" / "usd.xml").write_text(sample.replace("UAH", "USD"), encoding="utf-8")
    said = run(tmp_path, "run", "orders")
    assert said.code == 1, said.all
    shown = run(tmp_path, "card", "1").out
    assert "is in USD, and nothing says at which rate" in shown
    assert "`rates: {USD: 41.50}`" in shown
    rated = INTO.replace("goods: any,", "goods: any, rates: {USD: 41.25},")
    (tmp_path / "config.yaml").write_text(rated, encoding="utf-8")
    said = run(tmp_path, "run", "orders")
    assert said.code == 0, said.all
    world = Accounting(tmp_path, http=True, goods="any")
    (row,) = world.rows("SELECT body, currency FROM documents")
    assert row["currency"] == "USD"
    assert "<Курс>41.25</Курс>" in row["body"]
