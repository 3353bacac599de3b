"""A ledger whose server falls silent on an open connection: who is in a hurry gives it up, and it is used again."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.errors import Transient
from pipeline.ledger import hasty
from pipeline.ledger.hasty import HastyLedger, QuickLedger
from pipeline.ledger.store import Ledger
from pipeline.testing.tcpproxy import TcpProxy
from tests.servers.silentdb import silenced


@pytest.fixture
def through(postgres_ledger: str, tmp_path: Path) -> Iterator[tuple[TcpProxy, str]]:
    """The proxy before a ledger's server, and the ledger's URL through it."""
    Ledger(postgres_ledger, client="acme", base=tmp_path, clock=SystemClock()).close()
    with silenced(postgres_ledger) as (proxy, url):
        yield proxy, url


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is what happens, not how long it takes."""
    for kind in (HastyLedger, QuickLedger):
        monkeypatch.setattr(kind, "silence", 0.5)
    monkeypatch.setattr(hasty, "_servers", hasty._Servers())


def opened(url: str, base: Path, kind: type[Ledger] = Ledger, client: str = "acme") -> Any:
    return kind(url, client=client, base=base, clock=SystemClock())


def value(ledger: Ledger) -> Any:
    with ledger.read() as conn:
        return ledger.get_value(conn, "test", "here")


def keep(ledger: Ledger, what: int) -> None:
    with ledger.begin() as conn:
        ledger.set_value(conn, "test", "here", what)


@pytest.mark.skipif(sys.platform != "linux", reason="others name these settings otherwise, or have not all of them")
def test_the_system_is_told_to_notice_a_line_that_is_cut(postgres_ledger: str, tmp_path: Path) -> None:
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")

    def told(url: str, kind: type[Ledger]) -> list[int]:
        ledger = opened(url, tmp_path, kind)
        with ledger.read() as conn, socket.socket(fileno=os.dup(conn.connection.driver_connection.fileno())) as its:
            found = [its.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
            found.append(its.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        ledger.close()
        return found

    with silenced(postgres_ledger) as (_, url):
        for kind in (Ledger, QuickLedger, HastyLedger):
            assert told(url, kind) == [10, 5, 4, 30_000, 1]
    with silenced(postgres_ledger, keepalives_idle="77", tcp_user_timeout="9000") as (_, url):
        assert told(url, Ledger) == [77, 5, 4, 9000, 1], "what the URL says goes before"
    with silenced(postgres_ledger, keepalives="0") as (_, url):
        assert told(url, Ledger)[-1] == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", [HastyLedger, QuickLedger])
def test_who_is_in_a_hurry_gives_up_a_silent_server_and_uses_it_again(
    through: tuple[TcpProxy, str], tmp_path: Path, kind: type[Ledger]
) -> None:
    proxy, url = through
    ledger = opened(url, tmp_path, kind)
    keep(ledger, 1)
    proxy.hang()
    with pytest.raises(Transient) as told:
        value(ledger)
    assert told.value.code == "ledger"
    assert "does not answer" in told.value.text.render("en")
    proxy.release()
    if isinstance(ledger, HastyLedger):
        with pytest.raises(Transient, match="does not answer"):
            value(ledger)  # it is left alone for a moment
        ledger._away_until = 0.0
        hasty._servers.answered(ledger.url)
    assert value(ledger) == 1
    keep(ledger, 2)
    assert value(ledger) == 2
    ledger.close()


@pytest.mark.usefixtures("impatient")
def test_a_silence_in_the_midst_of_a_transaction_is_no_half_of_it(
    through: tuple[TcpProxy, str], tmp_path: Path
) -> None:
    proxy, url = through
    ledger = opened(url, tmp_path, QuickLedger)
    with pytest.raises(Transient, match="said nothing"), ledger.begin() as conn:  # noqa: PT012 - which of them it is
        ledger.set_value(conn, "test", "here", 1)
        proxy.hang()
        ledger.set_value(conn, "test", "there", 1)
    proxy.release()
    assert value(ledger) is None
    ledger.close()


@pytest.mark.usefixtures("impatient")
def test_not_every_client_of_a_silent_server_finds_out_by_itself(
    through: tuple[TcpProxy, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, url = through
    first, second = (opened(url, tmp_path, HastyLedger, name) for name in ("acme", "bravo"))
    assert value(first) is value(second) is None
    proxy.hang()
    with pytest.raises(Transient, match="does not answer"):
        value(first)
    before = proxy.total
    acts: tuple[Callable[[], Any], ...] = (
        lambda: value(second),
        lambda: opened(url, tmp_path, HastyLedger, "charlie"),
    )
    for act in acts:
        monkeypatch.setattr(hasty._servers, "left_alone", lambda _url: True)  # however long this test was held up
        with pytest.raises(Transient, match="said nothing a moment ago"):
            act()
    assert proxy.total == before, "nobody was asked"
    monkeypatch.undo()
    proxy.release()
    hasty._servers.answered(first.url)
    assert value(second) is None
    opened(url, tmp_path, HastyLedger, "charlie").close()
    first.close()
    second.close()


def test_a_server_that_was_silent_is_left_alone_ever_longer_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("pipeline.ledger.hasty.time.monotonic", lambda: now[0])
    servers, one = hasty._Servers(), sa.make_url("postgresql://u@h/a")
    other = sa.make_url("postgresql://u@elsewhere/a")
    waits = []
    for _ in range(7):
        servers.was_silent(sa.make_url("postgresql://u@h/b"))
        began = now[0]
        while servers.left_alone(one):
            assert not servers.left_alone(other)
            now[0] += 1
        waits.append(now[0] - began)
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    servers.was_silent(one)
    servers.answered(one)
    assert not servers.left_alone(one)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", [Ledger, HastyLedger, QuickLedger])
def test_what_may_take_long_is_waited_for(postgres_ledger: str, tmp_path: Path, kind: type[Ledger]) -> None:
    ledger = opened(postgres_ledger, tmp_path, kind)
    works = sa.text("SELECT pg_sleep(2)")
    with ledger.at_length(), ledger.read() as conn:
        conn.execute(works)
    if kind is Ledger:
        with ledger.read() as conn:
            conn.execute(works)
    else:
        with pytest.raises(Transient, match="said nothing for 0"), ledger.read() as conn:
            conn.execute(works)
    ledger.close()
