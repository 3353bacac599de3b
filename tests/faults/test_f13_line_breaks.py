"""F13: the connection breaks while it connects, lists, reads, deletes, moves, writes or renames.

Through a proxy in front of real servers, at positions spread over the bytes of each part of a session, as a closed
connection and as a reset in turn. One break is mended within the run: a new session, and every file is taken, once. By
default the servers divide the positions of a sweep between them; with MISTOK_FULL set each takes all of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine.runtime import UNREACHABLE
from pipeline.testing.rooted import Cut
from pipeline.testing.tcpproxy import TcpProxy
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.faults.proxied import REAL, Orders, impatient, proxied, run, spread
from tests.faults.scripted import scripted

POSITIONS = 12
#: part of the session -> the points of the walk between which it lies (None: the begin of the run)
PARTS = {
    "connect-and-list": (None, "inbound:claimed"),
    "read": ("inbound:claimed", "inbound:staged"),
    "delete": ("inbound:before-delete", "inbound:deleted"),
}


def places(transport: str, total: int) -> list[int]:
    """Where the line breaks, on this server."""
    if os.environ.get("MISTOK_FULL"):
        return list(spread(total, 40))
    return list(spread(total, POSITIONS, REAL.index(transport), len(REAL)))


class Part:
    """One part of a session: how many bytes it has; and a break at one of them."""

    def __init__(self, proxy: TcpProxy, begin: str | None, end: str) -> None:
        self._proxy, self._begin, self._end = proxy, begin, end
        self.size = 0
        self._place: int | None = None
        self._first = True

    def at(self, place: int | None) -> Callable[[str], None]:
        """A ``reach`` for a run with a break at this byte; None: without, and the part is measured."""
        self._place, self._first = place, True
        self._from = self._proxy.total
        if self._begin is None:
            self._break()
        return self._reach

    def _reach(self, point: str) -> None:
        if point == self._begin and self._first:
            self._first = False
            self._from = self._proxy.total
            self._break()
        if point == self._end and self._place is None:
            self.size = self._proxy.total - self._from

    def _break(self) -> None:
        if self._place is not None:
            act = self._proxy.cut if self._place % 2 else self._proxy.reset
            act(after=self._place)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("transport", REAL)
def test_f13_the_line_breaks_once(
    request: pytest.FixtureRequest,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
    part: str,
) -> None:
    impatient(monkeypatch)
    orders = Orders()
    with proxied(request, make_victim, transport) as (victim, proxy):
        broken = Part(proxy, *PARTS[part])
        orders.drop(victim, 3)
        assert run(victim, reach=broken.at(None)).state == "done"
        assert broken.size > 100
        for place in places(transport, broken.size * 95 // 100):
            names = orders.drop(victim, 3)
            before = proxy.fired
            report = run(victim, reach=broken.at(place))
            proxy.forgive()
            assert proxy.fired == before + 1, (place, broken.size)
            tally.note("inputs")
            assert report.state == "done", (place, report)
            assert report.counts["created"] == 3, (place, report)
            assert list(victim.inbox.iterdir()) == [], place
            assert [name for name in names if name in str(report.steps)] == names
        assert len(invariants.books_rows(victim.config())) == len(victim.dropped)
        victim.check()


@pytest.mark.full
@pytest.mark.parametrize("transport", REAL)
def test_f13_the_line_breaks_in_a_move(
    request: pytest.FixtureRequest,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    impatient(monkeypatch)
    orders = Orders()
    with proxied(request, make_victim, transport) as (victim, proxy):
        victim.step = f"after: {{move: {victim.remote_inbox}/done}}"
        broken = Part(proxy, *PARTS["delete"])
        orders.drop(victim, 3)
        assert run(victim, reach=broken.at(None)).state == "done"
        for place in places(transport, broken.size * 95 // 100):
            orders.drop(victim, 3)
            report = run(victim, reach=broken.at(place))
            proxy.forgive()
            assert report.state == "done", (place, report)
            assert [path.name for path in victim.inbox.iterdir()] == ["done"], place
        moved = {path.name: path.read_bytes() for path in (victim.inbox / "done").iterdir()}
        assert moved == victim.dropped, "each of them once, under its own name"
        victim.check()


def dearer(victim: Victim, number: int) -> None:
    """The books have other prices now."""
    books = sqlite3.connect(victim.folder / "books.sqlite3")
    with books:
        assert books.execute("UPDATE prices SET amount = amount + ?", (1_000_000 * (number + 1),)).rowcount > 30
    books.close()


@pytest.mark.full
@pytest.mark.parametrize("transport", REAL)
def test_f13_the_line_breaks_in_a_write_or_a_rename(
    request: pytest.FixtureRequest,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    impatient(monkeypatch)
    with proxied(request, make_victim, transport) as (victim, proxy):
        broken = Part(proxy, "outbound:archived", "outbound:uploaded")
        assert run(victim, "catalogue", reach=broken.at(None)).state == "done"
        target = victim.goods / "catalogue.csv"
        assert broken.size > target.stat().st_size
        for number, place in enumerate(places(transport, broken.size * 99 // 100)):
            dearer(victim, number)
            old = target.read_bytes()
            report = run(victim, "catalogue", reach=broken.at(place))
            proxy.forgive()
            assert report.state == "done", (place, report)
            assert target.read_bytes() not in (old, b"")
            assert [path.name for path in victim.goods.iterdir()] == ["catalogue.csv"], place
            assert victim.run("catalogue").counts.get("unchanged") == 1, place
        victim.check()


@pytest.mark.parametrize("transport", ["sshd", "vsftpd-explicit"])
def test_f13_a_line_that_never_holds(
    request: pytest.FixtureRequest,
    make_victim: Callable[[str, str], Victim],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    """It breaks again and again, at every few thousand bytes: told as a server that is not reached; nothing is lost."""
    impatient(monkeypatch)
    orders = Orders()
    with proxied(request, make_victim, transport) as (victim, proxy):
        orders.drop(victim, 5)
        for after in (0, 2_000, 6_000):
            proxy.cut(after=after, times=None)
            report = victim.run(trigger="schedule")
            assert report.state in ("failed", "done"), report
            if after < 6_000:
                assert (report.state, report.exit_code) == ("failed", UNREACHABLE), report
            assert victim.dropped.keys() >= {path.name for path in victim.inbox.iterdir()}
        proxy.forgive()
        assert victim.run().state == "done"
        assert list(victim.inbox.iterdir()) == []
        assert len(invariants.books_rows(victim.config())) == 5
        victim.check()
        alarms = [row[0] for row in victim.ledger_rows("select subject from notices where kind = 'failure'")]
        assert len(alarms) == len(set(alarms)), "one and the same trouble is told once"
        assert set(alarms) <= {"connection:site", "job:orders"}


@pytest.mark.parametrize("answers", [False, True], ids=["shut out", "refused"])
def test_f13_a_line_that_ends_in_each_login_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """Once may be the line; twice in a row is a server that shuts us out: it is not asked a third time, which could
    lock the account. A login that is answered with no is never asked twice."""
    impatient(monkeypatch)
    with scripted(tmp_path, "sftp") as (victim, server):
        Orders().drop(victim, 2)

        def shut(act: str, path: str) -> int | None:
            if act == "login" and not answers:
                raise Cut
            return 1 if act == "login" else None

        server.fault = shut
        report = victim.run(trigger="schedule")
        assert (report.state, report.exit_code) == ("failed", UNREACHABLE)
        assert report.steps[0].findings[0].code == "login"
        assert server.asked.count("login shop") == (1 if answers else 2)
        assert len(list(victim.inbox.iterdir())) == 2
        server.fault = None
        assert victim.run().state == "done", "a person may try at once"
        victim.check()


@pytest.mark.parametrize("transport", ["sftp", "ftp", "ftp-old"])
@pytest.mark.parametrize("act", ["open", "read"])
def test_f13_a_file_that_breaks_the_line_each_time_spoils_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, act: str
) -> None:
    """As a virus scanner at the server's door does, which ends the connection at a file that it dislikes."""
    impatient(monkeypatch)
    with scripted(tmp_path, transport) as (victim, server):
        names = Orders().drop(victim, 9)

        def fault(word: str, path: str) -> None:
            if word in (act, "read") and path.endswith(names[4]):
                raise Cut

        server.fault = fault
        report = victim.run()
        assert report.counts["created"] == 8, report
        assert [path.name for path in victim.inbox.iterdir()] == [names[4]]
        assert report.counts["failed"] == 1
        server.fault = None
        assert victim.run().counts["created"] == 1
        victim.check()
