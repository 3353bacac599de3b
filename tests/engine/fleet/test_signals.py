"""A worker told to stop once lets its run end; told twice it ends the run, and another worker makes up for it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.servers.postgresql import Postgres

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX"),
]

#: A step that waits until a file says that it may end.
PLUGIN = """\
import time
from pathlib import Path

from pipeline.api import FreeStep, Settings, StepPlugin, StepResult, T

HERE = Path(__file__).parent

def run(settings, context):
    with (HERE / "began").open("a") as begun:
        begun.write("x")
    while not (HERE / "end").exists():
        time.sleep(0.02)
    return StepResult({"rows": 1})

PLUGIN = StepPlugin("own-wait", T("Waits."), Settings, FreeStep(run))
"""


@pytest.fixture
def fleet(tmp_path: Path, postgres_server: Postgres, queue_url: str) -> Iterator[Fleet]:
    """One client whose job waits for us, and an orders job beside it that is seldom run."""
    folder = tmp_path / "clients"
    folder.mkdir()
    with postgres_server.database("ledger") as ledger:
        made = Fleet(folder, None, ledger, queue_url, every="1h")
        made.add("acme", 0)
        plugins = folder / "acme" / "plugins"
        plugins.mkdir()
        (plugins / "wait.py").write_text(PLUGIN, encoding="utf-8")
        config = folder / "acme" / "config.yaml"
        waits = "  wait: {every: 1h, steps: [{step: own-wait}]}\n"
        config.write_text(config.read_text("utf-8") + waits, encoding="utf-8")
        yield made


def begun(fleet: Fleet) -> int:
    path = fleet.folder / "acme" / "plugins" / "began"
    return len(path.read_text()) if path.exists() else 0


def test_the_first_signal_lets_the_run_end_and_the_second_ends_it(fleet: Fleet) -> None:
    number = signal.SIGTERM
    with fleet.worker("one", "--drain", "600") as one:
        fleet.until(lambda: begun(fleet) == 1)
        one.send_signal(number)
        fleet.until(lambda: "draining" in fleet.said())
        assert one.poll() is None, "the run is let end"
        one.send_signal(number)
        assert one.wait(60) == 0, fleet.said()
    assert "Traceback" not in fleet.said()
    (fleet.folder / "acme" / "plugins" / "end").touch()
    with fleet.worker("two") as two:  # what was cut off is made up for, long before its schedule
        fleet.until(lambda: begun(fleet) == 2)
        fleet.until(lambda: not any(one.running for one in fleet.state().clients.values()))
        two.send_signal(number)
        assert two.wait(60) == 0, fleet.said()
