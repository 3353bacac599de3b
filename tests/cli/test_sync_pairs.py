"""Several pairs of systems beside each other: what is said of one pair, and how the verbs tell of each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner, Result

from pipeline.cli.app import app

CONFIG = """\
client: acme
timezone: Europe/Kyiv
language: en
connections:
  erp: {type: books, url: "sqlite:///erp.sqlite3", seed: erp.csv}
  shop: {type: books, url: "sqlite:///shop.sqlite3", seed: shop.csv}
  erp2: {type: books, url: "sqlite:///erp2.sqlite3", seed: erp2.csv}
  shop2: {type: books, url: "sqlite:///shop2.sqlite3", seed: shop2.csv}
log: {file: null}
alerts: {channels: []}
jobs:
"""
STOCK = "step: sync-stock, from: erp, to: shop"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def go(*words: str, code: int | None = 0) -> Result:
        result = CliRunner().invoke(app, ["-c", str(tmp_path / "config.yaml"), *words])
        if code is not None:
            assert result.exit_code == code, result.output
        return result

    return go


def write(folder: Path, jobs: dict[str, str], **tables: str) -> None:
    """The config with these jobs (each of one step), and what each system begins with."""
    text = CONFIG + "".join(f"  {name}:\n    every: 3m\n    steps: [{{{step}}}]\n" for name, step in jobs.items())
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    for name in ("erp", "shop", "erp2", "shop2"):
        (folder / f"{name}.csv").write_text(tables.get(name, "code;name\nNONE;None\n"), encoding="utf-8")


def test_a_mapping_of_one_pair_leaves_other_pairs_alone(run: Run, tmp_path: Path) -> None:
    step = "step: sync-catalogue, fields: [name, price], from: "
    write(
        tmp_path,
        {"one": f"{step}erp, to: shop", "two": f"{step}erp2, to: shop2"},
        erp="code;name;price\nA-1;Paint;15\nа-1;Paint twin;16\n",
        shop="code;name;price\nA-1;Paint;16\nAB1;Paint twin;15\n",
        erp2="code;name;price\nX-9;Hammer;99\n",
        shop2="code;name;price\nX-9;Hammer;90\nAB1;Screw;1\n",
    )
    run("sync", "one", code=1)
    (card,) = json.loads(run("cards", "--json").stdout)
    told = run("resolve", str(card["number"]), "--map", "sku:#1=AB1").stdout
    assert "sku:erp>shop:#1 means AB1 from now on" in told
    first = json.loads(run("sync", "one", "--dry-run", "--full", "--json", code=None).stdout)
    assert "ambiguous" not in first["counts"]
    # the product with the id 1 of the other source is no other thing for it
    second = json.loads(run("sync", "two", "--dry-run", "--json", code=None).stdout)
    assert second["counts"] == {"updated": 1}
    (row,) = second["steps"][0]["details"]
    assert (row["article"], row["changes"]) == ("X-9", [{"field": "price", "before": "90.00", "after": "99.00"}])
    assert run("mappings", "--forget", "sku:erp>shop:#1")
    again = json.loads(run("sync", "one", "--dry-run", "--full", "--json", code=None).stdout)
    assert again["counts"]["ambiguous"] == 1


def test_the_card_of_a_step_that_is_gone_takes_no_mapping(run: Run, tmp_path: Path) -> None:
    tables = {"erp": "code;name\nA-1;Paint\nа-1;Paint twin\n", "shop": "code;name\nAB1;Paint\n"}
    write(tmp_path, {"one": "step: sync-catalogue, from: erp, to: shop"}, **tables)
    run("sync", "one", code=1)
    (card,) = json.loads(run("cards", "--json").stdout)
    write(tmp_path, {"other": "step: sync-catalogue, from: erp, to: shop"}, **tables)
    assert "is not in the config any more" in run("resolve", str(card["number"]), "--map", "sku:#1=AB1", code=2).output
    assert json.loads(run("mappings", "--json").stdout) == []


def remarks(path: Path) -> list[tuple[object, ...]]:
    return list(load_workbook(path)["Remarks"].iter_rows(min_row=2, values_only=True))


def test_a_real_run_tells_the_same_remarks_as_the_dry_one(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path,
        {"goods": "step: sync-catalogue, from: erp, to: shop, fields: [name, price]", "stock": STOCK},
        erp="code;name;price;stock\nA-1;One;15;2\nA-2;Two;20;1\nа-2;Two again;21;1\n",
        shop="code;name;price;stock\nA-1;One;10;1\nа-1;One more;9;1\n",
    )
    book = tmp_path / "plan.xlsx"
    # stock between them was never in step: its plan waits, and says what becomes of the twins' stock
    for job, twins in (("goods", "twins"), ("stock", "twin-stock")):
        dry = json.loads(run("sync", job, "--dry-run", "--json", "--xlsx", str(book), code=None).stdout)
        told = remarks(book)
        assert {one["code"] for one in dry["findings"]} >= {twins, "ambiguous-article"}
        real = json.loads(run("sync", job, "--json", "--xlsx", str(book), code=1).stdout)
        assert real["findings"] == dry["findings"]
        assert remarks(book) == told != []


def test_all_rules_and_the_field_that_decided_are_explained(run: Run, tmp_path: Path) -> None:
    match = "match: {keys: [model, sku], case: false, dashes: keep, aliases: {OLD-1: AB1}}"
    write(
        tmp_path,
        {"goods": f"step: sync-catalogue, from: erp, to: shop, fields: [name], {match}"},
        erp="code;name\nА 1;One\nOLD-1;Old\n",
        shop="code;name\nA1;One\nAB1;Old\n",
    )
    shown = run("sync", "goods", "--explain", "А 1").stdout
    assert "capitals (`case`): off" in shown
    assert "kinds of dashes (`dashes`): off" in shown
    assert "blanks (`spaces`): on, A1" in shown
    assert "zeros in front (`leading_zeros`): off" in shown
    assert "forms of one character (`compatibility`): on, nothing to change" in shown
    assert "fields model, sku the first" in shown
    assert "its article А 1 is from `sku`" in shown
    (step,) = json.loads(run("sync", "goods", "--explain", "OLD-1", "--json").stdout)["steps"]
    assert step["rules"] == {
        "compatibility": True, "lookalikes": True, "dashes": False, "spaces": True, "case": False,
        "leading_zeros": False,
    }  # fmt: skip
    assert [one["key"] for one in step["used"]] == ["sku"]
    assert [one["text"] for one in step["told"]] == ["Old (2) is in step."]
    shown = run("sync", "goods", "--explain", "OLD-1").stdout
    assert "its `sku` is OLD-1; it means AB1, as was decided" in shown


def stock(books: Path) -> list[int]:
    with closing(sqlite3.connect(books)) as conn:
        return [row[0] // 10**6 for row in conn.execute("select on_hand from stock")]  # kept in millionths


def test_a_name_that_is_pointed_at_another_system_begins_anew(run: Run, tmp_path: Path) -> None:
    """Ids of the one mean other things in the other: here A-1 and B-2 have changed places."""
    write(
        tmp_path,
        {"stock": STOCK},
        erp="code;name;stock\nA-1;Paint;5\nB-2;Lacquer;7\n",
        shop="code;name;stock\nA-1;Paint;5\nB-2;Lacquer;7\n",
    )
    run("sync", "stock")
    (tmp_path / "other.csv").write_text("code;name;stock\nB-2;Lacquer;50\nA-1;Paint;60\n", encoding="utf-8")
    real = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    test = real.replace(
        'url: "sqlite:///shop.sqlite3", seed: shop.csv', 'url: "sqlite:///test.sqlite3", seed: other.csv'
    )
    (tmp_path / "config.yaml").write_text(test, encoding="utf-8")
    for _ in range(2):
        said = run("sync", "stock", code=1).output
        assert "shop is another account than at the last run" in said
    assert "stock was never in step" in said
    assert sorted(stock(tmp_path / "test.sqlite3")) == [50, 60]
    (tmp_path / "config.yaml").write_text(real, encoding="utf-8")
    assert "is an account that was kept in step before" in run("sync", "stock").output
    assert "account" not in run("sync", "stock").output
