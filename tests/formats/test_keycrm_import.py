"""``keycrm-import``: a table in which codes stay texts and prices are exact; the same catalogue is the same file."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import Chunk, Held
from plugins.formats.keycrm_import import PLUGIN
from tests.everyday import examples
from tests.formats.catalogues import ROWS, check, make, row, settings_of


def table(data: bytes) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True))


def test_the_spreadsheet() -> None:
    made = make(PLUGIN, {})
    assert made.findings == []
    head, first, _base, variant, last = table(made.data)
    assert head[:6] == ("Назва", "Артикул", "Артикул товару", "Характеристики", "Ціна", "Собівартість")
    assert first[:6] == ('Ґрунт «4+1»; & <лак>, "сірий"', "0042", None, None, 389.5, None)
    assert (first[7], first[9], first[11]) == (24, "Авто / Ґрунти", 1.35)
    assert variant[:5] == ("=Емаль, 2 л", "E-303-2", "E-303", "Об'єм:2 л; Колір & тон:хакі", 689)
    assert (variant[7], variant[11]) == (6.5, None)
    assert last[9] is None
    cells = openpyxl.load_workbook(io.BytesIO(made.data)).active
    assert [cells.cell(row=2, column=n).data_type for n in (1, 2, 5)] == ["s", "s", "n"]
    assert cells.cell(row=4, column=1).data_type == "s"  # no formula


def test_the_same_catalogue_is_the_same_file() -> None:
    data = make(PLUGIN, {}).data
    with time_machine.travel("2031-05-06 07:08:09Z"):
        assert make(PLUGIN, {}, size=3).data == data
    assert {info.date_time[0] for info in zipfile.ZipFile(io.BytesIO(data)).infolist()} == {1980}


def test_csv_is_for_those_who_want_it() -> None:
    made = make(PLUGIN, {"file": "csv"})
    assert made.findings == []
    assert made.text.splitlines()[0].startswith("Назва,Артикул,")
    assert made.codes == [one["code"] for one in ROWS]


def test_own_columns_and_base_products_only() -> None:
    columns = [{"header": "SKU", "field": "code"}, {"header": "Price", "field": "price", "decimal_mark": ","}]
    made = make(PLUGIN, {"columns": columns, "variants": "skip"})
    assert made.findings == []
    assert table(made.data) == [("SKU", "Price"), ("0042", "389,50"), ("E-303", "298,00"), ("ЛК-500", "389,50")]


def test_what_a_spreadsheet_cannot_hold_is_told() -> None:
    rows = [row("1", name="x" * 32_768), row("2", name="\x07"), row("3", price=None), row("4", name="x" * 32_767)]
    with pytest.raises(Held) as held:
        make(PLUGIN, {}, rows)
    assert [one.code for one in held.value.findings] == ["csv-cell-length", "letters"]


@pytest.mark.parametrize("file", ["xlsx", "csv"])
def test_what_has_no_price_is_left_out_and_told(file: str) -> None:
    made = make(PLUGIN, {"file": file}, [row("1", price=None), row("2"), row("3", parent="2", price=None)])
    assert made.findings == []
    assert [code for chunk in made.chunks for code in chunk.codes] == ["2"]
    told = [str(one.text) for chunk in made.chunks for one in chunk.notes]
    assert told == [f"Product {code} has no price and is left out of the file." for code in ("1", "3")]


def test_a_table_that_would_be_read_otherwise_is_found() -> None:
    made = make(PLUGIN, {})
    rows = [chunk for chunk in made.chunks if chunk.codes]
    data = Chunk(made.data, (), ())
    other = replace(rows[0], rows=[["?", *cells[1:]] for cells in rows[0].rows])
    assert check(PLUGIN, {}, [other, *rows[1:], data]) == [
        "Product 0042 would be read otherwise.",
        "Product E-303 would be read otherwise.",
    ]
    assert check(PLUGIN, {}, [rows[0], data]) == ["Rows too many would be read: 2."]
    assert check(PLUGIN, {}, [*rows, replace(rows[0]), data])[0] == "Product 0042 stands twice in the file."
    fewer = {"columns": [{"header": "SKU", "field": "code"}]}
    assert check(PLUGIN, fewer, [Chunk(b"", ["1"], [["1"]]), data])[0] == "The header would be read otherwise."
    assert check(PLUGIN, {}, rows) == []  # no byte was written: that is told by whoever stopped


@settings(max_examples=examples(25), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(
                st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), max_size=9
            ),
            st.decimals(min_value=0, max_value=10**7, places=2),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_texts_and_prices_are_read_back_as_they_were(products: list[tuple[str, Decimal]]) -> None:
    rows = [row(f"c{n}", name=name, price=price) for n, (name, price) in enumerate(products)]
    made = make(PLUGIN, {}, rows)
    assert made.findings == []
    read = [(cells[0] or "", Decimal(repr(cells[4]))) for cells in table(made.data)[1:]]
    assert [(name, price) for name, price in read] == [(name, price) for name, price in products]


def test_columns_of_no_sense_are_told() -> None:
    with pytest.raises(ValidationError, match="same header"):
        settings_of(PLUGIN, {"columns": [{"header": "a", "field": "code"}, {"header": "a", "field": "name"}]})
