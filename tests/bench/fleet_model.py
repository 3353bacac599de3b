"""How large a fleet can be: measured here as far as this machine goes, and simulated from there on.

``uv run python -m tests.bench.fleet_model`` measures what a run costs and how fast small fleets are, has the model tell
the same, prints both beside each other, and then lets the model answer for fleets that are larger than this machine.
``--docs`` writes the tables into docs/scaling.md; ``--costs FILE`` keeps or takes what was measured.

The model (simpy) has what can run out: places for runs in each worker, cores of each machine, cores of PostgreSQL. A
run waits in the queue for a place, is fetched (PostgreSQL; the dearer, the more timers lie in the queue), works and
waits for its servers, and is written down. Workers that are idle ask the queue all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil

from tests.bench import fleet as fleets
from tests.faults.fleet import Fleet as Many

if TYPE_CHECKING:
    import psycopg

    from pipeline.engine.fleet.queue import Names

ROOT = Path(__file__).resolve().parents[2]
PAGE, FIGURES = ROOT / "docs" / "scaling.md", ROOT / "docs" / "scaling.json"
#: Fetches in a second of a worker that has nothing to do: runs, and timers.
ASKING = 1 / 1.0 + 1 / 0.5
#: (workers, runs at once in each) of the fleets that are measured.
POINTS = ((1, 2), (2, 2), (4, 2))
TRIPS, CLIENTS = 25, 24
#: Fleets of so many clients, with three timers each, are put into the queue, and what is due is handed out of it.
SCHEDULES, CYCLES = (100, 1_000, 10_000), 60
#: Orders of the import that is measured.
ORDERS = 100


@dataclass(frozen=True)
class Costs:
    """What was measured, in seconds of a core of this machine."""

    run: float  #: of a worker, for one run, its step process included
    database: float  #: of PostgreSQL, for one run
    fetch: float  #: of PostgreSQL, for one look for work in an empty queue
    fetch_timer: float  #: the same, for each timer that lies in the queue
    start: float  #: of a worker, until it works
    memory: float  #: MiB of a worker with its nursery
    memory_run: float  #: MiB more for each run at once
    trip: float = 0.0  #: seconds that a run of the measurement waits for its server
    fetch_client: float = 0.0  #: of PostgreSQL, for one look for work, for each client that the worker has
    connections: float = 0.0  #: to PostgreSQL of a worker of two runs at once that has nothing to do
    bytes_client: float = 0.0  #: of the databases for each client with one run a job, its ledger rows and timers
    order: float = 0.0  #: of a worker, for each order of an import into books
    order_database: float = 0.0  #: of PostgreSQL (the ledger), for the same
    idle: float = 0.0  #: of a core of a worker that has nothing to do


@dataclass(frozen=True)
class Load:
    """What a fleet has to do: ``clients``, each with a run every ``every`` seconds that works for ``work`` seconds of
    a core besides what any run costs, and waits for its servers for ``wait`` seconds; ``timers`` of each lie in the
    queue.
    """

    clients: int
    every: float
    wait: float
    work: float = 0.0
    timers: int = 1


@dataclass(frozen=True)
class Shape:
    """A fleet: ``workers``, each on a machine of ``cores``, with ``at_once`` places; cores of PostgreSQL.

    ``one_machine``: all of it shares the ``cores``.
    """

    workers: int
    at_once: int
    cores: int = 2
    database_cores: int = 2
    one_machine: bool = False


@dataclass(frozen=True)
class Told:
    """What the model says: runs a second, the wait for a place (95th percentile, seconds), and how busy what is."""

    rate: float
    late: float
    places: float
    cores: float
    database: float


def look(costs: Costs, load: Load) -> float:
    """Seconds of PostgreSQL for one look for work."""
    return costs.fetch + load.clients * (costs.fetch_timer * load.timers + costs.fetch_client)


class _Fleet:
    """One simulation. ``wave``: every client runs once, now; else each runs by its clock for ``seconds``."""

    def __init__(
        self, shape: Shape, load: Load, costs: Costs, *, wave: bool, seconds: float = 0.0, seed: int = 1
    ) -> None:
        import simpy

        self.env = simpy.Environment()
        self.shape, self.load, self.costs = shape, load, costs
        self.random = random.Random(seed)
        self.queue: Any = simpy.Store(self.env)
        machines = [simpy.Resource(self.env, shape.cores) for _ in range(1 if shape.one_machine else shape.workers)]
        self.database = machines[0] if shape.one_machine else simpy.Resource(self.env, shape.database_cores)
        self.fetch = look(costs, load)
        self.waits: list[float] = []
        self.busy = {"places": 0.0, "cores": 0.0, "database": 0.0}
        self.over = 0
        self.begun = 0
        for number in range(shape.workers):
            machine = machines[0 if shape.one_machine else number]
            self.env.process(self._asks())
            for _ in range(shape.at_once):
                self.env.process(self._place(machine))
        if wave:
            for _ in range(load.clients):
                self.queue.put(0.0)
            self.begun = load.clients
            while self.over < load.clients:
                self.env.step()
        else:
            for _ in range(load.clients):
                self.env.process(self._client())
            self.env.run(until=seconds)

    def _client(self) -> Generator[Any, Any, None]:
        yield self.env.timeout(self.random.uniform(0, self.load.every))
        while True:
            self.begun += 1
            yield self.queue.put(self.env.now)
            yield self.env.timeout(self.load.every)

    def _asks(self) -> Generator[Any, Any, None]:
        while True:
            yield self.env.timeout(1 / ASKING)
            yield from self._use("database", self.database, self.fetch)

    def _use(self, what: str, resource: Any, seconds: float) -> Generator[Any, Any, None]:
        if seconds <= 0:
            return
        with resource.request() as mine:
            yield mine
            yield self.env.timeout(seconds)
            self.busy[what] += seconds

    def _place(self, machine: Any) -> Generator[Any, Any, None]:
        costs, load = self.costs, self.load
        while True:
            asked = yield self.queue.get()
            begun = self.env.now
            self.waits.append(begun - asked)
            # one fetch of the run and one of the timer that has asked for it
            yield from self._use("database", self.database, 2 * self.fetch + costs.database / 2)
            yield from self._use("cores", machine, (costs.run + load.work) / 2)
            yield self.env.timeout(load.wait)
            yield from self._use("cores", machine, (costs.run + load.work) / 2)
            yield from self._use("database", self.database, costs.database / 2)
            self.busy["places"] += self.env.now - begun
            self.over += 1

    def told(self) -> Told:
        """What came out."""
        shape, seconds = self.shape, self.env.now
        machines = 1 if shape.one_machine else shape.workers
        # those that still wait have waited for so long at least
        waits = sorted([*self.waits, *(seconds - asked for asked in self.queue.items)])
        return Told(
            self.over / seconds,
            waits[int(len(waits) * 0.95)] if waits else 0.0,
            self.busy["places"] / (shape.workers * shape.at_once * seconds),
            self.busy["cores"] / (machines * shape.cores * seconds),
            self.busy["database"] / ((shape.cores if shape.one_machine else shape.database_cores) * seconds),
        )


def wave(shape: Shape, load: Load, costs: Costs) -> Told:
    """Every client runs once, as fast as the fleet can."""
    return _Fleet(shape, load, costs, wave=True).told()


def steady(shape: Shape, load: Load, costs: Costs, seconds: float = 600.0) -> Told:
    """Every client runs by its clock for so long."""
    return _Fleet(shape, load, costs, wave=False, seconds=seconds).told()


def smallest(
    load: Load, costs: Costs, at_once: int, cores: int = 4, database_cores: int = 4
) -> tuple[Shape, Told] | None:
    """The fewest workers whose runs begin within 5 s in 95 of 100 cases; None: no number of them is enough."""
    per_place = load.wait + costs.run + load.work + costs.database
    workers = max(int(load.clients / load.every * per_place / at_once), 1)
    for _ in range(8):
        shape = Shape(workers, at_once, cores, database_cores)
        told = steady(shape, load, costs, seconds=max(4 * load.every, 120.0))
        if told.late <= LATE:
            return shape, told
        if told.database > 0.98:
            return None
        workers = max(workers + 1, int(workers * 1.25))
    return None


#: Seconds within which 95 of 100 runs are to begin.
LATE = 5.0


# --- measuring ---------------------------------------------------------------------------------------------------


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
    for number, (workers, at_once) in enumerate(POINTS):
        say(f"{workers} workers, {at_once} at once")
        with fleets.fleet(work / str(number), CLIENTS, TRIPS) as it, ExitStack() as until_the_end:
            started = [psutil.Process(it.worker(at_once, until_the_end).pid) for _ in range(workers)]
            it.wait_for_workers(workers)
            first = it.names[: workers * at_once]
            it.ask("warm", first)
            it.wait("warm", len(first))
            start = _seconds_of(started) / workers
            database = _database_processes(it)
            before, its = _seconds_of(started), _seconds_of(database)
            begun = time.perf_counter()
            it.ask("wait", it.names)
            it.wait("wait", CLIENTS)
            seconds = time.perf_counter() - begun
            used, its = _seconds_of(started) - before, _seconds_of(database) - its
            points.append(
                {
                    "workers": workers,
                    "at_once": at_once,
                    "rate": CLIENTS / seconds,
                    "cores": used / seconds,
                    "cores_here": os.cpu_count() or 1,
                }
            )
            if (workers, at_once) == (1, 2):
                memory = [child.memory_info().rss / 2**20 for child in started[0].children(recursive=True)]
                own = started[0].memory_info().rss / 2**20
                fetch, timer = _fetches(it)
                trip = TRIPS * 0.04 + 0.06
                costs = Costs(used / CLIENTS, its / CLIENTS, fetch, timer, start, own + min(memory), max(memory), trip)
                costs = replace(costs, bytes_client=_room(it) / CLIENTS, **_import(it, started, database))
                costs = replace(costs, connections=_connections(it))
    assert costs is not None
    few, many = handed[0], handed[-1]
    each = (many["fetch"] - few["fetch"]) / (many["clients"] - few["clients"])
    costs = replace(costs, fetch_client=max(each - 3 * costs.fetch_timer, 0.0))
    return costs, points, handed


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
    clients = Many(it.folder, None, it.ledger, it.queue, every="1h")
    its, before, begun = _seconds_of(database), _seconds_of(started), time.perf_counter()
    clients.add("orders", ORDERS)
    it.wait("orders", 1)
    seconds = time.perf_counter() - begun
    used = _seconds_of(started) - before - idle * seconds
    used_database = _seconds_of(database) - its - idle_database * seconds
    return {"idle": idle, "order": used / ORDERS, "order_database": max(used_database, 0.0) / ORDERS}


def _hand_out(it: fleets.Fleet, clients: int) -> dict[str, float]:
    """A queue with the timers of so many clients; what is due is handed out of it by one worker, nothing is run.

    Gives seconds of one look for work among them all, and of one dispatch: the timer fetched and ended, the run asked
    for, fetched and ended.
    """
    from pipeline.engine.fleet import looking, queue

    names = [f"c{number}" for number in range(clients)]
    timers = queue.Names((queue.queue_of(name, timers=True) for name in names), timers=True)
    runs = queue.Names(queue.queue_of(name) for name in names)
    with queue.connect(it.queue) as conn:
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
        conn.execute("ANALYZE procrastinate_jobs")
        looks, cycles = [], []
        for number in range(CYCLES):
            begun = time.perf_counter()
            _fetch(conn, runs)  # there is none
            looks.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            for names_of in (timers, runs):
                job = _fetch(conn, names_of)
                assert job is not None
                conn.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", [job])
                if names_of is timers:
                    assert queue.ask_on(conn, queue.Ask(names[number % clients], "orders", "watch"))
            cycles.append(time.perf_counter() - begun)
    return {
        "clients": clients,
        "fetch": sorted(looks)[CYCLES // 5],
        "dispatch": sorted(cycles)[CYCLES // 5],
        "worst": sorted(cycles)[int(CYCLES * 0.95)],
    }


def _fetch(conn: psycopg.Connection[Any], names: Names) -> int | None:
    """One look for work, as a worker does it: the id of the job that is handed out."""
    from pipeline.engine.fleet import looking

    words = {"set_id": names.set_id, "timers": names.timers, "worker_id": None}
    row = conn.execute(looking.FETCH_ONE, words).fetchone()
    return int(row["id"]) if row and row["id"] is not None else None


def _fetches(it: fleets.Fleet) -> tuple[float, float]:
    """Seconds of one look for work: in an almost empty queue, and for each timer that lies in it."""
    from pipeline.engine.fleet import looking, queue

    names = queue.Names(queue.queue_of(name) for name in it.names)
    with queue.connect(it.queue) as conn:
        conn.execute(looking.KEEP_SET, {"set_id": names.set_id, "names": list(names)})
        taken = []
        for count in (0, 20_000):
            if count:
                conn.execute(
                    "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, scheduled_at, args) "
                    "SELECT 'c' || n, %s, 'made-' || n, now() + interval '1 day', '{}' "
                    "FROM generate_series(1, %s) AS n",
                    [queue.TIMER, count],
                )
                conn.execute("ANALYZE procrastinate_jobs")
            times = []
            for _ in range(25):
                begun = time.perf_counter()
                _fetch(conn, names)
                times.append(time.perf_counter() - begun)
            taken.append(sorted(times)[5])  # what another program's turn took is not its own
        conn.execute("DELETE FROM procrastinate_jobs WHERE queueing_lock LIKE 'made-%'")
    return taken[0], max(taken[1] - taken[0], 0.0) / 20_000


# --- telling -----------------------------------------------------------------------------------------------------


def check(costs: Costs, points: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The model beside what was measured."""
    yield "| workers | runs at once in each | measured, runs/s | model, runs/s | off by |"
    yield "|---:|---:|---:|---:|---:|"
    load = Load(CLIENTS, 60, costs.trip, timers=0)
    for point in points:
        shape = Shape(point["workers"], point["at_once"], point["cores_here"], one_machine=True)
        told = wave(shape, load, costs)
        off = told.rate / point["rate"] - 1
        yield (
            f"| {point['workers']} | {point['at_once']} | {point['rate']:.2f} | {told.rate:.2f} | {off * 100:+.0f} % |"
        )


#: What an average client does: three jobs, of which one looks into a remote inbox every 30 s and two run every 5 min.
TYPICAL = Load(1, every=30 / (1 + 2 * 30 / 300), wait=1.0, work=0.05, timers=3)


def sizing(costs: Costs) -> Iterator[str]:
    """The table of docs/scaling.md."""
    yield "| clients | runs/s | workers | places busy | cores busy | PostgreSQL busy | 95 % begin within | fetch |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    for clients in (100, 300, 1000, 3000, 10_000):
        load = replace(TYPICAL, clients=clients)
        fetch = look(costs, load) * 1000
        found = smallest(load, costs, at_once=8)
        rate = clients / load.every
        if found is None:
            yield f"| {clients:,} | {rate:.1f} | none is enough | – | – | over 98 % | – | {fetch:.1f} ms |"
            continue
        shape, told = found
        yield (
            f"| {clients:,} | {rate:.1f} | {shape.workers} | {told.places * 100:.0f} % | {told.cores * 100:.0f} % "
            f"| {told.database * 100:.0f} % | {told.late:.1f} s | {fetch:.1f} ms |"
        )


def costs_table(costs: Costs) -> Iterator[str]:
    """What was measured, in words."""
    yield "| measured here | |"
    yield "|---|---:|"
    yield f"| of a core of the worker's machine for one run, besides what its steps do | {costs.run * 1000:.0f} ms |"
    yield f"| of a core of PostgreSQL for one run | {costs.database * 1000:.0f} ms |"
    yield f"| one look for work in an empty queue | {costs.fetch * 1000:.2f} ms |"
    yield f"| the same with 10,000 timers in the queue | {(costs.fetch + 10_000 * costs.fetch_timer) * 1000:.1f} ms |"
    if costs.order:
        yield (
            f"| an import, for each order: of a core of the worker's machine; of PostgreSQL "
            f"| {costs.order * 1000:.1f} ms; {costs.order_database * 1000:.1f} ms |"
        )
        yield f"| a worker that has nothing to do | {costs.idle * 100:.0f} % of a core |"
        yield f"| connections to PostgreSQL of a worker of two runs at once, between runs | {costs.connections:.0f} |"
        total = costs.bytes_client * CLIENTS / 2**20
        yield f"| all tables of both databases with {CLIENTS} clients | {total:.0f} MiB |"
    yield f"| start of a worker, once | {costs.start:.1f} s of a core |"
    yield f"| memory of a worker; of each run at once | {costs.memory:.0f} MiB; up to {costs.memory_run:.0f} MiB |"


def dispatch_table(handed: Sequence[dict[str, float]]) -> Iterator[str]:
    """How quickly what is due comes out of a queue with the schedules of many clients."""
    yield (
        "| clients, three timers each | one look for work | one run handed out | 95 of 100 | by one worker at most |"
    )
    yield "|---:|---:|---:|---:|---:|"
    for one in handed:
        yield (
            f"| {one['clients']:,} | {one['fetch'] * 1000:.1f} ms | {one['dispatch'] * 1000:.1f} ms "
            f"| {one['worst'] * 1000:.1f} ms | {1 / one['dispatch']:.0f} runs/s |"
        )


def parts(figures: dict[str, Any]) -> dict[str, str]:
    """The tables of the page, from what was measured; that of larger fleets as it was reckoned then."""
    costs = Costs(**figures["costs"])
    return {
        "costs": "\n".join(costs_table(costs)),
        "dispatch": "\n".join(dispatch_table(figures["dispatch"])),
        "model": "\n".join(check(costs, figures["points"])),
        "sizing": "\n".join(figures["sizing"]),
    }


def write(page: Path, parts: dict[str, str]) -> None:
    """Put each part between its markers."""
    text = page.read_text(encoding="utf-8")
    for name, words in parts.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{words}\n{end}{rest.partition(end)[2]}"
    page.write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    """Measure, check the model, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true", help="write docs/scaling.json and the tables of docs/scaling.md")
    parser.add_argument("--given", action="store_true", help="take what docs/scaling.json has, and measure nothing")
    chosen = parser.parse_args()
    if chosen.given:
        figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    else:
        os.environ.pop("TMPDIR", None)  # PostgreSQL runs as a user of its own, who may not enter another's folder
        with TemporaryDirectory(prefix="mistok-fleet-", ignore_cleanup_errors=True) as work:
            costs, points, handed = measure(Path(work), print)
        figures = {"cores": os.cpu_count(), "costs": asdict(costs), "points": points, "dispatch": handed}
    figures["sizing"] = list(sizing(Costs(**figures["costs"])))
    made = parts(figures)
    print("\n\n".join(made.values()))
    if chosen.docs:
        FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write(PAGE, made)


if __name__ == "__main__":
    main()
