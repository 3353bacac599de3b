"""``mistok doctor``: from articles that a spreadsheet has damaged to a sync that matches them again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from pipeline.ledger import tables
from tests.e2e.command import Said, here

#: A system of the client's own: what stands in a table that somebody kept in a spreadsheet.
PLUGIN = """\
import csv
from decimal import Decimal
from pathlib import Path

from pipeline.api import Offer, OfferTraits, Settings, StockLevel, SystemPlugin, T, Transient


class Shelf:
    def __init__(self, settings, env):
        self.name, self._path = env.name, Path(env.base) / f"{env.name}.csv"

    def check(self):
        return ()

    def close(self):
        pass

    def offer_traits(self):
        return OfferTraits(keys=("sku", "model"), reads=frozenset({"name", "barcode"}))

    def _rows(self):
        if not self._path.exists():
            raise Transient(T("The table is away."))
        with self._path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file, delimiter=";")

    def offers(self, since=None):
        for row in self._rows():
            keys = {name: row[name] for name in ("sku", "model") if row[name].strip()}
            values = {"name": row["name"], "barcode": row["barcode"]}
            yield Offer(id=row["id"], product=row["id"], keys=keys, values=values)

    def levels(self, since=None):
        for row in self._rows():
            yield StockLevel(row["sku"], "", Decimal(row["stock"]), offer=row["id"])

    def warehouses(self):
        return ()


PLUGIN = SystemPlugin(name="shelf", summary=T("A table"), settings=Settings, open=Shelf)
"""
CONFIG = """\
client: acme
language: en
timezone: Europe/Kyiv
connections:
  shelf: {type: shelf}
  erp: {type: books, url: "sqlite:///erp.sqlite3", seed: goods.csv}
ledger: {url: "sqlite:///ledger.sqlite3"}
log: {file: null}
alerts: {channels: []}
jobs:
  stock:
    steps: [{step: sync-stock, from: shelf, to: erp}]
"""
GOODS = """\
code;name;price;stock;barcode
0012345;Ґрунт епоксидний;1;0;
1234567890123;Лак прозорий;1;0;
3-5;Емаль біла;1;0;
E-303;Фарба чорна;1;0;
AB-77;Шпаклівка;1;0;4820001000375
SAME;Розчинник;1;0;
ONLY-ERP;Скотч малярний;1;0;
=1+1;Стрічка;1;0;
"""
SHELF = """\
id;sku;model;barcode;name;stock
1;12345;;;Ґрунт епоксидний;11
2;1.23457E+12;;;Лак прозорий;12
3;Mar-5;;;Емаль біла;13
4;\u00a0е-303;;;Фарба чорна;14
5;;;4820001000375;Шпаклівка (AB-77);15
6;SAME;;;Розчинник;16
7;ONLY-SHELF;;;Пензель;17
8;DUP;;;Валик;18
9;DUP;;;Валик великий;19
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "shelf.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "goods.csv").write_text(GOODS, encoding="utf-8")
    (tmp_path / "shelf.csv").write_text(SHELF, encoding="utf-8")
    return tmp_path


def say(folder: Path, *words: object, language: str = "en") -> Said:
    return here("-c", folder / "config.yaml", "--language", language, *words, env={"MISTOK_USER": "olena"})


def stock(folder: Path) -> dict[str, Decimal]:
    engine = sa.create_engine(f"sqlite:///{folder / 'erp.sqlite3'}")
    query = "SELECT p.code, coalesce(sum(s.on_hand), 0) FROM products p LEFT JOIN stock s ON s.product_id = p.id "
    with engine.connect() as conn:
        rows = [tuple(row) for row in conn.execute(sa.text(query + "GROUP BY p.code"))]
    engine.dispose()
    # SQLite has no decimals: the books keep millionths
    return {code: Decimal(level) / 10**6 for code, level in rows}


def fill(path: Path, decisions: dict[tuple[str, str], Any], *, sheet: int = 0) -> None:
    """Write decisions by (article, id) into the first row of each."""
    book = openpyxl.load_workbook(path)
    rows = book.worksheets[sheet]
    left = dict(decisions)
    for row in rows.iter_rows(min_row=2):
        place = ((row[2].value or "").strip(), row[3].value or "")
        if place in left:
            row[9].value = left.pop(place)
    assert not left
    book.save(path)


def test_from_damaged_articles_to_a_sync_that_matches(folder: Path) -> None:
    sheet = folder / "articles.xlsx"
    said = say(folder, "doctor", "sku", "--xlsx", sheet, "--json")
    assert said.code == 1, said.all
    told = said.json()
    assert told["articles"] == {"shelf": 9, "erp": 8}
    assert told["counts"] == {
        "duplicate": 1, "twins": 0, "empty": 1, "damaged": 2, "apart": 3, "only": 5, "written": 1,
    }  # fmt: skip
    apart = {
        one["articles"][0]["article"]: (one["proposals"][0]["article"], one["marks"])
        for one in told["problems"]
        if one["kind"] == "apart"
    }
    assert apart == {
        "12345": ("0012345", ["zeros"]),
        "1.23457E+12": ("1234567890123", ["exponent"]),
        "Mar-5": ("3-5", ["date"]),
    }
    (empty,) = [one for one in told["problems"] if one["kind"] == "empty"]
    assert empty["proposals"][0]["article"] == "AB-77"
    (written,) = [one for one in told["problems"] if one["kind"] == "written"]
    assert written["marks"] == ["case", "spaces", "lookalikes"]

    # texts as texts, and nothing is a formula
    book = openpyxl.load_workbook(sheet)
    cells = {(cell.value, cell.data_type, cell.number_format) for row in book.worksheets[0] for cell in row[2:10]}
    assert ("0012345", "s", "@") in cells
    assert ("=1+1", "s", "@") in {(c.value, c.data_type, c.number_format) for r in book.worksheets[1] for c in r}
    assert not [cell for cell in cells if cell[1] == "f"]
    assert {row[9].number_format for row in book.worksheets[0].iter_rows(min_row=2)} == {"@"}

    fill(
        sheet,
        {
            ("12345", "1"): "yes", ("1.23457E+12", "2"): "так", ("Mar-5", "3"): "3-5", ("", "5"): "+",
            ("ONLY-SHELF", "7"): "only–erp",
        },
    )  # fmt: skip
    tried = say(folder, "doctor", "sku", "--apply", sheet, "--dry-run", "--json")
    assert tried.code == 0, tried.all
    assert len(tried.json()["aliases"]) == 9  # both ways, but for the empty article
    assert say(folder, "doctor", "aliases", "--json").json() == []
    assert say(folder, "doctor", "sku", "--apply", sheet).code == 0
    kept = say(folder, "doctor", "aliases", "--json").json()
    assert {(one["from"], one["article"], one["means"], one["by"]) for one in kept if one["to"] == "erp"} == {
        ("shelf", "12345", "0012345", "olena"), ("shelf", "1.23457E+12", "1234567890123", "olena"),
        ("shelf", "Mar-5", "3-5", "olena"), ("shelf", "#5", "AB-77", "olena"),
        ("shelf", "ONLY-SHELF", "ONLY-ERP", "olena"),
    }  # fmt: skip
    assert all(one["why"].startswith("doctor: articles.xlsx, row ") for one in kept)
    engine = sa.create_engine(f"sqlite:///{folder / 'ledger.sqlite3'}")
    with engine.connect() as conn:
        events = list(conn.execute(sa.select(tables.events.c.data).where(tables.events.c.event == "mapped")))
    engine.dispose()
    assert len(events) == 9

    run = say(folder, "sync", "stock")
    assert run.code == 1, run.all  # stock that was never in step waits for a person, as ever
    assert say(folder, "approve", "1").code == 1  # DUP stands there twice: the doctor has told it, too
    levels = stock(folder)
    assert {code: levels[code] for code in ("0012345", "1234567890123", "3-5", "E-303", "AB-77", "ONLY-ERP")} == {
        "0012345": 11, "1234567890123": 12, "3-5": 13, "E-303": 14, "AB-77": 15, "ONLY-ERP": 17,
    }  # fmt: skip

    after = say(folder, "doctor", "sku", "--json").json()
    assert after["counts"] == {
        "duplicate": 1, "twins": 0, "empty": 0, "damaged": 0, "apart": 0, "only": 3, "written": 1,
    }  # fmt: skip
    number = next(one["id"] for one in kept if one["article"] == "12345")
    gone = say(folder, "doctor", "aliases", "--remove", number)
    assert "12345 of shelf does not mean 0012345 of erp any more." in gone.out
    assert "0012345 of erp does not mean 12345 of shelf any more." in gone.out
    assert say(folder, "doctor", "aliases", "--remove", number).code == 2
    assert say(folder, "doctor", "sku", "--json").json()["counts"]["apart"] == 1


def test_decisions_that_cannot_be_kept_are_told_by_row_and_none_is_kept(folder: Path) -> None:
    sheet = folder / "articles.xlsx"
    assert say(folder, "doctor", "sku", "--xlsx", sheet).code == 1
    before = sheet.read_bytes()

    def refused(decisions: dict[tuple[str, str], Any]) -> str:
        sheet.write_bytes(before)
        fill(sheet, decisions)
        said = say(folder, "doctor", "sku", "--apply", sheet)
        assert said.code == 2, said.all
        assert say(folder, "doctor", "aliases", "--json").json() == []
        return said.err

    words = refused({("12345", "1"): "yes", ("ONLY-SHELF", "7"): "0012345"})
    assert "articles.xlsx" in words
    assert "contradict each other" in words
    assert "erp has no article NONE." in refused({("12345", "1"): "NONE"})
    assert "is no text any more" in refused({("12345", "1"): 12345})
    assert "Nothing is proposed in this row" in refused({("ONLY-ERP", refusing(sheet, "ONLY-ERP")): "yes"})
    assert "shelf has SAME itself: 12345 cannot be it, too." in refused({("12345", "1"): "same"})
    (folder / "shelf.csv").write_text(SHELF.replace("1;12345;", "1;012345;"), encoding="utf-8")
    assert "shelf has no 12345 (1) as it stands in this row." in refused({("12345", "1"): "yes"})


def refusing(sheet: Path, article: str) -> str:
    """The id that stands beside an article."""
    rows = openpyxl.load_workbook(sheet).worksheets[0].iter_rows(min_row=2, values_only=True)
    return next(str(row[3] or "") for row in rows if row[2] == article)


def test_what_is_not_the_same_is_not_proposed_again_until_it_is_said_to_be(folder: Path) -> None:
    sheet = folder / "articles.xlsx"
    assert say(folder, "doctor", "sku", "--xlsx", sheet).code == 1
    fill(sheet, {("12345", "1"): "ні"})
    said = say(folder, "doctor", "sku", "--apply", sheet)
    assert (said.code, "1 proposal is not the same." in said.out) == (0, True)
    assert say(folder, "doctor", "sku", "--json").json()["counts"]["apart"] == 2
    fill(sheet, {("12345", "1"): "yes"})
    assert say(folder, "doctor", "sku", "--apply", sheet).code == 0
    assert len(say(folder, "doctor", "aliases", "--json").json()) == 2


def test_a_person_reads_it_in_both_languages(folder: Path) -> None:
    english, ours = say(folder, "doctor", "sku"), say(folder, "doctor", "sku", "-n", "2", language="uk")
    assert (english.code, ours.code) == (1, 1)
    assert english.out.index("How many") < english.out.index("1.23457E+12")
    assert "⍽е-303" in english.out
    assert "лише в одній системі" in ours.out
    sheet = folder / "артикули.xlsx"
    assert say(folder, "doctor", "sku", "--xlsx", sheet, language="uk").code == 1
    fill(sheet, {("12345", "1"): "так"})
    assert say(folder, "doctor", "sku", "--apply", sheet).code == 0


def test_the_exit_codes(folder: Path) -> None:
    rows = "id;sku;model;barcode;name;stock\n" + "".join(
        f"{n};{line.split(';')[0]};;;{line.split(';')[1]};0\n" for n, line in enumerate(GOODS.splitlines()[1:])
    )
    (folder / "shelf.csv").write_text(rows, encoding="utf-8")
    clean = say(folder, "doctor", "sku")
    assert (clean.code, "Nothing is wrong with them." in clean.out) == (0, True), clean.all
    assert say(folder, "doctor", "sku", "nowhere").code == 2
    assert say(folder, "doctor", "sku", "--dry-run").code == 2
    assert say(folder, "doctor", "sku", "--apply", folder / "config.yaml").code == 2
    other = openpyxl.Workbook()
    other.save(folder / "other.xlsx")
    assert say(folder, "doctor", "sku", "--apply", folder / "other.xlsx").code == 2
    (folder / "shelf.csv").unlink()
    assert say(folder, "doctor", "sku").code == 3
    assert say(folder, "doctor", "sku", "erp").code == 0
