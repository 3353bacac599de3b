"""How large a fleet can be: measured here as far as this machine goes, and simulated from there on.

``uv run python -m tests.bench.fleet_model`` measures what a run costs and how fast small fleets are, has the model tell
the same, prints both beside each other, and then lets the model answer for fleets that are larger than this machine.
``--docs`` writes the tables into docs/scaling.md; ``--costs FILE`` keeps or takes what was measured.

The model (simpy) has what can run out: places for runs in each worker, cores of each machine, cores of the PostgreSQL
of the queue, and of those of the ledgers. A run waits in the queue for a place, is handed out (queue), works and waits
for its servers, and is written down (ledger). Workers with a free place look for work all the same: by the clock, and
whenever a run is asked for. Of many clients each worker has a part (``--only``): it takes the runs of these alone, and
says in their ledgers that it is alive.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import textwrap
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE, FIGURES = ROOT / "docs" / "scaling.md", ROOT / "docs" / "scaling.json"
#: Fetches in a second of a worker that has nothing to do: runs, and timers.
ASKING = 1 / 1.0 + 1 / 0.5
#: The look for timers by the clock, the shortest time between two looks because a run was asked for, and the time
#: between two signs of life in the ledgers, in seconds.
TIMERS_EVERY, WAKE_EVERY, BEAT_EVERY = 0.5, 0.05, 20.0
#: So many clients a worker has at most; of more, each has a part.
GROUP = 1_000
#: Orders of the import that is measured: the first one of a client that has just come.
ORDERS = 100
#: Clients of the fleets that are measured, with one run each.
CLIENTS = 24


@dataclass(frozen=True)
class Costs:
    """What was measured, in seconds of a core of this machine."""

    run: float  #: of a worker, for one run, its step process included
    database: float  #: of the ledger's PostgreSQL, for one run
    queue: float  #: of the queue's PostgreSQL, for one run: timer and run handed out and ended, asked for, set anew
    fetch: float  #: of the queue's PostgreSQL, for one look for work that finds none
    fetch_other: float  #: the same, for each timer that is due and another worker's
    sign: float  #: of the ledger's PostgreSQL, for one client's part of a worker's sign of life
    start: float  #: of a worker, until it works
    memory: float  #: MiB of a worker with its nursery
    memory_run: float  #: MiB more for each run at once
    trip: float = 0.0  #: seconds that a run of the measurement waits for its server
    connections: float = 0.0  #: to PostgreSQL of a worker of two runs at once that has nothing to do
    bytes_client: float = 0.0  #: of the databases for each client with one run a job, its ledger rows and timers
    order: float = 0.0  #: of a worker, for each order of an import into books
    order_database: float = 0.0  #: of PostgreSQL (the ledger), for the same
    idle: float = 0.0  #: of a core of a worker that has nothing to do


@dataclass(frozen=True)
class Load:
    """What a fleet has to do: ``clients``, each with a run every ``every`` seconds that works for ``work`` seconds of
    a core besides what any run costs, and waits for its servers for ``wait`` seconds. ``group``: so many of the clients
    a worker has at most, where there are workers enough.
    """

    clients: int
    every: float
    wait: float
    work: float = 0.0
    group: int = GROUP

    @property
    def groups(self) -> int:
        """How many parts the clients are in."""
        return -(-self.clients // self.group)


@dataclass(frozen=True)
class Shape:
    """A fleet: ``workers``, each on a machine of ``cores``, with ``at_once`` places; cores of the queue's PostgreSQL,
    and of each of the ``ledgers`` servers that the ledgers are on.

    ``one_machine``: all of it shares the ``cores``.
    """

    workers: int
    at_once: int
    cores: int = 2
    database_cores: int = 2
    ledgers: int = 1
    one_machine: bool = False


@dataclass(frozen=True)
class Told:
    """What the model says: runs a second, the wait for a place (95th percentile, seconds; of several parts of the
    clients that of the part whose runs wait longest), and how busy what is."""

    rate: float
    late: float
    places: float
    cores: float
    queue: float
    database: float
    #: The wait of each part.
    of_parts: tuple[float, ...] = ()


def shares(whole: int, parts: int) -> tuple[int, ...]:
    """So many clients or workers in so many parts, as evenly as can be: the first ones have one more."""
    return tuple(whole // parts + (number < whole % parts) for number in range(parts))


def look(costs: Costs, load: Load) -> float:
    """Seconds of PostgreSQL for one look for timers: those that are due and another group's are passed over."""
    due = load.clients / load.every * TIMERS_EVERY / 2
    return costs.fetch + costs.fetch_other * due * (1 - 1 / load.groups)


class _Fleet:
    """One simulation. ``wave``: every client runs once, now; else each runs by its clock for ``seconds``."""

    def __init__(
        self, shape: Shape, load: Load, costs: Costs, *, wave: bool, seconds: float = 0.0, seed: int = 1
    ) -> None:
        import simpy

        self.env = simpy.Environment()
        self.shape, self.load, self.costs = shape, load, costs
        self.random = random.Random(seed)
        # a worker has one part, and takes no run of another; where there are too few workers, parts are larger
        self.parts = min(load.groups, shape.workers)
        self.clients = shares(load.clients, self.parts)
        self.queues: list[Any] = [simpy.Store(self.env) for _ in range(self.parts)]
        machines = [simpy.Resource(self.env, shape.cores) for _ in range(1 if shape.one_machine else shape.workers)]
        one, cores = machines[0] if shape.one_machine else None, shape.database_cores
        self.asked = one or simpy.Resource(self.env, cores)
        self.database = one or simpy.Resource(self.env, cores * shape.ledgers)
        self.fetch = look(costs, load)
        self.free = [shape.at_once] * shape.workers
        self.woken = [-WAKE_EVERY] * shape.workers
        self.waits: list[list[float]] = [[] for _ in range(self.parts)]
        self.busy = {"places": 0.0, "cores": 0.0, "queue": 0.0, "database": 0.0}
        self.over = 0
        self.begun = 0
        for number in range(shape.workers):
            machine = machines[0 if shape.one_machine else number]
            self.env.process(self._asks())
            if not wave:
                self.env.process(self._says(number))
            for _ in range(shape.at_once):
                self.env.process(self._place(machine, number))
        if wave:
            for part, clients in enumerate(self.clients):
                for _ in range(clients):
                    self.queues[part].put(0.0)
            self.begun = load.clients
            while self.over < load.clients:
                self.env.step()
        else:
            for part, clients in enumerate(self.clients):
                for _ in range(clients):
                    self.env.process(self._client(part))
            self.env.run(until=seconds)

    def _client(self, part: int) -> Generator[Any, Any, None]:
        yield self.env.timeout(self.random.uniform(0, self.load.every))
        while True:
            self.begun += 1
            yield self.queues[part].put(self.env.now)
            now = self.env.now  # every worker is woken, whoever has the client
            woken = [one for one, free in enumerate(self.free) if free and now - self.woken[one] >= WAKE_EVERY]
            for one in woken:
                self.woken[one] = now
            if woken:
                self.env.process(self._use("queue", self.asked, len(woken) * self.costs.fetch))
            yield self.env.timeout(self.load.every)

    def _asks(self) -> Generator[Any, Any, None]:
        while True:
            yield self.env.timeout(1 / ASKING)
            yield from self._use("queue", self.asked, self.fetch)

    def _says(self, number: int) -> Generator[Any, Any, None]:
        """A worker's sign of life, for each of its clients."""
        yield self.env.timeout(BEAT_EVERY * number / self.shape.workers)
        while True:
            yield from self._use("database", self.database, self.clients[number % self.parts] * self.costs.sign)
            yield self.env.timeout(BEAT_EVERY)

    def _use(self, what: str, resource: Any, seconds: float) -> Generator[Any, Any, None]:
        if seconds <= 0:
            return
        with resource.request() as mine:
            yield mine
            yield self.env.timeout(seconds)
            self.busy[what] += seconds

    def _place(self, machine: Any, number: int) -> Generator[Any, Any, None]:
        costs, load, part = self.costs, self.load, number % self.parts
        while True:
            asked = yield self.queues[part].get()
            begun = self.env.now
            self.free[number] -= 1
            self.waits[part].append(begun - asked)
            yield from self._use("queue", self.asked, costs.queue)
            yield from self._use("database", self.database, costs.database / 2)
            yield from self._use("cores", machine, (costs.run + load.work) / 2)
            yield self.env.timeout(load.wait)
            yield from self._use("cores", machine, (costs.run + load.work) / 2)
            yield from self._use("database", self.database, costs.database / 2)
            self.busy["places"] += self.env.now - begun
            self.free[number] += 1
            self.over += 1

    def told(self) -> Told:
        """What came out."""
        shape, seconds = self.shape, self.env.now
        machines = 1 if shape.one_machine else shape.workers
        databases = shape.cores if shape.one_machine else shape.database_cores
        late = tuple(
            # those that still wait have waited for so long at least
            _late([*waits, *(seconds - asked for asked in queue.items)])
            for waits, queue in zip(self.waits, self.queues, strict=True)
        )
        return Told(
            self.over / seconds,
            max(late),
            self.busy["places"] / (shape.workers * shape.at_once * seconds),
            self.busy["cores"] / (machines * shape.cores * seconds),
            self.busy["queue"] / (databases * seconds),
            self.busy["database"] / (databases * shape.ledgers * seconds),
            late,
        )


def _late(waits: list[float]) -> float:
    return sorted(waits)[int(len(waits) * 0.95)] if waits else 0.0


def wave(shape: Shape, load: Load, costs: Costs) -> Told:
    """Every client runs once, as fast as the fleet can."""
    return _Fleet(shape, load, costs, wave=True).told()


def steady(shape: Shape, load: Load, costs: Costs, seconds: float = 600.0) -> Told:
    """Every client runs by its clock for so long."""
    return _Fleet(shape, load, costs, wave=False, seconds=seconds).told()


def enough(load: Load, costs: Costs, at_once: int, cores: int) -> int:
    """The workers without which runs are asked for faster than they are done, in one part of the clients at least:
    then more and more of them wait, however long it takes until that is seen.
    """
    place = costs.queue + costs.database + costs.run + load.work + load.wait  # so long a run has its place at least
    a_worker = min(at_once / max(place, 1e-9), cores / (costs.run + load.work) if costs.run + load.work else math.inf)
    sizes = shares(load.clients, load.groups)
    wanted = [math.floor(clients / load.every / a_worker) + 1 for clients in sizes]
    return max(_with(number, workers, load.groups) for number, workers in enumerate(wanted))


def _with(part: int, workers: int, parts: int) -> int:
    """The fewest workers of which so many are this part's: see :func:`shares`."""
    return parts * (workers - 1) + part + 1


def smallest(
    load: Load, costs: Costs, at_once: int, cores: int = 4, database_cores: int = 4
) -> tuple[Shape, Told] | None:
    """The fewest workers with which the runs of each part of the clients begin within 5 s in 95 of 100 cases, and the
    fewest servers of ledgers that are not busier than :data:`BUSY`; None: no number of them is enough, since the
    queue's server is busier.
    """
    rate = load.clients / load.every
    if rate * costs.queue / database_cores > BUSY:
        return None
    workers = enough(load, costs, at_once, cores)
    while True:
        signs = sum(
            clients * its
            for clients, its in zip(
                shares(load.clients, load.groups), shares(workers, load.groups), strict=True
            )
        ) / BEAT_EVERY * costs.sign  # fmt: skip
        ledgers = max(math.ceil((rate * costs.database + signs) / (database_cores * BUSY)), 1)
        shape = Shape(workers, at_once, cores, database_cores, ledgers)
        told = steady(shape, load, costs, seconds=max(4 * load.every, 120.0))
        if told.queue > BUSY:
            return None
        if told.late <= LATE:
            return shape, told
        # one more changes nothing but for the part that gets it: go on where the part that waits longest does
        part = max(range(load.groups), key=told.of_parts.__getitem__)
        workers = _with(part, shares(workers, load.groups)[part] + 1, load.groups)


#: A server that is busier than this is full.
BUSY = 0.7
#: Seconds within which 95 of 100 runs are to begin.
LATE = 5.0


# --- telling -----------------------------------------------------------------------------------------------------


def compared(costs: Costs, points: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What was measured, each with what the model says of it."""
    load = Load(CLIENTS, 60, costs.trip)
    for point in points:
        shape = Shape(point["workers"], point["at_once"], point["cores_here"], one_machine=True)
        yield {**point, "model": wave(shape, load, costs).rate}


def check(costs: Costs, points: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The model beside what was measured."""
    yield "| workers | runs at once in each | measured, runs/s | model, runs/s | off by |"
    yield "|---:|---:|---:|---:|---:|"
    for point in compared(costs, points):
        off = point["model"] / point["rate"] - 1
        begin = f"| {point['workers']} | {point['at_once']} | {point['rate']:.2f} "
        yield f"{begin}| {point['model']:.2f} | {off * 100:+.0f} % |"


#: What an average client does: three jobs, of which one looks into a remote inbox every 30 s and two run every 5 min.
TYPICAL = Load(1, every=30 / (1 + 2 * 30 / 300), wait=1.0, work=0.05)
#: Runs at once in each worker, and the sizes of fleets that are told of.
AT_ONCE, FLEETS = 8, (100, 300, 1_000, 3_000, 10_000)


def sizing(costs: Costs) -> Iterator[dict[str, Any]]:
    """What fleets of these sizes need: ``workers`` is missing where no number of them is enough."""
    for clients in FLEETS:
        load = replace(TYPICAL, clients=clients)
        row = {"clients": clients, "rate": clients / load.every, "groups": load.groups}
        found = smallest(load, costs, at_once=AT_ONCE)
        if found is not None:
            shape, told = found
            row |= {"workers": shape.workers, "ledgers": shape.ledgers, **asdict(told), "rate": row["rate"]}
            del row["of_parts"]
        yield row


def sizing_table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The same as a table."""
    yield (
        "| clients | runs/s | parts | workers | places busy | cores busy | the queue's PostgreSQL busy "
        "| servers of ledgers | busy | 95 % begin within |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for row in rows:
        begin = f"| {row['clients']:,} | {row['rate']:.1f} | {row['groups']} "
        if "workers" not in row:
            yield f"{begin}| none is enough | – | – | over {BUSY * 100:.0f} % | – | – | – |"
            continue
        shares = " | ".join(f"{row[name] * 100:.0f} %" for name in ("places", "cores", "queue"))
        yield (
            f"{begin}| {row['workers']} | {shares} | {row['ledgers']} | {row['database'] * 100:.0f} % "
            f"| {row['late']:.1f} s |"
        )


def words(rows: Sequence[dict[str, Any]], costs: Costs) -> Iterator[str]:
    """What breaks first, with the figures of the table."""
    by = {row["clients"]: row for row in rows}
    few = by[100]
    yield _bullet(
        f"**At 100 clients** nothing: {_count(few['workers'], 'worker')} would do (cores {_share(few['cores'])} busy, "
        f"the queue's PostgreSQL {_share(few['queue'])}, the ledgers' {_share(few['database'])}). Have two, on two "
        "machines, so that one may be restarted. If anything runs out it is places: raise `--concurrency` before "
        "adding machines, since most runs wait for other people's servers."
    )
    for clients in (1_000, 10_000):
        row = by[clients]
        if "workers" not in row:
            yield _bullet(
                f"**At {clients:,} clients** one queue is not enough, however many workers there are: its PostgreSQL "
                f"would be more than {BUSY * 100:.0f} % busy. Split the fleet: another queue database, on a server of "
                "its own, with workers of its own (`--only` and another `MISTOK_QUEUE`)."
            )
            continue
        told = (
            f"**At {clients:,} clients** the ledgers' PostgreSQL: {costs.database * 1000:.0f} ms of a core for each "
            f"run, of which there are {row['rate']:.0f} in a second, keep {_count(row['ledgers'], 'server')} of four "
            f"cores {_share(row['database'])} busy. The queue's is {_share(row['queue'])} busy: one is enough for all. "
            f"There are to be {_count(row['workers'], 'worker')} of {AT_ONCE} runs at once."
        )
        if row["groups"] > 1:
            signs = row["workers"] * clients / row["groups"] / BEAT_EVERY * costs.sign / (4 * row["ledgers"])
            told += (
                f" Each is to have a part of the clients, {GROUP:,} at most (`--only 'a*'` and so on), and each part "
                "two machines at least: a worker reads all its configs at its start, and tells each of its clients' "
                f"ledgers every {BEAT_EVERY:.0f} s that it is alive, which keeps the ledgers' servers {_share(signs)} "
                "busy here, and with all clients in each worker would do so ten times as much."
            )
        yield _bullet(told)


def _bullet(text: str) -> str:
    return textwrap.fill(text, 130, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def _share(part: float) -> str:
    return "less than 1 %" if part < 0.01 else f"{part * 100:.0f} %"


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number} {what}s"


def model_words(costs: Costs, points: Sequence[dict[str, Any]]) -> Iterator[str]:
    """How far the model is to be believed."""
    most = max(abs(one["model"] / one["rate"] - 1) for one in compared(costs, points))
    others = max(point.get("others", 0.0) for point in points)
    busiest = max(points, key=lambda point: float(point["cores"]) / float(point["cores_here"]))
    workers, share = max(point["workers"] for point in points), busiest["cores"] / busiest["cores_here"]
    yield f"The model is off by {most * 100:.0f} % at most."
    yield ""
    yield _bullet(
        f"**Checked by these measurements**: how many runs so many places do, with up to {workers} workers on one "
        f"machine that all have the same {CLIENTS} clients, each client with one run, all asked for at once; and the "
        "costs above, each measured by itself."
    )
    yield _bullet(
        f"**Not checked, and so the model's word alone**: cores that are full (the workers used {share * 100:.0f} % of "
        "the cores at most, PostgreSQL and the servers besides), a PostgreSQL of the queue or of the ledgers that is "
        "near its end or has many connections at work, workers on machines of their own, parts of the clients, and "
        "runs by the clock. Of cores and of PostgreSQL it takes it that twice as many runs cost twice as much."
    )
    if others > 0.1:
        yield ""
        yield (
            f"While this was measured other programs took up to {others * 100:.0f} % of the cores; the model knows "
            "nothing of them. On a machine of its own the command is to be run again."
        )


def costs_table(costs: Costs) -> Iterator[str]:
    """What was measured, in words."""
    yield "| measured here | |"
    yield "|---|---:|"
    yield f"| of a core of the worker's machine for one run, besides what its steps do | {costs.run * 1000:.0f} ms |"
    yield f"| of a core of the ledger's PostgreSQL for one run | {costs.database * 1000:.0f} ms |"
    yield f"| of a core of the queue's PostgreSQL for one run | {costs.queue * 1000:.1f} ms |"
    yield f"| the same for one look for work that finds none | {costs.fetch * 1000:.2f} ms |"
    yield (
        f"| the same for each timer of another worker's clients that is due and passed over "
        f"| {costs.fetch_other * 1e6:.1f} µs |"
    )
    yield (
        f"| of a core of the ledger's PostgreSQL for a sign of life of a worker with {GROUP:,} clients, "
        f"every {BEAT_EVERY:.0f} s | {costs.sign * GROUP * 1000:.0f} ms |"
    )
    if costs.order:
        yield (
            f"| the first import of a client that has just come, {ORDERS} orders, for each of them and its part of all "
            f"that begins: of a core of the worker's machine; of PostgreSQL "
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
        "| clients, three timers each | one look for work | one run handed out | 95 of 100 | by one connection at most "
        "| of a core of PostgreSQL |"
    )
    yield "|---:|---:|---:|---:|---:|---:|"
    for one in handed:
        yield (
            f"| {one['clients']:,} | {one['fetch'] * 1000:.1f} ms | {one['dispatch'] * 1000:.1f} ms "
            f"| {one['worst'] * 1000:.1f} ms | {1 / one['dispatch']:.0f} runs/s | {one['queue'] * 1000:.1f} ms |"
        )


def parts(figures: dict[str, Any]) -> dict[str, str]:
    """The generated parts of the page, from what was measured; of larger fleets as it was reckoned then."""
    costs = Costs(**figures["costs"])
    return {
        "costs": "\n".join(costs_table(costs)),
        "dispatch": "\n".join(dispatch_table(figures["dispatch"])),
        "model": "\n".join(check(costs, figures["points"])),
        "model-words": "\n".join(model_words(costs, figures["points"])),
        "sizing": "\n".join(sizing_table(figures["sizing"])),
        "breaks": "\n".join(words(figures["sizing"], costs)),
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
        from tests.bench.fleet_measure import measure

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
