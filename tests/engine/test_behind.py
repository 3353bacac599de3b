"""The files of a batch leave the server while the next batch is booked: nothing else is different by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.engine import ahead, behind, second
from pipeline.engine.runtime import RunOptions, RunReport, run_job
from pipeline.engine.stopping import Stop
from pipeline.errors import Refused, Transient
from pipeline.ports import FileOutcome, ReadResult, RemoteFile
from pipeline.resources import samples
from pipeline.texts import T, Text
from pipeline.transports.local import LocalTransport
from tests.engine.conftest import Shop

FEW = 8
BATCH = 3
ORDER = next(samples().glob("orders/good/single.xml")).read_text("utf-8")
RUN = threading.current_thread().name
LIMIT = 120.0
Delete = Callable[[LocalTransport, Iterable[RemoteFile]], Sequence[FileOutcome]]


@pytest.fixture
def far(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The inbox as if it lay far away, with three batches, small ones as if they were large; one core."""
    monkeypatch.setattr(LocalTransport, "local_path", lambda _self, _folder: None)
    monkeypatch.setattr(ahead, "LEAST", 2)
    monkeypatch.setattr(second, "cores", lambda: 1)
    shop.more["batch"] = str(BATCH)
    for n in range(FEW):
        (shop.inbox / f"{n:03}.xml").write_text(ORDER.replace("4701", str(5000 + n)), encoding="utf-8")
    return shop


@contextmanager
def deleting(by: Callable[[Delete], Delete]) -> Iterator[None]:
    """With another way to delete."""
    before = LocalTransport.delete_many
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTransport, "delete_many", by(before))
        yield


def is_beside() -> bool:
    return threading.current_thread().name == "mistok-behind"


def not_before(event: threading.Event) -> Callable[[Delete], Delete]:
    """What is deleted beside the run is so once that has happened."""

    def late(delete: Delete) -> Delete:
        def act(self: LocalTransport, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
            if is_beside():
                assert event.wait(LIMIT)
            return delete(self, files)

        return act

    return late


def states(shop: Shop) -> dict[str, int]:
    return dict(shop.ledger_rows("SELECT state, count(*) FROM files GROUP BY state"))


def run(shop: Shop, reach: Callable[[str], None]) -> RunReport:
    return run_job(shop.config(), "orders", RunOptions(), reach=reach)


def whole(shop: Shop) -> None:
    """Every order is booked once, and no file is left."""
    assert shop.documents() == [str(5000 + n) for n in range(FEW)]
    assert list(shop.inbox.iterdir()) == []
    assert states(shop) == {"acknowledged": FEW}


def test_all_but_the_last_batch_leave_beside_the_run(far: Shop) -> None:
    threads: list[str] = []

    def noted(delete: Delete) -> Delete:
        def act(self: LocalTransport, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
            threads.append(threading.current_thread().name)
            return delete(self, files)

        return act

    with deleting(noted):
        assert far.run().counts == {"files": FEW, "created": FEW, "acknowledged": FEW}
    assert threads == ["mistok-behind", "mistok-behind", RUN]
    assert dict(far.ledger_rows("SELECT policy, count(*) FROM files GROUP BY policy")) == {"deleted": FEW}
    whole(far)


def test_the_next_batch_is_booked_before_the_files_are_gone(far: Shop) -> None:
    """And nothing of a batch is deleted before the ledger says of it that it is done."""
    booked = threading.Event()
    batches: list[dict[str, int]] = []

    def reach(point: str) -> None:
        if point == "inbound:before-delete":
            batches.append(states(far))
            if len(batches) == 2:
                booked.set()

    with deleting(not_before(booked)):
        assert run(far, reach).counts["acknowledged"] == FEW
    assert batches[0] == {"done": 3, "claimed": 5}
    assert batches[1] == {"done": 6, "claimed": 2}
    whole(far)


def test_the_batch_after_the_next_is_asked_for_before_files_leave(far: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is here when it is wanted, although the server is at one thing after the other."""
    asked: list[str] = []
    read = LocalTransport.read_small

    def noted(self: LocalTransport, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        every = list(files)
        asked.append(f"read {every[0].name}")
        return read(self, every, into, limit)

    def leaving(delete: Delete) -> Delete:
        def act(self: LocalTransport, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
            every = list(files)
            asked.append(f"delete {every[0].name}")
            return delete(self, every)

        return act

    monkeypatch.setattr(LocalTransport, "read_small", noted)
    with deleting(leaving):
        assert far.run().counts["acknowledged"] == FEW
    firsts = ["000.xml", "003.xml", "006.xml"]
    assert asked == [*(f"read {name}" for name in firsts), *(f"delete {name}" for name in firsts)]
    whole(far)


def test_files_that_are_moved_and_their_markers_leave_beside_it_too(far: Shop) -> None:
    far.more["after"] = "{move: orders/done}"
    far.more["marker"] = "{suffix: .ok}"
    for n in range(FEW):
        (far.inbox / f"{n:03}.xml.ok").touch()
    assert far.run().counts["acknowledged"] == FEW
    assert [path.name for path in far.inbox.iterdir()] == ["done"]
    assert len(list((far.inbox / "done").iterdir())) == FEW


def test_what_the_server_refuses_is_told_as_ever(far: Shop) -> None:
    def refused(delete: Delete) -> Delete:
        def act(self: LocalTransport, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
            every = list(files)
            if not is_beside():
                return delete(self, every)
            return [FileOutcome(file, done=False, error=Refused(T("no right to delete"))) for file in every]

        return act

    with deleting(refused):
        # as of a schedule: a person's run would try it again at once
        report = far.run(trigger="schedule")
    assert report.counts["refused"] == 6
    assert report.counts["acknowledged"] == 2
    assert states(far) == {"acknowledged": 2, "done": 6}
    assert far.ledger_rows("SELECT count(*) FROM notices WHERE kind = 'failure'") == [(1,)]
    assert far.run().counts == {"acknowledged": 6}
    whole(far)


def test_what_breaks_on_the_way_is_told_and_done_by_the_next_run(far: Shop) -> None:
    def broken(delete: Delete) -> Delete:
        def act(self: LocalTransport, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
            if is_beside():
                raise Transient(T("the line is cut"))
            return delete(self, files)

        return act

    with deleting(broken):
        report = far.run()
    assert report.state == "failed"
    assert states(far)["done"] >= BATCH
    far.run()
    whole(far)


def test_when_the_run_breaks_off_it_waits_for_them_and_writes_them_down(far: Shop) -> None:
    broke = threading.Event()

    def reach(point: str) -> None:
        if point == "inbound:planned" and states(far).get("done"):
            broke.set()
            raise Transient(T("the books are away"))

    with deleting(not_before(broke)):
        assert run(far, reach).state == "failed"
    assert len(list(far.inbox.iterdir())) == FEW - BATCH
    assert states(far)["acknowledged"] == BATCH
    far.run()
    whole(far)


def test_a_run_that_is_told_to_stop_does_not_wait_for_ever(far: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "_PATIENCE", 0.01)
    monkeypatch.setattr(ahead, "_PATIENCE", LIMIT)
    stopped, begun = threading.Event(), threading.Event()

    def reach(point: str) -> None:
        if point == "inbound:planned" and states(far).get("done"):
            assert begun.wait(LIMIT)
            raise Stop

    def hangs(delete: Delete) -> Delete:
        def act(self: LocalTransport, files: Iterable[RemoteFile]) -> Sequence[FileOutcome]:
            if is_beside():
                begun.set()
                assert stopped.wait(LIMIT)
            return delete(self, files)

        return act

    left: list[int] = []
    threads: list[threading.Thread] = []

    def closed(self: behind.Removal) -> None:
        close(self)
        left.append(len(list(far.inbox.iterdir())))
        threads.extend(one for one in threading.enumerate() if one.name == "mistok-behind")
        stopped.set()  # before the fetch that waits behind it is looked after

    close = behind.Removal.close
    monkeypatch.setattr(behind.Removal, "close", closed)
    with deleting(hangs), pytest.raises(Stop):
        run(far, reach)
    assert left == [FEW], "the run has not waited for it"
    assert states(far)["done"] == BATCH
    for thread in threads:
        thread.join(LIMIT)
    assert len(list(far.inbox.iterdir())) == FEW - BATCH, "what was on its way comes to its end"
    assert far.run().counts["acknowledged"] == FEW
    whole(far)


def test_what_has_not_begun_when_the_run_stops_is_not_begun(far: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the next batch, which is still on its way."""
    monkeypatch.setattr(behind, "_PATIENCE", 0.01)
    monkeypatch.setattr(ahead, "_PATIENCE", LIMIT)
    go_on = threading.Event()
    waiting: list[threading.Thread] = []
    read = LocalTransport.read_small

    def hangs(self: LocalTransport, files: Iterable[RemoteFile], into: Path, limit: int) -> Iterator[ReadResult]:
        if threading.current_thread().name == "mistok-ahead":
            assert go_on.wait(LIMIT)
        return read(self, files, into, limit)

    def report(done: int, _total: int | None, what: Text) -> None:
        if str(what) == "files" and done == BATCH:
            waiting.extend(one for one in threading.enumerate() if one.name == "mistok-behind")
            raise Stop

    def closed(self: behind.Removal) -> None:
        close(self)
        go_on.set()

    close = behind.Removal.close
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTransport, "read_small", hangs)
        patch.setattr(behind.Removal, "close", closed)
        with pytest.raises(Stop):
            run_job(far.config(), "orders", RunOptions(), report=report)
    (thread,) = waiting
    thread.join(LIMIT)
    assert len(list(far.inbox.iterdir())) == FEW
    assert states(far)["done"] == BATCH
    assert far.run().counts["acknowledged"] == FEW
    whole(far)


def test_nothing_more_is_written_when_the_inbox_was_taken_over_meanwhile(far: Shop) -> None:
    taken = threading.Event()

    def reach(point: str) -> None:
        if point == "inbound:planned" and states(far).get("done") and not taken.is_set():
            far_ledger(far, "UPDATE leases SET owner = 'another', fence = fence + 1")
            taken.set()

    with deleting(not_before(taken)):
        assert run(far, reach).state == "failed"
    assert "acknowledged" not in states(far)
    far_ledger(far, "DELETE FROM leases")
    far.run()
    whole(far)


def far_ledger(shop: Shop, statement: str) -> None:
    import sqlite3

    with sqlite3.connect(shop.folder / "ledger.sqlite3", timeout=LIMIT) as conn:
        conn.execute(statement)
    conn.close()
