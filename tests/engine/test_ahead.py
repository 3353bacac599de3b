"""The next batch of a large import is fetched, kept and read while this one is booked, by a thread and a second
process: nothing else is different by it, and whatever they do not do the run does."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.archive import Archive, ArchiveCopy, ArchiveItem
from pipeline.engine import ahead, second
from pipeline.engine.context import RunContext
from pipeline.engine.runtime import Client
from pipeline.errors import Transient
from pipeline.ports import Decoded, ReadResult, RemoteFile
from pipeline.resources import samples
from pipeline.texts import T
from pipeline.transports.local import LocalTransport
from plugins.formats.order_xml import OrderXml
from tests.engine.conftest import Shop

FEW = 7
ORDER = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
RUN = threading.current_thread().name
forks = pytest.mark.skipif(sys.platform != "linux", reason="no process is forked off a run there")


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The local folder as if it lay far away, small batches as if they were large, one core; the threads that read."""
    names: list[str] = []
    read = LocalTransport.read_small

    def noted(self: LocalTransport, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        names.append(threading.current_thread().name)
        return read(self, files, into, limit)

    monkeypatch.setattr(LocalTransport, "read_small", noted)
    monkeypatch.setattr(LocalTransport, "local_path", lambda _self, _folder: None)
    monkeypatch.setattr(ahead, "LEAST", 2)
    monkeypatch.setattr(second, "cores", lambda: 1)
    return names


@pytest.fixture
def read_here(readers: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As ``readers``, and a second core; the files that the run reads itself."""
    names: list[str] = []
    decode = OrderXml.decode

    def noted(self: OrderXml, data: bytes, settings: Any, context: Any) -> Decoded:
        names.append(context.file)
        return decode(self, data, settings, context)

    monkeypatch.setattr(OrderXml, "decode", noted)
    monkeypatch.setattr(second, "cores", lambda: 2)
    assert readers == []
    return names


def pour(shop: Shop, numbers: Iterable[int] = range(FEW)) -> None:
    shop.more["batch"] = "3"
    for n in numbers:
        (shop.inbox / f"{n:03}.xml").write_text(ORDER.replace("4701", str(5000 + n)), encoding="utf-8")


def whole(shop: Shop, count: int = FEW) -> None:
    """Every order is booked once, oldest first, and every file is in the archive."""
    booked = shop.ledger_rows("SELECT order_id FROM orders ORDER BY document_number")
    assert booked == [(str(5000 + n),) for n in range(count)]
    assert shop.documents() == [str(5000 + n) for n in range(count)]
    with Client.open(shop.config()) as client:
        hashes = list(client.archive.hashes())
        assert len(hashes) == count
        assert all(map(client.archive.verify, hashes))
        assert len([one for one in client.archive.journal.entries() if one]) == count


def test_all_batches_but_the_first_are_read_ahead(shop: Shop, readers: list[str]) -> None:
    pour(shop, range(8))
    assert shop.run().counts == {"files": 8, "created": 8, "acknowledged": 8}
    assert readers == [RUN, "mistok-ahead", "mistok-ahead"]
    assert list(shop.inbox.iterdir()) == []
    whole(shop, 8)


def test_a_batch_too_small_for_it_is_not(shop: Shop, readers: list[str]) -> None:
    pour(shop)
    assert shop.run().counts["created"] == FEW
    assert readers == [RUN, "mistok-ahead", RUN], "the last batch is one file"


def test_what_breaks_ahead_is_told_after_the_batch_before_it_is_done(
    shop: Shop, readers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pour(shop)
    read = LocalTransport.read_small

    def broken(self: LocalTransport, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        if threading.current_thread().name == "mistok-ahead":
            raise Transient(T("the line is cut"))
        return read(self, files, into, limit)

    with monkeypatch.context() as patch:
        patch.setattr(LocalTransport, "read_small", broken)
        report = shop.run()
    assert report.state == "failed"
    assert len(shop.documents()) == 3
    assert shop.ledger_rows("SELECT state, count(*) FROM files GROUP BY state ORDER BY state") == [
        ("acknowledged", 3),
        ("claimed", 3),
        ("seen", 1),
    ]
    assert shop.run().counts["created"] == 4
    whole(shop)
    assert readers


def test_a_connection_that_a_system_has_too_is_left_to_it(
    shop: Shop, read_here: list[str], readers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pour(shop)
    monkeypatch.setattr(RunContext, "is_lent", lambda _self, _name: True)
    assert shop.run().counts["created"] == FEW
    assert "mistok-ahead" not in readers
    assert len(read_here) == FEW


@forks
def test_the_second_process_keeps_and_reads_what_comes_in_large_batches(shop: Shop, read_here: list[str]) -> None:
    pour(shop)
    assert shop.run().counts == {"files": FEW, "created": FEW, "acknowledged": FEW}
    assert read_here == ["006.xml"], "the last batch is one file"
    whole(shop)


@forks
def test_what_it_cannot_read_the_run_reads_and_tells(shop: Shop, read_here: list[str]) -> None:
    pour(shop)
    bad = shop.inbox / "001.xml"
    times = bad.stat()
    bad.write_text(ORDER.replace("<total>", "<total><"), encoding="utf-8")
    os.utime(bad, ns=(times.st_atime_ns, times.st_mtime_ns))
    report = shop.run()
    assert report.counts["quarantined"] == 1
    assert report.counts["created"] == FEW - 1
    assert read_here == ["001.xml", "006.xml"]
    assert len(shop.ledger_rows("SELECT * FROM cards")) == 1


def in_the_other(act: Callable[[], None]) -> Callable[[], None]:
    """Do it in the second process alone."""
    run = os.getpid()
    return lambda: act() if os.getpid() != run else None


@forks
def test_when_it_dies_the_run_goes_on_and_it_is_started_once_more(
    shop: Shop, read_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pour(shop, range(8))
    decode, die = OrderXml.decode, in_the_other(lambda: os._exit(1))

    def crashes(self: OrderXml, data: bytes, settings: Any, context: Any) -> Decoded:
        if context.file == "001.xml":
            die()
        return decode(self, data, settings, context)

    monkeypatch.setattr(OrderXml, "decode", crashes)
    assert shop.run().counts == {"files": 8, "created": 8, "acknowledged": 8}
    assert set(read_here) >= {"000.xml", "001.xml", "002.xml"}
    assert "007.xml" not in read_here
    whole(shop, 8)


@forks
def test_what_it_cannot_keep_the_run_keeps(shop: Shop, read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pour(shop, range(6))
    keep = Archive.keep_many

    def full() -> None:
        raise OSError(28, "No space left on device")

    fails = in_the_other(full)

    def kept(self: Archive, items: Sequence[ArchiveItem]) -> list[ArchiveCopy]:
        fails()
        return keep(self, items)

    monkeypatch.setattr(Archive, "keep_many", kept)
    assert shop.run().counts["created"] == 6
    assert len(read_here) == 6
    whole(shop, 6)


@forks
def test_an_answer_that_cannot_be_passed_on_is_read_by_the_run(
    shop: Shop, read_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(Decoded):  # of a client's own plugin, which no other module can name
        pass

    pour(shop, range(6))
    decode = OrderXml.decode

    def own(self: OrderXml, data: bytes, settings: Any, context: Any) -> Decoded:
        found = decode(self, data, settings, context)
        return Own(found.orders, found.notes, found.version) if context.file == "004.xml" else found

    monkeypatch.setattr(OrderXml, "decode", own)
    assert shop.run().counts["created"] == 6
    assert read_here == ["004.xml"]
    whole(shop, 6)


@forks
def test_it_ends_with_the_import(shop: Shop, read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[second.Second] = []
    start = second.start

    def noted(*words: Any) -> second.Second | None:
        found = start(*words)
        assert found is not None
        made.append(found)
        return found

    monkeypatch.setattr(second, "start", noted)
    pour(shop, range(6))
    assert shop.run().counts["created"] == 6
    assert [one.alive for one in made] == [False]
    assert read_here == []
    with pytest.raises(second.Lost), made[0].turn():
        pytest.fail("it is gone")


def test_where_others_wait_for_their_turn_there_is_none(shop: Shop, read_here: list[str]) -> None:
    pour(shop)
    assert shop.run(slice=3600.0).counts["created"] == FEW
    assert len(read_here) == FEW
