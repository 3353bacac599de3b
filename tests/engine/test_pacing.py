"""One key's allowance is shared by all who use the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.clock import SystemClock
from pipeline.engine.pacing import FLIGHT, LedgerPacer
from pipeline.ledger.store import Ledger
from pipeline.ports import Limits
from pipeline.settings import meaning
from plugins.systems.dilovod.settings import DilovodSettings
from plugins.systems.keepincrm.settings import KeepinSettings
from plugins.systems.keycrm.settings import KeyCrmSettings
from plugins.systems.quincefin.settings import QuincefinSettings


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    found = "sqlite:///ledger.sqlite3" if request.param == "sqlite" else request.getfixturevalue("postgres_ledger")
    return str(found)


def ledger(url: str, folder: Path, client: str = "acme") -> Ledger:
    return Ledger(url, client=client, base=folder, clock=SystemClock())


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
    assert all(50 < nap <= 61 for nap in naps), naps
    one.close()
    two.close()


def test_each_client_has_a_window_of_its_own_and_the_settings_say_so(url: str, tmp_path: Path) -> None:
    one, two = ledger(url, tmp_path), ledger(url, tmp_path, "bravo")
    naps: list[float] = []
    for which in (one, two):
        with LedgerPacer(which, naps.append).turn("key", Limits(per_minute=1)):
            pass
        which.close()
    assert naps == []
    for settings, key in (
        (KeyCrmSettings, "per_minute"),
        (DilovodSettings, "per_second"),
        (KeepinSettings, "pace"),
        (QuincefinSettings, "pace"),
    ):
        assert "of this client" in (meaning(settings, key) or ""), settings


def test_what_the_server_asked_for_holds_all(url: str, tmp_path: Path) -> None:
    one, two = ledger(url, tmp_path), ledger(url, tmp_path)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1:  # while we wait, the server asks somebody else for more
            LedgerPacer(one).leave_alone("key", 90)

    LedgerPacer(one).leave_alone("key", 40)
    with LedgerPacer(two, nap).turn("key", Limits(per_minute=5)):
        pass
    assert naps == [pytest.approx(40, abs=2), pytest.approx(50, abs=2)]
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


class Still:
    """A test's clock: it stands still until it is put on."""

    moment = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps by it")


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Ledger]:
    one = Ledger("sqlite:///ledger.sqlite3", client="acme", base=tmp_path, clock=Still())
    yield one
    one.close()


@pytest.mark.parametrize(
    ("limits", "waited"), [(Limits(per_minute=5), 61), (Limits(per_second=2), 0.5), (Limits(per_minute=1), 61)]
)
def test_a_wait_ends_although_the_clock_stands_still(still: Ledger, limits: Limits, waited: float) -> None:
    naps: list[float] = []
    for _ in range(limits.per_minute or 1):
        with LedgerPacer(still, naps.append).turn("key", limits):
            pass
    naps.clear()
    with LedgerPacer(still, naps.append).turn("key", limits):
        pass
    assert sum(naps) == pytest.approx(waited)
    assert len(naps) <= 2


def test_what_the_server_asked_for_is_waited_for_although_the_clock_stands_still(still: Ledger) -> None:
    naps: list[float] = []
    LedgerPacer(still).leave_alone("key", 40)
    with LedgerPacer(still, naps.append).turn("key", Limits(per_minute=5)):
        pass
    assert naps == [pytest.approx(40)]


def test_a_place_that_nobody_gives_back_is_free_after_its_time_although_the_clock_stands_still(
    still: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engine.pacing._LOOK", 10.0)
    naps: list[float] = []
    pacer = LedgerPacer(still, naps.append)
    limits = Limits(in_flight=1)
    with pacer.turn("key", limits), pacer.turn("key", limits):  # the first one is not given back in time
        assert sum(naps) == FLIGHT.total_seconds()
