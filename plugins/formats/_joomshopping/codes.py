"""Finds two codes that the shop takes for one, in little memory however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

HELD = 20_000  #: codes that are kept in memory; more go into a temporary file of SQLite's


class Codes:
    """The codes of one file, as the shop stores them, each with the product that it belongs to."""

    def __init__(self, held: int = HELD) -> None:
        self._most = held
        self._held: dict[str, str] = {}
        self._file: sqlite3.Connection | None = None
        self._rows = 0

    def add(self, stored: Sequence[str], products: Sequence[str]) -> Mapping[int, str]:
        """Remember the next codes. For the place of each one that was there before: the first product that has it."""
        if self._file is None and len(self._held) + len(stored) > self._most:
            self._move()
        return self._hold(stored, products) if self._file is None else self._keep(self._file, stored, products)

    def _hold(self, stored: Sequence[str], products: Sequence[str]) -> Mapping[int, str]:
        known = self._held
        if known.keys().isdisjoint(stored):
            new = dict(zip(stored, products, strict=True))
            if len(new) == len(stored):
                known.update(new)
                return {}
        twins = {}
        for place, (code, product) in enumerate(zip(stored, products, strict=True)):
            if code in known:
                twins[place] = known[code]
            else:
                known[code] = product
        return twins

    def _move(self) -> None:
        import sqlite3

        # "" is a file that SQLite makes, fills as its cache runs over, and takes away when it is closed
        file = sqlite3.connect("", isolation_level=None)
        file.execute("PRAGMA journal_mode = OFF")
        file.execute("PRAGMA cache_size = -4096")
        file.execute("CREATE TABLE codes (stored TEXT PRIMARY KEY, product TEXT, place INTEGER) WITHOUT ROWID")
        file.execute("BEGIN")
        held, self._held = self._held, {}
        self._keep(file, list(held), list(held.values()))
        self._file = file

    def _keep(self, file: sqlite3.Connection, stored: Sequence[str], products: Sequence[str]) -> Mapping[int, str]:
        places = range(self._rows, self._rows + len(stored))
        self._rows += len(stored)
        before = file.total_changes
        rows = zip(stored, products, places, strict=True)
        file.executemany("INSERT OR IGNORE INTO codes VALUES (?, ?, ?)", rows)
        if file.total_changes - before == len(stored):
            return {}
        twins = {}
        for row, (code, place) in enumerate(zip(stored, places, strict=True)):
            found = file.execute("SELECT product, place FROM codes WHERE stored = ?", (code,)).fetchone()
            if found[1] != place:
                twins[row] = found[0]
        return twins
