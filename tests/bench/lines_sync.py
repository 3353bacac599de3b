"""Lines of a sync: the plan of many products."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.made_sync import EVERY, FIELDS
from tests.bench.stage import Command, Goal, Line, Stage

#: Products of the plan for each product of the export: 100,000 by default.
MORE = 5


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
        f"shape, match by the normal form of the article, plan; {len(FIELDS)} fields, one product in ten at a special "
        "price, all links of the ledger at hand; beside it: a dict by article, tuples of the same fields compared",
        {"mistok": mistok, "plain": script},
        goals=(Goal("time", 2, at_least=False),),
    )
