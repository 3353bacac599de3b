"""A large order file read in pieces gives what reading it as a whole gives: orders, findings, places, refusals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.api import Decoded, DecodedOrder, Finding, Rejected
from pipeline.xmlio import pieces
from plugins.formats.order_xml import NAMESPACE, OrderXml, OrderXmlSettings
from tests.everyday import examples
from tests.formats.test_order_xml import CUSTOMER, HEAD, ITEM, SAMPLES, TAIL, context

FILES = sorted((SAMPLES).rglob("*.xml"))


@pytest.fixture(autouse=True, params=[1, 3])
def children(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Orders of a piece."""
    monkeypatch.setattr(pieces, "CHILDREN", request.param)
    return int(request.param)


def whole(path: Path, **given: Any) -> Decoded | tuple[Finding, ...]:
    try:
        return OrderXml().decode(path.read_bytes(), OrderXmlSettings(**given), context())
    except Rejected as error:
        return error.findings


def streamed(path: Path, **given: Any) -> Decoded | tuple[Finding, ...]:
    orders: list[DecodedOrder] = []
    notes: list[Finding] = []
    try:
        stream = OrderXml().decode_stream(path, OrderXmlSettings(**given), context(), path.parent)
    except Rejected as error:
        return error.findings
    assert stream is not None
    notes.extend(stream.notes)
    for batch in stream.batches(2):
        assert len(batch.orders) <= 2
        orders.extend(batch.orders)
        notes.extend(batch.notes)
    assert list(stream.lines) == [order.line for order in orders]
    picked = stream.pick(range(len(orders)))
    assert [shown(order) for order in picked] == [shown(order) for order in orders]
    names = [(order.source, order.id) for order in orders]
    twins = {name: [place for place, one in enumerate(names) if one == name] for name in names if name[1]}
    assert [list(places) for places in stream.repeated] == [places for places in twins.values() if len(places) > 1]
    stream.close()
    return Decoded(tuple(orders), tuple(notes), stream.version)


def shown(order: DecodedOrder) -> tuple[Any, ...]:
    """All of it, what is not compared included."""
    lines = [line.source_line for line in order.order.lines] if order.order else None
    return order, lines, dict(order.places)


def same(path: Path, **given: Any) -> Decoded | tuple[Finding, ...]:
    one, other = whole(path, **given), streamed(path, **given)
    assert other == one
    if isinstance(one, Decoded) and isinstance(other, Decoded):
        assert [shown(order) for order in other.orders] == [shown(order) for order in one.orders]
    return one


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SAMPLES)))
def test_every_sample_is_read_alike(path: Path) -> None:
    same(path)


def order(number: int, inside: str = "", *, head: str | None = None) -> str:
    head = head if head is not None else HEAD.replace(">1<", f">{number}<").replace("0001", f"{number:04d}")
    return (
        f"<order>\n  {head}{CUSTOMER}\n  {inside}<items>{ITEM}{ITEM}</items>{TAIL.replace('21.00', '42.00')}\n</order>"
    )


ODD = st.sampled_from(
    [
        "",
        "<comment>Ґанок &amp; дах &#xD; &lt;тут&gt;</comment>",
        "<comment><![CDATA[</order><order>]]></comment>",
        "<!-- </order><order> --><?php </order> ?>",
        "<currency>USD</currency>",
        "<subtotal>1.00</subtotal>",
        "<subtotal>1,00</subtotal>",
        "<nonsense/>",
        "<nonsense/><other>1</other>",
        "<modified>2026-11-31T00:00:00</modified>",
        "<comment\n  >ÐŸÑ€Ð¸Ð²ÐµÑ‚</comment>",
        '<comment xml:lang="uk">x</comment>',
        f'<comment xmlns="{NAMESPACE}">x</comment>',
        '<x:comment xmlns:x="urn:other">x</x:comment>',
        "text",
        "<delivery><recipient><phone>123</phone></recipient></delivery>",
        "<order/>",
    ]
)
HEADS = st.sampled_from([None, None, None, "<id></id>", "<number>7</number>", "<id>1</id><source>  a </source>"])
BETWEEN = st.sampled_from(["", "", "\n", "\n\n   ", "\r\n", "\r", "<!-- <order> -->", "\t", "лист", "<more/>", "&#65;"])
ROOTS = st.sampled_from(
    [
        (f'<orders xmlns="{NAMESPACE}">', "</orders>"),
        ("<orders>", "</orders>"),
        (f'<o:orders\n  xmlns:o="{NAMESPACE}"\n  generator="a > b\n c">', "</o:orders>"),
        (f"<orders xmlns='{NAMESPACE}' wrong='\"'  >", "</orders >"),
        ('<orders xmlns="urn:mistok:order:9">', "</orders>"),
        ("<Orders>", "</Orders>"),
    ]
)
PROLOGS = st.sampled_from(
    [
        "",
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        "\n",
        "<!-- <orders> -->\n\n",
        '<?xml version="1.0"?><!DOCTYPE orders>',
        "Warning: mysql",
    ]
)
ENDS = st.sampled_from(["", "\n", "<!-- end -->", "\n<more/>", "text", "\0\0"])


@st.composite
def files(draw: st.DrawFn) -> str:
    root, close = draw(ROOTS)
    made = []
    for _ in range(draw(st.integers(0, 7))):
        number = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 7]))
        made += [draw(BETWEEN), order(number, draw(ODD), head=draw(HEADS))]
    body = "".join([*made, draw(BETWEEN)])
    if root.startswith("<o:"):
        body = re.sub(r"<(/?)(\w)", r"<\1o:\2", body)
    prolog = draw(st.just("") | PROLOGS)
    text = prolog + root + body + close + draw(st.just("") | ENDS)
    if draw(st.integers(0, 4)) == 0:
        cut = draw(st.integers(0, len(text)))
        text = text[:cut] + draw(st.sampled_from(["", "<", "&", "\x01", "</order>"]))
    return text


ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1251"])


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=files(), encoding=ENCODINGS, default=st.sampled_from([None, "windows-1251"]))
@example(text="", encoding="utf-8", default=None)
@example(text="", encoding="utf-8-sig", default=None)
@example(
    text=f'<orders xmlns="{NAMESPACE}">{order(1, head="<id></id>")}{order(2)}лист</orders>',
    encoding="utf-8",
    default=None,
)
@example(text=" \n\0", encoding="utf-16", default=None)
def test_made_up_files_are_read_alike(tmp_path: Path, text: str, encoding: str, default: str | None) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(text.encode(encoding, "replace"))
    same(path, encoding=default)


@pytest.mark.full
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=files(), encoding=ENCODINGS, default=st.sampled_from([None, "windows-1251"]))
def test_many_more_made_up_files_are_read_alike(tmp_path: Path, text: str, encoding: str, default: str | None) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(text.encode(encoding, "replace"))
    same(path, encoding=default)
