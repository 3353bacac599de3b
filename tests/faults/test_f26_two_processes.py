"""F26: two processes on one inbox, on one machine or on two with a shared ledger: each order once.

The second machine is a process in a UTS namespace of its own: it truly has another host name, so nothing that it holds
can be judged by looking at the processes here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.engine.runtime import Client
from pipeline.ledger import tables as t
from pipeline.resources import samples
from tests.faults import invariants, tally
from tests.faults.conftest import Victim
from tests.servers import common
from tests.signals import SIGCONT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP and SIGKILL are POSIX")
AGAIN = Path(__file__).with_name("run_again.py")
ORDERS = 100


def elsewhere() -> list[str]:
    """The command that runs another one on a machine of another name."""
    program = shutil.which("unshare")
    if program is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        common.missing("a namespace of its own needs root and util-linux")
    return [str(program), "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]


@contextmanager
def machine(victim: Victim, end: Path, *, far: bool = False, point: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that runs the job again and again, here or on another machine."""
    victim.config()
    command = [*(elsewhere() if far else []), sys.executable, str(AGAIN), str(victim.path), "orders", str(end)]
    words = (victim.folder / f"said-{time.monotonic_ns()}").open("w+", encoding="utf-8")
    process = subprocess.Popen([*command, point] if point else command, stdout=words, stderr=words, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        words.close()


def said(victim: Victim) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(victim.folder.glob("said-*")))


def parts(victim: Victim) -> list[int]:
    """How many orders each process made until now, of those that made any."""
    texts = [path.read_text("utf-8") for path in victim.folder.glob("said-*")]
    made = [sum(int(n) for n in re.findall(r"'created': (\d+)", text)) for text in texts]
    return [n for n in made if n]


def drop(victim: Victim, count: int, pause: float, *, first: int = 0) -> None:
    """So many files with an order each, all different, as a site leaves them: under a partial name, then renamed."""
    text = (samples() / "orders/twenty/order-00002001.xml").read_text("utf-8")
    assert text.count("2001") >= 2
    for n in range(first, first + count):
        data = text.replace("<id>2001<", f"<id>9{n:04d}<").replace("<number>00002001<", f"<number>9{n:04d}<").encode()
        partial = victim.inbox / f"{n:04d}.part"
        partial.write_bytes(data)
        victim.own(partial)
        partial.rename(victim.inbox / f"{n:04d}.xml")
        victim.dropped[f"{n:04d}.xml"] = data
        time.sleep(pause)


def until(true: Callable[[], object], victim: Victim, seconds: float = 90) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, said(victim)[-3000:]
        time.sleep(0.05)


def pretend_time_passed(victim: Victim, seconds: int) -> None:
    """Move the leases into the past, as that much time on the database's clock would have."""
    with Client.open(victim.config()) as client, client.ledger.begin() as conn:
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"UPDATE leases SET until = until - interval '{seconds} seconds'")
        else:
            conn.exec_driver_sql(f"UPDATE leases SET until = datetime(until, '-{seconds} seconds')")


def owners(victim: Victim) -> set[str]:
    with Client.open(victim.config()) as client, client.ledger.read() as conn:
        return {row.owner.split(":")[0] for row in conn.execute(t.leases.select()) if row.owner}


def kept(victim: Victim) -> dict[str, list[tuple[object, ...]]]:
    """All that the ledger has of files, orders, notices and events."""
    tables = (t.files, t.orders, t.notices, t.events, t.cards)
    with Client.open(victim.config()) as client, client.ledger.read() as conn:
        return {
            table.name: [tuple(map(str, row)) for row in conn.execute(table.select().order_by(table.c.id))]
            for table in tables
        }


@pytest.mark.full
@pytest.mark.parametrize(("ledger", "far", "transport"), [("sqlite", False, "local"), ("postgres", True, "sshd")])
def test_f26_two_processes_under_load_make_each_order_once(
    make_victim: Callable[[str, str], Victim], tmp_path: Path, ledger: str, far: bool, transport: str
) -> None:
    victim, end = make_victim(transport, ledger), tmp_path / "end"
    with machine(victim, end) as one, machine(victim, end, far=far) as other:
        until(lambda: said(victim).count("done") >= 2, victim)
        drop(victim, ORDERS, 0.03)
        dropped, start = ORDERS, time.monotonic()
        while len(parts(victim)) < 2 and time.monotonic() - start < 90:
            # on a busy machine one of them may have had all: the shop goes on selling until both had a part
            drop(victim, 1, 0.2, first=dropped)
            dropped += 1
        until(lambda: not list(victim.inbox.iterdir()), victim)
        end.touch()
        assert one.wait(30) == 0, said(victim)
        assert other.wait(30) == 0, said(victim)
    made = [int(line.split()[1]) for line in said(victim).splitlines() if line.startswith("created")]
    assert sum(made) == dropped
    assert all(made), f"both had a part in it: {made}"
    assert len(invariants.books_rows(victim.config())) == dropped
    tally.note("ledger", ledger)
    tally.note("transport", transport)
    victim.check()


def test_f26_a_machine_that_died_is_taken_over_when_its_lease_is_over(
    make_victim: Callable[[str, str], Victim],
) -> None:
    victim = make_victim("local", "postgres")
    victim.drop_twenty()
    victim.config()
    script = Path(__file__).with_name("run_and_die.py")
    command = [*elsewhere(), sys.executable, str(script), str(victim.path), "orders", "inbound:begun", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr
    tally.note("kills")
    assert owners(victim) == {"elsewhere"}
    assert victim.run().state == "skipped", "nobody here can know that it is dead"
    pretend_time_passed(victim, 60)
    assert victim.run().state == "skipped", "nor after a minute"
    pretend_time_passed(victim, 61)
    assert victim.run().state == "done"
    assert len(invariants.books_rows(victim.config())) == 20
    victim.check()


@pytest.mark.parametrize(
    "point", ["inbound:archived", "inbound:begun", "inbound:before-create", "inbound:created", "inbound:before-delete"]
)
def test_f26_who_was_asleep_and_wakes_after_its_lease_writes_nothing_more(
    make_victim: Callable[[str, str], Victim], tmp_path: Path, point: str
) -> None:
    victim, end = make_victim("local", "postgres"), tmp_path / "end"
    victim.drop_twenty()
    with machine(victim, end, far=True, point=point) as sleeper:
        stopped = Path(f"{end}.stopped")
        until(lambda: stopped.exists() and len(stopped.read_text("utf-8").split()) == 2, victim)
        pid, host = stopped.read_text("utf-8").split()
        assert host == "elsewhere"
        assert victim.run().state == "skipped"
        pretend_time_passed(victim, 125)
        assert victim.run().state == "done"
        assert len(invariants.books_rows(victim.config())) == 20
        before = kept(victim)
        os.kill(int(pid), SIGCONT)
        assert sleeper.wait(60) == 0, said(victim)
        assert kept(victim) == before, "fenced off"
    assert "took over" in said(victim) or point == "inbound:before-delete"
    tally.note("point", point)
    victim.check()


def test_f26_a_process_of_this_machine_that_was_killed_is_taken_over_at_once(
    make_victim: Callable[[str, str], Victim],
) -> None:
    victim = make_victim("local", "sqlite")
    victim.drop_twenty()
    assert victim.die("inbound:archived") == -9
    assert victim.run().state == "done"
    victim.check()
