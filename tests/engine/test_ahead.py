"""The next batch of a large import is fetched, kept and read while this one is booked, by a thread and a second
process: nothing else is different by it, and whatever they do not do the run does."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import pytest

from pipeline.archive import Archive, ArchiveCopy, ArchiveItem
from pipeline.engine import ahead, second
from pipeline.engine.context import RunContext
from pipeline.engine.runtime import Client
from pipeline.engine.stillness import rest
from pipeline.errors import Transient
from pipeline.ports import Decoded, FormatContext, ReadResult, RemoteFile
from pipeline.resources import samples
from pipeline.texts import T
from pipeline.transports.local import LocalTransport
from plugins.formats._order_xml_files import Parameters
from plugins.formats.order_xml import OrderXml, OrderXmlSettings
from tests.engine.conftest import Shop

FEW = 7
ORDER = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
RUN = threading.current_thread().name
LOCAL = LocalTransport.local_path
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
    monkeypatch.setattr(second, "ANEW", 2)
    assert readers == []
    return names


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a format that reads beside everything else only: the process is the run's own image."""
    monkeypatch.setattr(OrderXml, "apart", lambda _self, _settings: None)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[second.Second]:
    """Second processes as they are made."""
    made: list[second.Second] = []

    def noted(make: Callable[..., second.Second | None]) -> Callable[..., second.Second | None]:
        def make_one(*words: Any) -> second.Second | None:
            if (found := make(*words)) is not None:
                made.append(found)
            return found

        return make_one

    monkeypatch.setattr(second, "launch", noted(second.launch))
    monkeypatch.setattr(second, "fork", noted(second.fork))
    return made


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
@pytest.mark.parametrize("way", ["launch", "fork", "fork, as there are few"])
def test_the_second_process_keeps_and_reads_what_comes_in_large_batches(
    shop: Shop, read_here: list[str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "fork":
        request.getfixturevalue("forked")
    elif way == "fork, as there are few":
        monkeypatch.setattr(second, "ANEW", FEW + 1)
        monkeypatch.setattr(second, "launch", lambda *_words: pytest.fail("it is forked"))
    else:
        monkeypatch.setattr(second, "fork", lambda _work: pytest.fail("it is started anew"))
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
@pytest.mark.parametrize("at", ["archived", "the end"])
def test_when_it_is_killed_the_run_goes_on(
    shop: Shop, read_here: list[str], made: list[second.Second], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """One that was started anew: before it has kept what it was given, or before it has read it."""
    pour(shop, range(8))
    give = second.Second.give

    def killed(self: second.Second, items: Sequence[ArchiveItem]) -> Sequence[ArchiveCopy] | None:
        if len(made) == 1 and at == "archived":
            os.kill(self._pid, second._KILL)
        copies = give(self, items)
        if len(made) == 1:
            os.kill(self._pid, second._KILL)
        return copies

    monkeypatch.setattr(second.Second, "give", killed)
    assert shop.run().counts == {"files": 8, "created": 8, "acknowledged": 8}
    assert len(made) == 2
    assert "007.xml" not in read_here
    whole(shop, 8)


@forks
def test_one_that_cannot_be_started_anew_is_forked(
    shop: Shop, read_here: list[str], made: list[second.Second], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(shop.inbox / "nowhere"))
    pour(shop)
    assert shop.run().counts["created"] == FEW
    assert [one.alive for one in made] == [False]
    assert read_here == ["006.xml"]


@forks
def test_one_that_does_not_come_up_is_lost(shop: Shop, read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second, "_BEGIN", "import no_such_module")
    pour(shop)
    assert shop.run().counts["created"] == FEW
    assert len(read_here) == FEW
    whole(shop)


def test_a_format_that_was_made_of_the_built_in_one_reads_for_itself() -> None:
    class Own(OrderXml):
        pass

    assert OrderXml().apart(OrderXmlSettings()) is not None
    assert Own().apart(OrderXmlSettings()) is None
    assert {one.name for one in fields(Parameters)} == set(OrderXmlSettings.model_fields)


def test_what_is_started_anew_loads_little() -> None:
    """All else is some 15 MiB, and a tenth of a second."""
    code = (
        "import pickle, sys\n"
        "from pipeline.engine import helping\n"
        f"read, data, context = pickle.loads({pickle.dumps(reading())!r})\n"
        "assert read(data, context).orders[0].order\n"
        "print(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    loaded = set(said.stdout.split())
    assert "lxml.etree" in loaded
    unasked = {
        "pydantic",
        "sqlalchemy",
        "structlog",
        "paramiko",
        "babel",
        "asyncio",
        "phonenumbers",
        "multiprocessing",
        "typing_extensions",
    }
    assert (
        loaded & (unasked | {"pipeline.api", "pipeline.flow", "pipeline.ports", "plugins.formats.order_xml"}) == set()
    )


def reading() -> tuple[Any, bytes, FormatContext]:
    read = OrderXml().apart(OrderXmlSettings())
    zone = ZoneInfo("Europe/Kyiv")
    return read, ORDER.encode(), FormatContext("shop", zone, "UAH", "uk-UA", datetime.now(zone), "a.xml")


@forks
def test_it_ends_with_the_run_that_started_it(tmp_path: Path) -> None:
    """Killed, so that it could not say good-bye."""
    code = (
        "import os, pickle, signal, sys\n"
        "from pathlib import Path\n"
        "from pipeline.engine import second\n"
        "second.cores = lambda: 2\n"
        f"read, _data, context = pickle.loads({pickle.dumps(reading())!r})\n"
        f"one = second.launch(Path({str(tmp_path)!r}), read, context)\n"
        "assert one.give([]) == []\n"
        "print(one._pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    pid = int(said.stdout)
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def eventually(so: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not so():
        assert time.monotonic() < until
        time.sleep(0.02)


@forks
@pytest.mark.usefixtures("forked")
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
@pytest.mark.usefixtures("forked")
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
@pytest.mark.usefixtures("forked")
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
def test_it_ends_with_the_import(shop: Shop, read_here: list[str], made: list[second.Second]) -> None:
    pour(shop, range(6))
    assert shop.run().counts["created"] == 6
    assert [one.alive for one in made] == [False]
    assert read_here == []
    with pytest.raises(second.Lost), made[0].turn():
        pytest.fail("it is gone")


@forks
def test_it_comes_up_while_the_files_are_waited_for(
    shop: Shop, read_here: list[str], made: list[second.Second], monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[int] = []

    def noted(*words: Any) -> None:
        there.append(len(made))
        rest(*words)

    monkeypatch.setattr("pipeline.engine.inbound.rest", noted)
    monkeypatch.setattr(LocalTransport, "local_path", LOCAL)
    pour(shop, range(6))
    assert shop.run().counts["created"] == 6
    assert there[0] == 1
    assert [one.alive for one in made] == [False]
    assert read_here == []
    whole(shop, 6)


@forks
def test_one_that_came_up_for_files_that_are_too_young_ends_with_the_run(
    shop: Shop, read_here: list[str], made: list[second.Second]
) -> None:
    shop.more["min_age"] = "1h"
    pour(shop)
    assert shop.run().counts == {"waiting": FEW}
    assert read_here == []
    assert [one.alive for one in made] == [False]


@forks
def test_none_comes_up_for_files_that_wait_for_their_markers(
    shop: Shop, read_here: list[str], made: list[second.Second]
) -> None:
    shop.more["marker"] = "{suffix: .ok}"
    pour(shop)
    shop.run()
    made.clear()
    assert shop.run().counts == {"waiting": FEW}
    assert (made, read_here) == ([], [])


def test_where_others_wait_for_their_turn_there_is_none(shop: Shop, read_here: list[str]) -> None:
    pour(shop)
    assert shop.run(slice=3600.0).counts["created"] == FEW
    assert len(read_here) == FEW
