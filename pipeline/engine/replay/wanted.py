"""Which orders of the picked files are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pipeline.engine import planning
from pipeline.engine.planning import Work
from pipeline.engine.replay.choose import Pick
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import FileState

Row = dict[str, Any]
AT_ONCE = 50  #: files
#: A file in one of these is carried on as a whole: not all of its orders are in the ledger for sure.
WHOLE = frozenset({FileState.QUARANTINED, FileState.ARCHIVED, FileState.CHECKED})


class Wanted:
    """Which orders of the picked files are wanted. One is known by its key, or as the nameless one it was."""

    def __init__(self, conn: sa.Connection, picks: Sequence[Pick], files: dict[int, Row]) -> None:
        self._files = files
        rows = order_rows.by_ids(conn, {one for pick in picks for one in pick.orders or ()})
        self._names: dict[int, set[str]] = {}
        for pick in picks:
            file = files.get(pick.file_id)
            # what is not settled is carried on as a whole, or its other orders would be left behind
            if pick.orders is not None and file is not None and file["state"] not in WHOLE:
                known = [rows[one] for one in pick.orders if one in rows]
                self._names[pick.file_id] = {name for row in known for name in (row["key"], row["order_id"])}

    def work(self, work: Work) -> bool:
        """Whether this order of a file is wanted."""
        names = self._names.get(work.file_id)
        return (
            names is None or work.key in names or planning.nameless_id(self._files[work.file_id], work.index) in names
        )

    def row(self, order: Row) -> bool:
        """Whether the order of this ledger row is wanted."""
        names = self._names.get(order["file_id"])
        return names is None or order["key"] in names
