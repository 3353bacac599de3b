"""A catalogue file as a source of jobs, by the command: what comes of it, and what a file that is wrong never does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.command import Said, here

CONFIG = """\
client: acme
language: en
connections:
  box: {type: local, path: in}
  supplier:
    type: catalogue-file
    files: box
    pattern: "price*.csv"
    max_age: 2d
    format:
      csv-goods:
        numbers: 1 234,56
        fields: {code: Code, name: Name, price: Price, group: Group, options: {Size: Size}, stock: Stock, category: Cat}
  bare:
    type: catalogue-file
    files: box
    pattern: "price*.csv"
    format: {csv-goods: {fields: {code: Code, name: Name}}}
  books: {type: books, url: "sqlite:///books.sqlite3"}
log: {file: null}
alerts: {channels: []}
jobs:
  goods:
    steps:
      - {step: sync-catalogue, from: supplier, to: books, vanished: hide}
  stock:
    steps:
      - {step: sync-stock, from: supplier, to: books, vanished: zero}
  levels:
    steps:
      - {step: sync-stock, from: bare, to: books}
"""
HEAD = "Code;Name;Price;Group;Size;Stock;Cat\n"
ROWS = (
    "SH;Сорочка;;;;;Одяг/Сорочки\n"
    "SH-M;;1 234,50;SH;M;5;\n"
    "SH-L;;1 234,50;SH;L;0;\n"
    "0042;Ґудзик;0,50;;;100;Фурнітура\n"
    "0043;Нитки;2,00;;;7;Фурнітура\n"
)
Run = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    write(tmp_path, HEAD + ROWS)
    return tmp_path


def write(folder: Path, text: str, name: str = "price.csv", age: float = 0) -> Path:
    path = folder / "in" / name
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


@pytest.fixture
def run(folder: Path) -> Run:
    def go(*words: str, code: int | None = 0) -> Said:
        said = here("-c", folder / "config.yaml", "--language", "en", *words)
        assert code is None or said.code == code, said.all
        return said

    return go


def test_a_price_list_goes_into_the_books_with_its_stock(run: Run, folder: Path) -> None:
    assert run("sync", "goods", "--json").json()["counts"] == {"new": 4}
    assert run("sync", "goods", "--full", "--json").json()["counts"] == {"matched": 5}
    run("sync", "stock", code=1)  # the first stock is looked at by a person
    (plan,) = run("plans", "--json").json()
    run("approve", str(plan["number"]))
    assert run("compare", "supplier", "books", "--json").json()["rows"] == []
    write(folder, HEAD + ROWS.replace("0,50;;;100", "0,60;;;90"))
    assert run("sync", "goods", "--json").json()["counts"] == {"updated": 1}
    assert run("sync", "stock", "--json").json()["counts"] == {"updated": 1}
    write(folder, HEAD + ROWS.replace("0043;Нитки;2,00;;;7;Фурнітура\n", ""))
    assert run("sync", "goods", "--full", "--json").json()["counts"]["vanished"] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "There is no file price*.csv"),
        ("", "The file is empty"),
        (HEAD, "There is no product"),
        ("Code;Name\nSH;Сорочка\n", "no column “Price”"),
        (HEAD + 'SH;"Соро', "never closed"),
        ("<html>404</html>\n", "no column"),
        (
            HEAD + "".join(f"X-{n};Товар;1;;;1;;;;\n" if n % 2 else f"Y-{n};Товар\n" for n in range(20)),
            "rows cannot be",
        ),
    ],
    ids=["missing", "empty", "header", "columns", "cut", "page", "rows"],
)
def test_a_file_that_is_no_catalogue_takes_nothing_away(run: Run, folder: Path, text: str | None, words: str) -> None:
    run("sync", "goods")
    if text is None:
        (folder / "in" / "price.csv").unlink()
    else:
        write(folder, text)
    said = run("sync", "goods", "--full", code=None)
    assert said.code != 0
    assert words in said.all
    write(folder, HEAD + ROWS)
    assert run("sync", "goods", "--full", "--json").json()["counts"] == {"matched": 5}, "nothing was hidden meanwhile"


def test_a_file_that_has_shrunk_asks_a_person(run: Run, folder: Path) -> None:
    run("sync", "goods")
    write(folder, HEAD + "0042;Ґудзик;0,50;;;100;Фурнітура\n")
    said = run("sync", "goods", "--full", code=1)
    assert "mistok approve" in said.all
    write(folder, HEAD + ROWS)
    assert run("sync", "goods", "--full", "--json").json()["counts"] == {"matched": 5}


def test_an_old_file_is_refused_and_of_several_the_newest_is_read(run: Run, folder: Path) -> None:
    write(folder, HEAD + ROWS, age=3 * 86400)
    assert "older than `max_age`" in run("sync", "goods", code=None).all
    write(folder, HEAD + "NEW;Нове;1,00;;;1;\n", name="price-2.csv", age=60)
    write(folder, HEAD + "PART", name="price-3.csv.part")
    assert run("sync", "goods", "--json").json()["counts"] == {"new": 1}


def test_bad_rows_are_told_and_the_others_go_on(run: Run, folder: Path) -> None:
    write(folder, HEAD + ROWS + ";Без артикула;1,00;;;1;\nBAD;Погана;12.5O;;;багато;\n")
    said = run("sync", "goods", code=1)
    assert "Line 7 is left out" in said.all
    assert "BAD (Погана) has no price in the source that can be read: it is not created." in said.all
    assert "BAD (line 8): price cannot be read, 12.5O" in said.all
    checked = run("check", "--connect", code=None).all
    assert "BAD (line 8): stock cannot be read, багато" in checked


def test_a_mapping_is_tried_on_a_file_by_the_connections_name(run: Run, folder: Path) -> None:
    path = folder / "in" / "price.csv"
    said = run("map", "try", str(path), "--format", "supplier")
    assert "Size: M" in said.out
    assert "Nothing of the file stays unread" in said.out
    bare = run("map", "try", str(path), "--format", "bare", "--json").json()
    assert {row["path"] for row in bare["unread"]} == {"Price", "Group", "Size", "Stock", "Cat"}
    assert "Several connections" in run("map", "try", str(path), code=2).all
    mapping = folder / "mapping.yaml"
    mapping.write_text("format: {csv-goods: {fields: {code: Code, name: Name}}}\n", encoding="utf-8")
    assert run("map", "try", str(path), "--format", str(mapping), "--json").json()["rows"] == 5
    write(folder, HEAD + ";x;1;;;1;\n")
    assert "Line 2 is left out" in run("map", "try", str(path), "--format", "supplier", code=1).all
    write(folder, "")
    assert "no such catalogue" in run("map", "try", str(path), "--format", "supplier", code=1).all


def test_without_stock_in_the_mapping_it_tells_none(run: Run) -> None:
    run("sync", "goods")
    assert "telling its stock" in run("sync", "levels", code=2).all


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("csv-goods:", "csv-good:", "Format `csv-good` is not known"),
        ("format: {csv-goods: {fields: {code: Code, name: Name}}}", "format: joomshopping-csv", "reads none"),
        ("format: {csv-goods: {fields: {code: Code, name: Name}}}", "format: {csv-goods: {}}", "fields"),
        ("fields: {code: Code, name: Name}", "fields: {code: Code, nam: Name}", "nam"),
    ],
)
def test_a_wrong_format_of_a_connection_is_told_with_its_line(
    run: Run, folder: Path, was: str, now: str, words: str
) -> None:
    path = folder / "config.yaml"
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, now), encoding="utf-8")
    said = run("check", code=2)
    assert words in said.all
    assert "config.yaml:" in said.all
