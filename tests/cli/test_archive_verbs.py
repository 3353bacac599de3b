"""``mistok archive`` and ``mistok ledger`` as a person meets them: words, JSON, exit codes."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.archive.syncing import Syncing
from pipeline.clock import SystemClock
from pipeline.config.load import load_config
from pipeline.engine import retention
from pipeline.engine.runtime import Client
from tests.e2e.command import ROOT, Said, here


class Tomorrow(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(hours=25)


def say(folder: Path, *words: object) -> Said:
    return here("-c", folder / "config.yaml", "--language", "en", *words)


def data(folder: Path, *words: object, code: int = 0) -> Any:
    said = say(folder, *words, "--json")
    assert said.code == code, said.all
    return json.loads(said.out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client that has taken two orders in and published a catalogue."""
    folder = tmp_path_factory.mktemp("made") / "shop"
    assert here("init", folder, "--language", "en").code == 0
    assert say(folder, "run", "catalogue").code == 0
    for name in ("good/single.xml", "good/company.xml"):
        shutil.copy(ROOT / "samples/orders" / name, folder / "site/orders")
    assert say(folder, "run", "orders").code == 0
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Path:
    """The same, for one test."""
    return Path(shutil.copytree(made, tmp_path / "shop"))


def test_copies_are_listed_found_and_extracted(shop: Path, tmp_path: Path) -> None:
    rows = data(shop, "archive", "list")
    assert [row["name"] for row in rows][-1] == "catalogue.csv"
    assert {row["name"]: row["direction"] for row in rows} == {
        "single.xml": "in",
        "company.xml": "in",
        "catalogue.csv": "out",
    }
    single = next(row for row in rows if row["name"] == "single.xml")
    assert single["state"] == "here"
    number = single["orders"][0]
    source = (ROOT / "samples/orders/good/single.xml").read_bytes()
    for selector in ("SINGLE.XML", single["sha256"][:8], f"№{number}"):
        assert [row["name"] for row in data(shop, "archive", "list", selector)] == ["single.xml"]
        to = tmp_path / "out" / selector
        [written] = data(shop, "archive", "extract", selector, "--to", to)["written"]
        assert Path(written["path"]).read_bytes() == source
        assert Path(written["path"]).parent == to
    assert data(shop, "archive", "list", "--since", "2100-01-01") == []
    assert len(data(shop, "archive", "list", "--until", "2100-01-01")) == 3
    assert "No copies of that time." in say(shop, "archive", "list", "--since", "2100-01-01").out
    assert {row["name"] for row in data(shop, "archive", "list", "*.XML")} == {"single.xml", "company.xml"}
    assert [row["name"] for row in data(shop, "archive", "list", "c?mpany.*")] == ["company.xml"]
    assert say(shop, "archive", "extract", "nothing-like-it").code == 1
    assert "No copies" not in say(shop, "archive", "list").out


def test_extracting_overwrites_nothing(shop: Path, tmp_path: Path) -> None:
    mine = tmp_path / "single.xml"
    mine.write_text("my own")
    first = data(shop, "archive", "extract", "single.xml", "--to", tmp_path)["written"][0]["path"]
    assert Path(first).name == "single~2.xml"
    assert mine.read_text() == "my own"
    assert data(shop, "archive", "extract", "single.xml", "--to", tmp_path)["written"][0]["path"] == first
    taken = tmp_path / "taken"
    taken.write_text("a file")
    assert say(shop, "archive", "extract", "single.xml", "--to", taken).code == 2


def test_verify_says_what_is_wrong_and_mends_what_it_can(shop: Path) -> None:
    found = data(shop, "archive", "verify")
    assert (found["copies"], found["unsound"], found["missing"], found["findings"]) == (3, [], [], [])
    rows = {row["name"]: row for row in data(shop, "archive", "list")}
    bad, gone = Path(rows["single.xml"]["copy"]), Path(rows["company.xml"]["copy"])
    bad.chmod(0o644)
    bad.write_bytes(b"evil")
    gone.chmod(0o644)
    gone.unlink()
    found = data(shop, "archive", "verify", code=1)
    assert found["unsound"] == [rows["single.xml"]["sha256"]]
    assert found["missing"] == [rows["company.xml"]["sha256"]]
    said = say(shop, "archive", "verify")
    assert said.code == 1
    assert "The copy of single.xml is damaged" in said.out
    assert "The copy of company.xml is missing" in said.out
    assert say(shop, "archive", "extract", "single.xml").code == 1
    said = say(shop, "archive", "verify", "--mend")
    assert said.code == 0, said.all
    assert "2 copies were mended" in said.out
    assert data(shop, "archive", "verify")["findings"] == []


def test_an_archive_that_cannot_be_written_is_told(shop: Path) -> None:
    """A disk that is mounted read-only, say: no write and no clearing up goes through."""
    copy = Path(data(shop, "archive", "list", "single.xml")[0]["copy"])
    copy.chmod(0o644)
    copy.write_bytes(b"evil")
    partial = shop / "archive" / "partial"
    shutil.rmtree(partial)
    partial.write_text("no folder")
    said = say(shop, "archive", "verify", "--mend")
    assert said.code == 1, said.all
    assert "cannot be written" in said.all
    (shop / "archive" / "index.csv.partial").mkdir()
    said = say(shop, "archive", "index")
    assert said.code == 2, said.all
    assert "cannot be written" in said.all


def test_a_copy_that_only_the_ledger_knows_of_is_missed_too(shop: Path) -> None:
    shutil.rmtree(shop / "archive" / "index")
    rows = {row["name"]: row for row in data(shop, "files")}
    path = Path(rows["single.xml"]["archive"])
    path.chmod(0o644)
    path.unlink()
    assert data(shop, "archive", "verify", code=1)["missing"] == [rows["single.xml"]["sha256"]]


def test_copies_without_a_line_in_the_journal_are_found_and_not_called_none(shop: Path) -> None:
    assert say(shop, "archive", "verify").code == 0
    shutil.rmtree(shop / "archive" / "index")
    found = data(shop, "archive", "verify", code=1)
    assert [finding["code"] for finding in found["findings"]] == ["archive-no-line"]
    assert (len(found["without_line"]), found["unsound"], found["missing"]) == (3, [], [])
    said = say(shop, "archive", "verify")
    assert said.code == 1
    assert "3 copies have no line in the journal." in said.out
    assert "mistok archive index" in said.out
    assert "all are sound" in said.out, "for that is what it read"
    said = say(shop, "archive", "list")
    assert said.code == 0
    assert "3 copies have no line in the journal, and are not listed: mistok archive index" in said.err
    assert "No copies yet" not in said.all
    assert json.loads(say(shop, "archive", "list", "--json").out) == []
    assert data(shop, "archive", "index")["lines_added"] == 3
    assert say(shop, "archive", "verify").code == 0
    said = say(shop, "archive", "list")
    assert "no line" not in said.all
    assert "single.xml" in said.out


def test_a_copy_that_nothing_tells_of_is_no_trouble_for_ever(shop: Path) -> None:
    """A run that was killed right after its copy was written leaves it; the file was fetched again."""
    with Client.open(load_config(shop / "config.yaml")) as client:
        (shop / "half.xml").write_bytes(b"<orders/>")
        with Syncing(shop) as disk:
            client.archive._store_one(shop / "half.xml", disk)
    found = data(shop, "archive", "verify")
    assert (len(found["without_line"]), found["findings"]) == (1, [])


@pytest.mark.parametrize(("how", "code"), [("gone", "ledger-missing"), ("damaged", "ledger-damaged")])
def test_a_check_without_a_ledger_finds_just_that_and_lists_go_on(shop: Path, how: str, code: str) -> None:
    for path in shop.glob("ledger.sqlite3*"):
        path.unlink()
    if how == "damaged":
        (shop / "ledger.sqlite3").write_text("no database " * 1000)
    found = data(shop, "archive", "verify", code=1)
    assert [finding["code"] for finding in found["findings"]] == [code]
    assert (found["copies"], found["missing"]) == (3, [])
    said = say(shop, "archive", "verify")
    assert said.code == 1
    assert "mistok ledger rebuild" in said.out
    said = say(shop, "archive", "list")
    assert said.code == 0
    assert "mistok ledger rebuild" in said.err
    assert "single.xml" in said.out
    assert say(shop, "archive", "extract", "single.xml", "--to", shop / "out").code == 0
    assert say(shop, "archive", "index").code == 0


def test_the_table_is_made_of_the_archive_alone(shop: Path) -> None:
    for path in shop.glob("ledger.sqlite3*"):
        path.unlink()
    done = data(shop, "archive", "index")
    assert (done["rows"], done["lines_added"]) == (3, 0)
    with Path(done["table"]).open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file, delimiter=";"))
    assert {row["File"] for row in table} == {"single.xml", "company.xml", "catalogue.csv"}
    # and the journal of the views, where there was none
    shutil.rmtree(shop / "archive" / "index")
    assert data(shop, "archive", "index")["lines_added"] == 3


def test_prune_shows_first_and_tells_why_the_rest_stays(shop: Path) -> None:
    said = say(shop, "archive", "prune")
    assert said.code == 0
    assert "The config keeps every copy for ever" in said.out
    text = (shop / "config.yaml").read_text("utf-8")
    (shop / "config.yaml").write_text(
        text.replace("archive: {path: archive}", "archive: {path: archive, keep_days: 1}"), "utf-8"
    )
    assert "keep_days: 1" in (shop / "config.yaml").read_text("utf-8")
    shown = data(shop, "archive", "prune", "--dry-run")
    assert (shown["dry_run"], shown["drop"], shown["stays"]) == (True, [], {"young": 2, "last": 1})
    assert data(shop, "archive", "prune")["drop"] == []


def test_a_copy_that_was_dropped_is_told_as_dropped_everywhere(shop: Path) -> None:
    shutil.copy(ROOT / "samples/orders/bad/unknown-product.xml", shop / "site/orders")
    assert say(shop, "run", "orders").code == 1
    assert say(shop, "resolve", "1", "--reject", "--why", "a test").code == 0
    config = load_config(shop / "config.yaml")
    with Client.open(config, clock=Tomorrow()) as client:
        limits = config.archive.model_copy(update={"keep_days": 1})
        dropped = retention.prune(client.ledger, client.archive, limits).plan.drop
    assert {name for one in dropped for name in one.names} == {"single.xml", "company.xml", "unknown-product.xml"}
    for words in (["card", "1"], ["trace", "unknown-product.xml"]):
        said = say(shop, *words)
        assert "dropped by retention on" in said.out, said.all
        assert "missing" not in said.out
    said = say(shop, "archive", "extract", "unknown-product.xml")
    assert said.code == 1
    assert "was dropped by the archive's retention" in said.all
    assert data(shop, "archive", "verify")["findings"] == []
    assert data(shop, "ledger", "rebuild")["counts"] == {"files": {}, "orders": {}}


def test_a_backup_is_made_restored_and_never_overwritten(shop: Path, tmp_path: Path) -> None:
    made = data(shop, "ledger", "backup")
    path = Path(made["path"])
    assert path.parent == shop / "backups"
    assert made["rows"]["orders"] == 2
    assert say(shop, "ledger", "backup", path).code == 2
    assert Path(data(shop, "ledger", "backup", tmp_path)["path"]).parent == tmp_path
    # a share that is not mounted is not taken for a folder to be made
    said = say(shop, "ledger", "backup", tmp_path / "nas" / "daily" / "ledger.gz")
    assert (said.code, f"There is no folder {tmp_path / 'nas' / 'daily'}." in said.all) == (2, True)
    said = say(shop, "ledger", "backup", f"{tmp_path / 'nas'}/")
    assert (said.code, f"There is no folder {tmp_path / 'nas'}." in said.all) == (2, True)
    assert not (tmp_path / "nas").exists()
    said = say(shop, "ledger", "restore", path)
    assert said.code == 2
    assert "--replace" in said.all
    done = data(shop, "ledger", "restore", path, "--replace")
    assert Path(done["before"]).exists()
    assert [row["state"] for row in data(shop, "orders")] == ["created", "created"]
    assert say(shop, "run", "orders").code == 0
    assert say(shop, "ledger", "restore", ROOT / "README.md", "--replace").code == 2
    assert say(shop, "ledger", "restore", tmp_path / "nowhere").code == 2


def test_rebuild_shows_first(shop: Path) -> None:
    assert data(shop, "ledger", "rebuild")["counts"] == {"files": {}, "orders": {}}
    for path in shop.glob("ledger.sqlite3*"):
        path.unlink()
    assert say(shop, "orders").code == 2
    shown = data(shop, "ledger", "rebuild")
    assert shown["counts"] == {"files": {"acknowledged": 2, "published": 1}, "orders": {"created": 2}}
    assert not shown["applied"]
    assert not (shop / "ledger.sqlite3").exists()
    said = say(shop, "ledger", "rebuild", "--apply")
    assert said.code == 0, said.all
    assert [row["state"] for row in data(shop, "orders")] == ["created", "created"]
    assert len(data(shop, "books", "documents")) == 2
    assert say(shop, "run", "orders").code == 0
    assert say(shop, "run", "catalogue").code == 0
    assert len(data(shop, "books", "documents")) == 2
