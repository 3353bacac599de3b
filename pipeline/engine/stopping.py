"""How a worker's run is unwound from outside, in the middle of whatever it does."""

from __future__ import annotations


class Stop(BaseException):
    """The service asks the worker to end: unwinds a run. No SystemExit, which any step may raise by ``sys.exit``."""


class OutOfTime(Stop):
    """The same, since the step took longer than its time limit: what was being read may be what hangs it."""
