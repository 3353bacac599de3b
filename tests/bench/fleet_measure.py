"""What a run costs and how fast small fleets are, measured here: see :mod:`tests.bench.fleet_model`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.bench import fleet as fleets
from tests.bench.fleet_model import CLIENTS, GROUP, ORDERS, Costs
from tests.faults.fleet import Fleet as Many

if TYPE_CHECKING:
    import psycopg

    from pipeline.engine.fleet.queue import Names

#: (workers, runs at once in each) of the fleets that are measured.
POINTS = ((1, 2), (2, 2), (4, 2))
TRIPS = 25
#: Fleets of so many clients, with three timers each, are put into the queue, and what is due is handed out of it.
SCHEDULES, CYCLES = (100, 1_000, 10_000), 200
#: Looks that find nothing, and signs of life, that are measured.
LOOKS, SIGNS = 1000, 5


def _seconds_of(processes: Sequence[psutil.Process]) -> float:
    """User and system time of these processes and of all that come from them, ended ones included."""
    total = 0.0
    for process in processes:
        for one in (process, *process.children(recursive=True)):
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _seconds_of_all() -> float:
    """User and system time of all that runs on this machine."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


def _database_processes(it: fleets.Fleet) -> list[psutil.Process]:
    """PostgreSQL's first process; the others come from it."""
    socket = it.queue.partition("host=")[2]
    return [one for one in psutil.process_iter(["cmdline"]) if socket in " ".join(one.info["cmdline"] or ())][:1]


Measured = tuple[Costs, list[dict[str, Any]], list[dict[str, float]]]


def measure(work: Path, say: Any) -> Measured:
    """What things cost here, how fast the fleets of :data:`POINTS` are, and how quickly :data:`SCHEDULES` are handed
    out.
    """
    points: list[dict[str, Any]] = []
    costs: Costs | None = None
    say("schedules")
    with fleets.fleet(work / "schedules", 1, 1) as it:
        handed = [_hand_out(it, clients) for clients in SCHEDULES]
        other, sign = _other(it), _sign(it)
    for number, (workers, at_once) in enumerate(POINTS):
        say(f"{workers} workers, {at_once} at once")
        with fleets.fleet(work / str(number), CLIENTS, TRIPS) as it, ExitStack() as until_the_end:
            started = [psutil.Process(it.worker(at_once, until_the_end).pid) for _ in range(workers)]
            it.wait_for_workers(workers)
            it.ask("warm", it.names)  # the first run of a config writes it down
            it.wait("warm", CLIENTS)
            start = _seconds_of(started) / workers
            database = _database_processes(it)
            before, ledger = _seconds_of(started), _seconds_for_ledger(it, database)
            whole, all_of_it = _seconds_of_all(), [*started, *database, psutil.Process()]
            ours, begun = _seconds_of(all_of_it), time.perf_counter()
            it.ask("wait", it.names)
            it.wait("wait", CLIENTS)
            seconds = time.perf_counter() - begun
            others = _seconds_of_all() - whole - (_seconds_of(all_of_it) - ours)
            used, ledger = _seconds_of(started) - before, _seconds_for_ledger(it, database) - ledger
            points.append(
                {
                    "workers": workers,
                    "at_once": at_once,
                    "rate": CLIENTS / seconds,
                    "cores": used / seconds,
                    "cores_here": os.cpu_count() or 1,
                    "others": max(others, 0.0) / seconds / (os.cpu_count() or 1),
                }
            )
            if (workers, at_once) == (1, 2):
                memory = [child.memory_info().rss / 2**20 for child in started[0].children(recursive=True)]
                own = started[0].memory_info().rss / 2**20
                most = handed[-1]
                costs = Costs(
                    run=used / CLIENTS,
                    database=ledger / CLIENTS,
                    queue=most["queue"],
                    fetch=most["looking"],
                    fetch_other=other,
                    sign=sign,
                    start=start,
                    memory=own + min(memory),
                    memory_run=max(memory),
                    trip=TRIPS * 0.04 + 0.06,
                    bytes_client=_room(it) / CLIENTS,
                    **_import(it, started, database),
                )
                costs = replace(costs, connections=_connections(it))
    assert costs is not None
    return costs, points, handed


def _seconds_for_ledger(it: fleets.Fleet, database: Sequence[psutil.Process]) -> float:
    """What PostgreSQL has used but for the queue, and for us who ask how far it is."""
    from pipeline.engine.fleet import queue

    with queue.connect(it.queue) as conn:
        # this connection itself ends when all is read, and counts then: it is a hundredth of a second
        rows = conn.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
        pids = [int(row["pid"]) for row in rows] + [it.asks_from()]
        left_out = sum(_seconds_of([psutil.Process(pid)]) for pid in pids if psutil.pid_exists(pid))
        return _seconds_of(database) - left_out


def _room(it: fleets.Fleet) -> int:
    """Bytes that both databases take more than when they were empty."""
    from pipeline.engine.fleet import queue

    total = 0
    for url in (it.queue, it.ledger):
        with queue.connect(url) as conn:
            row = conn.execute(
                "SELECT sum(pg_total_relation_size(c.oid))::bigint AS bytes FROM pg_class c "
                "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = 'public'"
            ).fetchone()
            total += int(row["bytes"]) if row else 0
    return total


def _connections(it: fleets.Fleet) -> int:
    """To PostgreSQL, of all that is not this program."""
    from pipeline.engine.fleet import queue

    with queue.connect(it.queue) as conn:
        row = conn.execute(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND datname <> 'postgres' AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(row["n"]) - 1 if row else 0  # ours that counts the runs


def _import(it: fleets.Fleet, started: list[psutil.Process], database: list[psutil.Process]) -> dict[str, float]:
    """What an import costs for each order, and a worker that waits."""
    its, before, begun = _seconds_of(database), _seconds_of(started), time.perf_counter()
    time.sleep(6)  # it is measured what a worker does meanwhile
    seconds = time.perf_counter() - begun
    idle, idle_database = (_seconds_of(started) - before) / seconds, (_seconds_of(database) - its) / seconds
    aside = it.folder.parent / "aside"
    aside.mkdir()
    Many(aside, None, it.ledger, it.queue, every="1h").add("orders", ORDERS)
    its, before, begun = _seconds_of(database), _seconds_of(started), time.perf_counter()
    (aside / "orders").rename(it.folder / "orders")  # with all its orders
    it.wait("orders", 1)
    seconds = time.perf_counter() - begun
    used = _seconds_of(started) - before - idle * seconds
    used_database = _seconds_of(database) - its - idle_database * seconds
    return {"idle": idle, "order": used / ORDERS, "order_database": max(used_database, 0.0) / ORDERS}


def _hand_out(it: fleets.Fleet, clients: int) -> dict[str, float]:
    """A queue with the timers of so many clients; what is due is handed out of it by one worker, nothing is run.

    Gives seconds of one look that finds no work among them all, and of one run: the timer fetched and ended, the run
    asked for, fetched and ended, the timer set anew; and what both are of a core of PostgreSQL.
    """
    from pipeline.engine.fleet import looking, queue

    names = [f"c{number}" for number in range(clients)]
    timers = queue.Names((queue.queue_of(name, timers=True) for name in names), timers=True)
    runs = queue.Names(queue.queue_of(name) for name in names)
    with queue.connect(it.queue) as conn:
        server = psutil.Process(conn.info.backend_pid)
        conn.execute("DELETE FROM procrastinate_jobs")
        conn.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, scheduled_at, args) "
            "SELECT 'c' || mod(n, %s) || ':t', %s, 'made-' || n, "
            "now() + CASE WHEN n < %s THEN interval '-1 second' ELSE interval '1 day' END, '{}' "
            "FROM generate_series(0, %s) AS n",
            [clients, queue.TIMER, CYCLES, 3 * clients - 1],
        )
        for names_of in (timers, runs):
            conn.execute(looking.KEEP_SET, {"set_id": names_of.set_id, "names": list(names_of)})
        conn.execute("VACUUM ANALYZE procrastinate_jobs")
        looks, cycles = [], []
        before = _seconds_of([server])
        for _ in range(LOOKS):
            begun = time.perf_counter()
            assert _fetch(conn, runs) is None
            looks.append(time.perf_counter() - begun)
        looking_for = (_seconds_of([server]) - before) / LOOKS
        before = _seconds_of([server])
        for number in range(CYCLES):
            begun = time.perf_counter()
            for names_of in (timers, runs):
                job = _fetch(conn, names_of)
                assert job is not None
                if names_of is timers:
                    assert queue.ask_on(conn, queue.Ask(names[number % clients], "orders", "watch"))
                else:
                    conn.execute(
                        "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(%s, %s, 0, NULL, %s, '{}', "
                        "now() + interval '1 day')]::procrastinate_job_to_defer_v1[])",
                        [f"c{number % clients}:t", queue.TIMER, f"anew-{number}"],
                    )
                conn.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", [job])
            cycles.append(time.perf_counter() - begun)
        used = (_seconds_of([server]) - before) / CYCLES
    return {
        "clients": clients,
        "fetch": sorted(looks)[LOOKS // 5],
        "looking": looking_for,
        "dispatch": sorted(cycles)[CYCLES // 5],
        "worst": sorted(cycles)[int(CYCLES * 0.95)],
        "queue": used,
    }


def _fetch(conn: psycopg.Connection[Any], names: Names) -> int | None:
    """One look for work, as a worker does it: the id of the job that is handed out."""
    from pipeline.engine.fleet import looking

    words = {"set_id": names.set_id, "timers": names.timers, "worker_id": None}
    row = conn.execute(looking.FETCH_ONE, words).fetchone()
    return int(row["id"]) if row and row["id"] is not None else None


def _other(it: fleets.Fleet) -> float:
    """Seconds of PostgreSQL that a look for timers takes longer for each that is due and of a client of others."""
    from pipeline.engine.fleet import looking, queue

    mine = queue.Names([queue.queue_of(f"mine{number}", timers=True) for number in range(GROUP)], timers=True)
    with queue.connect(it.queue) as conn:
        server = psutil.Process(conn.info.backend_pid)
        conn.execute(looking.KEEP_SET, {"set_id": mine.set_id, "names": list(mine)})
        used = []
        for late in ("1 day", "-1 second"):
            conn.execute("DELETE FROM procrastinate_jobs")
            conn.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, scheduled_at, args) "
                "SELECT 'c' || n || ':t', %s, 'made-' || n, now() + %s::interval, '{}' "
                "FROM generate_series(1, %s) AS n",
                [queue.TIMER, late, GROUP],
            )
            conn.execute("VACUUM ANALYZE procrastinate_jobs")
            before = _seconds_of([server])
            for _ in range(LOOKS // 5):
                assert _fetch(conn, mine) is None
            used.append((_seconds_of([server]) - before) / (LOOKS // 5))
        conn.execute("DELETE FROM procrastinate_jobs")
    return max(used[1] - used[0], 0.0) / GROUP


def _sign(it: fleets.Fleet) -> float:
    """Seconds of PostgreSQL for one client's part of a worker's sign of life in the ledger."""
    import sqlalchemy as sa

    from pipeline.clock import SystemClock
    from pipeline.engine import history
    from pipeline.ledger import tables as t
    from pipeline.ledger.store import Ledger

    ledger = Ledger(it.ledger, client=it.names[0], base=it.folder, clock=SystemClock())
    try:
        said = {"said": "x" * 700}
        rows = [
            {
                "client": f"c{number}",
                "kind": history.BEATS,
                "name": "a-machine:1",
                "value": said,
                "updated": SystemClock().now(),
            }
            for number in range(GROUP)
        ]
        before = 0.0
        for number in range(SIGNS + 1):
            with ledger.begin() as conn:
                server = psutil.Process(conn.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
                ledger.upsert_many(conn, t.values, rows, keys=("client", "kind", "name"))
            if number == 0:
                before = _seconds_of([server])
        used = _seconds_of([server]) - before
    finally:
        ledger.close()
    return used / (SIGNS * GROUP)
