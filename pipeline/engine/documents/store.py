"""What the ledger and the archive keep of orders that come from no file.

Each order that is taken is archived as it was read (see :mod:`paper`), as a file of its connection: so an order of a
system has what any order has, a file that it came in, and is found, traced, planned again and forgotten as any other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
import structlog

from pipeline.archive import ArchiveCopy, ArchiveItem
from pipeline.documents import FOLDER
from pipeline.engine.booking import columns_of
from pipeline.engine.context import RunContext
from pipeline.engine.documents import paper
from pipeline.engine.documents.work import Work
from pipeline.errors import MistokError, Who
from pipeline.ledger import files as file_rows
from pipeline.ledger import orders as order_rows
from pipeline.ledger.tables import FileState, OrderState, files
from pipeline.ports import SeenOrder
from pipeline.texts import T

log = structlog.get_logger("mistok.documents")
Row = dict[str, Any]
_STRANGE = re.compile(r"[^\w.-]+")


def name_of(seen: SeenOrder, sha256: str) -> str:
    """The name of an order's paper: by its number, and its content, as an order has one for each state it was in."""
    return f"{_STRANGE.sub('-', seen.number or seen.id)[:60]}-{sha256[:8]}.json"


def archive(ctx: RunContext, connection: str, some: Sequence[SeenOrder]) -> list[ArchiveCopy]:
    """Keep these orders as they were read; synced and read back when this returns."""
    now = ctx.clock.now()
    with TemporaryDirectory(dir=ctx.temp, prefix="orders-") as folder:
        items = []
        for place, seen in enumerate(some):
            data = paper.to_bytes(seen)
            path = Path(folder) / f"{place}.json"
            path.write_bytes(data)
            items.append(
                ArchiveItem(
                    path,
                    name_of(seen, hashlib.sha256(data).hexdigest()),
                    ctx.client,
                    now.astimezone(ctx.config.zone),
                    connection=connection,
                    folder=FOLDER,
                    modified=seen.updated_at,
                    job=ctx.job,
                )
            )
        return ctx.archive.keep_many(items)


def write_files(
    conn: sa.Connection,
    ctx: RunContext,
    connection: str,
    some: Sequence[SeenOrder],
    copies: Sequence[ArchiveCopy],
    now: datetime,
) -> list[int]:
    """A row for each paper, done with from the first; one that is there already stands. Gives their ids."""
    ids = []
    for seen, copy in zip(some, copies, strict=True):
        name = name_of(seen, copy.sha256)
        here = (files.c.client == ctx.client) & (files.c.connection == connection) & (files.c.sha256 == copy.sha256)
        number = conn.execute(sa.select(files.c.id).where(here, files.c.name == name)).scalar()
        if number is not None:
            # asked for again: retention counts from now
            conn.execute(files.update().where(files.c.id == number).values(updated=now, pruned=None))
        else:
            result = conn.execute(
                files.insert().values(
                    client=ctx.client,
                    connection=connection,
                    folder=FOLDER,
                    name=name,
                    size=copy.size,
                    modified=seen.updated_at,
                    sha256=copy.sha256,
                    state=FileState.ACKNOWLEDGED,
                    policy="asked",
                    first_seen=now,
                    last_look=now,
                    stable_since=now,
                    updated=now,
                )
            )
            assert result.inserted_primary_key is not None
            number = result.inserted_primary_key[0]
        ids.append(int(number))
    return ids


def write_orders(
    conn: sa.Connection, ctx: RunContext, works: Sequence[Work], file_ids: Sequence[int], into: str, now: datetime
) -> None:
    """The orders as they came now, each on its way; one in doubt stays so. Sets the works' rows."""
    for work, file_id in zip(works, file_ids, strict=True):
        values: dict[str, Any] = {
            "number": work.number,
            "revision": work.revision,
            "file_id": file_id,
            "line": None,
            "job": ctx.job,
            **columns_of(work.order or work.seen.order),
        }
        if not work.row:
            values |= {"client": ctx.client, "source": work.source, "order_id": work.seen.id, "key": work.key}
            values |= {"into": into, "state": OrderState.NEW, "findings": None, "tries": 0, "next_try": None}
            order_rows.insert(conn, [{**values, "created": now, "updated": now}])
            work.row = order_rows.by_keys(conn, {work.key})[work.key]
        else:
            state = OrderState(work.row["state"])
            kept = state in (OrderState.IN_DOUBT, OrderState.CREATING)
            values |= {} if kept else {"state": OrderState.NEW, "next_try": None}
            order_rows.update(conn, work.row["id"], now, **values)
            work.row = {**work.row, **values}
        ctx.event(conn, work.subject, "read", file=file_id, status=work.seen.status)
        seen = {"order_row": work.row["id"], "file_id": file_id, "revision": work.revision, "line": None}
        order_rows.add_sightings(conn, [{**seen, "outcome": "new" if not work.acts_before else "same", "at": now}])


def unread(row: Mapping[str, Any]) -> MistokError:
    """What is told of an order that has to be gone on with, and of which there is nothing to go by."""
    text = T(
        "Order {number} cannot be gone on with: what was read of it is not in the archive, or the step drops it now.",
        number=row["number"],
    )
    hint = T(
        "`mistok archive verify` tells what the archive lacks. Change the order in its source, and it is read anew."
    )
    return MistokError(text, code="unread-order", hint=hint, who=Who.ADMIN)


def papers_of(ctx: RunContext, rows: Collection[Mapping[str, Any]]) -> dict[int, SeenOrder]:
    """The orders of these ledger rows as they were read last, by row; without those of which no sound copy is left."""
    with ctx.ledger.read() as conn:
        known = file_rows.by_ids(conn, {row["file_id"] for row in rows})
    found = {}
    for row in rows:
        file = known[row["file_id"]]
        try:
            found[row["id"]] = paper.from_bytes(ctx.archive.read(file["sha256"]))
        except MistokError as error:
            log.warning("not_read_again", order=row["number"], code=error.code, error=error.text.render("en"))
    return found
