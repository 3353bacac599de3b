"""F60: a local file held by an antivirus or a share: retried, and never processed without the lock.

On Windows a real program holds the file without sharing. Elsewhere there are no such locks: there the system's call
itself fails as it does on a share (EBUSY, EAGAIN, EACCES) for a while or for ever.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.transports import local
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.faults.proxied import Orders, impatient
from tests.faults.seen import alarms, closed_cards, open_cards


@contextmanager
def held(
    monkeypatch: pytest.MonkeyPatch, path: Path, number: int, *, acts: tuple[str, ...] = ("open",), times: int | None
) -> Iterator[list[str]]:
    """The system says ``number`` to these acts on this file, so many times (None: for ever)."""
    said: list[str] = []
    with monkeypatch.context() as patch:
        for act in acts:
            real: Callable[..., Any] = getattr(Path, act)

            def refuse(self: Path, *args: Any, real: Callable[..., Any] = real, act: str = act, **more: Any) -> Any:
                if self == path and (times is None or len(said) < times):
                    said.append(act)
                    raise OSError(number, os.strerror(number), str(self))
                return real(self, *args, **more)

            patch.setattr(Path, act, refuse)
        yield said


@pytest.fixture
def victim(make_victim: Callable[[str, str], Victim], monkeypatch: pytest.MonkeyPatch) -> Victim:
    impatient(monkeypatch)
    monkeypatch.setattr(local, "_PATIENCE", (0.001, 0.001))
    return make_victim("local", "sqlite")


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN])
def test_f60_held_for_a_moment_is_waited_for(victim: Victim, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    names = Orders().drop(victim, 3)
    with held(monkeypatch, victim.inbox / names[1], number, times=2) as said:
        report = victim.run()
    assert len(said) == 2
    assert report.counts == {"files": 3, "created": 3, "acknowledged": 3}, "no failure, no second look"
    assert list(victim.inbox.iterdir()) == []
    victim.check()


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN, errno.EACCES, errno.EPERM])
def test_f60_held_for_long_is_not_taken_and_comes_later(
    victim: Victim, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    tally.note("inputs")
    names = Orders().drop(victim, 3)
    bad = victim.inbox / names[1]
    with held(monkeypatch, bad, number, times=None) as said:
        for minute in range(3):
            victim.clock.ahead = timedelta(minutes=minute)
            victim.run(trigger="watch")
            assert len(invariants.books_rows(victim.config())) == 2, "the others go on, and this one does not"
            assert [path.name for path in victim.inbox.iterdir()] == [names[1]]
    assert len(said) >= 3, "tried again and again"
    ((file, state, sha),) = victim.ledger_rows(f"select id, state, sha256 from files where name = '{names[1]}'")
    assert (state, sha) == ("seen", None), "nothing was kept of it"
    assert open_cards(victim) == [("unread", f"file:{file}")]
    assert alarms(victim) == [f"file:{file}"]
    victim.check(lasting=True)
    assert victim.run().counts["created"] == 1
    assert (open_cards(victim), closed_cards(victim)) == ([], [("unread", f"file:{file}")])
    assert list(victim.inbox.iterdir()) == []
    victim.check()


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES])
def test_f60_held_after_it_was_read(victim: Victim, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The scanner takes it just when it is to be deleted: it is booked once, and deleted when it is free."""
    names = Orders().drop(victim, 2)
    bad = victim.inbox / names[0]
    with held(monkeypatch, bad, number, acts=("unlink",), times=None) as said:
        for minute in (0, 6, 12):
            victim.clock.ahead = timedelta(minutes=minute)
            victim.run(trigger="watch")
    assert len(said) >= 3
    assert [path.name for path in victim.inbox.iterdir()] == [names[0]]
    assert len(invariants.books_rows(victim.config())) == 2
    victim.check(lasting=True)
    assert victim.run().counts == {"acknowledged": 1}
    assert list(victim.inbox.iterdir()) == []
    assert len(invariants.books_rows(victim.config())) == 2
    victim.check()


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES])
def test_f60_a_catalogue_that_is_held_by_its_reader(
    victim: Victim, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The shop's importer, or a scanner, has the published file open: the old one stays until it is free."""
    target = victim.goods / "catalogue.csv"
    target.write_bytes(b"the last good one")
    with held(monkeypatch, target.with_name("catalogue.csv.part"), number, acts=("replace",), times=None) as said:
        assert victim.run("catalogue", trigger="schedule").state == "failed"
    assert said
    assert {path.name: path.read_bytes() for path in victim.goods.iterdir()} == {target.name: b"the last good one"}
    assert victim.run("catalogue").state == "done"
    assert target.read_bytes() != b"the last good one"
    assert [path.name for path in victim.goods.iterdir()] == [target.name]
    victim.check()


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows keeps others from opening a file")
@pytest.mark.parametrize("share", [0, 1], ids=["nothing shared", "reading shared"])
def test_f60_a_file_that_another_program_really_holds(victim: Victim, share: int) -> None:
    """Opened by CreateFile without sharing (as scanners do): not read. With reading shared: read, but not deleted."""
    import ctypes

    names = Orders().drop(victim, 2)
    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]  # Windows only
    kernel.CreateFileW.restype = ctypes.c_void_p
    handle = kernel.CreateFileW(str(victim.inbox / names[0]), 0x80000000, share, None, 3, 0, None)
    assert handle != ctypes.c_void_p(-1).value
    try:
        victim.run()
        assert len(invariants.books_rows(victim.config())) == 1 + share
        assert [path.name for path in victim.inbox.iterdir()] == [names[0]]
        victim.check(lasting=True)
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
    victim.run()
    assert list(victim.inbox.iterdir()) == []
    assert len(invariants.books_rows(victim.config())) == 2
    victim.check()
