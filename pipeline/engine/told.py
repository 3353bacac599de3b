"""The rows of the table of what happened in a run: not all of 100,000 orders, and never without what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.texts import TN, Text

MOST = 1000  #: rows of orders on which there is nothing to remark, and as many of others
_WELL = frozenset({"created", "known", "older", "nothing", "ignored", "waiting", "later", "rejected-again"})


class Told:
    """Rows in the order in which they came."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.left_out = 0
        self._well = self._others = 0

    def add(self, row: dict[str, Any]) -> None:
        """One row; what went well is left out, and counted, from so many on."""
        well = _is_well(row)
        if (self._well if well else self._others) >= MOST:
            self.left_out += 1
            return
        self._well, self._others = self._well + well, self._others + (not well)
        self.rows.append(row)

    def notes(self) -> tuple[Text, ...]:
        """What is said below a table that does not show all."""
        if not self.left_out:
            return ()
        return (
            TN(
                "{n} more row is not shown here: see mistok list.",
                "{n} more rows are not shown here: see mistok list.",
                self.left_out,
            ),
        )


def _is_well(row: Mapping[str, Any]) -> bool:
    return row.get("outcome") in _WELL and not row.get("findings")
