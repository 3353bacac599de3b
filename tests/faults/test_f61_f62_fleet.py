"""F61 and F62: a worker of many dies, PostgreSQL is restarted, while clients' orders come in: each order once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest

from pipeline.clock import SystemClock
from pipeline.ledger.store import Ledger
from tests.faults.fleet import Fleet, kill
from tests.servers import postgresql

#: How many an integrator may have (docs/scaling.md). Fewer, to look for something by hand: MISTOK_FLEET=24.
CLIENTS = int(os.environ.get("MISTOK_FLEET", "300"))
#: What each of them has in its inbox.
FILES = int(os.environ.get("MISTOK_FLEET_FILES", "1"))

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


@pytest.mark.full
@pytest.mark.timeout(1500)  # a minute and a half on two free cores; others may hold them
def test_f61_f62_a_worker_is_killed_and_postgresql_restarted_in_the_middle_of_imports(fleet: Fleet) -> None:
    fleet.every, fleet.concurrency = f"{max(60, 3 * CLIENTS)}s", 3
    for number in range(CLIENTS):
        fleet.add(f"c{number:03}", FILES)
    dropped = FILES * CLIENTS
    with fleet.worker("one") as one, fleet.worker("two") as two:
        fleet.until(lambda: 0 < fleet.left() < 0.9 * dropped)
        fleet.restart_postgresql("immediate")
        fleet.until(lambda: fleet.left() < 0.7 * dropped)
        kill(one)
        fleet.until(lambda: fleet.left() < 0.5 * dropped)
        with fleet.worker("three") as three:
            fleet.until(lambda: three.pid in {worker.pid for worker in fleet.state().workers})
            kill(two)
            fleet.until(lambda: fleet.left() < 0.2 * dropped)
            fleet.restart_postgresql("fast")
            fleet.until(lambda: not fleet.left())
            fleet.drop("c000", 1)
            fleet.ask("c000", by="petro")
            fleet.until(lambda: not fleet.left())
            fleet.ask("c001", by="olena")
            fleet.until(lambda: "person" in fleet.triggers("c001"))
            fleet.until(lambda: not any(one.running for one in fleet.state().clients.values()))
            assert [one.state for one in fleet.state().workers if one.pid == three.pid] == ["working"]
            three.send_signal(SIGTERM)
            assert three.wait(60) == 0, fleet.said()
    fleet.check()
