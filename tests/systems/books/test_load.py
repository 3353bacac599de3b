"""Tables of products and references: what is read, and every mistake in one report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import Rejected
from plugins.systems.books.cells import BadCell, moment, number, yes
from plugins.systems.books.load import read_products

if TYPE_CHECKING:
    from tests.systems.books.conftest import Place

KYIV = ZoneInfo("Europe/Kyiv")
FIELDS: tuple[str, ...] = (
    "code",
    "parent",
    "name.uk-UA",
    "category",
    "price",
    "price.old",
    "special_price",
    "special_start",
    "special_end",
)
FIELDS += ("stock", "image", "images", "options", "published", "tax_rate", "weight", "unit", "currency")


def table(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def rows(place: Place) -> dict[str, dict[str, Any]]:
    found = {}
    for batch in place.open().batches(FIELDS, at=place.clock.now()):
        for n in range(batch.length):
            row = {name: batch.columns[name][n] for name in FIELDS}
            found[row["code"]] = row
    return found


@pytest.mark.parametrize(
    ("cell", "numbers", "value"),
    [
        ("1 234,50", "auto", "1234.50"),
        ("1\u00a0234,50", "auto", "1234.50"),
        ("1\u202f234\u202f567.8", "auto", "1234567.8"),
        ("1234.50", "auto", "1234.50"),
        ("12,5", "auto", "12.5"),
        ("0,125", "auto", "0.125"),
        ("1.350", "auto", "1.350"),
        ("1,234.50", "auto", "1234.50"),
        ("1.234,50", "auto", "1234.50"),
        ("1,234", "uk", "1.234"),
        ("1,234", "en", "1234"),
        ("-3", "auto", "-3"),
    ],
)
def test_f46_numbers_as_people_write_them(cell: str, numbers: Any, value: str) -> None:
    assert number(cell, numbers) == Decimal(value)


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("1,234", "auto"),
        ("12 34,5", "auto"),
        ("1e5", "auto"),
        ("NaN", "auto"),
        ("∞", "auto"),
        ("5 грн", "auto"),
        ("1.5", "uk"),
        ("1,5", "en"),
        ("1,2,3", "auto"),
        ("٣", "auto"),
    ],
)
def test_f46_what_is_not_clear_is_no_number(cell: str, numbers: Any) -> None:
    with pytest.raises(BadCell):
        number(cell, numbers)


@given(st.decimals("-999999999", "999999999", places=2))
def test_a_number_written_either_way_is_read_back(value: Decimal) -> None:
    assert number(f"{value:,.2f}".replace(",", "\u00a0").replace(".", ","), "uk") == value
    assert number(f"{value:,.2f}", "en") == value
    assert number(str(value), "auto") == value


def test_f47_days_are_whole_days_of_the_shop() -> None:
    assert moment("2026-12-01", KYIV) == datetime(2026, 11, 30, 22, tzinfo=UTC)
    assert moment("01.12.2026", KYIV, end=True) == datetime(2026, 12, 1, 22, tzinfo=UTC)
    assert moment("2026-12-01 09:30", KYIV, end=True) == datetime(2026, 12, 1, 7, 30, tzinfo=UTC)
    assert moment("2026-12-01T09:30:00+00:00", KYIV) == datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
    day = [moment("2026-03-29", KYIV, end=end).astimezone(UTC) for end in (False, True)]
    assert day[1] - day[0] == timedelta(hours=23)
    for wrong in ("31.02.2026", "2026-13-01", "завтра", "2026-12-01 25:00"):
        with pytest.raises(BadCell):
            moment(wrong, KYIV)


def test_yes_and_no() -> None:
    assert [yes(word) for word in ("так", "ТАК", "1", "yes", "ні", "0", "No")] == [True] * 4 + [False] * 3
    with pytest.raises(BadCell):
        yes("мабуть")


def test_ukrainian_headers_and_every_column(place: Place) -> None:
    path = table(
        place.base,
        "Артикул;Назва;Категорія;Ціна;Стара ціна;Акційна ціна;Початок акції;Кінець акції;Залишок:склад;"
        "Зображення;Інші зображення;Основний товар;Опція:Колір;На сайті;ПДВ;Вага;#нотатки\n"
        "0042;Ґрунт;Фарби/Ґрунти;1 234,50;1 300;1 100;20.11.2026;30.11.2026;5;a.jpg;b.jpg|c.jpg;;;так;20;1,35;хай\n"
        "0042-Ч;;;99,9;;;;;2;;;0042;Чорний;ні;;;\n",
    )
    books = place.open()
    done = books.load(books.read(path))
    assert (done.new, done.changed, done.unchanged) == (2, 0, 0)
    found = rows(place)
    assert found["0042"] == {
        "code": "0042",
        "parent": "",
        "name.uk-UA": "Ґрунт",
        "category": ("Фарби", "Ґрунти"),
        "price": Decimal("1234.50"),
        "price.old": Decimal(1300),
        "special_price": Decimal(1100),
        "special_start": datetime(2026, 11, 19, 22, tzinfo=UTC),
        "special_end": datetime(2026, 11, 30, 22, tzinfo=UTC),
        "stock": Decimal(5),
        "image": "a.jpg",
        "images": ("b.jpg", "c.jpg"),
        "options": {},
        "published": True,
        "tax_rate": Decimal(20),
        "weight": Decimal("1.35"),
        "unit": "",
        "currency": "UAH",
    }
    variant = found["0042-Ч"]
    assert (variant["parent"], variant["options"], variant["published"]) == ("0042", {"Колір": "Чорний"}, False)
    assert (variant["name.uk-UA"], variant["category"], variant["tax_rate"]) == ("Ґрунт", ("Фарби", "Ґрунти"), 20)
    assert (variant["price"], variant["price.old"]) == (Decimal("99.90"), None)  # prices are never inherited


def test_a_second_load_changes_what_it_says_and_nothing_else(place: Place) -> None:
    books = place.sample()
    before = rows(place)
    same = books.load(books.read(Path(__file__).parents[3] / "samples" / "products.csv"))
    assert (same.new, same.changed, same.unchanged) == (0, 0, len(before))
    path = table(place.base, "code;price;stock:main\n0042;400;1\nNEW-1;5;\n")
    done = books.load(books.read(path))
    assert (done.new, done.changed) == (1, 1)
    after = rows(place)
    assert after["0042"] == before["0042"] | {"price": Decimal(400), "stock": Decimal(7)}
    assert {code: row for code, row in after.items() if code not in ("0042", "NEW-1")} == {
        code: row for code, row in before.items() if code != "0042"
    }


def test_a_trial_writes_nothing(place: Place) -> None:
    books = place.sample()
    before = rows(place)
    done = books.load(books.read(table(place.base, "code;price\n0042;1\nX;2\n")), dry_run=True)
    assert (done.new, done.changed) == (1, 1)
    assert rows(place) == before


def test_an_empty_cell_clears_and_null_is_not_zero(lite: Place) -> None:
    books = lite.sample()
    books.load(books.read(table(lite.base, "code;price;special_price;image\nL-HS-21;;;\n0042;0;;x.png\n")))
    found = rows(lite)
    assert (found["L-HS-21"]["price"], found["L-HS-21"]["special_price"], found["L-HS-21"]["image"]) == (None, None, "")
    assert (found["0042"]["price"], found["0042"]["image"]) == (Decimal(0), "x.png")
    assert found["0042"]["images"] == ("primer-grey-2.png", "primer-set.jpg")


def test_every_mistake_is_told_at_once_with_row_and_column(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "code;price;special_price;special_start;special_end;stock;published;currency;tax\n"
        "1;12x;;;;1;так;UAH;20\n"
        ";5;;;;1;так;UAH;20\n"
        "2;-5;3;2026-12-02;2026-12-01;many;maybe;грн;120\n"
        "1;5;;2026-01-01;;1;так;UAH;20\n"
        "4;1,0000001;;;;1;так;UAH;20\n",
    )
    with pytest.raises(Rejected) as caught:
        read_products(path, zone=KYIV)
    places = [(f.where.line, f.where.element) for f in caught.value.findings]
    assert places == [
        (2, "price"),
        (3, "code"),
        (4, None),
        (4, "price"),
        (4, "stock"),
        (4, "published"),
        (4, "currency"),
        (4, "tax"),
        (5, None),
        (5, None),
        (6, "price"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("code;prise\n1;2\n", "did you mean price?"),
        ("code;xyzzy\n1;2\n", "Begin its name with #"),
        ("price\n2\n", "no column with the product's code"),
        ("code;sku\n1;2\n", "mean the same"),
        ("code;price:\n1;2\n", "nothing after the colon"),
        ("code;price\n1;2;3\n", "Line 2 has 3 cells, the header has 2"),
        ("code;parent\n1;1\n", "names itself"),
    ],
)
def test_tables_that_cannot_be_taken(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Rejected) as caught:
        read_products(table(tmp_path, text), zone=KYIV)
    assert words in " ".join(finding.text.render("en") for finding in caught.value.findings)


def test_bases_must_be_there_and_be_no_variants(lite: Place) -> None:
    books = lite.sample()
    path = table(lite.base, "code;parent\nA;NOWHERE\nB;E-303-2\nC;A\n")
    with pytest.raises(Rejected) as caught:
        books.load(books.read(path))
    assert [finding.where.line for finding in caught.value.findings] == [2, 3, 4]


def test_other_encodings_and_separators(tmp_path: Path) -> None:
    text = "код,назва\n1,Ґрунт\n"
    for encoding in ("utf-8-sig", "utf-16", "windows-1251"):
        read = read_products(table(tmp_path, text, encoding=encoding), zone=KYIV)
        assert read.items[0].values["name", "uk-UA"] == "Ґрунт", encoding
        assert bool(read.notes) == (encoding == "windows-1251")


def test_a_workbook_is_read_as_text(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.append(["code", "name", "price", "special_price", "special_end"])
    sheet.append(["0042", "NA", 389.5, 300, datetime(2026, 12, 1)])  # noqa: DTZ001 - spreadsheets know no zones
    path = tmp_path / "t.xlsx"
    book.save(path)
    (item,) = read_products(path, zone=KYIV).items
    assert item.code == "0042"
    assert item.values["name", "uk-UA"] == "NA"
    assert item.values["price", "retail"] == Decimal("389.5")
    assert item.values["special_end"] == datetime(2026, 12, 1, 22, tzinfo=UTC)
    broken = tmp_path / "b.xlsx"
    broken.write_bytes(b"PK no")
    with pytest.raises(Rejected):
        read_products(broken, zone=KYIV)


def test_f49_twins_in_the_books_are_told_and_never_guessed(place: Place) -> None:
    books = place.open()
    done = books.load(books.read(table(place.base, "code\nE-303\nЕ–303\n0042\n42\n")))
    assert [note.render("en") for note in done.notes] == [
        "Products E-303, Е–303 differ only in what does not count in an article."
    ]
    found = books.find_products(["E-303", "e 303", "e-303", "0042", "00042"])
    assert {code: [ref.code for ref in refs] for code, refs in found.items()} == {
        "E-303": ["E-303"],
        "e-303": ["E-303", "Е–303"],
        "0042": ["0042"],
    }
    looser = place.open(matching={"dashes": "drop", "leading_zeros": True})
    assert [ref.code for ref in looser.find_products(["e 303"])["e 303"]] == ["E-303", "Е–303"]
    assert [ref.code for ref in looser.find_products(["00042"])["00042"]] == ["0042", "42"]
