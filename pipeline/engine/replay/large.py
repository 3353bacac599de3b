"""A large archived file, replayed part by part: no more of its orders is in memory than of an import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from pipeline.engine import planning
from pipeline.engine.foreseeing import Unread
from pipeline.engine.parts import Part, Parts
from pipeline.engine.planning import Work
from pipeline.engine.replay.choose import Pick
from pipeline.engine.replay.copies import Copies, rejected
from pipeline.engine.replay.lines import Line
from pipeline.engine.replay.wanted import AT_ONCE, Wanted
from pipeline.engine.runtime import Client
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import OrderState

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file that was looked through, with what is wanted of it. ``whole`` says why it gives no orders, if it does."""

    row: Row
    wanted: Wanted
    whole: Parts | Unread

    def parts(self) -> Iterator[tuple[Part, Sequence[Work]]]:
        """Each part, with those of its works that are wanted."""
        assert isinstance(self.whole, Parts)
        for part in self.whole:
            yield part, [work for work in part.works if self.wanted.work(work)]


def together(client: Client, copies: Copies, picks: Sequence[Pick]) -> Iterator[tuple[list[Pick], bool]]:
    """Files that are carried on at once, in their order; a large one by itself, which is told by True."""
    group: list[Pick] = []
    for start in range(0, len(picks), AT_ONCE):
        some = picks[start : start + AT_ONCE]
        with client.ledger.read() as conn:
            rows = file_rows.by_ids(conn, [pick.file_id for pick in some])
        for pick in some:
            row = rows.get(pick.file_id)
            if row is not None and copies.is_large(row):
                if group:
                    yield group, False
                    group = []
                yield [pick], True
                continue
            group.append(pick)
            if len(group) == AT_ONCE:
                yield group, False
                group = []
    if group:
        yield group, False


@contextmanager
def opened(client: Client, copies: Copies, pick: Pick) -> Iterator[LargeFile | Line | None]:
    """A picked file, open for reading; a line when there is nothing to carry on. None: it is read as a whole.

    Raises Transient when there is no room for what does not belong into memory.
    """
    with client.ledger.read() as conn:
        row = file_rows.by_id(conn, pick.file_id)
        assert row is not None
        gone = rejected(conn, client.config.client, [row])
        wanted = Wanted(conn, [pick], {row["id"]: row})
    if row["id"] in gone:
        yield gone[row["id"]]
        return
    with copies.in_parts(row) as whole:
        yield LargeFile(row, wanted, whole) if isinstance(whole, (Parts, Unread)) else whole


def of_part(part: Part, works: Sequence[Work]) -> Part:
    """The part with these of its works."""
    return replace(part, works=list(works))


class Lost:
    """Which held orders of a file it gives no more: known when all of its orders went by."""

    def __init__(self, conn: sa.Connection, file: Row) -> None:
        self._file = file
        self._held = order_rows.held_keys(conn, file["id"])  # the others are made held by what is under way
        self._names = {name for _id, name in self._held.values() if planning.is_nameless(name, file)}
        self._now: dict[str, Work] = {}

    def see(self, works: Sequence[Work]) -> None:
        """These are in the file."""
        for work in works:
            self._held.pop(work.key, None)
            if self._names and (name := planning.nameless_id(self._file, work.index)) in self._names:
                self._now[name] = work

    def rows(self, conn: sa.Connection, wanted: Wanted) -> list[tuple[Row, Work | None]]:
        """Those that are held still, each with the order that it is now, when it had no name before."""
        rows = order_rows.by_ids(conn, [row_id for row_id, _name in self._held.values()])
        return [
            (row, self._now.get(row["order_id"]))
            for _id, row in sorted(rows.items())
            if row["state"] == OrderState.HELD and wanted.row(row)
        ]
