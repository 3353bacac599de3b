"""The reader that stands for the shop's PHP, against the real one."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Batch, Chunk, Finding, FormatContext
from pipeline.csvio import PHP_LINE_LIMIT, PhpCsvReader, PhpRow
from plugins.formats._joomshopping.check import Checker
from plugins.formats._joomshopping.layout import layout
from plugins.formats._joomshopping.settings import JoomShoppingSettings
from plugins.formats.joomshopping_csv import PLUGIN, JoomShoppingCsv
from tests.everyday import examples
from tests.servers.common import require, used

SEED = 20261122
CONTEXT = FormatContext("test", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime(2026, 11, 22, tzinfo=UTC), "c.csv")

NASTY: Sequence[bytes] = (
    b";", b'"', b"\\", b"\n", b"\r", b"\r\n", b"\t", b" ", b"\v", b"\f", b"\0", b'""', b'\\"', b'";"', b"\\\\", b"=",
    b"'",
    b"a", b"1", "ї".encode(), "Жук".encode(), b"\xc2\xa0", "€".encode(), "😀".encode(), b"\xef\xbb\xbf",
    b"\xff", b"\xd0", b"\xe2\x82", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfd\x80\x80\x80\x80\x80", b"\x98",
)  # fmt: skip

# The very call of the shop's importer. One process reads every file under every locale and line limit.
PHP = r"""<?php
$jobs = json_decode(stream_get_contents(STDIN), true);
fwrite(STDOUT, json_encode(PHP_VERSION) . "\n");
foreach ($jobs as [$locale, $length, $file]) {
    setlocale(LC_CTYPE, $locale);
    $fp = tmpfile();
    fwrite($fp, base64_decode($file));
    rewind($fp);
    $rows = [];
    while (($row = fgetcsv($fp, $length, ';', '"')) !== false) {
        $rows[] = array_map(fn ($cell) => $cell === null ? null : base64_encode($cell), $row);
    }
    fclose($fp);
    fwrite(STDOUT, json_encode($rows) . "\n");
}
"""
Job = tuple[str, int, bytes]


def read_by_php(jobs: Sequence[Job], folder: Path) -> list[list[PhpRow]]:
    """What the real ``fgetcsv`` reads of each (locale, line limit, file)."""
    php = require("php")
    script = folder / "read.php"
    script.write_text(PHP, encoding="utf-8")
    asked = json.dumps([(locale, length, base64.b64encode(data).decode()) for locale, length, data in jobs])
    done = subprocess.run([php, script], input=asked.encode(), capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr
    version, *answers = done.stdout.splitlines()
    used("php", json.loads(version))
    assert len(answers) == len(jobs)
    return [
        [tuple(None if cell is None else base64.b64decode(cell) for cell in row) for row in json.loads(answer)]
        for answer in answers
    ]


def read_by_us(job: Job, pieces: int = 0) -> list[PhpRow]:
    """The same by our reader, fed in ``pieces`` of that many bytes (0: at once)."""
    locale, length, data = job
    reader = PhpCsvReader(length=length, utf8=locale != "C")
    size = pieces or max(1, len(data))
    rows: list[PhpRow] = []
    for start in range(0, len(data), size):
        rows += reader.feed(data[start : start + size])
    return rows + reader.close()


def nasty_files(count: int, chance: random.Random) -> list[bytes]:
    files = []
    for _ in range(count):
        # Uneven weights make some files mostly quotes, others mostly backslashes, and so on.
        weights = [chance.random() ** 3 for _ in NASTY]
        files.append(b"".join(chance.choices(NASTY, weights, k=chance.randint(0, 80))))
    return files


@pytest.mark.server("php")
def test_ten_thousand_nasty_rows_are_read_as_php_reads_them(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    jobs: list[Job] = []
    for data in nasty_files(4000, chance):
        jobs += [
            ("C.UTF-8", PHP_LINE_LIMIT, data),
            ("C", PHP_LINE_LIMIT, data),
            ("C.UTF-8", chance.randint(1, 12), data),
        ]
    answers = read_by_php(jobs, tmp_path)
    assert sum(len(rows) for (_, limit, _), rows in zip(jobs, answers, strict=True) if limit == PHP_LINE_LIMIT) > 20_000
    for job, php in zip(jobs, answers, strict=True):
        assert read_by_us(job) == php, job
        assert read_by_us(job, chance.randint(1, 9)) == php, ("in pieces", job)


@pytest.mark.server("php")
@pytest.mark.parametrize("around", [-2, -1, 0, 1, 2])
def test_a_line_at_the_limit_is_cut_as_php_cuts_it(tmp_path: Path, around: int) -> None:
    long = b"x" * (PHP_LINE_LIMIT + around - 4)
    files = [b"a;" + long + b";b\nc;d\n", b'a;"' + long + b'"\nc;d\n', b'"' + long + b'\n\n";b\nc;d', long + b"abcd"]
    jobs = [("C.UTF-8", PHP_LINE_LIMIT, data) for data in files]
    assert [read_by_us(job) for job in jobs] == read_by_php(jobs, tmp_path)


# --- what we write ---------------------------------------------------------------------------------------------------

LETTERS = ";\"\\\n\r\t \u00a0\v\f\0=+-@'|/,аїЄҐ€abc019<>&"


def nasty_text(chance: random.Random, longest: int = 40) -> str:
    weights = [chance.random() ** 3 for _ in LETTERS]
    return "".join(chance.choices(LETTERS, weights, k=chance.randint(0, longest)))


def nasty_batches(rows: int, chance: random.Random) -> list[Batch]:
    batches = []
    for start in range(0, rows, 500):
        codes = [
            f"{number:05d}" + chance.choice(["", "\\", '"', "; ", "ї", " =1"]) for number in range(start, start + 500)
        ]
        texts = {
            f"{field}.{language}": [prefix + nasty_text(chance, chance.choice([5, 40, longest])) for _ in codes]
            for field, prefix, longest in (("name", "N", 40), ("short_description", "", 40), ("description", "", 900))
            for language in ("uk-UA", "ru-RU")
        }
        plain: dict[str, Sequence[object]] = {
            "parent": [""] * 500,
            "category": [("Авто", nasty_text(chance).replace("/", "") or "x") for _ in codes],
            "price": [Decimal(chance.randint(0, 10**7)).scaleb(-2) for _ in codes],
            "price.old": [None] * 500,
            "special_price": [None] * 500,
            "special_start": [datetime(2026, 3, 29, 1, tzinfo=UTC)] * 500,
            "special_end": [None] * 500,
            "currency": ["UAH"] * 500,
            "tax_rate": [Decimal(20)] * 500,
            "stock": [Decimal(chance.randint(0, 10**6)).scaleb(-3) for _ in codes],
            "unit": [nasty_text(chance, 5) for _ in codes],
            "weight": [Decimal("0.5")] * 500,
            "published": [True, False] * 250,
            "manufacturer": [nasty_text(chance, 9) for _ in codes],
            "barcode": ["4820000000017"] * 500,
            "image": [nasty_text(chance, 9) for _ in codes],
            "images": [("a.jpg", nasty_text(chance, 9).replace("|", "")) for _ in codes],
            "updated_at": [datetime(2026, 7, 1, 12, tzinfo=UTC)] * 500,
        }
        batches.append(Batch(500, {"code": codes, **texts, **plain}))
    return batches


@pytest.mark.server("php")
@pytest.mark.parametrize(
    "chosen",
    [
        {"profile": "core", "same_leaf": "allow"},
        {"languages": ["uk-UA", "ru-RU"]},
        {"languages": ["uk-UA", "ru-RU"], "newlines": "keep"},
        {"columns": [{"header": "d", "field": "description"}], "newlines": "keep"},
        {
            "columns": [{"header": "d", "field": "description"}, {"header": "c", "field": "code"}],
            "encoding": "windows-1251",
        },
    ],
    ids=["core", "extended", "breaks-kept", "one-column", "windows-1251"],
)
def test_what_we_write_is_what_php_reads(tmp_path: Path, chosen: dict[str, object]) -> None:
    wanted = JoomShoppingSettings.model_validate(chosen)
    assert isinstance(PLUGIN.format, JoomShoppingCsv)
    batches = nasty_batches(10_000, random.Random(SEED))
    chunks = list(PLUGIN.format.encode(batches, wanted, CONTEXT))
    checker = PLUGIN.format.checker(wanted, CONTEXT)
    assert [found for chunk in chunks for found in checker.feed(chunk)] == []
    assert checker.close() == []

    data = b"".join(chunk.data for chunk in chunks)
    codec = "cp1251" if wanted.encoding == "windows-1251" else "utf-8"
    meant = [tuple(cell.encode(codec) for cell in row) for chunk in chunks for row in chunk.rows]
    assert len(meant) == 10_000
    for rows in read_by_php([("C.UTF-8", PHP_LINE_LIMIT, data), ("C", PHP_LINE_LIMIT, data)], tmp_path):
        assert rows[1:] == meant


# --- the fast way of the checker ------------------------------------------------------------------------------------

SHAPE = layout(JoomShoppingSettings(profile="stock", header=False), CONTEXT)


@settings(max_examples=examples(1500), deadline=None)
@given(st.lists(st.sampled_from([piece for piece in NASTY if piece not in {b"\\", b"\r"}]), max_size=40))
def test_where_the_fast_check_is_sure_php_reads_the_same(pieces: list[bytes]) -> None:
    data = b"".join(pieces) + b"\n"
    try:
        rows = list(map(tuple, csv.reader(io.StringIO(data.decode(), newline=""), delimiter=";")))
    except (csv.Error, UnicodeDecodeError):
        return
    if Checker(SHAPE)._plainly_equal(data, rows):
        meant = [tuple(cell.encode() for cell in row) for row in rows]
        for locale in ("C.UTF-8", "C"):
            # A blank line is [] to the one and [null] to the other: it never counts as equal to a row of ours.
            read = [row for row in read_by_us((locale, PHP_LINE_LIMIT, data)) if row != (None,)]
            assert read == [row for row in meant if row]


def test_the_fast_check_is_what_runs_on_ordinary_rows() -> None:
    rows = [('0001"; ї', "12.00", "1.50")]
    assert Checker(SHAPE)._plainly_equal('"0001""; ї";12.00;1.50\n'.encode(), rows)
    assert not Checker(SHAPE)._plainly_equal('"0001""; ї";12.00;1.51\n'.encode(), rows)


# --- what it says ---------------------------------------------------------------------------------------------------


def said(data: bytes, rows: Sequence[Sequence[str]], *, pieces: int = 1) -> list[str]:
    """Findings about ``data`` when ``rows`` are meant, fed as one chunk or row by row."""
    checker = Checker(SHAPE)
    found: list[Finding] = []
    if pieces == 1:
        found += checker.feed(Chunk(data, [row[0] for row in rows], rows))
    else:
        lines = data.splitlines(keepends=True)
        for line, row in zip(lines, rows, strict=True):
            found += checker.feed(Chunk(line, [row[0]], [row]))
    return [str(one.text) for one in (*found, *checker.close()) if one.code == "csv-read-back"]


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_trailing_backslash_names_its_product_and_the_ones_it_swallows(pieces: int) -> None:
    # What Python's csv.QUOTE_ALL writes, and what PHP then makes of it: the case that lost four products.
    rows = [("A", "1.00", "5.00"), ("B;\\", "1.00", "5.00"), ("C", "1.00", "5.00"), ("D", "1.00", "5.00")]
    out = io.StringIO()
    csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    lines = said(out.getvalue().encode(), rows, pieces=pieces)
    assert lines
    assert "B;\\" in lines[0]
    assert "backslash" in lines[0]
    assert not any("product A" in line for line in lines)


def test_a_row_longer_than_the_limit_is_told_with_its_reason() -> None:
    long = "x" * PHP_LINE_LIMIT
    rows = [("A", long, "5.00"), ("B", "1.00", "5.00")]
    lines = said(f"A;{long};5.00\nB;1.00;5.00\n".encode(), rows)
    assert any("product A" in line and "longer than 262,144" in line.replace("262144", "262,144") for line in lines)
    assert not any("product B" in line for line in lines)


def test_a_changed_cell_is_told_with_its_column() -> None:
    lines = said(b"A;2.00;5.00\n", [("A", "1.00", "5.00")])
    assert lines == ["PHP reads the row of product A otherwise than meant: qty is read as “2.00”."]


def test_rows_that_nobody_meant_are_told() -> None:
    assert said(b"A;1.00;5.00\nX;1;1\n", [("A", "1.00", "5.00")]) != []
    assert said(b"\nA;1.00;5.00\n", [("A", "1.00", "5.00")]) != []
    assert said(b"", [("A", "1.00", "5.00")]) != []


def test_carriage_returns_alone_make_one_row() -> None:
    rows = [("A", "1.00", "5.00"), ("B", "1.00", "5.00")]
    assert len(said(b"A;1.00;5.00\rB;1.00;5.00\r", rows)) >= 2
