"""F63: the service of many clients is killed while their orders come in: each order once, and nobody goes on alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest

from tests.faults import ends
from tests.faults.fleet import Fleet, kill
from tests.faults.serving import started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and SIGTERM are POSIX")


class House(Fleet):
    """The same clients, each with a ledger that is a file, in one service."""

    @contextmanager
    def served(self) -> Iterator[subprocess.Popen[bytes]]:
        """The service; killed at the end when it still runs."""
        ends.happened("a service of many clients")
        words = ("serve", str(self.folder), "--workers", "2")
        with started(words, self.folder / "serve.log") as process:
            yield process


@pytest.fixture
def house(tmp_path: Path) -> House:
    folder = tmp_path / "clients"
    folder.mkdir()
    return House(folder, None, "sqlite:///ledger.sqlite3", "")


def _killed_in_the_middle(house: House, low: int, high: int) -> None:
    """Killed when so many files are left, and started again."""
    with house.served() as service:
        house.until(lambda: low < house.left() < high)
        family = psutil.Process(service.pid).children(recursive=True)
        kill(service)
        _, alive = psutil.wait_procs(family, 240)
        assert not alive, "a run goes on without its service"
    with house.served() as service:
        house.until(lambda: not house.left())
        house.drop(house.clients[0], 1)  # it goes on by the clock, too
        house.until(lambda: not house.left())
        service.send_signal(SIGTERM)
        assert service.wait(240) == 0, house.said()


def test_f63_the_service_is_killed_while_clients_run(house: House) -> None:
    for number in range(2):
        house.add(f"c{number}", 5)
    _killed_in_the_middle(house, 0, 9)
    house.check()


@pytest.mark.full
def test_f63_the_service_of_thirty_is_killed_twice(house: House) -> None:
    for number in range(30):
        house.add(f"c{number:02}", 3)
    with house.served() as service:
        house.until(lambda: 50 < house.left() < 85)
        kill(service)
    _killed_in_the_middle(house, 0, 45)
    house.check()
