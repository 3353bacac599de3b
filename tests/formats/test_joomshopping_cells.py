"""Cells that come as one text are written and checked as those of a list are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.api import CELL, Batch, Cells, Chunk, ColumnRows, FormatContext, Held, joined_cells
from plugins.formats._joomshopping import check, shop
from plugins.formats._joomshopping.codes import Codes
from plugins.formats._joomshopping.layout import Layout, layout
from plugins.formats._joomshopping.settings import JoomShoppingSettings
from plugins.formats.joomshopping_csv import JoomShoppingCsv
from tests.everyday import examples

CONTEXT = FormatContext("test", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime(2026, 11, 22, tzinfo=UTC), "c.csv")
FIELDS = ("code", "name", "unit")
#: all that the writer or PHP takes for more than a letter, and letters whose bytes look like such signs (л, Т, О)
ODD = st.text(';"\\\n\r\t\v\f ,лТОa\x1f', max_size=6)
COLUMN = st.lists(ODD, min_size=1, max_size=8) | st.integers(1, 8).flatmap(
    lambda length: ODD.map(lambda cell: [cell] * length)
)


def settings(**chosen: object) -> JoomShoppingSettings:
    columns = [{"header": name, "field": name} for name in FIELDS]
    return JoomShoppingSettings.model_validate({"profile": "own", "columns": columns, **chosen})


def written(columns: Sequence[Sequence[str]], chosen: JoomShoppingSettings) -> object:
    """The file, the cells that are meant, and what is said."""
    length = len(columns[0])
    codes = [f"A-{row}" for row in range(length)]
    batch = Batch(
        length, dict(zip(("code", "parent", "name.uk-UA", "unit"), (codes, [""] * length, *columns), strict=True))
    )
    form = JoomShoppingCsv()
    checker = form.checker(chosen, CONTEXT)
    told: list[object] = []
    try:
        for chunk in form.encode([batch], chosen, CONTEXT):
            told.append((chunk.data, chunk.codes, [tuple(row) for row in chunk.rows], chunk.notes, checker.feed(chunk)))
    except Held as error:
        told.append(error.findings)
    return told, checker.close()


@given(COLUMN)
@example([""])
@example(["", ""])
@example(["a", "a", "a", "b"])
@example(["ab", "ab", "b"])
def test_cells_are_those_of_the_text(cells: list[str]) -> None:
    whole = CELL.join(cells)
    made = Cells(whole, len(cells))
    assert made == cells
    assert joined_cells(made) == joined_cells(cells) == whole


@pytest.mark.parametrize("length", [1, 2, 4, 9])
@pytest.mark.parametrize("whole", ["a\x1ea\x1ea", "\x1e\x1e", "a\x1eab\x1eb", ""])
def test_another_number_of_cells_is_noticed(whole: str, length: int) -> None:
    assert Cells(whole, length) == whole.split(CELL)


@pytest.mark.parametrize(
    "chosen",
    [{}, {"newlines": "keep"}, {"backslash": "refuse"}, {"delimiter": ","}, {"delimiter": "\t", "newlines": "keep"}],
    ids=str,
)
@hypothesis.settings(max_examples=examples(60), deadline=None)
@given(columns=st.integers(1, 6).flatmap(lambda rows: st.lists(st.lists(ODD, min_size=rows, max_size=rows),
                                                                min_size=2, max_size=2)))  # fmt: skip
def test_both_are_written_alike(chosen: dict[str, object], columns: list[list[str]]) -> None:
    as_texts = [Cells(CELL.join(column), len(column)) for column in columns]
    assert written(as_texts, settings(**chosen)) == written(columns, settings(**chosen))


@pytest.mark.parametrize(
    ("cells", "late"),
    [
        (["a", ' "b"'], True),
        (['\t "b"', "a"], True),
        (["a", '\v"'], True),
        (["a\n", '\f"b'], True),
        (["a", 'b "c"'], False),
        ([" a", 'b"'], False),
        ([" a", "b"], False),
        (["", '"a" '], False),
        (['a\n "b"', "c"], True),  # not sure
        (["a ", '"b"'], False),
    ],
)
def test_a_quote_after_blanks_is_seen(cells: list[str], late: bool) -> None:
    assert check._opens_late(cells) is late
    assert check._opens_late(Cells(CELL.join(cells), len(cells))) is late
    assert check._opens_late(tuple(cells)) is late


@given(st.lists(ODD, min_size=1, max_size=6))
def test_nothing_that_php_reads_otherwise_is_passed_over(cells: list[str]) -> None:
    late = any(cell.lstrip(" \t\v\f").startswith('"') and cell[0] in " \t\v\f" for cell in cells)
    assert check._opens_late(cells) or not late


def priced(one: Layout, prices: list[str]) -> Chunk:
    codes = [f"A-{row}" for row in range(len(prices))]
    data = "".join(f"{code};{price}\n" for code, price in zip(codes, prices, strict=True)).encode()
    assert [spec.header for spec in one.specs] == ["code", "price"]
    return Chunk(data, codes, ColumnRows([codes, prices], len(codes)))


@pytest.mark.parametrize("kept", [0, 2, 4096])
def test_a_wrong_number_is_told_however_many_were_right(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr(shop, "KEPT", kept)
    columns = [{"header": name, "field": name} for name in ("code", "price")]
    one = layout(JoomShoppingSettings.model_validate({"profile": "own", "columns": columns}), CONTEXT)
    for required in (True, False):
        held = replace(one, specs=(one.specs[0], replace(one.specs[1], required=required)))
        looks = shop.Shop(held)
        wrong = ["12,50", "1e3", *([""] if required else [])]
        for prices in (["1.00", "2.50"], ["1.00", "2.50", "3.99"], ["4.00", *wrong, "1.00"], ["2.50"], wrong):
            looks._codes = Codes()  # each page has the same codes here
            found = [finding.code for finding in looks.check(priced(held, prices))]
            assert found == ["csv-number"] * len([price for price in prices if price in wrong])
        assert len(looks._plain) <= max(kept, 3)
