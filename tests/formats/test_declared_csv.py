"""``csv``: orders by columns: one row, rows of one number, rows of two kinds, or items in a cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.api import Decoded, DecodedOrder, FormatContext, Order, Rejected, Unread
from plugins.formats.csv_orders import PLUGIN, CsvSettings, unread
from tests.everyday import examples

CONTEXT = FormatContext(
    client="demo",
    timezone=ZoneInfo("Europe/Kyiv"),
    currency="UAH",
    language="uk-UA",
    now=datetime(2026, 11, 28, tzinfo=UTC),
    file="x.csv",
    source="inbox",
)
FIELDS: dict[str, Any] = {"id": "Номер", "created_at": "Дата", "total": "Сума"}
ITEM: dict[str, Any] = {"code": "Артикул", "quantity": "К-сть", "price": "Ціна"}
HEAD = "Номер;Дата;Сума;Артикул;К-сть;Ціна"
ROW = "7;2026-11-20;21.00;0042;2;10.50"


def mapping(fields: dict[str, Any] | None = None, item: dict[str, Any] | None = None, **more: Any) -> CsvSettings:
    return CsvSettings.model_validate(
        {**more, "fields": {**FIELDS, **(fields or {})}, "item": {**ITEM, **(item or {})}}
    )


def decode(text: str | bytes, by: CsvSettings | None = None) -> Decoded:
    data = text if isinstance(text, bytes) else text.encode()
    decoded = PLUGIN.format.decode(data, by or mapping(), CONTEXT)  # type: ignore[union-attr]
    assert isinstance(decoded, Decoded)
    return decoded


def good(decoded: DecodedOrder) -> Order:
    assert decoded.order is not None, decoded.findings
    return decoded.order


def refused(text: str | bytes, by: CsvSettings | None = None) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode(text, by)
    return caught.value


def told(decoded: DecodedOrder) -> list[tuple[str, int | None, str | None, str]]:
    return [(one.code, one.where.line, one.where.element, one.text.render("en")) for one in decoded.findings]


def lines_of(order: Order) -> list[tuple[str, str]]:
    return [(line.code, str(line.quantity)) for line in order.lines]


# --- the four shapes ---


def test_a_row_is_an_order_of_one_item() -> None:
    first, second = decode(f"{HEAD}\n{ROW}\n8;2026-11-21;5;X;1;5\n").orders
    order = good(first)
    assert (order.id, order.total, lines_of(order)) == ("7", Decimal("21.00"), [("0042", "2")])
    assert (first.line, second.line) == (2, 3)
    assert first.places["total"] == ("Сума", 2, 0)
    assert first.places["lines[1].code"] == ("Артикул", 2, 0)
    assert order.lines[0].source_line == 2


def test_rows_of_one_number_are_one_order() -> None:
    text = f"{HEAD}\n7;2026-11-20;26;0042;2;10.50\n7;2026-11-20;26;X;1;5\n;;;Y;3;0\n8;2026-11-20;1;Z;1;1\n"
    first, second = decode(text, mapping(order="Номер")).orders
    assert lines_of(good(first)) == [("0042", "2"), ("X", "1"), ("Y", "3")]
    assert lines_of(good(second)) == [("Z", "1")]
    assert [line.source_line for line in good(first).lines] == [2, 3, 4]


def test_a_row_of_the_order_alone_is_no_item() -> None:
    text = f"{HEAD}\n7;2026-11-20;26;;;\n;;;0042;2;10.50\n;;;X;1;5\n"
    (order,) = decode(text, mapping(order="Номер")).orders
    assert lines_of(good(order)) == [("0042", "2"), ("X", "1")]


def test_a_number_that_comes_again_further_on_is_another_order() -> None:
    # whether it goes on or was written twice, nobody can say: the engine tells twins
    text = f"{HEAD}\n{ROW}\n8;2026-11-20;5;X;1;5\n{ROW}\n"
    assert [order.id for order in decode(text, mapping(order="Номер")).orders] == ["7", "8", "7"]


def test_rows_of_one_order_that_disagree_hold_it() -> None:
    text = f"{HEAD}\n{ROW}\n7;2026-11-20;22.00;X;1;0\n"
    (order,) = decode(text, mapping(order="Номер")).orders
    assert told(order) == [
        ("value", 3, "Сума", "total cannot be read: there are 2 different ones at Сума: 21.00, 22.00.")
    ]


KINDS: dict[str, Any] = {
    "header": False,
    "rows": {"column": "#1", "order": "H", "item": "I"},
    "fields": {"id": "#2", "created_at": "#3", "total": "#4"},
    "item": {"code": "#2", "quantity": "#3", "price": "#4"},
}


def test_rows_of_two_kinds() -> None:
    by = CsvSettings.model_validate(KINDS)
    text = "H;7;2026-11-20;26\nI;0042;2;10.50\nI;X;1;5\nH;8;2026-11-21;0\n"
    first, second = decode(text, by).orders
    assert (good(first).id, lines_of(good(first))) == ("7", [("0042", "2"), ("X", "1")])
    assert (good(second).id, good(second).lines) == ("8", ())
    assert [line.source_line for line in good(first).lines] == [2, 3]
    assert b"0042" in first.fragment
    (order,) = decode("H;7;2026-11-20;26\nI;X;1;26\nT;1;2;3\n", by).orders
    assert told(order) == [("value", 3, "#1", "“T” is no kind of row.")]
    error = refused("I;X;1;5\nH;7;2026-11-20;5\n", by)
    assert (error.code, error.findings[0].where.line) == ("not-csv", 1)


CELL = "Номер;Дата;Сума;Товари"


@pytest.mark.parametrize(
    ("items", "item", "cell"),
    [
        (
            {"column": "Товари", "parts": "|"},
            {"code": "#1", "quantity": "#2", "price": "#3"},
            '"0042 | 2 | 10.50\n\nX|1|5"',
        ),
        (
            {"column": "Товари", "between": "//", "parts": ","},
            {"code": "#1", "quantity": "#2", "price": "#3"},
            "0042,2,10.50//X,1,5//",
        ),
        (
            {"column": "Товари", "pattern": r"(?P<sku>\S+) (?P<name>.+?) x (?P<n>\d+) = (?P<p>[\d.]+) грн\.?"},
            {"code": "sku", "name": "name", "quantity": "n", "price": "p"},
            '"0042 Ґрунт x 2 = 10.50 грн.\nX Лак x 1 = 5 грн"',
        ),
        (
            {"column": "Товари", "between": "line", "pattern": r"(\S+) x (\d+) (\S+)"},
            {"code": "#1", "quantity": "#2", "price": "#3"},
            '"0042 x 2 10.50\r\nX x 1 5"',
        ),
    ],
)
def test_items_in_a_cell(items: dict[str, Any], item: dict[str, Any], cell: str) -> None:
    by = CsvSettings.model_validate({"fields": FIELDS, "items": items, "item": item})
    (order,) = decode(f"{CELL}\n7;2026-11-20;26;{cell}\n", by).orders
    assert lines_of(good(order)) == [("0042", "2"), ("X", "1")]


def test_an_item_of_a_cell_that_has_another_form_holds_its_order() -> None:
    by = CsvSettings.model_validate(
        {
            "fields": FIELDS,
            "items": {"column": "Товари", "between": ", ", "pattern": r"(\S+) x (\d+) по (\d+)"},
            "item": {"code": "#1", "quantity": "#2", "price": "#3"},
        }
    )
    first, second = decode(f"{CELL}\n7;2026-11-20;5;X x 1 по 5, подарунок\n8;2026-11-20;5;X x 1 по 5\n", by).orders
    assert told(first) == [("value", 2, "Товари", r"“подарунок” is no item of the form (\S+) x (\d+) по (\d+).")]
    assert second.order is not None


# --- columns ---


@pytest.mark.parametrize(
    ("text", "by", "words", "hint"),
    [
        (
            f"{HEAD}\n{ROW}\n",
            {"comment": "Коментар"},
            "The file has no column “Коментар”.",
            "The columns are: Номер, Дата, Сума",
        ),
        (
            f"{HEAD.replace('Сума', 'Сума, грн')}\n{ROW}\n",
            {},
            "The file has no column “Сума”.",
            "Did you mean “Сума, грн”?",
        ),
        (f"{HEAD};Сума\n{ROW};1\n", {}, "Two columns are called “Сума”.", "`#3`"),
        (f"{HEAD}\n{ROW}\n".replace(";", ","), {}, "The file has no column “Номер”.", "if `,` stands between cells"),
        (f"{HEAD}\n{ROW}\n".replace(";", "\t"), {}, "The file has no column “Номер”.", "if `tab` stands between"),
        (f"{HEAD}\n{ROW}\n", {"comment": "#7"}, "The file has no column “#7”.", "The columns are"),
        (
            f"{HEAD}\n{ROW}\n",
            {"comment": ["Коментар", "Примітка"]},
            "The file has no column “Коментар”, “Примітка”.",
            "",
        ),
    ],
)
def test_a_column_that_is_not_there_is_never_taken_for_an_empty_one(
    text: str, by: dict[str, Any], words: str, hint: str
) -> None:
    error = refused(text, mapping(by))
    assert (error.code, error.text.render("en")) == ("columns", words)
    assert error.hint is not None
    assert hint in error.hint.render("en")
    assert error.findings[0].where.line == 1


def test_every_column_that_is_not_there_is_told() -> None:
    error = refused(f"{HEAD}\n{ROW}\n", mapping({"comment": "A", "manager": "B"}, {"name": "C"}, order="D"))
    assert [one.text.render("en")[-4:-2] for one in error.findings] == ["“D", "“A", "“B", "“C"]


def test_a_column_that_has_a_substitute_may_be_missing() -> None:
    order = decode(
        f"{HEAD}\n{ROW}\n", mapping({"comment": ["Немає", "Артикул"], "manager": {"path": "X", "default": "a"}})
    )
    assert (good(order.orders[0]).comment, good(order.orders[0]).manager) == ("0042", "a")


def test_columns_go_by_name_and_by_number() -> None:
    head = HEAD.replace("Номер", " Номер\u00a0 ").replace("Дата", '"Дата"')
    assert good(decode(f"{head}\n{ROW}\n").orders[0]).id == "7"
    assert good(decode(f"{HEAD}\n{ROW}\n", mapping({"comment": "#4"})).orders[0]).comment == "0042"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("7;2026-11-20;21.00;0042;2", "The row has 5 cells, and there are 6 columns."),
        ("7;2026-11-20;21;00;0042;2;10.50", "The row has 7 cells, and there are 6 columns."),
    ],
)
def test_a_row_whose_cells_may_have_shifted_is_held(row: str, words: str) -> None:
    first, second = decode(f"{HEAD}\n{row}\n{ROW}\n").orders
    assert ("columns", 2, None, words) in told(first)
    assert second.order is not None


def test_empty_cells_at_the_end_and_empty_rows_do_not_count() -> None:
    orders = decode(f"{HEAD};\n\n{ROW};;;\n;;;;;\n").orders
    assert [good(order).id for order in orders] == ["7"]
    assert orders[0].line == 3


# --- the text itself ---


def test_quotes_line_breaks_and_places() -> None:
    text = f'{HEAD};К\n7;2026-11-20;21.00;0042;2;10.50;"Під\'їзд; ""двір""\nпісля 10"\n8;2026-11-20;x;1;1;1;\n'
    first, second = decode(text, mapping({"comment": "К"})).orders
    assert good(first).comment == 'Під\'їзд; "двір"\nпісля 10'
    assert told(second)[0][1:3] == (4, "Сума")


def test_lines_before_the_header_delimiters_and_quotes() -> None:
    text = "Звіт\n\n" + f"{HEAD}\n{ROW}\n".replace(";", "\t")
    assert good(decode(text, mapping(skip=2, delimiter="tab")).orders[0]).id == "7"
    text = f'{HEAD}\n7;2026-11-20;21.00;0042";2;10.50\n'
    assert good(decode(text, mapping(quote="")).orders[0]).lines[0].code == '0042"'
    text = f"{HEAD}\n7;2026-11-20;21.00;'a;b';2;10.50\n"
    assert good(decode(text, mapping(quote="'")).orders[0]).lines[0].code == "a;b"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "truncated", 1),
        (f'{HEAD}\n7;"2026\n', "truncated", 2),
        (f'{HEAD}\n7;"a"b;1;2;3;4\n', "not-csv", 2),
        (f'{HEAD}\n{ROW}\n8;"{"x" * 200_000}";1;2;3;4\n', "not-csv", 3),
        (f"{HEAD}\n", "no-orders", 1),
    ],
)
def test_what_is_no_csv_is_refused(text: str, code: str, line: int) -> None:
    error = refused(text)
    assert (error.code, error.findings[0].where.line) == (code, line)
    assert error.hint is not None


def test_a_file_of_nothing_but_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.formats._declared.csvfile.MAX_CELLS", 50)
    assert refused(f"{HEAD}\n" + f"{ROW}\n" * 20).code == "too-large"


def test_a_file_without_orders_may_be_right() -> None:
    assert decode(f"{HEAD}\n", mapping(allow_empty=True)).orders == ()


def test_the_encoding_is_a_mark_before_it_is_ours() -> None:
    text = f"{HEAD}\n{ROW}\n"
    by = mapping(encoding="windows-1251")
    for data, notes in (
        (text.encode("cp1251"), []),
        (b"\xef\xbb\xbf" + text.encode(), ["bom"]),
        (text.encode(), ["guessed-encoding"]),
        (text.encode("utf-16"), ["bom"]),
    ):
        decoded = decode(data, by)
        assert good(decoded.orders[0]).id == "7"
        assert [note.code for note in decoded.notes] == notes
    assert refused(text.encode("cp1251")).code == "encoding"


@pytest.mark.parametrize(
    ("tail", "ends", "whole"),
    [
        (b"7;1\n", "line-break", True),
        (b"7;1\r\n", "line-break", True),
        (b"7;1\r", "line-break", True),
        (b"7;1", "line-break", False),
        (b"7;1", "anyhow", True),
        (b"", "anyhow", False),
        (b"\n", "line-break", False),
        ("7;1\n".encode("utf-16-le"), "line-break", True),
    ],
)
def test_the_end_of_a_file_is_known(tail: bytes, ends: str, whole: bool) -> None:
    assert PLUGIN.format.complete(tail, mapping(ends=ends)) is whole  # type: ignore[union-attr]


def test_what_stays_unread_is_told_by_column() -> None:
    text = f"{HEAD};Джерело;Мітки;Порожнє\n{ROW};Сайт;;\n8;2026-11-20;21.00;0042;2;10.50;Prom;a;\n"
    assert unread(text.encode(), mapping(), CONTEXT) == (
        Unread("Джерело", 2, "Сайт", 2),
        Unread("Мітки", 1, "a", 3),
    )
    by = mapping({"comment": ["Джерело", "Мітки"]}, order="Номер")
    assert unread(text.encode(), by, CONTEXT) == ()


# --- settings ---


@pytest.mark.parametrize(
    ("keys", "loc", "words"),
    [
        ({"order": "A", "items": {"column": "B", "parts": ","}}, (), "Orders are told apart by one of"),
        ({"delimiter": '"'}, (), "`quote` and `delimiter` are the same."),
        ({"delimiter": ";;"}, ("delimiter",), "at most 1 char"),
        ({"items": {"column": "B"}}, ("items",), "either `parts` or a `pattern`"),
        ({"items": {"column": "B", "parts": ","}}, ("item", "code", "path", 0), "`#1`, `#2`"),
        ({"items": {"column": "B", "parts": ""}}, ("items",), "no empty text"),
        ({"items": {"column": "B", "pattern": "(a"}}, ("items",), "no regular expression"),
        ({"items": {"column": "B", "pattern": "(?P<a>x)"}}, ("item", "code", "path", 0), "is no group of `pattern`"),
        ({"header": False}, ("fields", "id", "path", 0), "Without a header"),
        ({"header": False, "order": "A"}, ("order",), "Without a header"),
        (
            {"fields": {**FIELDS, "discounts": [{"each": "a", "amount": "b"}]}},
            ("fields", "discounts", 0, "each"),
            "no meaning here",
        ),
        (
            {"fields": {**FIELDS, "taxes": [{"each": "a", "rate": "b", "sum": "c"}]}},
            ("fields", "taxes", 0, "each"),
            "no meaning here",
        ),
        (
            {"fields": {**FIELDS, "named_extra": {"each": "a", "name": "b", "value": "c"}}},
            ("fields", "named_extra"),
            "no meaning here",
        ),
        (
            {"item": {**ITEM, "named_attributes": {"each": "a", "name": "b", "value": "c"}}},
            ("item", "named_attributes"),
            "no meaning here",
        ),
    ],
)
def test_settings_that_make_no_sense(keys: dict[str, Any], loc: Sequence[str | int], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CsvSettings.model_validate({"fields": FIELDS, "item": ITEM, **keys})
    assert any(one["loc"] == tuple(loc) and words in one["msg"] for one in caught.value.errors()), caught.value


# --- any order goes through a mapping and comes out as it was ---

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Zs", "Zl", "Zp", "Co", "Cf")), max_size=20
).filter(lambda text: "????" not in text)
MONEY = st.decimals(min_value=0, max_value=10**6, places=2)


@settings(max_examples=examples(60))
@given(
    number=TEXTS.filter(bool),
    comment=TEXTS,
    items=st.lists(st.tuples(TEXTS, st.decimals(min_value=0, max_value=999, places=3), MONEY), min_size=1, max_size=5),
    total=MONEY,
    delimiter=st.sampled_from(";,\t|"),
    quote_all=st.booleans(),
    comma=st.booleans(),
)
def test_an_order_comes_out_as_it_went_in(
    number: str,
    comment: str,
    items: list[tuple[str, Decimal, Decimal]],
    total: Decimal,
    delimiter: str,
    quote_all: bool,
    comma: bool,
) -> None:
    def amount(value: Decimal) -> str:
        return str(value).replace(".", ",") if comma else str(value)

    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=delimiter, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    writer.writerow([*HEAD.split(";"), "К", "Н"])
    for code, n, p in items:
        writer.writerow(["1", "2026-11-20", amount(total), code, amount(n), amount(p), comment, number])
    by = mapping(
        {"comment": "К", "number": "Н"}, order="Номер", delimiter=delimiter, numbers="1234,56" if comma else "1234.56"
    )
    decoded = decode(target.getvalue(), by).orders[0]
    if any(finding.code == "garbled" for finding in decoded.findings):
        return  # some texts look like letters of another encoding; those are held on purpose
    order = good(decoded)
    assert (order.number, order.comment, order.total) == (number, comment, total)
    assert [(line.code, line.quantity, line.price) for line in order.lines] == items
