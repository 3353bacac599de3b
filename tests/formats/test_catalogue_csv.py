"""``catalogue-csv``: declared columns, any dialect, nothing written that would be read otherwise."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import Chunk, Held
from plugins.formats._columns.csvout import read_rows
from plugins.formats.catalogue_csv import PLUGIN
from tests.everyday import examples
from tests.formats.catalogues import CONTEXT, ROWS, check, make, row, settings_of

COLUMNS: list[dict[str, Any]] = [
    {"header": "Код", "field": "code"},
    {"header": "Назва", "field": "name"},
    {"header": "Ціна", "field": "price"},
]


def rows_of(data: bytes, encoding: str = "utf-8", delimiter: str = ";") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(encoding), newline=""), delimiter=delimiter))


def test_columns_as_declared() -> None:
    columns = [
        *COLUMNS,
        {"header": "Ціна, грн", "field": "price", "decimal_mark": ",", "decimals": 2},
        {"header": "Залишок", "field": "stock", "as": "integer"},
        {"header": "Є", "field": "published", "yes": "так", "no": "ні"},
        {"header": "Одиниця", "field": "unit", "table": {"шт": "pcs"}},
        {"header": "Категорія", "field": "category", "as": "leaf"},
        {"header": "Шлях", "field": "category", "separator": " > "},
        {"header": "Фото", "field": "images"},
        {"header": "Властивості", "field": "options"},
        {"header": "Валюта", "value": "UAH"},
        {"header": "Повна", "template": "{manufacturer} {code}"},
        {"header": "Змінено", "field": "updated_at", "date_format": "%d.%m.%Y"},
    ]
    rows = [one for one in ROWS if one["code"] != "E-303-2"]  # half a can is no integer
    made = make(PLUGIN, {"columns": columns}, rows)
    assert made.findings == []
    head, first, *_ = rows_of(made.data)
    assert head[3:6] == ["Ціна, грн", "Залишок", "Є"]
    assert first == [
        "0042", 'Ґрунт «4+1»; & <лак>, "сірий"', "389.50", "389,50", "24", "так", "pcs", "Ґрунти", "Авто > Ґрунти",
        "a b.png|set.jpg", "", "UAH", "Mobihel 0042", "20.11.2026",
    ]  # fmt: skip
    assert made.codes == ["0042", "E-303", "ЛК-500"]


@pytest.mark.parametrize(
    ("dialect", "head"),
    [
        ({}, "Код;Назва;Ціна\n".encode()),
        ({"delimiter": "tab", "line_end": "crlf"}, "Код\tНазва\tЦіна\r\n".encode()),
        ({"quoting": "all", "delimiter": ","}, '"Код","Назва","Ціна"\n'.encode()),
        ({"encoding": "windows-1251"}, "Код;Назва;Ціна\n".encode("cp1251")),
        ({"bom": True}, "\ufeffКод;Назва;Ціна\n".encode()),
        ({"encoding": "utf-16"}, "Код;Назва;Ціна\n".encode("utf-16")),
        ({"header": False}, b"0042;"),
    ],
)  # fmt: skip
def test_dialects(dialect: dict[str, Any], head: bytes) -> None:
    made = make(PLUGIN, {"columns": COLUMNS, **dialect})
    assert made.findings == []
    assert made.data.startswith(head)


def test_variants_may_be_left_out_and_names_are_of_the_language() -> None:
    made = make(PLUGIN, {"columns": COLUMNS, "variants": "skip"})
    assert made.codes == ["0042", "E-303", "ЛК-500"]
    rows = [{**row("1"), "name.ru-RU": "Грунт"}]
    made = make(PLUGIN, {"columns": COLUMNS, "languages": ["ru-RU"]}, rows)
    assert rows_of(made.data)[1][1] == "Грунт"


def test_what_cannot_be_written_is_told_product_by_product() -> None:
    rows = [row("1", name="Ґрунт ☃"), row("2", name="a\0b"), row("3", price=Decimal("1.2345678")), row("4")]
    with pytest.raises(Held) as held:
        make(PLUGIN, {"columns": COLUMNS, "encoding": "windows-1251"}, rows)
    assert [one.text.render("en") for one in held.value.findings] == [
        "Product 1 cannot be written: Назва has the character ☃ (U+2603), which cp1251 does not have.",
        "Product 2 cannot be written: Назва has the character ? (U+0000), which cp1251 does not have.",
        "Product 3 cannot be written: Ціна is 1.2345678, and the column has at most 6 digits after the point.",
    ]
    with pytest.raises(Held) as held:
        make(PLUGIN, {"columns": [*COLUMNS, {"header": "Ш", "field": "barcode", "required": True}]})
    assert [one.where.element for one in held.value.findings] == ["Ш"]


def test_a_hundred_mistakes_are_told_one_by_one() -> None:
    with pytest.raises(Held) as held:
        make(PLUGIN, {"columns": COLUMNS}, [row(str(n), name="\0") for n in range(150)], size=40)
    assert len(held.value.findings) == 101
    assert held.value.findings[-1].text.render("en") == "50 more rows could not be written."


def test_a_file_that_would_be_read_otherwise_is_found() -> None:
    made = make(PLUGIN, {"columns": COLUMNS})
    head, first, second = made.chunks

    def damaged(old: bytes, new: bytes) -> list[Chunk]:
        assert first.data.count(old) == 1
        return [head, replace(first, data=first.data.replace(old, new)), second]

    by = {"columns": COLUMNS}
    assert check(PLUGIN, by, damaged(b"389.50", b"389,50")) == ["Product 0042: Ціна would be read as “389,50”."]
    assert check(PLUGIN, by, damaged(b";298.00", b"")) == ["Product E-303: Ціна would be read as “”."]
    assert check(PLUGIN, by, damaged(b"298.00", b"298.00;x")) == ["Product E-303 would be read with cells too many."]
    assert check(PLUGIN, by, damaged(b"298.00\n", b"298.00\nx;y;z\n")) == ["Rows too many would be read: 1."]
    assert check(PLUGIN, by, [head, first, first])[0] == "Product 0042 stands twice in the file."
    assert check(PLUGIN, by, [replace(head, data=head.data + b"\xd0")]) == ["The file ends in the middle of a letter."]


def test_a_cell_of_any_length_is_read_back() -> None:
    rows = [row("1", description="я" * 200_000 + ' "; \n')]
    made = make(PLUGIN, {"columns": [*COLUMNS, {"header": "О", "field": "description"}], "newlines": "keep"}, rows)
    assert made.findings == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"columns": []}, "at least 1"),
        ({"columns": [*COLUMNS, {"header": "Код", "field": "name"}]}, "Two columns have the same header."),
        ({"columns": [{"header": "X", "field": "nmae"}]}, "is no field of the catalogue"),
        ({"columns": [{"header": "X"}]}, "exactly one of"),
        ({"columns": COLUMNS, "delimiter": '"'}, "cannot stand between cells"),
        ({"columns": COLUMNS, "encoding": "klingon"}, "is no encoding"),
        ({"columns": COLUMNS, "encoding": "windows-1251", "bom": True}, "`bom` is for UTF-8"),
    ],
)
def test_settings_that_make_no_sense(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match="(?s)" + words):
        settings_of(PLUGIN, keys)


def test_it_asks_for_what_its_columns_need() -> None:
    chosen = settings_of(PLUGIN, {"columns": [*COLUMNS, {"header": "T", "template": "{unit}/{name}"}]})
    fields = PLUGIN.format.fields(chosen, CONTEXT)  # type: ignore[union-attr]
    assert fields == ("code", "parent", "name.uk-UA", "price", "unit")


@settings(max_examples=examples(80))
@given(
    names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), min_size=1, max_size=6),
    delimiter=st.sampled_from(";,\t|"),
    quoting=st.sampled_from(["needed", "all"]),
    line_end=st.sampled_from(["lf", "crlf"]),
    newlines=st.sampled_from(["space", "keep"]),
    alone=st.booleans(),
)
def test_any_texts_are_read_back_as_they_were(
    names: list[str], delimiter: str, quoting: str, line_end: str, newlines: str, alone: bool
) -> None:
    rows = [row(str(n), name=name) for n, name in enumerate(names)]
    columns = [{"header": "Назва", "field": "name"}] if alone else COLUMNS
    by = {"columns": columns, "delimiter": delimiter, "quoting": quoting, "line_end": line_end, "newlines": newlines}
    made = make(PLUGIN, by, rows)
    assert made.findings == []
    read = [cells[0 if alone else 1] for cells in rows_of(made.data, delimiter=delimiter)[1:]]
    if newlines == "keep":
        assert read == names
    assert read_rows(made.text, delimiter) == rows_of(made.data, delimiter=delimiter)
