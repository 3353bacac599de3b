"""Loads SQLAlchemy without asyncio: imported before it, where a process runs jobs.

SQLAlchemy loads asyncio, and with it Python's TLS, for engines of a kind that we do not use. A process that runs jobs
needs neither for anything else, unless it takes files by FTPS: it holds 4 MiB less without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.later import later

__all__ = ["lightly", "sqlalchemy"]


@contextmanager
def lightly() -> Iterator[None]:
    """While the block runs, what SQLAlchemy loads of itself (a dialect, say) loads no asyncio."""
    with later("asyncio", calls=("iscoroutine",)):
        yield


with lightly():
    import sqlalchemy
