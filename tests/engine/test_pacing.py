"""One key's allowance is shared by all who use the ledger."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pipeline.clock import SystemClock
from pipeline.engine.pacing import LedgerPacer
from pipeline.ledger.store import Ledger
from pipeline.ports import Limits


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    found = "sqlite:///ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres")
    return str(found)


def ledger(url: str, folder: Path) -> Ledger:
    return Ledger(url, client="acme", base=folder, clock=SystemClock())


def test_two_ledgers_share_one_window(url: str, tmp_path: Path) -> None:
    one, two = ledger(url, tmp_path), ledger(url, tmp_path)
    naps: list[float] = []

    class Enough(Exception):
        pass

    def nap(seconds: float) -> None:
        naps.append(seconds)
        raise Enough

    limits = Limits(per_minute=5)
    for _ in range(3):
        with LedgerPacer(one, nap).turn("key", limits):
            pass
    for _ in range(2):
        with LedgerPacer(two, nap).turn("key", limits):
            pass
    assert naps == []
    with LedgerPacer(two, nap).turn("another key", limits):
        pass
    for which in (one, two):
        with pytest.raises(Enough), LedgerPacer(which, nap).turn("key", limits):
            pass
    assert all(50 < nap <= 60 for nap in naps), naps
    one.close()
    two.close()


def test_what_the_server_asked_for_holds_all(url: str, tmp_path: Path) -> None:
    one, two = ledger(url, tmp_path), ledger(url, tmp_path)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        LedgerPacer(one).leave_alone("key", 0)
        if len(naps) > 1:
            raise TimeoutError

    LedgerPacer(one).leave_alone("key", 40)
    with pytest.raises(TimeoutError), LedgerPacer(two, nap).turn("key", Limits(per_minute=5)):
        pass
    assert naps[0] == pytest.approx(40, abs=2)
    one.close()
    two.close()


def test_single_flight_over_threads_and_ledgers(url: str, tmp_path: Path) -> None:
    ledgers = [ledger(url, tmp_path) for _ in range(2)]
    inside, most, done = 0, 0, 0
    lock = threading.Lock()

    def work(mine: Ledger) -> None:
        nonlocal inside, most, done
        for _ in range(4):
            with LedgerPacer(mine).turn("key", Limits(in_flight=1)):
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.002)
                with lock:
                    inside -= 1
                    done += 1

    threads = [threading.Thread(target=work, args=(mine,)) for mine in ledgers * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, done) == (1, 16)
    for one in ledgers:
        one.close()
