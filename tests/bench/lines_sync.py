"""Lines of a sync: the plan of many products, and its writes to an API with a limit."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.made_sync import EVERY, FIELDS
from tests.bench.sides_sync import BATCH
from tests.bench.stage import Command, Goal, Line, Stage

#: Products of the plan for each product of the export: 100,000 by default.
MORE = 5
MINUTES = 3  #: that the writes take at least


def planned(stage: Stage) -> Line:
    """The plan of a catalogue that is in step but for one product in a hundred."""
    count = stage.options.rows * MORE

    def side(word: str) -> Command:
        return Command((sys.executable, "-m", "tests.bench.sides_sync", word, str(count)))

    def mistok(_work: Path) -> Command:
        return side("plan")

    def script(_work: Path) -> Command:
        return side("compare")

    return Line(
        "plan-100k",
        f"Plan of {count:,} products against {count:,}, one in {EVERY} changed",
        "products",
        count,
        "from the offers of both systems, in memory as the systems give them, to the plan. Counted for Mistok: keeping "
        "equal values once (`seconds_pooled` in the JSON), shape, match by the normal form of the article, plan; for "
        "what stands beside it: a dict by article, tuples of the same fields, compared, over offers that share "
        f"nothing. {len(FIELDS)} fields, one product in ten at a special price. Counted for neither: making the offers "
        "(what a system's plugin does), reading the ledger's links, which Mistok has at hand, and the cycle collector, "
        "which is off on both sides",
        {"mistok": mistok, "plain": script},
        goals=(Goal("time", 2, at_least=False),),
    )


def inside_the_limit(_stage: Stage) -> Line:
    """Writes to an API of 60 requests a minute. Nobody waits: the clock is virtual."""

    def mistok(work: Path) -> Command:
        return Command((sys.executable, "-m", "tests.bench.sides_sync", "budget", str(work), str(MINUTES)))

    return Line(
        "api-budget",
        "Writes to an API of 60 requests a minute, through its limit's floor (virtual clock)",
        "rows",
        BATCH * (60 * MINUTES + 1),
        f"changed prices for {MINUTES} minutes and one request, {BATCH} rows a request, 80 ms each, by a run with its "
        "ledger over HTTP; the fake counts by a sliding and by a fixed window: the worse of the two. The clock of both "
        "passes by waiting and travelling alone. Requests: through changed / batch. 429: how many, of both",
        {"mistok": mistok},
        goals=(
            Goal("budget", 1.05, at_least=False),
            Goal("requests", 1.05, at_least=False, title="its requests, through changed / batch"),
            Goal("refused", 0, at_least=False, title="its 429 of our own making"),
        ),
        rounds=1,
    )
