"""A large CSV or JSON of a client's own shape, read some orders at a time, gives what reading it as a whole gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.api import Decoded, DecodedOrder, Finding, Rejected
from plugins.formats._declared import csvfile, jsontext, streaming
from plugins.formats.csv_orders import CsvOrders
from plugins.formats.json_orders import JsonOrders
from tests.everyday import examples
from tests.formats import test_declared_csv as of_csv
from tests.formats import test_declared_json as of_json

Result = Decoded | tuple[Finding, ...]
CSV, JSON = CsvOrders(), JsonOrders()
SLOW = settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True, params=[1, 1 << 20])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes from which no further unit is read together with others."""
    monkeypatch.setattr(streaming, "PIECE", request.param)
    return int(request.param)


def whole(reader: Any, data: bytes, by: Any, context: Any) -> Result:
    try:
        found = reader.decode(data, by, context)
    except Rejected as error:
        return error.findings
    assert isinstance(found, Decoded)
    return found


def streamed(reader: Any, path: Path, by: Any, context: Any) -> Result | None:
    orders: list[DecodedOrder] = []
    try:
        stream = reader.decode_stream(path, by, context, path.parent)
    except Rejected as error:
        return error.findings
    if stream is None:
        return None
    notes = list(stream.notes)
    for batch in stream.batches(2):
        assert len(batch.orders) <= 2
        orders.extend(batch.orders)
        notes.extend(batch.notes)
    assert list(stream.lines) == [order.line for order in orders]
    for places in (range(len(orders)), range(len(orders) - 1, -1, -1)):
        picked = stream.pick(places)
        assert [shown(order) for order in picked] == [shown(orders[place]) for place in places]
    names = [(order.order.source, order.order.id) if order.order else (order.source, order.id) for order in orders]
    twins = {name: [place for place, one in enumerate(names) if one == name] for name in names if name[1]}
    assert [list(places) for places in stream.repeated] == [places for places in twins.values() if len(places) > 1]
    stream.close()
    assert [one.name for one in path.parent.iterdir()] == [path.name], "nothing is left in the scratch folder"
    return Decoded(tuple(orders), tuple(notes), stream.version)


def shown(order: DecodedOrder) -> tuple[Any, ...]:
    """All of it, what is not compared included."""
    lines = [line.source_line for line in order.order.lines] if order.order else None
    return order, lines, dict(order.places)


def same(tmp_path: Path, reader: Any, data: str | bytes, by: Any, context: Any, *, parts: bool = True) -> Result:
    path = tmp_path / "orders"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    one, other = whole(reader, path.read_bytes(), by, context), streamed(reader, path, by, context)
    assert (other is not None) == parts
    if other is not None:
        assert other == one
        if isinstance(one, Decoded) and isinstance(other, Decoded):
            assert [shown(order) for order in other.orders] == [shown(order) for order in one.orders]
    return one


# --- CSV ---------------------------------------------------------------------------------------------------------

WAYS: list[dict[str, Any]] = [
    {},
    {"order": "Номер"},
    {"rows": {"column": "Дата", "order": "2026-11-20", "item": "i"}},
    {"header": False, "order": "#1", "skip": 1},
    {"quote": "", "order": "Номер"},
]
CELL = st.sampled_from(
    ["7", "8", "", " 8 ", "2026-11-20", "i", "21.00", "2", "Ґанок", '"a;b"', '"a\nb"', '"a\r\nb ""c"', "x"]
)
GOOD = st.sampled_from(
    [of_csv.ROW, of_csv.ROW.replace("7;", "8;"), of_csv.ROW.replace("7;", ";"), "", ";;;;;", '"', 'a"b;1', "i;i;i"]
)
BREAK = st.sampled_from(["\n", "\r\n", "\r"])


@SLOW
@given(
    way=st.sampled_from(WAYS),
    rows=st.lists(st.one_of(GOOD, st.lists(CELL, min_size=1, max_size=7).map(";".join)), max_size=8),
    ends=BREAK,
    head=st.sampled_from([of_csv.HEAD, of_csv.HEAD, "Номер;Дата", ""]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1251"]),
)
@example(way=WAYS[2], rows=["i;i;1;1;1;1", of_csv.ROW], ends="\n", head=of_csv.HEAD, encoding="utf-8")
@example(way=WAYS[2], rows=["x;x", of_csv.ROW, ";i;;0042;2;10.50"], ends="\n", head=of_csv.HEAD, encoding="utf-8")
@example(way=WAYS[1], rows=[], ends="\n", head="", encoding="utf-8")
def test_csv_is_read_alike(
    tmp_path: Path, way: dict[str, Any], rows: list[str], ends: str, head: str, encoding: str
) -> None:
    fields: dict[str, Any] = {}
    item: dict[str, Any] = {}
    if not way.get("header", True):
        fields = {"id": "#1", "created_at": "#2", "total": "#3"}
        item = {"code": "#4", "quantity": "#5", "price": "#6"}
    by = of_csv.mapping(fields, item, **way, encoding="windows-1251" if encoding == "windows-1251" else None)
    text = ends.join([head, *rows]) + ends
    same(tmp_path, CSV, text.encode(encoding, "replace"), by, of_csv.CONTEXT)


def test_csv_whose_items_stand_in_a_cell_and_csv_without_orders(tmp_path: Path) -> None:
    by = of_csv.mapping({}, {"code": "#1", "quantity": "#2", "price": "#3"}, items={"column": "Товари", "parts": ":"})
    rows = [f'{n};2026-11-20;21.00;"0042:2:10.50"' for n in range(5)]
    good = same(
        tmp_path, CSV, "\n".join(["Номер;Дата;Сума;Товари", *rows, '9;2026-11-20;21.00;"x\ny"', ""]), by, of_csv.CONTEXT
    )
    assert isinstance(good, Decoded)
    assert len(good.orders) == 6
    assert same(tmp_path, CSV, of_csv.HEAD + "\n", of_csv.mapping(), of_csv.CONTEXT) != ()
    none = same(tmp_path, CSV, of_csv.HEAD + "\n", of_csv.mapping(allow_empty=True), of_csv.CONTEXT)
    assert none == Decoded((), (), "csv")


def test_a_csv_of_any_number_of_cells_is_read_but_not_an_order_of_any_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csvfile, "MAX_CELLS", 12)
    path = tmp_path / "orders"
    path.write_text("\n".join([of_csv.HEAD, *[of_csv.ROW.replace("7;", f"{n};") for n in range(9)], ""]), "utf-8")
    by = of_csv.mapping(order="Номер")
    found = streamed(CSV, path, by, of_csv.CONTEXT)
    assert isinstance(found, Decoded)
    assert len(found.orders) == 9
    path.write_text("\n".join([of_csv.HEAD, *[of_csv.ROW] * 3, ""]), "utf-8")
    refused = streamed(CSV, path, by, of_csv.CONTEXT)
    assert isinstance(refused, tuple)
    assert [(one.code, one.where.line) for one in refused] == [("too-large", 4)]


# --- JSON --------------------------------------------------------------------------------------------------------

ORDER: dict[str, Any] = {
    "id": 7,
    "date": "2026-11-20T14:05:00",
    "sum": 21.00,
    "items": [{"sku": "0042", "n": 2, "p": 10.50}],
}
ODD: list[Any] = [None, 1, "x", [], {}, [1, {"id": 2}], {"id": "Ґ"}, {**ORDER, "items": {}}, {**ORDER, "sum": "1,x"}]
ONE = st.one_of(
    st.builds(lambda n: {**ORDER, "id": n, "note": "Ґанок \u2028 \n😀"}, st.integers(0, 4)), st.sampled_from(ODD)
)
BROKEN = st.sampled_from(
    ["", "", "", "", "{", "}", "]", ',{"a":1,"a":2}', "nul", '"\x01"', "[" * 40, '{"a":"\\x"}', "]]"]
)


def mapped(**more: Any) -> Any:
    return of_json.mapping(**more)


@SLOW
@given(
    orders=st.lists(ONE, min_size=1, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    inside=st.sampled_from([[], ["orders"], ["a b", "список"]]),
    broken=BROKEN,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_json_is_read_alike(
    tmp_path: Path,
    orders: list[Any],
    indent: int | None,
    ascii_only: bool,
    inside: list[str],
    broken: str,
    encoding: str,
) -> None:
    document: Any = orders
    for key in reversed(inside):
        document = {"x": [1, [2]], key: document, "y": {"orders": [{}], "z": "Ґ"}}
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    where = len(text) * 2 // 3
    by = mapped(order="".join(f'["{key}"]' for key in inside) or ".", max_depth=12)
    if broken:
        text = text[:where] + broken + text[where:]
    same(tmp_path, JSON, text.encode(encoding), by, of_json.CONTEXT)


@SLOW
@given(
    lines=st.lists(
        st.one_of(
            ONE.map(lambda one: json.dumps(one, ensure_ascii=False).replace("\n", " ")), BROKEN, st.just("[{},{}]")
        ),
        min_size=1,
        max_size=6,
    ),
    end=st.sampled_from(["", "\n", "\r\n"]),
)
def test_json_of_lines_is_read_alike(tmp_path: Path, lines: list[str], end: str) -> None:
    text = (end or "\n").join(lines) + end
    same(tmp_path, JSON, text.encode(), mapped(order=".", lines=True), of_json.CONTEXT)


def test_what_is_no_list_at_a_path_of_keys_is_read_as_a_whole(tmp_path: Path) -> None:
    one = json.dumps({"orders": [ORDER], "day": "2026-11-20T14:05:00"})
    for by in (
        mapped(order="orders[*]"),
        mapped(order="orders[id=7]"),
        of_json.mapping({"created_at": "$.day"}, order="orders"),
        mapped(order="none"),
        mapped(order="day"),
    ):
        same(tmp_path, JSON, one, by, of_json.CONTEXT, parts=False)
    same(tmp_path, JSON, json.dumps({"orders": ORDER}), mapped(order="orders"), of_json.CONTEXT, parts=False)


def test_a_json_of_any_number_of_values_is_read_but_not_an_order_of_any_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsontext, "MAX_NODES", 12)
    path = tmp_path / "orders"
    path.write_text(json.dumps([{**ORDER, "id": n} for n in range(9)]))
    monkeypatch.setattr(streaming, "PIECE", 1)
    found = streamed(JSON, path, mapped(order="."), of_json.CONTEXT)
    assert isinstance(found, Decoded)
    assert len(found.orders) == 9
    path.write_text(json.dumps([{**ORDER, "more": [0] * 9}]))
    refused = streamed(JSON, path, mapped(order="."), of_json.CONTEXT)
    assert isinstance(refused, tuple)
    assert refused[0].code == "too-large"
