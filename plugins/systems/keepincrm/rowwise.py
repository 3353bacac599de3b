"""Writes of many rows, each a request of its own: one outcome for each, and no failure spoils another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.api import Held, InDoubt, Refused, RowOutcome, Transient

Row = TypeVar("Row")


def one_by_one(rows: Sequence[Row], act: Callable[[Row], RowOutcome]) -> list[RowOutcome]:
    """``act`` on each. What strikes all rows ends it: raised when nothing was done before, else told of the rest."""
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            outcomes.append(act(row))
        except (Held, InDoubt) as error:
            outcomes.append(RowOutcome(error=error))
        except (Transient, Refused) as error:
            if not outcomes:
                raise
            outcomes += [RowOutcome(error=error)] * (len(rows) - len(outcomes))
            break
    return outcomes
