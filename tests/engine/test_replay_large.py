"""A large archived file is replayed part by part: it says and does the same as when it is read as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.engine.replay.apply import apply
from pipeline.engine.replay.choose import Asked, choose
from pipeline.engine.runtime import Client
from pipeline.resources import samples
from plugins.formats.order_xml import OrderXml
from tests.engine.conftest import Shop
from tests.engine.test_large_files import PARTS, many, of
from tests.engine.test_replay import do, meant, show, texts

WHOLE = {"stream_from": "1 GB", "batch": "3"}


@pytest.fixture(scope="module")
def mixed() -> Sequence[bytes]:
    """Twenty orders, one whose product is unknown, one that repeats the first, one that is another second."""
    twenty = [of(path.read_bytes()) for path in sorted(samples().glob("orders/twenty/*.xml"))]
    held = of(next(samples().glob("orders/*/unknown-product.xml")).read_bytes())
    other = twenty[1].replace(b"<items>", b"<comment>x</comment><items>")
    return [*twenty[:7], held, *twenty[7:], twenty[0], other]


def quarantined(shop: Shop, orders: Sequence[bytes]) -> None:
    """A file that could not be taken as a whole by the settings of its day; now it can."""
    shop.more |= {**PARTS, "format": "{type: order-xml, max_depth: 4}"}
    (shop.inbox / "big.xml").write_bytes(many(*orders))
    assert shop.run().counts == {"files": 1, "quarantined": 1}
    shop.more["format"] = "order-xml"


def forbid_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it is read as a whole")

    monkeypatch.setattr(OrderXml, "decode", decode)


def test_it_says_and_does_the_same_in_parts(
    shop: Shop, mixed: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantined(shop, mixed)
    shop.more |= WHOLE
    shown = texts(show(shop, "big.xml"))
    shop.more |= PARTS
    forbid_the_whole(monkeypatch)
    assert texts(show(shop, "big.xml")) == shown
    done = do(shop, "big.xml")
    assert [line.outcome for line in done[:4]] == ["read", "created", "held", "created"]
    assert sorted(line.outcome for line in done) == ["created"] * 19 + ["held"] * 2 + ["known"] + ["read"]
    assert len(shop.documents()) == 19
    assert shop.ledger_rows("SELECT state FROM files") == [("done",)]
    assert shop.run().counts == {"acknowledged": 1}, "and the next run takes it away"
    meant(shop, "НЕМА-ТАКОГО-77", "0042")
    assert [line.outcome for line in show(shop, "00004813")] == ["created"]
    (line,) = do(shop, "00004813")
    assert line.outcome == "created"
    again = do(shop, "big.xml")
    assert {line.outcome for line in again} == {"known", "held"}
    assert len(shop.documents()) == 20


def test_stopped_between_two_parts_it_is_gone_on_with_and_nothing_is_made_twice(
    shop: Shop, mixed: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantined(shop, mixed)
    forbid_the_whole(monkeypatch)
    passed: list[str] = []

    def stop(point: str) -> None:
        passed.append(point)
        if passed.count("replay:part") == 2:
            raise KeyboardInterrupt

    told: list[tuple[int, int | None]] = []
    with Client.open(shop.config()) as client:
        picks = choose(client, Asked(all_held=True))
        going = apply(
            client, picks, by="anna", reach=stop, report=lambda done, total, _what: told.append((done, total))
        )
        with pytest.raises(KeyboardInterrupt):
            list(going)
    assert shop.ledger_rows("SELECT state FROM files") == [("archived",)]
    assert 0 < len(shop.documents()) < 19
    assert told == [(3, 23), (6, 23)]
    assert sorted({line.outcome for line in do(shop, "big.xml")}) == ["created", "held", "known"]
    assert len(shop.documents()) == len(set(shop.documents())) == 19


def test_the_number_of_an_order_in_a_large_quarantined_file_is_found(
    shop: Shop, mixed: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantined(shop, mixed)
    forbid_the_whole(monkeypatch)
    assert {line.file for line in show(shop, "00002009")} == {"big.xml"}
