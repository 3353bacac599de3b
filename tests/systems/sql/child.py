"""A process of its own that writes orders, and may be killed by SIGKILL on the way: see test_faults."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from pipeline.testing.documents_contract import drafts_of, order
from tests.signals import SIGKILL
from tests.systems.sql.world import CODES, World


def main(kind: str, url: str, base: str, moment: str) -> None:
    """``moment``: ``before`` or ``after`` the database has kept the first order; ``never``: write twenty, say how many
    were new."""
    world = World(kind, url, Path(base))
    system = world.open()
    drafts = drafts_of(system, [order(n, CODES) for n in range(1, 21)])
    system.book()
    writing: list[bool] = []

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith("INSERT") and "ORDER_LINES" in statement.upper():
            writing.append(True)

    def commit(connection: Connection) -> None:
        if not writing or moment == "never":
            return
        if moment == "after":
            raw = connection.connection.dbapi_connection
            assert raw is not None
            raw.commit()
        os.kill(os.getpid(), SIGKILL)

    engine = system.database._engine()
    event.listen(engine, "after_cursor_execute", executed)
    event.listen(engine, "commit", commit)
    outcomes = system.create(drafts)
    assert not [outcome.error for outcome in outcomes if outcome.error], outcomes
    print(sum(not outcome.existed for outcome in outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
