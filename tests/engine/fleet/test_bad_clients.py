"""What is wrong with one client's ledger, or with the queue for a while, ends no worker and holds up no other."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.clock import SystemClock
from pipeline.engine.fleet.queue import prepare
from pipeline.ledger.store import Ledger
from tests.faults.fleet import Fleet
from tests.servers.postgresql import Postgres

BEGIN = "postgresql+psycopg://"


@pytest.fixture
def fleet(tmp_path: Path, postgres_server: Postgres) -> Iterator[Fleet]:
    folder = tmp_path / "clients"
    folder.mkdir()
    with postgres_server.database("queue", prepare) as queue:
        yield Fleet(folder, None, "sqlite:///ledger.sqlite3", queue.replace(BEGIN, "postgresql://"), concurrency=3)


@contextmanager
def poor_role(server: Postgres, url: str) -> Iterator[str]:
    """The ledger's URL for a user that may connect and do nothing more."""
    name = sa.make_url(url).database
    server.admin.execute(f"CREATE ROLE poor{name} LOGIN")
    try:
        yield sa.make_url(url).set(username=f"poor{name}").render_as_string(hide_password=False)
    finally:
        server.admin.execute(f"DROP ROLE poor{name}")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process of Windows at once")
def test_bad_ledgers_are_told_and_the_other_clients_worked_on(
    fleet: Fleet, postgres_server: Postgres, postgres_ledger: str
) -> None:
    Ledger(postgres_ledger, client="x", base=fleet.folder, clock=SystemClock()).close()
    with poor_role(postgres_server, postgres_ledger) as poor, socket.create_server(("127.0.0.1", 0)) as silent:
        fleet.add("good", 2)
        bad = {
            "inafile": "sqlite:///state/ledger.sqlite3",
            "norights": poor,
            "silent": f"{BEGIN}user:word@127.0.0.1:{silent.getsockname()[1]}/db",
        }
        for name, fleet.ledger in bad.items():
            fleet.add(name, 1)
        (fleet.folder / "inafile" / "state").write_text("no folder")
        with fleet.worker("w1") as worker:
            fleet.until(lambda: worker.poll() is not None or not list(fleet.inbox("good").iterdir()))
            fleet.until(
                lambda: (
                    worker.poll() is not None
                    or all("ledger_failed" in fleet.said() and f"'{name}'" in fleet.said() for name in bad)
                )
            )
            fleet.ledger = "sqlite:///ledger.sqlite3"
            fleet.add("later", 1)
            fleet.until(lambda: worker.poll() is not None or not list(fleet.inbox("later").iterdir()))
            assert worker.poll() is None, fleet.said()
            assert any(one.alive and len(one.clients) == 5 for one in fleet.state().workers)
            (fleet.folder / "inafile" / "state").unlink()  # mended: it is taken up by itself
            fleet.until(lambda: worker.poll() is not None or not list(fleet.inbox("inafile").iterdir()))
            assert worker.poll() is None, fleet.said()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(200) == 0, fleet.said()


def test_a_queue_that_is_read_only_for_a_while_is_waited_for(fleet: Fleet, postgres_server: Postgres) -> None:
    fleet.add("good", 1)
    name = sa.make_url(fleet.queue).database
    with fleet.worker("w1") as worker:
        fleet.until(lambda: worker.poll() is not None or not list(fleet.inbox("good").iterdir()))
        admin = postgres_server.admin
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        postgres_server.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        fleet.until(lambda: worker.poll() is not None or "read-only transaction" in fleet.said())
        fleet.drop("good", 1)
        admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        fleet.until(lambda: worker.poll() is not None or fleet.settled())
        fleet.until(lambda: worker.poll() is not None or "queue_back" in fleet.said())
        assert worker.poll() is None, fleet.said()
    fleet.check()
