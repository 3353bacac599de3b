"""F22: the disk is full, of the archive or of the ledger: nothing is deleted, one alert, and on it goes with room.

The disk is a real one of eight megabytes (tmpfs). Where this user may not mount, the tests are run again as root of a
namespace of their own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.config.load import load_config
from pipeline.engine.runtime import Client, run_job
from pipeline.errors import Transient
from tests.faults import invariants
from tests.faults.conftest import Victim
from tests.faults.serving import scheduled, screen, serving, told, until

Make = Callable[[str, str], Victim]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
_INSIDE = "MISTOK_TEST_OWN_NAMESPACE"


@dataclass
class Disk:
    """A small disk."""

    path: Path

    def fill(self, leave: int = 0) -> None:
        """Until nothing more fits."""
        with (self.path / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        if leave:
            with (self.path / "filler").open("r+b") as file:
                file.truncate((self.path / "filler").stat().st_size - leave)
        else:
            assert shutil.disk_usage(self.path).free == 0

    def empty(self) -> None:
        """Somebody has made room."""
        (self.path / "filler").unlink()


def may_mount() -> bool:
    return bool(getattr(os, "geteuid", lambda: 1)() == 0)


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """Eight megabytes, or what the test asks for."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', 8)}m", "mistok-test", str(folder)],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


if not may_mount():  # a disk can be mounted in a namespace in which this user is root

    @pytest.mark.unchecked("the tests that it starts check each client of theirs")
    def test_f22_in_a_namespace_of_its_own() -> None:
        if os.environ.get(_INSIDE) or shutil.which("unshare") is None:
            pytest.skip("nothing can be mounted here")
        done = subprocess.run(
            ["unshare", "-rm", sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__],
            cwd=Path(__file__).parents[2],
            env={**os.environ, _INSIDE: "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

else:

    def alerts(victim: Victim) -> list[str]:
        found = victim.ledger_rows("SELECT data FROM notices WHERE kind = 'failure' ORDER BY id")
        return [str(row[0]) for row in found]

    def goes_on(victim: Victim) -> None:
        report = victim.run()
        assert report.state == "done", report
        assert list(victim.inbox.iterdir()) == []
        assert len(invariants.books_rows(victim.config())) == 20
        victim.check()

    @pytest.mark.parametrize("transport", ["local", "sftp"])
    def test_f22_the_archives_disk_is_full(make_victim: Make, disk: Disk, transport: str) -> None:
        victim = make_victim(transport, "sqlite")
        (victim.folder / "archive").symlink_to(disk.path)
        victim.drop_twenty()
        disk.fill()
        for _ in range(3):
            report = victim.run()
            assert (report.state, report.exit_code) == ("failed", 1)
            assert [one.code for step in report.steps for one in step.findings] == ["disk-full"]
            assert {path.name for path in victim.inbox.iterdir()} == set(victim.dropped), "nothing is deleted"
            assert len(alerts(victim)) == 1, "told once"
        assert "disk-full" in alerts(victim)[0]
        assert invariants.books_rows(victim.config()) == []
        disk.empty()
        goes_on(victim)

    def test_f22_the_archives_disk_fills_up_in_the_middle_of_a_batch(make_victim: Make, disk: Disk) -> None:
        victim = make_victim("local", "sqlite")
        (victim.folder / "archive").symlink_to(disk.path)
        victim.drop_twenty()
        disk.fill(leave=48 * 1024)
        report = victim.run()
        assert report.state == "failed"
        names = {path.name for path in victim.inbox.iterdir()}
        assert names, "what has no copy is still there"
        assert len(alerts(victim)) == 1
        disk.empty()
        goes_on(victim)

    @pytest.mark.parametrize("point", ["inbound:claimed", "inbound:kept", "inbound:begun", "inbound:created"])
    def test_f22_the_ledgers_disk_fills_up_in_a_run(make_victim: Make, disk: Disk, point: str) -> None:
        victim = make_victim("local", "sqlite")
        victim.ledger = f"sqlite:///{(disk.path / 'ledger.sqlite3').as_posix()}"
        with Client.open(victim.config()):
            pass
        victim.drop_twenty()
        reached: list[str] = []

        def reach(name: str) -> None:
            if name == point and not reached:
                reached.append(name)
                disk.fill()

        with pytest.raises(Transient) as caught:
            run_job(load_config(victim.path), "orders", reach=reach)
        assert caught.value.code == "disk-full"
        assert reached
        assert {path.name for path in victim.inbox.iterdir()} == set(victim.dropped), "nothing is deleted"
        for _ in range(2):  # and again at the next looks; with what room was kept for the alert, some may even be done
            with contextlib.suppress(Transient):
                victim.run()
        disk.empty()
        assert len(alerts(victim)) == 1, alerts(victim)
        assert "disk-full" in alerts(victim)[0]
        goes_on(victim)

    @pytest.mark.parametrize("disk", [2], indirect=True)
    def test_f22_a_disk_of_two_megabytes_has_room_for_the_alert(make_victim: Make, disk: Disk) -> None:
        victim = make_victim("local", "sqlite")
        victim.ledger = f"sqlite:///{(disk.path / 'ledger.sqlite3').as_posix()}"
        with Client.open(victim.config()):
            pass
        victim.drop_twenty()
        disk.fill()
        for _ in range(3):
            with contextlib.suppress(Transient):
                victim.run()
        assert len(alerts(victim)) == 1, "also while the disk is full, and when the runs could not even begin"
        disk.empty()
        goes_on(victim)

    def test_f22_one_disk_for_both_is_full(make_victim: Make, disk: Disk) -> None:
        victim = make_victim("local", "sqlite")
        (victim.folder / "archive").symlink_to(disk.path)
        victim.ledger = f"sqlite:///{(disk.path / 'ledger.sqlite3').as_posix()}"
        with Client.open(victim.config()):
            pass
        victim.drop_twenty()
        disk.fill()
        for number in range(3):
            with contextlib.suppress(Transient):
                assert victim.run().state == "failed"
            if not number:
                assert {path.name for path in victim.inbox.iterdir()} == set(victim.dropped), "nothing is deleted"
        disk.empty()
        assert len(alerts(victim)) == 1, alerts(victim)
        victim.clock.ahead = timedelta(minutes=3)  # a lease that could not even be given back has run out by then
        goes_on(victim)

    def test_f22_a_service_on_a_full_disk_tells_it_once_and_goes_on(make_victim: Make, disk: Disk) -> None:
        victim = make_victim("local", "sqlite")
        (victim.folder / "archive").symlink_to(disk.path)
        victim.ledger = f"sqlite:///{(disk.path / 'ledger.sqlite3').as_posix()}"
        with Client.open(victim.config()):
            pass
        scheduled(victim, "every: 1s", "every: 1s")
        victim.drop_twenty()
        disk.fill()
        with serving(victim) as service:
            # runs that fail in a step, runs that cannot begin, and looks that find the reserve's room and work
            until(lambda: screen(victim).count("disk-full") >= 3 and told(victim), victim)
            assert {path.name for path in victim.inbox.iterdir()} == set(victim.dropped), "nothing is deleted"
            time.sleep(2)
            assert service.poll() is None
            disk.empty()
            until(lambda: not list(victim.inbox.iterdir()), victim)
        assert [subject for subject, _state in told(victim)] == ["disk"]
        assert screen(victim).count("ledger_failed") <= 1, screen(victim)
        victim.check(work_left=True)  # of the run in which the service was killed
