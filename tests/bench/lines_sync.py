"""Lines of a sync: the plan of many products, and its writes to an API with a limit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.bench.made_sync import EVERY, FIELDS
from tests.bench.sides_sync import BATCH
from tests.bench.stage import Command, Goal, Line, Side, Stage

#: Products of the plan for each product of the export: 100,000 by default.
MORE = 5
MINUTES = 3  #: that the writes take at least

_COMPARED = (
    "Beside it: a dict by article, tuples of the same fields, compared, over offers that share nothing. "
    f"{len(FIELDS)} fields, one product in ten at a special price. Counted for neither: making the offers (what a "
    "system's plugin does), reading the ledger's links, which Mistok has at hand, and the cycle collector, which is "
    "off on both sides"
)


def planned(stage: Stage) -> Line:
    """The plan of a catalogue that is in step but for one product in a hundred."""
    count = stage.options.rows * MORE
    return Line(
        "plan-100k",
        f"Plan of {count:,} products against {count:,}, one in {EVERY} changed",
        "products",
        count,
        "from the offers of both systems, as a run holds them when it has read them, to the plan: shape, match by the "
        "normal form of the article, plan. Equal values of them are kept once already, which a run does page by page "
        f"as they are read, and which takes longer than the plan: the next line counts it. {_COMPARED}",
        _beside(count, "plan"),
        goals=(Goal("time", 2, at_least=False),),
    )


def kept_and_planned(stage: Stage) -> Line:
    """The same, with what a run does while it reads both systems."""
    count = stage.options.rows * MORE
    return Line(
        "plan-kept",
        "The same plan, with the keeping of equal values once, so that a sync holds less",
        "products",
        count,
        f"from the offers of both systems as their plugins give them, page by page, to the plan. {_COMPARED}",
        _beside(count, "keep-and-plan"),
    )


def _beside(count: int, word: str) -> Mapping[str, Side]:
    def side(word: str) -> Side:
        return lambda _work: Command((sys.executable, "-m", "tests.bench.sides_sync", word, str(count)))

    return {"mistok": side(word), "plain": side("compare")}


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
