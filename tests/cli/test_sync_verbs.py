"""`mistok sync`, `plans`, `approve` and `compare`, as people call them, between two sets of books."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.cli.sync_explain import steps_of
from pipeline.errors import Finding
from pipeline.rules.matching import MatchRules
from pipeline.texts import verbatim
from plugins.systems.books.system import Books

CONFIG = """\
client: acme
language: {language}
connections:
  erp: {{type: books, url: "sqlite:///erp.sqlite3"}}
  shop: {{type: books, url: "sqlite:///shop.sqlite3", seed: {seed}}}
log: {{file: null}}
alerts: {{channels: []}}
jobs:
  goods:
    every: 5m
    steps:
      - {{step: sync-catalogue, from: erp, to: shop}}
  stock:
    every: 5m
    steps:
      - {{step: sync-stock, from: erp, to: shop}}
  catalogue:
    steps:
      - {{step: export-catalogue, from: shop, to: site}}
"""
HEAD = "code;name;price;stock;category\n"
Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    write(tmp_path)
    goods(tmp_path, "AB-1;Фарба;10.00;5;Фарби/Емалі", "AB-2;Лак;20.00;0;Фарби")
    return tmp_path


def write(folder: Path, language: str = "en") -> None:
    text = CONFIG.format(language=language, seed="[]") + "\n"
    text = text.replace("connections:\n", "connections:\n  site: {type: local, path: site}\n")
    (folder / "config.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def run(folder: Path) -> Run:
    def go(*words: str, code: int | None = 0) -> Result:
        result = CliRunner().invoke(app, ["-c", str(folder / "config.yaml"), *words])
        if code is not None:
            assert result.exit_code == code, result.output
        return result

    return go


def goods(folder: Path, *rows: str) -> None:
    """The ERP's content: loaded by the books' own verb."""
    table = folder / "goods.csv"
    table.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    load(folder, table)


def load(folder: Path, table: Path) -> None:
    """A table into the ERP."""
    from pipeline.cli.common import Options, load_path
    from pipeline.clock import SystemClock
    from pipeline.flow import SystemEnv

    config = load_path(Options(folder / "config.yaml"))
    env = SystemEnv("erp", "acme", folder, "UAH", "Europe/Kyiv", SystemClock())
    books = Books(config.connections["erp"].params, env)  # type: ignore[arg-type]
    books.load(books.read(table))
    books.close()


def test_a_dry_run_shows_the_difference_and_then_it_is_done(run: Run, folder: Path) -> None:
    shown = run("sync", "goods", "--dry-run").stdout
    assert "new: 2" in shown
    assert "AB-1" in shown
    assert "Nothing was changed." in shown
    assert not (folder / "ledger.sqlite3").exists()
    run("sync", "goods")
    assert "in step: 2" in run("sync", "goods", "--full").stdout
    goods(folder, "AB-1;Фарба;12.50;5;Фарби/Емалі")
    data = json.loads(run("sync", "goods", "--dry-run", "--json").stdout)
    (row,) = data["steps"][0]["details"]
    assert row["changes"] == [{"field": "price", "before": "10.00", "after": "12.50"}]
    assert "12.50" in run("sync", "goods", "--dry-run").stdout


def test_a_plan_is_a_workbook_too_and_a_formula_in_it_is_a_text(run: Run, folder: Path) -> None:
    goods(folder, "AB-1;=HYPERLINK(1);10.00;5;Фарби")
    run("sync", "goods", "--dry-run", "--xlsx", str(folder / "plan.xlsx"))
    book = load_workbook(folder / "plan.xlsx")
    assert book.sheetnames == ["Counts", "Differences", "Remarks"]
    cells = [cell for row in book["Differences"].iter_rows() for cell in row]
    names = [cell for cell in cells if cell.value == "=HYPERLINK(1)"]
    assert names
    assert all(cell.data_type == "s" for cell in names)
    run("sync", "goods", "--dry-run", "--xlsx", str(folder / "none" / "plan.xlsx"), code=2)


def test_an_article_is_explained_rule_by_rule(run: Run) -> None:
    run("sync", "goods")
    shown = run("sync", "goods", "--explain", "аВ - 1").stdout
    assert "Cyrillic" in shown
    assert "is in step" in shown
    assert "ab-1" in shown
    assert "Neither side" in run("sync", "goods", "--explain", "NONE", code=1).stdout


@pytest.mark.parametrize("nothing", ["", "  ", "\u00a0"])
def test_an_article_that_is_none_cannot_be_explained(run: Run, nothing: str) -> None:
    said = run("sync", "goods", "--explain", nothing, code=2).output
    assert "`--explain` names no article." in said
    assert "mistok sync goods --explain AB-1" in said


def test_an_article_of_which_nothing_is_done_is_explained_by_where_it_is(run: Run, folder: Path) -> None:
    run("sync", "goods")
    goods(folder, "NEW-1;Нове;1.00;7;Фарби")
    assert "is in the source only; its stock there is 7" in run("sync", "stock", "--explain", "new-1", code=None).stdout
    config = folder / "config.yaml"
    step = "step: sync-catalogue, from: erp, to: shop"
    text = config.read_text(encoding="utf-8").replace(step, f"{step}, categories: Інше")
    config.write_text(text, encoding="utf-8")
    assert "none of the chosen categories" in run("sync", "goods", "--explain", "NEW-1", code=None).stdout


def test_the_rules_of_an_article_one_after_the_other() -> None:
    told = [(str(words), after) for words, after in steps_of("\u00a0А\u2010 01", MatchRules())]
    assert told == [
        ("forms of one character", " А\u2010 01"),
        ("Cyrillic letters that look Latin", " A\u2010 01"),
        ("kinds of dashes", " A- 01"),
        ("blanks", "A-01"),
        ("capitals", "a-01"),
    ]
    assert steps_of("ab-1", MatchRules()) == []
    assert [after for _words, after in steps_of("0042", MatchRules(leading_zeros=True))] == ["42"]


def test_products_without_their_variants_are_compared_as_such_both_ways(run: Run, folder: Path) -> None:
    config = folder / "config.yaml"
    step = "step: sync-catalogue, from: erp, to: shop"
    text = config.read_text(encoding="utf-8").replace(step, f"{step}, base_only: Paint")
    config.write_text(text, encoding="utf-8")
    seed = folder / "erp.csv"
    seed.write_text(
        "code;parent;name;category;price;stock;option:C\nP;;Paint;Paint;9;;\nP-R;P;;;9;3;R\nP-G;P;;;9;4;G\n"
        "S;;Single;Other;5;2;\n",
        encoding="utf-8",
    )
    load(folder, seed)
    run("sync", "goods", code=None)
    run("sync", "stock", code=1)
    run("approve", "2")
    run("compare", "erp", "shop")
    run("compare", "shop", "erp")


def test_a_product_that_is_there_with_variants_is_found_when_it_is_sent_without(run: Run, folder: Path) -> None:
    goods(folder, "AB-1;Фарба;10.00;0;Фарби/Емалі")
    seed = folder / "erp.csv"
    seed.write_text(
        "code;parent;name;category;price;option:C\nP;;Paint;Paint;;\nP-R;P;;;3;R\nP-G;P;;;4;G\nS;;Single;Other;2;\n",
        encoding="utf-8",
    )
    load(folder, seed)
    run("sync", "goods")
    config = folder / "config.yaml"
    step = "step: sync-catalogue, from: erp, to: shop"
    config.write_text(config.read_text(encoding="utf-8").replace(step, f"{step}, base_only: Paint"), encoding="utf-8")
    for words in (("sync", "goods", "--full", "--dry-run"), ("sync", "goods", "--full")):
        shown = run(*words).stdout
        assert "new" not in shown
        assert "1 product is sent without variants, and the target has it with variants: Paint (3)." in shown
    goods(folder, "P-R;Paint R;3;7;")
    assert json.loads(run("sync", "stock", "--dry-run", "--json").stdout)["steps"][0]["details"] == []
    data = json.loads(run("compare", "erp", "shop", "--json").stdout)
    assert (data["counts"]["matched"], data["rows"]) == (4, [])
    assert [one["code"] for one in data["remarks"]] == ["has-variants"]


def test_a_comparison_names_the_step_of_each_difference(run: Run, folder: Path) -> None:
    run("sync", "goods")
    goods(folder, "AB-1;Фарба;12.50;5;Фарби/Емалі")
    data = json.loads(run("compare", "erp", "shop", "--json", "--xlsx", str(folder / "report.xlsx"), code=1).stdout)
    rows = [(one["article"], one.get("field"), one["steps"]) for one in data["rows"]]
    assert rows == [("AB-1", "price", ["goods/sync-catalogue"]), ("AB-1", "stock", ["stock/sync-stock"])]
    shown = " ".join(run("compare", "erp", "shop", code=1).stdout.split())
    assert "Step" in shown
    cells = [cell.value for row in load_workbook(folder / "report.xlsx")["Differences"].iter_rows() for cell in row]
    assert "goods/sync-catalogue" in cells


def test_articles_that_jobs_do_not_match_by_let_none_begin(run: Run, folder: Path) -> None:
    goods(folder, "AB-1;Фарба;10.00;0;Фарби/Емалі")
    run("sync", "goods")
    config = folder / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("step: sync-stock", "step: sync-prices"), "utf-8")
    shown = run("compare", "erp", "shop", "--keys", "code,sku").stdout
    assert "may begin" not in shown
    assert "match by sku, model, code" in " ".join(shown.split())
    assert "may begin" in run("compare", "erp", "shop").stdout


def test_a_wrong_job_is_told(run: Run) -> None:
    assert "keeps no systems in step" in run("sync", "catalogue", code=2).output
    assert "no job" in run("sync", "nothing", code=2).output


def test_a_brake_waits_is_listed_shown_and_approved(run: Run, folder: Path) -> None:
    run("sync", "goods")
    goods(folder, "AB-1;Фарба;1000.00;5;Фарби/Емалі")
    assert run("sync", "goods", code=1)
    listed = run("plans").stdout
    assert "goods" in listed
    assert "1 price" in listed
    (plan,) = json.loads(run("plans", "--json").stdout)
    number = str(plan["number"])
    assert plan["state"] == "waiting"
    assert "1,000.00" in run("approve", number, "--show").stdout
    run("approve", number, "--reject", code=2)
    assert "Approved" in run("approve", number, "--why", "new tariff").stdout
    assert "No plan waits" in run("plans").stdout
    assert "does not wait any more" in run("approve", number, code=2).output
    (_, done) = json.loads(run("plans", "--all", "--json").stdout)[:2]
    assert (done["state"], done["why"]) == ("approved", "new tariff")
    assert done["decided_by"]
    data = json.loads(run("sync", "goods", "--full", "--json").stdout)
    assert data["counts"] == {"matched": 2}
    assert "There is no plan 99" in run("approve", "99", code=1).output


def test_a_rejected_plan_is_not_asked_about_again(run: Run, folder: Path) -> None:
    run("sync", "goods")
    goods(folder, "AB-1;Фарба;1000.00;5;Фарби/Емалі")
    run("sync", "goods", code=1)
    (plan,) = json.loads(run("plans", "--json").stdout)
    run("approve", str(plan["number"]), "--reject", "--why", "a slipped comma")
    assert "rejected" in run("sync", "goods").stdout
    assert json.loads(run("plans", "--json").stdout) == []


def test_the_card_of_a_plan_tells_what_can_be_done_and_is_answered_as_any(run: Run, folder: Path) -> None:
    run("sync", "goods")
    goods(folder, "AB-1;Фарба;1000.00;5;Фарби/Емалі")
    run("sync", "goods", code=1)
    (card,) = json.loads(run("cards", "--json").stdout)
    assert card["kind"] == "plan"
    shown = run("card", str(card["number"])).stdout
    assert "mistok resolve" in shown
    assert "AB-1" in run("card", str(card["number"]), "--letter").stdout
    run("resolve", str(card["number"]), "--accept")
    assert json.loads(run("cards", "--json").stdout) == []


def test_a_mapping_given_to_a_card_runs_the_job_at_once(run: Run, folder: Path) -> None:
    goods(folder, "ab-1;Двійник;11.00;1;Фарби")
    run("sync", "goods", code=1)
    (card,) = json.loads(run("cards", "--json").stdout)
    about = json.loads(run("card", str(card["number"]), "--json").stdout)
    words = json.dumps(about, ensure_ascii=False)
    own = words.split("sku:#")[1].split('"')[0].split("=")[0].split(" ")[0]
    run("resolve", str(card["number"]), "--map", f"sku:#{own}=AB-1-NEW")
    assert json.loads(run("cards", "--json").stdout) == []
    data = json.loads(run("sync", "goods", "--full", "--json").stdout)
    assert data["counts"] == {"matched": 3}


def test_two_systems_are_compared_and_jobs_may_begin_when_they_are_in_step(run: Run, folder: Path) -> None:
    found = run("compare", "erp", "shop", code=1).stdout
    assert "only in the first: 2" in found
    data = json.loads(run("compare", "erp", "shop", "--json", code=1).stdout)
    assert {row["article"] for row in data["rows"]} == {"AB-1", "AB-2"}
    run("compare", "erp", "shop", "--xlsx", str(folder / "report.xlsx"), code=1)
    assert load_workbook(folder / "report.xlsx")["Differences"].max_row == 3
    run("sync", "goods")
    assert run("sync", "stock", code=1)
    assert "waits" in run("sync", "stock", code=1).stdout or "never in step" in run("sync", "stock", code=1).stdout
    (plan,) = json.loads(run("plans", "--json").stdout)
    run("approve", str(plan["number"]))
    assert "in step: jobs between them may begin" in run("compare", "erp", "shop").stdout


def test_a_comparison_tells_what_the_systems_noticed_and_is_clean_all_the_same(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sync", "goods")
    goods(folder, "AB-1;Фарба;10.00;0;Фарби/Емалі", "AB-2;Лак;20.00;0;Фарби")
    assert json.loads(run("compare", "erp", "shop", "--json").stdout)["remarks"] == []

    def noticed(self: Books) -> tuple[Finding, ...]:
        return (Finding("loop", verbatim(f"Categories of {self.name} go round in a circle."), hint=verbatim("Look.")),)

    monkeypatch.setattr(Books, "noticed", noticed, raising=False)
    shown = run("compare", "erp", "shop").stdout
    assert "Categories of erp go round in a circle." in shown
    assert "Categories of shop go round in a circle." in shown
    assert "in step: jobs between them may begin" in shown
    data = json.loads(run("compare", "erp", "shop", "--json", "--xlsx", str(folder / "report.xlsx")).stdout)
    assert data["clean"] is True
    assert data["findings"] == []
    assert [(one["code"], one["hint"]) for one in data["remarks"]] == [("loop", "Look.")] * 2
    assert load_workbook(folder / "report.xlsx")["Remarks"].max_row == 3


def test_a_clean_compare_lets_the_first_push_go(run: Run, folder: Path) -> None:
    goods(folder, "AB-1;Фарба;10.00;0;Фарби/Емалі")
    run("sync", "goods")
    run("compare", "erp", "shop")
    goods(folder, "AB-1;Фарба;10.00;3;Фарби/Емалі")
    assert "updated: 1" in run("sync", "stock").stdout


def test_in_ukrainian(run: Run, folder: Path) -> None:
    write(folder, "uk")
    shown = run("sync", "goods", "--dry-run").stdout
    assert "Нічого не змінено" in shown
    assert "Артикул" in shown
    assert "лише в першій" in run("compare", "erp", "shop", code=1).stdout
