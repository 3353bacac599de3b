"""F45, F46, F49, F57: what a catalogue may not do to the shop, and an article by many spellings."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.engine.prices import Packed, PriceList, jumps
from pipeline.errors import Rejected, Where
from pipeline.resources import samples
from plugins.systems.books.cells import Numbers
from plugins.systems.books.load import read_products
from tests.e2e.command import mistok
from tests.faults import tally
from tests.faults.conftest import Victim
from tests.servers.common import require, used

Make = Callable[[str, str], Victim]
GOOD = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
PLACES = pytest.mark.parametrize(("transport", "ledger"), [("local", "postgres"), ("sshd", "sqlite")])


def execute(victim: Victim, statement: str, values: Sequence[Any] = ()) -> int:
    """Somebody changes the books."""
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as conn, conn:
        return conn.execute(statement, values).rowcount


def published(victim: Victim) -> Victim:
    assert victim.run("catalogue").state == "done"
    return victim


def words(victim: Victim, kind: str = "brake") -> str:
    rows = victim.ledger_rows(f"SELECT findings FROM cards WHERE kind = '{kind}' AND state = 'open'")
    found = [one for (said,) in rows for one in (json.loads(said) if isinstance(said, str) else said)]
    return json.dumps(found, ensure_ascii=False)


# --- F45 ---------------------------------------------------------------------------------------------------------


@PLACES
@pytest.mark.parametrize("left", [0, 14])
def test_f45_an_empty_or_halved_feed_is_not_published_until_a_person_approves(
    make_victim: Make, transport: str, ledger: str, left: int
) -> None:
    victim = published(make_victim(transport, ledger))
    tally.note("inputs")
    file = victim.goods / "catalogue.csv"
    whole = file.read_bytes()
    execute(victim, "UPDATE products SET published = id IN (SELECT id FROM products ORDER BY id LIMIT ?)", (left,))
    for _ in range(3):
        report = victim.run("catalogue", trigger="schedule")
        assert (report.state, report.exit_code) == ("waiting", 1)
        assert file.read_bytes() == whole
    said = report.steps[0].result
    assert said is not None
    rows = said.details[0]["rows"]
    assert rows <= left
    assert said.details[0]["rows_before"] == 30
    assert f"{rows}" in words(victim)
    assert "30" in words(victim) or not left
    assert victim.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'brake'") == [(1,)]
    if left:
        assert victim.run("catalogue", approve=True).state == "done"
        assert file.read_bytes().count(b"\n") == rows + 1
        assert words(victim) == "[]"
    victim.check()


# --- F46 ---------------------------------------------------------------------------------------------------------

ONE = "WHERE kind = 'retail' AND product_id = (SELECT id FROM products WHERE code = '0042')"
#: what happened to the prices of the books, and to how many
JUMPS = {
    "ten times more": ("UPDATE prices SET amount = amount * 10 WHERE kind = 'retail'", 30),
    "one slipped comma": (f"UPDATE prices SET amount = amount * 100 {ONE}", 1),
    "a hundredth": ("UPDATE prices SET amount = amount / 100 WHERE kind = 'retail'", 30),
    "all zero": ("UPDATE prices SET amount = 0 WHERE kind = 'retail'", 30),
    "one zero": (f"UPDATE prices SET amount = 0 {ONE}", 1),
}


@pytest.mark.parametrize("what", JUMPS)
def test_f46_prices_that_jump_are_not_published_until_a_person_approves(make_victim: Make, what: str) -> None:
    victim = published(make_victim("local", "sqlite"))
    statement, number = JUMPS[what]
    tally.note("inputs")
    file = victim.goods / "catalogue.csv"
    whole = file.read_bytes()
    execute(victim, statement)
    for _ in range(2):
        report = victim.run("catalogue", trigger="schedule")
        assert (report.state, report.exit_code) == ("waiting", 1)
        assert file.read_bytes() == whole
    said = mistok("-c", victim.path, "--language", "en", "run", "catalogue")
    assert said.code == 1
    assert f"{number} price" in said.all
    assert "389.5" in said.all or number > 1, "the first ones are told"
    assert "mistok run catalogue --approve" in said.all
    assert words(victim).count('"price"') == min(number, 5)
    assert victim.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'brake'") == [(1,)]
    assert victim.run("catalogue", approve=True).state == "done"
    assert file.read_bytes() != whole
    assert victim.run("catalogue").counts.get("unchanged") == 1
    assert words(victim) == "[]"
    victim.check()


def test_f46_a_price_that_only_changes_is_published(make_victim: Make) -> None:
    victim = published(make_victim("local", "sqlite"))
    execute(victim, "UPDATE prices SET amount = amount * 4 WHERE kind = 'retail'")
    assert victim.run("catalogue").counts["uploaded"] == 1
    execute(victim, "UPDATE prices SET amount = amount / 4 WHERE kind = 'retail'")
    assert victim.run("catalogue").counts["uploaded"] == 1
    victim.catalogue = "max_price_change: null"
    execute(victim, "UPDATE prices SET amount = amount * 50 WHERE kind = 'retail'")
    assert victim.run("catalogue").counts["uploaded"] == 1
    victim.check()


def test_f46_no_price_is_not_0(make_victim: Make) -> None:
    victim = published(make_victim("local", "sqlite"))
    whole = (victim.goods / "catalogue.csv").read_bytes()
    tally.note("inputs")
    prices = victim.folder / "prices.csv"
    prices.write_text("code;price;currency\n0042;389.50;UAH\n", encoding="utf-8")
    assert execute(victim, f"DELETE FROM prices {ONE}") == 1
    report = victim.run("catalogue")
    assert report.exit_code == 1
    assert "csv-no-price" in [finding.code for finding in report.steps[0].findings]
    assert (victim.goods / "catalogue.csv").read_bytes() == whole
    assert mistok("-c", victim.path, "books", "load", str(prices)).code == 0
    victim.check(work_left=True)


@pytest.mark.unchecked("a pure function of two lists of prices")
def test_f46_a_jump_is_found_by_its_rule_alone() -> None:
    def packed(*rows: tuple[str, str, str]) -> Packed:
        pieces: list[bytes] = []
        made = PriceList(pieces.append)
        for code, *amounts in rows:
            price, special = (Decimal(amount) if amount else None for amount in amounts)
            made.see([code], [price], [special])
            made.add([code])
        return Packed(pieces, made.finish().sorted)

    before = packed(
        ("a", "10", ""), ("b", "10", "5"), ("c", "0", ""), ("d", "10", "5"), ("e", "10", ""), ("g", "1", "")
    )
    after = packed(("a", "50", ""), ("b", "50.01", "5"), ("c", "90", ""), ("d", "10", ""), ("e", "1.99", "0.10"),
                   ("f", "9999", ""), ("g", "", ""))  # fmt: skip
    found = {(jump.code, jump.after) for jump in jumps(before, after, Decimal(5))}
    assert found == {("b", Decimal("50.01")), ("e", Decimal("1.99")), ("g", None)}
    assert {jump.code for jump in jumps(packed(("a", "9", "5")), packed(("a", "9", "0.5")), Decimal(5))} == {"a"}


#: how a cell is written -> what it means under each declared locale; None: refused
CELLS = {
    "1 234,50": ("1234.50", "1234.50", None),
    "1\u00a0234,50": ("1234.50", "1234.50", None),
    "1\u202f234,50": ("1234.50", "1234.50", None),
    "1234,50": ("1234.50", "1234.50", None),
    "1,234.50": ("1234.50", None, "1234.50"),
    "1.234,50": ("1234.50", None, None),
    "1,234": (None, "1.234", "1234"),
    "1 234": ("1234", "1234", "1234"),
    "1234.50": ("1234.50", None, "1234.50"),
    "12 34,50": (None, None, None),
    "1,2,3": (None, None, None),
    "1e3": (None, None, None),
    "NaN": (None, None, None),
    "-5": (None, None, None),
    "двісті": (None, None, None),
    "١٢": (None, None, None),
}


@pytest.mark.unchecked("a table is read, and goes nowhere")
@pytest.mark.parametrize("place", range(3), ids=["auto", "uk", "en"])
def test_f46_amounts_are_read_strictly_by_the_declared_locale(tmp_path: Path, place: int) -> None:
    numbers: tuple[Numbers, ...] = ("auto", "uk", "en")
    tally.note("inputs", len(CELLS))
    for cell, meanings in CELLS.items():
        table = tmp_path / "prices.csv"
        table.write_text(f"code;price;currency\n0042;{cell};UAH\n", encoding="utf-8")
        where = Where(line=2, column=2)
        try:
            (item,) = read_products(table, zone=ZoneInfo("Europe/Kyiv"), numbers=numbers[place]).items
            found = item.values["price", "retail"]
        except Rejected as error:
            found, where = None, error.findings[0].where
        assert (where.line, where.column) == (2, 2)
        meant = meanings[place]
        assert found == (None if meant is None else Decimal(meant)), cell


def test_f46_a_load_with_a_wrong_amount_changes_nothing(make_victim: Make) -> None:
    victim = published(make_victim("local", "sqlite"))
    table = victim.folder / "prices.csv"
    before = price_of(victim)
    table.write_text("code;price;currency\n0042;1\u00a0234,50;UAH\n0043;1,234;UAH\n", encoding="utf-8")
    load = ("-c", victim.path, "--language", "en", "books", "load", str(table))
    said = mistok(*load)
    assert said.code != 0
    assert "1,234 can be read as thousands or as a fraction" in said.all
    assert price_of(victim) == before
    said = mistok(*load, "--numbers", "uk")
    assert said.code == 0, said.all
    assert price_of(victim) == Decimal("1234.50")
    tally.note("inputs")
    victim.check()


def price_of(victim: Victim) -> Decimal:
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as conn:
        query = (
            "SELECT amount FROM prices JOIN products ON id = product_id WHERE code = '0042' AND prices.kind = 'retail'"
        )
        return Decimal(conn.execute(query).fetchone()[0]) / 1_000_000


# --- F49 ---------------------------------------------------------------------------------------------------------

TWINS = ("D-150-P80", "d-150-p80", " D-150-P80 ", "D\u2011150\u2011P80", "D\u2013150\u2212P80", "D-150 -P80",
         "D\u00a0-150-P80", "D-150-\u041080".replace("\u0410", "P"), "\uff24-150-P80", "D-150-\u042080",
         "D-\u200b150-P80")  # fmt: skip


def order(number: int, code: str) -> str:
    text = GOOD.replace("4701", str(number))
    begin, end = text.index("<code>"), text.index("</code>")
    return f"{text[:begin]}<code>{code}{text[end:]}"


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"])
def test_f49_many_spellings_are_one_product(make_victim: Make, ledger: str) -> None:
    victim = make_victim("local", ledger)
    tally.note("inputs", len(TWINS))
    for n, code in enumerate(TWINS):
        victim.drop(f"{n:02}.xml", order(7000 + n, code))
    report = victim.run()
    assert report.counts["created"] == len(TWINS), report.steps
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as conn:
        rows = conn.execute(
            "SELECT DISTINCT p.code FROM document_lines l JOIN products p ON p.id = l.product_id"
        ).fetchall()
    assert rows == [("D-150-P80",)]
    victim.check()


def test_f49_leading_zeros_count_unless_declared_otherwise(make_victim: Make) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop("a.xml", order(7100, "42"))
    tally.note("inputs")
    assert victim.run().counts["held"] == 1, "42 is not 0042"
    victim.check(lasting=True)
    text = victim.config().source.read_text("utf-8") if victim.config().source else ""
    assert text
    victim.target = (
        f'{{type: books, url: "{victim.books}", matching: {{leading_zeros: true}}, '
        f'seed: ["{samples().as_posix()}/products.csv", "{samples().as_posix()}/references.csv"]}}'
    )
    assert victim.run().counts["created"] == 1
    victim.check()


def test_f49_where_two_products_fit_a_person_is_asked_and_never_the_first_taken(make_victim: Make) -> None:
    victim = published(make_victim("local", "sqlite"))
    table = victim.folder / "twins.csv"
    table.write_text(
        "code;name_uk-UA;unit;price;currency;tax_rate\nТвін-1;Один;шт;5.00;UAH;20\nтвін-1;Два;шт;6.00;UAH;20\n", "utf-8"
    )
    assert mistok("-c", victim.path, "books", "load", str(table)).code == 0
    tally.note("inputs", 2)
    victim.drop("a.xml", order(7200, "ТВІН\u20131"))
    victim.drop("exact.xml", order(7201, "твін-1"))
    report = victim.run()
    assert (report.counts["held"], report.counts["created"]) == (1, 1), "an exact spelling needs no guess"
    said = words(victim, "held")
    assert "ambiguous-product" in said
    assert "Твін-1" in said
    assert "твін-1" in said
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as conn:
        query = "SELECT p.code FROM document_lines l JOIN products p ON p.id = l.product_id"
        assert conn.execute(query).fetchall() == [("твін-1",)]
    victim.check(lasting=True)
    victim.step = "mappings: {sku: {ТВІН\u20131: твін-1}}"
    assert victim.run().counts == {"created": 1}
    # to the shop both are one: its catalogue goes on when somebody has chosen which of them is sold there
    assert execute(victim, "UPDATE products SET published = 0 WHERE code = 'Твін-1'") == 1
    victim.check(work_left=True)


# --- F57 ---------------------------------------------------------------------------------------------------------

PHP = r"""<?php
$rows = [];
$fp = fopen($argv[1], 'r');
while (($row = fgetcsv($fp, 1000000, $argv[2], '"')) !== false) { $rows[] = $row; }
fclose($fp);
fwrite(STDOUT, json_encode([PHP_VERSION, $rows], JSON_INVALID_UTF8_SUBSTITUTE));
"""
NASTY = ("семикол;он", 'лапки "у" них', "рядок\nдругий", "рядок\r\nдругий", "хвіст\\", 'хвіст з лапками\\"', "=1+1",
         "+380", "@SUM(A1)", ";", '"', "\\", "\\\\", '";"', "'", "таб\tуляція", "крапка\u00a0нерозривна", "-2",
         "а" * 5000, "\\\n", '\\";', ";;;", '""', "ї\\", "|", "кінець\\;початок")  # fmt: skip


@pytest.mark.server("php")
@pytest.mark.parametrize("transport", ["local", "vsftpd-explicit"])
def test_f57_the_shops_own_parser_reads_as_many_rows_as_there_are_products(
    make_victim: Make, transport: str, tmp_path: Path
) -> None:
    php = require("php")
    victim = published(make_victim(transport, "sqlite"))
    tally.note("inputs", len(NASTY))
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as conn, conn:
        ids = [row[0] for row in conn.execute("SELECT id FROM products ORDER BY code")]
        for place, one in enumerate(ids):
            value = NASTY[place % len(NASTY)]
            texts = (f"Назва {value}", value, f"{value}\nі ще {value}", one)
            conn.execute(
                "UPDATE product_texts SET name = ?, short_description = ?, description = ? WHERE product_id = ?",
                texts,
            )
    report = victim.run("catalogue")
    assert report.state == "done", report
    script = tmp_path / "read.php"
    script.write_text(PHP, "utf-8")
    done = subprocess.run(
        [php, str(script), str(victim.goods / "catalogue.csv"), ";"], capture_output=True, check=True, timeout=60
    )
    version, rows = json.loads(done.stdout)
    used("php", version)
    head, *products = rows
    assert len(products) == report.counts["rows"] == 30
    assert {len(row) for row in rows} == {len(head)}, "no row was swallowed or torn"
    code, name = head.index("ean"), head.index("name_uk-UA")
    with closing(sqlite3.connect(victim.folder / "books.sqlite3")) as conn:
        known = {row[0] for row in conn.execute("SELECT code FROM products")}  # with the variants
    assert {row[code] for row in products} < known
    assert len({row[code] for row in products}) == 30
    assert all(row[name].startswith("Назва") for row in products)
    with (victim.goods / "catalogue.csv").open(encoding="utf-8", newline="") as source:
        assert len(list(csv.reader(source, delimiter=";"))) == 31, "a reader of spreadsheets agrees"
    victim.check()
