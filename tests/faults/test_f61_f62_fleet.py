"""F61 and F62: a worker of many dies, PostgreSQL is restarted, while clients' orders come in: each order once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest

from pipeline.clock import SystemClock
from pipeline.ledger.store import Ledger
from tests.faults import tally
from tests.faults.fleet import Fleet, kill
from tests.servers import postgresql

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and SIGTERM are POSIX")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet with a PostgreSQL of its own, which keeps its word when it is restarted."""
    server = postgresql.start()
    try:
        server.admin.execute("ALTER SYSTEM SET synchronous_commit = on")
        server.admin.execute("SELECT pg_reload_conf()")
        with server.database() as ledger, server.database() as queue:
            Ledger(ledger, client="first", base=tmp_path, clock=SystemClock()).close()
            folder = tmp_path / "clients"
            folder.mkdir()
            yield Fleet(folder, server, ledger, queue)
    finally:
        server.remove()


def test_f61_a_worker_that_is_killed_in_the_middle_of_imports_loses_and_doubles_nothing(fleet: Fleet) -> None:
    for number in range(4):
        fleet.add(f"c{number}", 8)
    with fleet.worker("one") as one, fleet.worker("two") as two:
        fleet.until(lambda: 0 < fleet.left() < 28)
        kill(one)
        fleet.until(lambda: not fleet.left())
        fleet.drop("c0", 1)  # it goes on by the clock, too
        fleet.until(lambda: not fleet.left())
        fleet.until(lambda: not any(one.running for one in fleet.state().clients.values()))
        two.send_signal(SIGTERM)
        assert two.wait(60) == 0, fleet.said()
    fleet.check()


@pytest.mark.full
def test_f62_postgresql_is_restarted_while_workers_run(fleet: Fleet) -> None:
    for number in range(4):
        fleet.add(f"c{number}", 8)
    with fleet.worker("one") as one, fleet.worker("two") as two:
        fleet.until(lambda: 0 < fleet.left() < 28)
        fleet.restart_postgresql("immediate")
        tally.note("kills")
        fleet.until(lambda: fleet.left() < 16)
        fleet.restart_postgresql("fast")
        fleet.until(lambda: not fleet.left())
        fleet.drop("c0", 1)
        fleet.until(lambda: not fleet.left())
        for worker in (one, two):
            assert worker.poll() is None, fleet.said()
            worker.send_signal(SIGTERM)
        assert (one.wait(60), two.wait(60)) == (0, 0), fleet.said()
    fleet.check()


@pytest.mark.full
def test_f61_f62_thirty_clients_two_workers_one_dies_and_postgresql_is_restarted(fleet: Fleet) -> None:
    for number in range(30):
        fleet.add(f"c{number:02}", 3)
    with fleet.worker("one") as one, fleet.worker("two") as two:
        fleet.until(lambda: 0 < fleet.left() < 80)
        fleet.restart_postgresql("immediate")
        fleet.until(lambda: fleet.left() < 50)
        kill(one)
        fleet.until(lambda: not fleet.left())
        two.send_signal(SIGTERM)
        assert two.wait(60) == 0, fleet.said()
    fleet.check()
