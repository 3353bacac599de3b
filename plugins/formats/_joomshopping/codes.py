"""Finds two codes that the shop takes for one, in little memory however many there are."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from operator import lt
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.api import Spool

if TYPE_CHECKING:
    import sqlite3

HELD = 20_000  #: codes that are kept in memory; more go into a temporary file of SQLite's

_TABLE = "CREATE TABLE {}codes (stored TEXT PRIMARY KEY, product TEXT, place INTEGER) WITHOUT ROWID"
#: Codes that two files of ours both have.
_COMMON = """
SELECT 1 FROM main.codes mine CROSS JOIN other.codes theirs ON theirs.stored = mine.stored
WHERE mine.stored >= (SELECT min(stored) FROM other.codes) AND mine.stored <= (SELECT max(stored) FROM other.codes)
LIMIT 1
"""
_Codes = tuple[Sequence[str], Sequence[str]]  # as the shop stores them, and their products


class _Run:
    """Codes in ascending order: no two are the same, and they need no looking up until one comes that is lower."""

    def __init__(self) -> None:
        self.first = self.last = ""
        self.pieces = Spool()  #: what :func:`_unpacked` reads

    def takes(self, stored: Sequence[str], products: Sequence[str]) -> bool:
        """Whether the next codes go on in order; they are kept then. Raises OSError."""
        if not stored or (self.pieces and not self.last < stored[0]):
            return not stored
        if not all(map(lt, stored, islice(stored, 1, None))):
            return False
        self.first, self.last = self.first if self.pieces else stored[0], stored[-1]
        self.pieces.add(zlib.compress(json.dumps([stored, products]).encode("ascii"), 1))
        return True


def _unpacked(pieces: Iterable[bytes]) -> Iterator[_Codes]:
    for piece in pieces:
        stored, products = json.loads(zlib.decompress(piece))
        yield stored, products


class Codes:
    """The codes of one file, as the shop stores them, each with the product that it belongs to.

    With ``path`` they are of a part, and :meth:`leave` leaves them there for :meth:`apart` of the part before.
    Of codes in order a few are in memory, and the others in a temporary file, whose disk may be full (OSError).
    """

    def __init__(self, held: int = HELD, path: Path | None = None) -> None:
        self._most = held
        self._path = path
        self._run: _Run | None = _Run()
        self._held: dict[str, str] = {}
        self._file: sqlite3.Connection | None = None
        self._rows = 0

    def add(self, stored: Sequence[str], products: Sequence[str]) -> Mapping[int, str]:
        """Remember the next codes. For the place of each one that was there before: the first product that has it."""
        if self._run is not None:
            if self._run.takes(stored, products):
                return {}
            self._look_up()
        return self._add(stored, products)

    def leave(self) -> None:
        """Nothing is added any more: the file at ``path`` is whole, for others."""
        assert self._path is not None
        if self._run is None:
            if self._file is None:
                self._move()
            assert self._file is not None
            self._file.execute("COMMIT")
            self._file.close()
            return
        # as they came: hardly ever anybody wants to know more than the first of them
        run = self._run
        with closing(self._new()) as file:
            file.execute("CREATE TABLE run (first TEXT, last TEXT)")
            file.execute("CREATE TABLE pieces (piece BLOB)")
            file.execute("BEGIN")
            file.execute("INSERT INTO run VALUES (?, ?)", (run.first, run.last))
            file.executemany("INSERT INTO pieces VALUES (?)", ((piece,) for piece in run.pieces))
            file.execute("COMMIT")

    def apart(self, path: Path) -> bool:
        """Whether none of the codes here is one of those that others have left at ``path``; False: or not sure."""
        import sqlite3

        try:
            address = path.absolute().as_uri() + "?mode=rw"
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as other:
                if other.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone():
                    if self._is_before(other):
                        return True
                    _laid_out(other)
            return self._has_none_of(path)
        except (sqlite3.Error, OSError):  # the disk is full, the file is not whole
            return False

    def _is_before(self, other: sqlite3.Connection) -> bool:
        first, _last = other.execute("SELECT first, last FROM run").fetchone()
        empty = other.execute("SELECT 1 FROM pieces LIMIT 1").fetchone() is None
        return empty or (self._run is not None and (not self._run.pieces or self._run.last < first))

    def _has_none_of(self, path: Path) -> bool:
        if self._run is not None:
            self._look_up()
        if self._file is None:
            self._move()
        file = self._file
        assert file is not None
        file.execute("COMMIT")
        try:
            file.execute("ATTACH DATABASE ? AS other", (str(path),))
            common = file.execute(_COMMON).fetchone()
            file.execute("DETACH DATABASE other")
        finally:
            file.execute("BEGIN")
        return common is None

    def _look_up(self) -> None:
        """They are not in order any more: from now on each one is looked up."""
        run, self._run = self._run, None
        assert run is not None
        for stored, products in _unpacked(run.pieces):
            self._add(stored, products)

    def _add(self, stored: Sequence[str], products: Sequence[str]) -> Mapping[int, str]:
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

    def _new(self) -> sqlite3.Connection:
        import sqlite3

        # "" is a file that SQLite makes, fills as its cache runs over, and takes away when it is closed
        file = sqlite3.connect(self._path or "", isolation_level=None)
        file.execute("PRAGMA journal_mode = OFF")
        file.execute("PRAGMA synchronous = OFF")
        file.execute("PRAGMA cache_size = -4096")
        return file

    def _move(self) -> None:
        file = self._new()
        file.execute(_TABLE.format(""))
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


def _laid_out(other: sqlite3.Connection) -> None:
    """A run that was left, as a table that can be looked up."""
    other.execute("PRAGMA journal_mode = OFF")
    other.execute(_TABLE.format(""))
    other.execute("BEGIN")
    pieces = (piece for (piece,) in other.execute("SELECT piece FROM pieces ORDER BY rowid"))
    for codes in _unpacked(pieces):
        other.executemany("INSERT OR IGNORE INTO codes VALUES (?, ?, 0)", zip(*codes, strict=True))
    other.execute("DROP TABLE run")
    other.execute("COMMIT")
