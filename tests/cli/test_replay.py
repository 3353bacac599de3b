"""``mistok replay`` as a person meets it: its words in both languages, its JSON, its exit codes, wrong calls."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.command import ROOT, Said, mistok


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client folder on local folders: one order is made, one held, one file quarantined."""
    folder = tmp_path_factory.mktemp("replay") / "shop"
    assert mistok("init", folder, "--language", "en").code == 0
    assert say(folder, "run", "catalogue").code == 0
    path = folder / "config.yaml"
    text = path.read_text("utf-8")
    assert "        after: delete" in text
    path.write_text(text.replace("        after: delete", "        grace: 0s\n        after: delete"), "utf-8")
    for name in ("good/company.xml", "bad/unknown-product.xml", "bad/cut.xml"):
        shutil.copy(ROOT / "samples/orders" / name, folder / "site/orders")
    assert say(folder, "run", "orders").code == 1
    return folder


def say(folder: Path, *words: object, language: str = "en") -> Said:
    return mistok(
        "-c", folder / "config.yaml", "--language", language, *words, cwd=folder.parent, env={"MISTOK_USER": "anna"}
    )


def test_it_says_what_it_would_do_and_how_it_is_done(shop: Path) -> None:
    said = say(shop, "replay", "*.xml")
    assert said.code == 1, said.all
    lines = said.out.splitlines()
    assert "№00004705 is already document 000001: nothing." in lines
    assert any(line.startswith("№00004813 would stay held: line 36: Product НЕМА-ТАКОГО-77") for line in lines)
    assert any(line.startswith("cut.xml would be quarantined still: line 40: ") for line in lines)
    assert lines[-2] == "held: 1 · known already: 1 · quarantined: 1"
    assert lines[-1] == "Nothing was changed, and --apply would change nothing."
    assert say(shop, "replay", "4705").code == 0


def test_amounts_are_written_as_the_reader_writes_them(shop: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(shop, folder)
    table = "code;name_uk-UA;unit;price;currency;tax_rate\nНЕМА-ТАКОГО-77;Фарба;шт;336.40;UAH;20\n"
    (folder / "more.csv").write_text(table, encoding="utf-8")
    assert say(folder, "books", "load", folder / "more.csv").code == 0
    assert "№00004813 would be created: 336.40 UAH" in say(folder, "replay", "--all-held").out
    assert "336,40 UAH" in say(folder, "replay", "--all-held", language="uk").out
    assert "--apply" in say(folder, "replay", "--all-held").out.splitlines()[-1]
    said = say(folder, "replay", "00004813", "--apply")
    assert said.code == 0, said.all
    assert said.out.splitlines() == ["№00004813 is document 000002 now: 336.40 UAH", "created: 1"]
    assert "replay, by hand: anna" in say(folder, "trace", "00004813").out
    said = say(folder, "replay", "00004813", "--apply")
    assert (said.code, said.out.splitlines()[0]) == (0, "№00004813 is already document 000002: nothing.")


def test_json_has_every_order_with_its_text(shop: Path) -> None:
    said = say(shop, "replay", "--since", "2020-01-01", "--json")
    told = said.json()
    assert said.code == told["exit_code"] == 1
    assert told["applied"] is False
    assert told["counts"] == {"known": 1, "quarantined": 1, "held": 1}
    by_order = {row["order"] or row["file"]: row for row in told["orders"]}
    assert by_order["00004705"]["document"] == "000001"
    assert by_order["00004705"]["total"] == "5115.65"
    assert by_order["00004813"]["findings"][0]["code"] == "unknown-product"
    assert by_order["cut.xml"]["outcome"] == "quarantined"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "Say what to replay"),
        (["--since", "yesterday"], 2, "yesterday is not a date"),
        (["--since", "2026-11-02", "--until", "2026-11-01"], 2, "is not before"),
        (["--apply", "--as-of-config", "x.yaml"], 2, "--apply does not go with --as-of-config"),
        (["--as-of-config", "nosuch.yaml"], 2, "There is no file"),
        (["--card", "99"], 1, "There is no card 99"),
        (["00009999"], 1, "Nothing is known of 00009999"),
        (["catalogue.csv"], 1, "catalogue.csv was published by us"),
        (["--all-held", "--job", "nosuch"], 2, "There is no job nosuch"),
        (["--until", "2020-01-01"], 0, "No file came in this period."),
    ],
)
def test_calls_that_mean_nothing_are_told(shop: Path, words: list[str], code: int, told: str) -> None:
    said = say(shop, "replay", *words)
    assert said.code == code, said.all
    assert told in said.all
    as_json = say(shop, "replay", *words, "--json")
    assert as_json.code == code
    as_json.json()


def test_orders_with_nothing_to_do_are_cut_and_said_so(shop: Path) -> None:
    said = say(shop, "replay", "*.xml", "-n", "0")
    assert "already document" not in said.out
    assert "… and 1 more for which there is nothing to do" in said.out
    assert "would stay held" in said.out


def test_another_config_is_tried_on_what_came(shop: Path) -> None:
    text = (shop / "config.yaml").read_text("utf-8")
    new = shop / "new.yaml"
    mapping = "        grace: 0s\n        mappings: {sku: {НЕМА-ТАКОГО-77: '0042'}}\n        comment: '{number}'\n"
    new.write_text(text.replace("        grace: 0s\n", mapping), encoding="utf-8")
    said = say(shop, "replay", "--as-of-config", new)
    assert said.code == 0, said.all
    assert "№00004813 was held (line 36: Product НЕМА-ТАКОГО-77" in said.out
    assert "would be created: 336.40 UAH" in said.out
    assert "№00004705: comment: " in said.out
    assert "Fields of documents that would differ, in how many orders: comment: 1." in said.out
    assert "3 files, 2 orders: new.yaml would have made something else of 2 of them." in said.out
    told = say(shop, "replay", "--as-of-config", new, "--json").json()
    assert told["was"] == {"created": 1, "held": 1}
    assert told["would"] == {"created": 2}
    assert {row["order"] for row in told["differences"]} == {"00004705", "00004813"}
    new.write_text(text.replace("grace: 0s", "grace: soon"), encoding="utf-8")
    said = say(shop, "replay", "--as-of-config", new)
    assert said.code == 2
    assert "new.yaml:" in said.err
