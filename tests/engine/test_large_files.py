"""A file that is read in parts is taken as any other: by a run, by a dry run, by what mends held orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.engine import parts, preview
from pipeline.engine.runtime import Client, RunReport
from pipeline.errors import Finding
from pipeline.resources import samples
from plugins.formats.order_xml import OrderXml
from tests.engine.conftest import Shop
from tests.engine.revised import version

PARTS = {"stream_from": "1", "batch": "3"}
HEAD, TAIL = b'<orders xmlns="urn:mistok:order:1">\n', b"\n</orders>\n"


def many(*orders: bytes) -> bytes:
    return HEAD + b"\n".join(orders) + TAIL


def of(data: bytes) -> bytes:
    """The one order of a file."""
    return data[data.index(b"<order>") : data.index(b"</orders>")]


@pytest.fixture(scope="module")
def twenty() -> Sequence[bytes]:
    return [of(path.read_bytes()) for path in sorted(samples().glob("orders/twenty/*.xml"))]


def rows(report: RunReport) -> list[dict[str, Any]]:
    return [dict(row) for step in report.steps if step.result for row in step.result.details]


@pytest.fixture
def whole_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it is read as a whole")

    monkeypatch.setattr(OrderXml, "decode", decode)


def test_a_dry_run_foresees_the_same(shop: Shop, twenty: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    held = of(next(samples().glob("orders/*/unknown-product.xml")).read_bytes())
    other = twenty[1].replace(b"<items>", b"<comment>x</comment><items>")
    (shop.inbox / "big.xml").write_bytes(many(*twenty, held, twenty[0], other))
    one = shop.run(dry_run=True)
    shop.more = PARTS
    other_way = shop.run(dry_run=True)
    assert dict(other_way.counts) == dict(one.counts)
    assert sorted(map(str, rows(other_way))) == sorted(map(str, rows(one)))
    monkeypatch.setattr(preview, "LISTED", 5)
    short = shop.run(dry_run=True)
    assert (dict(short.counts), len(rows(short))) == (dict(one.counts), 5)
    assert [step.result.notes[0].args for step in short.steps if step.result] == [(("n", 17),)]


@pytest.mark.usefixtures("whole_is_forbidden")
def test_a_held_order_of_a_large_file_goes_on_and_is_not_looked_for_all_the_time(
    shop: Shop, twenty: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.more = PARTS
    held = of(next(samples().glob("orders/*/unknown-product.xml")).read_bytes())
    (shop.inbox / "big.xml").write_bytes(many(*twenty[:4], held, *twenty[4:8]))
    assert shop.run().counts == {"files": 1, "created": 8, "held": 1, "acknowledged": 1}
    (shop.folder / "more.csv").write_text(
        "code;name_uk-UA;unit;price;currency;tax_rate\nНЕМА-ТАКОГО-77;Фарба;шт;336.40;UAH;20\n", encoding="utf-8"
    )
    opened: list[Any] = []
    real = parts.archived

    def noted(*given: Any) -> Any:
        opened.append(given)
        return real(*given)

    monkeypatch.setattr(parts, "archived", noted)
    assert shop.run(trigger="schedule").counts == {}, "its product is not there"
    assert len(opened) == 1
    with Client.open(shop.config()) as client, client.ledger.begin() as conn:
        ((file,),) = shop.ledger_rows("SELECT id FROM files")
        assert client.ledger.get_value(conn, "mended", f"file:{file}")
        client.ledger.set_value(conn, "mended", f"file:{file}", "2999-01-01T00:00:00+00:00")
    shop.load(shop.folder / "more.csv")
    assert shop.run(trigger="schedule").counts == {}, "it was looked through a moment ago"
    assert len(opened) == 1
    assert shop.run().counts == {"created": 1}, "a person wants an answer now"


@pytest.mark.usefixtures("whole_is_forbidden")
def test_other_content_of_an_order_of_a_large_file_is_compared(shop: Shop, twenty: Sequence[bytes]) -> None:
    shop.more = PARTS
    (shop.inbox / "big.xml").write_bytes(many(*twenty[:5], of(version(2)), *twenty[5:7]))
    assert shop.run().counts["created"] == 8
    (shop.inbox / "next.xml").write_bytes(version(3))
    report = shop.run()
    assert report.counts["changed"] == 1
    ((kept,),) = shop.ledger_rows("SELECT findings FROM cards WHERE kind = 'changed'")
    assert "quantity" in kept


@pytest.mark.usefixtures("whole_is_forbidden")
def test_too_many_twins_are_no_slip(shop: Shop, twenty: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_TWINS", 2)
    shop.more = PARTS
    others = [twenty[n].replace(b"<items>", b"<comment>x</comment><items>") for n in range(3)]
    (shop.inbox / "big.xml").write_bytes(many(*twenty, *others))
    report = shop.run()
    assert report.counts == {"files": 1, "quarantined": 1}
    findings: Sequence[Finding] = rows(report)[0]["findings"]
    assert findings[0].code == "twin-order"
    assert shop.documents() == []


def test_no_room_for_a_copy_is_no_fault_of_the_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.more = PARTS
    shop.drop("single")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(OrderXml, "decode_stream", full)
        assert shop.run().state == "failed"
    assert shop.ledger_rows("SELECT state, tries FROM files") == [("archived", 0)]
    assert shop.run().counts["created"] == 1


@pytest.mark.full
def test_a_format_that_does_not_keep_its_word_is_tried_again_and_set_aside(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.formats import _order_xml_stream

    def broken(*_: object, **__: object) -> None:
        raise KeyError("x")

    shop.more = PARTS
    shop.drop("single")
    monkeypatch.setattr(_order_xml_stream, "read_orders", broken)
    for tries in (1, 2):
        assert shop.run().counts["failed"] == 1
        assert shop.ledger_rows("SELECT state, tries FROM files") == [("archived", tries)]
    assert shop.run().counts["quarantined"] == 1
