"""As tests/faults/run_and_die.py, for systems whose allowance nobody is to wait for."""

from __future__ import annotations

from pipeline.engine.pacing import LedgerPacer
from tests.faults import run_and_die


def main(config: str, job: str, point: str, nth: str) -> int:
    """Run the job, and kill its own process at the point."""
    LedgerPacer._wait = lambda *_asked: 0.0  # type: ignore[method-assign]
    return run_and_die.main(config, job, point, nth)
