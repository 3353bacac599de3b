"""For connectors that write one row after the other: what is wrong with one, and what would strike all that follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.errors import MistokError, Refused, Transient
from pipeline.ports import DocumentOutcome, RowOutcome

X = TypeVar("X")
R = TypeVar("R")


class Strikes:
    """Acts on one after the other. What strikes all (no answer, no right) is told of each that is left, untried.

    Args:
        alone: codes of Transient that are about one row only, such as one that somebody else holds locked.
    """

    def __init__(self, *alone: str) -> None:
        self._alone = frozenset(alone)
        self._struck: MistokError | None = None

    def __call__(self, key: str, act: Callable[[], DocumentOutcome]) -> DocumentOutcome:
        """The outcome of one document; ``key``: its idempotency key."""
        outcome = self._tried(act)
        return DocumentOutcome(key, error=outcome) if isinstance(outcome, MistokError) else outcome

    def row(self, act: Callable[[], RowOutcome]) -> RowOutcome:
        """The outcome of one row of a batch."""
        outcome = self._tried(act)
        return RowOutcome(error=outcome) if isinstance(outcome, MistokError) else outcome

    def _tried(self, act: Callable[[], X]) -> X | MistokError:
        if self._struck is not None:
            return self._struck
        try:
            return act()
        except MistokError as error:
            if isinstance(error, Refused) or (isinstance(error, Transient) and error.code not in self._alone):
                self._struck = error
            return error


def row_by_row(rows: Sequence[R], act: Callable[[R], RowOutcome]) -> list[RowOutcome]:
    """``act`` on each row; one outcome for each, in order. What strikes all (Refused, Transient) is raised as long as
    nothing has been written, so that the run as a whole fails by it, and told of each that is left afterwards."""
    struck, outcomes = Strikes(), list[RowOutcome]()
    for row in rows:
        outcome = struck.row(lambda row=row: act(row))  # type: ignore[misc]  # bound at once
        written = any(one.error is None and not one.existed for one in outcomes)
        if isinstance(outcome.error, (Refused, Transient)) and not written:
            raise outcome.error
        outcomes.append(outcome)
    return outcomes
