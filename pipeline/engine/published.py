"""What the ledger knows of one published file: its last publication, what is on its way, and the marker beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import sqlalchemy as sa

from pipeline.engine import sharing
from pipeline.engine.context import RunContext
from pipeline.engine.prices import Packed
from pipeline.engine.unchanged import Mark
from pipeline.flow import OutboundSettings
from pipeline.ledger.tables import publications, values
from pipeline.ports import RemoteFile

UNDER_WAY = "publishing"  #: kind of the value that says what is being sent
PRICES = "prices"  #: kind of the value that holds the prices of the last publication, or says that others hold them
PIECE = "prices-"  #: what the kinds of those others begin with; their numbers follow
MARK = "catalogue-mark"  #: kind of the value that says of which source the published file is made (unchanged.py)
MARKER = "marker"  #: kind of the value that says which marker was written, and for which content


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker that was written: its name, and the hash that it vouches for."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The ledger's rows about the file that ``settings`` publish."""

    ctx: RunContext
    settings: OutboundSettings

    @property
    def place(self) -> str:
        """What its small values are filed under."""
        return f"{self.settings.to}/{self.settings.folder}/{self.settings.name}"

    def last(self) -> dict[str, Any] | None:
        """The last recorded publication under this name."""
        p, settings = publications, self.settings
        query = (
            sa.select(p)
            .where(
                p.c.client == self.ctx.client,
                p.c.connection == settings.to,
                p.c.folder == settings.folder,
                p.c.name == settings.name,
            )
            .order_by(p.c.id.desc())
            .limit(1)
        )
        with self.ctx.ledger.read() as conn:
            row = conn.execute(query).mappings().first()
        return dict(row) if row else None

    def under_way(self) -> bool:
        """Whether a run was killed between sending and recording: who knows what lies there."""
        with self.ctx.ledger.read() as conn:
            return bool(self.ctx.ledger.get_value(conn, UNDER_WAY, self.place))

    def begin(self, sha256: str) -> None:
        """From now on, and until it is recorded, something may lie there that no publication tells of."""
        with self.ctx.begin() as conn:
            self.ctx.ledger.set_value(conn, UNDER_WAY, self.place, {"sha256": sha256})

    def record(self, conn: sa.Connection, sha256: str, rows: int, remote: RemoteFile) -> None:
        """A publication, ended. ``remote``: size and time as the server lists them."""
        ctx, settings = self.ctx, self.settings
        conn.execute(
            publications.insert().values(
                client=ctx.client,
                job=ctx.job,
                connection=settings.to,
                folder=settings.folder,
                name=settings.name,
                sha256=sha256,
                size=remote.size,
                rows=rows,
                remote_modified=remote.modified,
                at=ctx.clock.now(),
            )
        )
        sharing.note(ctx.ledger, conn, ctx.archive)
        ctx.ledger.set_value(conn, UNDER_WAY, self.place, {})

    @contextmanager
    def prices(self) -> Iterator[Packed | None]:
        """The packed prices of the last publication, where they are known; to be looked at once, and before it ends."""
        v = values.c
        named = (v.client == self.ctx.client, v.name == self.place, sa.or_(v.kind == PRICES, self._is_piece()))
        query = sa.select(v.kind, v.value).where(*named).order_by(v.kind)
        # one statement, so that all are of one publication; they are fetched as they are looked at
        query = query.execution_options(stream_results=True, max_row_buffer=1)
        with self.ctx.ledger.read() as conn, conn.execute(query) as found:
            kind, head = next(found, ("", None))
            if kind != PRICES or not head:
                yield None
            elif "pieces" in head:
                yield Packed((base64.b64decode(value["packed"]) for _kind, value in found), head["sorted"])
            else:  # what is left of others is older
                yield Packed.of_text(str(head["packed"])) if head.get("packed") else None

    def set_prices(self, conn: sa.Connection, packed: Packed | None) -> None:
        """The prices that are published now; None: they are not looked at, so that none are remembered."""
        ledger = self.ctx.ledger
        if packed is None and not ledger.get_value(conn, PRICES, self.place):
            return
        v = values.c
        conn.execute(values.delete().where(v.client == self.ctx.client, v.name == self.place, self._is_piece()))
        texts = packed.texts() if packed is not None else iter(())
        first, second = next(texts, ""), next(texts, None)
        if packed is None or second is None:  # as ever, so that an older Mistok reads it as well
            ledger.set_value(conn, PRICES, self.place, {"packed": packed.mark + first if packed is not None else None})
            return
        number = 0
        for number, text in enumerate(chain((first, second), texts), 1):
            ledger.set_value(conn, f"{PIECE}{number:05}", self.place, {"packed": text})
        ledger.set_value(conn, PRICES, self.place, {"pieces": number, "sorted": packed.sorted})

    @staticmethod
    def _is_piece() -> sa.ColumnElement[bool]:
        return values.c.kind.like(f"{PIECE}%")

    def mark(self) -> Mark | None:
        """The mark of the source that the published file was found to be made of, if there is one."""
        with self.ctx.ledger.read() as conn:
            kept = self.ctx.ledger.get_value(conn, MARK, self.place)
        return Mark.from_json(kept) if kept else None

    def set_mark(self, mark: Mark) -> None:
        """From now on the same source needs no reading."""
        with self.ctx.begin() as conn:
            self.ctx.ledger.set_value(conn, MARK, self.place, mark.to_json())

    def marker(self) -> Marker | None:
        """The marker that was written last, if it was not taken away by us."""
        with self.ctx.ledger.read() as conn:
            kept = self.ctx.ledger.get_value(conn, MARKER, self.place)
        return Marker(kept["name"], kept["sha256"]) if kept else None

    def set_marker(self, conn: sa.Connection, sha256: str) -> None:
        """The marker of the settings now vouches for this content; none, when the settings have none."""
        name = self.settings.marker
        if name or self.ctx.ledger.get_value(conn, MARKER, self.place):
            self.ctx.ledger.set_value(conn, MARKER, self.place, {"name": name, "sha256": sha256} if name else {})
