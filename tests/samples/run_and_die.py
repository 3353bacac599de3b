"""As tests/faults/run_and_die.py, for systems whose allowance nobody is to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.engine.pacing import LedgerPacer
from tests.faults import run_and_die


@contextmanager
def at_once(*_asked: object) -> Iterator[None]:
    """In place of a pacer's ``turn``: it is everybody's turn."""
    yield


def main(config: str, job: str, point: str, nth: str) -> int:
    """Run the job, and kill its own process at the point."""
    LedgerPacer.turn = at_once  # type: ignore[assignment]
    return run_and_die.main(config, job, point, nth)
