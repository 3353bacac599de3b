"""Two workers beside one: the same jobs of many clients, each waiting for a server 40 ms away."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.stage import Command, Line, Stage

#: Clients, each with one run of so many round trips.
CLIENTS, TRIPS = 24, 50
#: Runs that a worker has under way at once.
AT_ONCE = 3


def two_workers(stage: Stage) -> Line:
    """Jobs that wait for the network, by two workers and by one."""
    clients = min(CLIENTS, max(stage.options.files, 2))

    def by(workers: int, work: Path) -> Command:
        words = (str(work), str(workers), str(clients), str(AT_ONCE), str(TRIPS))
        return Command((sys.executable, "-m", "tests.bench.fleet", *words))

    return Line(
        "workers-2",
        "Jobs of many clients that wait for a server 40 ms away, by two `mistok worker`",
        "jobs",
        clients,
        f"{clients} clients, {TRIPS} round trips in one run each; queue and ledgers on PostgreSQL, {AT_ONCE} runs at "
        "once in each worker (`--waiting 0`: else runs that only wait make room for more); from the first ask to the "
        "end of the last run; beside it (*plain script*): one worker",
        {"mistok": lambda work: by(2, work), "plain": lambda work: by(1, work)},
        goal=1.9,
    )
