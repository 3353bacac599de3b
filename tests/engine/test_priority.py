"""A process that works off a flood lets others have the processor first, and does nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.engine.nursery import ClientPool, Left, has_left
from pipeline.engine.pool import Worker
from pipeline.engine.priority import NICENESS
from pipeline.engine.slots import Slots
from pipeline.engine.worker import Boot, Ended, Order
from tests.engine.test_supervisor import begun

_NICE = "import psutil; from pipeline.engine.priority import give_way; give_way(); give_way(); "
_TELL = "import subprocess, sys; print(int(psutil.Process().nice())); "
_CHILD = "subprocess.run([sys.executable, '-c', 'import psutil; print(int(psutil.Process().nice()))'], check=True)"


def _own() -> int:
    return int(psutil.Process().nice())


def _lowered() -> int:
    below = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", None)  # Windows has classes instead
    return max(_own(), NICENESS) if below is None else int(below)


def _asked(code: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=240)
    return [int(line) for line in done.stdout.split()]


def test_a_process_that_gives_way_is_below_others_with_all_that_it_starts() -> None:
    assert _asked(_NICE + _TELL + "sys.stdout.flush(); " + _CHILD) == [_lowered()] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="niceness is of POSIX")
def test_one_that_was_started_lower_stays_there() -> None:
    assert _asked(f"import os; os.nice({NICENESS + 5}); " + _NICE + _TELL) == [min(_own() + NICENESS + 5, 19)]


class _Served:
    """One client's pool, and all that a service does for it."""

    def __init__(self, folder: Path) -> None:
        self.slots, self.left = Slots(1), list[Left]()
        boot = Boot("fake_runners:recording", folder)
        self.pool = ClientPool("shop", boot, self.slots, get_context("spawn"), self.left.append)

    def until(self, found: Callable[[], Any]) -> Any:
        end = time.monotonic() + 240
        while not (one := found()):
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.01)
        return one

    def _worker(self, *, goes_on: bool) -> Worker | None:
        list(self.pool.messages())
        worker = self.pool.free(goes_on=goes_on)
        if worker is None and (place := self.slots.give(time.monotonic())) is not None:
            self.pool.turn(place)
        self.pool.fill()
        return worker

    def run(self, number: int, job: str, *, goes_on: bool) -> Ended:
        worker: Worker = self.until(lambda: self._worker(goes_on=goes_on))
        assert self.pool.give(worker, Order(number, job, "watch", goes_on=goes_on))
        message: Ended = self.until(
            lambda: next((said for _, _, said in self.pool.messages() if isinstance(said, Ended)), None)
        )
        self.pool.over(worker, well=True, more=message.more)
        return message

    def close(self) -> None:
        self.pool.close()

        def gone() -> bool:
            self.left[:] = [one for one in self.left if not has_left(one)]
            return not self.left

        self.until(gone)


def test_a_flood_has_a_process_that_gave_way_and_other_runs_never_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    served = _Served(tmp_path)
    try:
        assert served.run(1, "flood", goes_on=False).more
        assert served.run(2, "flood", goes_on=True).more
        assert not served.run(3, "flood", goes_on=True).more
        served.run(4, "other", goes_on=False)
        assert len(served.left) == 1
    finally:
        served.close()
    flood, (other,) = begun(tmp_path, "flood"), begun(tmp_path, "other")
    assert [run["niceness"] for run in flood] == [_own(), _lowered(), _lowered()]
    assert len({run["pid"] for run in flood}) == 1, "the process that began it, as long as it lasts"
    assert (other["niceness"], other["pid"] != flood[0]["pid"]) == (_own(), True)
