"""The next batch of a large import is fetched while this one is booked: nothing else is different by it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipeline.engine import inbound
from pipeline.engine.context import RunContext
from pipeline.errors import Transient
from pipeline.ports import ReadResult, RemoteFile
from pipeline.resources import samples
from pipeline.texts import T
from pipeline.transports.local import LocalTransport
from tests.engine.conftest import Shop

FEW = 7
ORDER = next(samples().glob("orders/good/single.xml")).read_text("utf-8")


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The local folder as if it lay far away, and small batches as if they were large; the threads that read."""
    names: list[str] = []
    read = LocalTransport.read_many

    def noted(self: LocalTransport, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        names.append(threading.current_thread().name)
        return read(self, files, into)

    monkeypatch.setattr(LocalTransport, "read_many", noted)
    monkeypatch.setattr(LocalTransport, "local_path", lambda _self, _folder: None)
    monkeypatch.setattr(inbound, "LEAST", 2)
    return names


def pour(shop: Shop, numbers: Iterable[int] = range(FEW)) -> None:
    shop.more["batch"] = "3"
    for n in numbers:
        (shop.inbox / f"{n:03}.xml").write_text(ORDER.replace("4701", str(5000 + n)), encoding="utf-8")


def test_all_batches_but_the_first_are_read_ahead(shop: Shop, readers: list[str]) -> None:
    pour(shop, range(8))
    report = shop.run()
    assert report.counts == {"files": 8, "created": 8, "acknowledged": 8}
    assert readers == [threading.current_thread().name, "mistok-ahead", "mistok-ahead"]
    assert list(shop.inbox.iterdir()) == []
    booked = shop.ledger_rows("SELECT order_id FROM orders ORDER BY document_number")
    assert booked == [(str(5000 + n),) for n in range(8)], "oldest first"


def test_a_batch_too_small_for_it_is_not(shop: Shop, readers: list[str]) -> None:
    pour(shop)
    assert shop.run().counts["created"] == FEW
    assert readers.count("mistok-ahead") == 1, "the last batch is one file"


def test_what_breaks_ahead_is_told_after_the_batch_before_it_is_done(
    shop: Shop, readers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pour(shop)
    whole = LocalTransport.read_many

    def broken(self: LocalTransport, files: Iterable[RemoteFile], into: Path) -> Iterator[ReadResult]:
        if threading.current_thread().name == "mistok-ahead":
            raise Transient(T("the line is cut"))
        return whole(self, files, into)

    with monkeypatch.context() as patch:
        patch.setattr(LocalTransport, "read_many", broken)
        patch.setattr("pipeline.transports.wrap.PAUSES", ())
        patch.setattr("pipeline.transports.wrap.Retrying._wait", lambda _self, _pause: None)
        report = shop.run()
    assert report.state == "failed"
    assert len(shop.documents()) == 3
    assert shop.ledger_rows("SELECT state, count(*) FROM files GROUP BY state ORDER BY state") == [
        ("acknowledged", 3),
        ("claimed", 3),
        ("seen", 1),
    ]
    assert shop.run().counts["created"] == 4
    assert list(shop.inbox.iterdir()) == []
    assert readers


def test_a_connection_that_a_system_has_too_is_left_to_it(
    shop: Shop, readers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pour(shop)
    monkeypatch.setattr(RunContext, "is_lent", lambda _self, _name: True)
    assert shop.run().counts["created"] == FEW
    assert "mistok-ahead" not in readers
