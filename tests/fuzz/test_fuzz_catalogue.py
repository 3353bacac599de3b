"""F57: any catalogue that is written reads back as it was meant, by our twin of PHP's reader (held to the real one)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.csvio import PHP_LINE_LIMIT, PhpCsvReader
from pipeline.errors import Finding, Held
from pipeline.ports import Batch, FormatContext
from plugins.formats._joomshopping.settings import JoomShoppingSettings
from plugins.formats.joomshopping_csv import PLUGIN, JoomShoppingCsv
from tests.faults import tally
from tests.fuzz.profile import examples

CONTEXT = FormatContext("acme", ZoneInfo("Europe/Kyiv"), "UAH", "uk-UA", datetime(2026, 11, 22, tzinfo=UTC), "c.csv")
LAYOUTS = (
    {"profile": "core", "same_leaf": "allow"},
    {"languages": ["uk-UA", "ru-RU"]},
    {"languages": ["uk-UA"], "newlines": "keep"},
    {"columns": [{"header": "d", "field": "description"}, {"header": "c", "field": "code"}], "newlines": "keep"},
    {"columns": [{"header": "c", "field": "code"}, {"header": "d", "field": "name"}], "encoding": "windows-1251"},
    {"columns": [{"header": "c", "field": "code"}, {"header": "d", "field": "name"}], "delimiter": ","},
    {"columns": [{"header": "c", "field": "code"}, {"header": "d", "field": "name"}], "delimiter": "\t"},
)


def _texts(codec: str) -> st.SearchStrategy[str]:
    """Texts that the file's encoding has, with what hurts a CSV more often than in life."""
    hurting = [sign for sign in ";\"\\\n\r\t \u00a0\v\f\0=+-@'|/,\u2028\u200b\ufeff" if _has(codec, sign)]
    ours = [sign for sign in "аїЄҐ€abc019<>&" if _has(codec, sign)]
    traps = ['\\"', '";', ";\\", '"\\', "\\\\", '""', "\\\n", '\\";"', "ї\\", '\\ї"']
    pieces = st.lists(st.sampled_from([*hurting, *traps, *traps, *ours]), max_size=9).map("".join)
    return st.one_of(pieces, pieces, st.text(st.characters(codec=codec, max_codepoint=0xD7FF), max_size=24))


def _has(codec: str, sign: str) -> bool:
    return bool(sign.encode(codec, "ignore"))


money = st.one_of(
    st.none(), st.decimals(0, 10**7, places=2), st.decimals(0, 10**4, places=6), st.sampled_from([Decimal("1E+3")])
)
# a day after 1990 in seconds, up to 2090
moment = st.one_of(st.none(), st.integers(631_152_000, 3_786_912_000).map(lambda n: datetime.fromtimestamp(n, UTC)))
tried: list[int] = []
whole: list[int] = []  #: those that would be published


@pytest.fixture(autouse=True)
def _count() -> None:
    tried.clear()
    whole.clear()


@st.composite
def batches(draw: st.DrawFn, codec: str, place: int) -> Batch:
    nasty = _texts(codec)
    number = draw(st.integers(0, 6))

    def some(one: st.SearchStrategy[object]) -> Sequence[object]:
        return draw(st.lists(one, min_size=number, max_size=number))

    codes = [f"{place}{row:02}{draw(nasty)}" for row in range(number)]
    texts = {
        f"{field}.{language}": [prefix + str(one) for one in some(nasty)]
        for field, prefix in (("name", "N"), ("short_description", ""), ("description", ""))
        for language in ("uk-UA", "ru-RU")
    }
    plain: dict[str, Sequence[object]] = {
        "parent": [""] * number,
        "category": [("Авто", str(one).replace("/", "") or "x") for one in some(nasty)],
        "category_id": some(nasty),
        "price": some(money.map(lambda one: one or Decimal(1))),
        "price.old": some(money),
        "special_price": some(money),
        "special_start": some(moment),
        "special_end": some(moment),
        "currency": ["UAH"] * number,
        "tax_rate": [Decimal(20)] * number,
        "stock": some(st.decimals(0, 10**6, places=3)),
        "unit": some(nasty),
        "weight": some(st.one_of(st.none(), st.decimals(0, 100, places=3))),
        "published": some(st.booleans()),
        "manufacturer": some(nasty),
        "barcode": some(nasty),
        "image": some(nasty),
        "images": [("a.jpg", str(one).replace("|", "")) for one in some(nasty)],
        "updated_at": [datetime(2026, 7, 1, 12, tzinfo=UTC)] * number,
        "options": [{} for _ in range(number)],
    }
    return Batch(number, {"code": codes, **texts, **plain})


@examples(200, 1500)
@given(st.data(), st.integers(0, 3), st.sampled_from(LAYOUTS))
def _any_catalogue(data_of: st.DataObject, number: int, chosen: dict[str, object]) -> None:
    tried.append(1)
    codec = "cp1251" if chosen.get("encoding") == "windows-1251" else "utf-8"
    some = [data_of.draw(batches(codec, place)) for place in range(number)]
    wanted = JoomShoppingSettings.model_validate(chosen)
    assert isinstance(PLUGIN.format, JoomShoppingCsv)
    checker = PLUGIN.format.checker(wanted, CONTEXT)
    chunks = []
    found: list[Finding] = []
    try:
        for chunk in PLUGIN.format.encode(some, wanted, CONTEXT):
            chunks.append(chunk)
            found += checker.feed(chunk)
    except Held as error:
        for one in error.findings:
            assert one.text.render("uk")
            assert one.text.render("en")
        return
    found += checker.close()
    assert "csv-read-back" not in {one.code for one in found}, "what cannot be written is refused, not written wrongly"
    data = b"".join(chunk.data for chunk in chunks)
    for utf8 in (True, False):  # the shop's locale decides how PHP reads
        reader = PhpCsvReader(length=PHP_LINE_LIMIT, utf8=utf8, delimiter=wanted.delimiter.encode())
        rows = [*reader.feed(data), *reader.close()]
        meant = [tuple(cell.encode(codec) for cell in row) for chunk in chunks for row in chunk.rows]
        head = 1 if wanted.header else 0
        if found:
            assert all(one.text.render("uk") for one in found), "refused: nothing would be published"
        else:
            assert rows[head:] == meant
            whole.append(1)


def test_f57_any_catalogue_reads_back_as_it_was_meant() -> None:
    _any_catalogue()
    assert len(whole) > len(tried), "most are published, and read twice"
    tally.note("inputs", len(tried))
