"""What a support bundle tells, part by part. Each part is plain data, nothing of it hidden yet."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.engine.shown.words import jsonable

if TYPE_CHECKING:
    from pipeline.config.model import ClientConfig
    from pipeline.engine.runtime import Client
    from pipeline.ledger.store import Ledger

#: The most that is told of a kind.
RUNS, CARDS, NOTICES, FILES = 2000, 500, 500, 2000
#: Of the order files whose words are looked at, the largest.
LARGE = 5_000_000


def versions() -> dict[str, Any]:
    """The program, Python, the system and the libraries. Nothing of the machine's name or its people."""
    libraries: dict[str, str | None] = {}
    for needed in metadata.requires("mistok") or () if _installed() else ():
        name = needed.split(";")[0].split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip()
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            libraries[name] = None  # an extra that is not wanted here
    return {
        "mistok": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "encoding": {"files": sys.getfilesystemencoding(), "out": sys.stdout.encoding},
        "environment": sorted(
            name for name in os.environ if name.startswith(("MISTOK_", "LC_", "LANG", "TZ", "PYTHON"))
        ),
        "libraries": libraries,
    }


def _installed() -> bool:
    try:
        metadata.version("mistok")
    except metadata.PackageNotFoundError:
        return False  # run from its folder
    return True


def ledger_counts(ledger: Ledger) -> dict[str, Any]:
    """The ledger's version, and how many rows each table has; orders and files by state."""
    import sqlalchemy as sa

    from pipeline.ledger import tables as t

    with ledger.read() as conn:
        version = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        told: dict[str, Any] = {"kind": conn.dialect.name, "version": version}
        told["rows"] = {
            name: conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for name, table in sorted(t.metadata.tables.items())
        }
        for table in (t.orders, t.files, t.cards, t.notices, t.acts):
            rows = conn.execute(
                sa.select(table.c.state, sa.func.count()).group_by(table.c.state).order_by(table.c.state)
            )
            told[f"{table.name}_by_state"] = {row[0]: row[1] for row in rows}
    return told


def jobs(client: Client) -> list[dict[str, Any]]:
    """The jobs with their schedules, last and next runs."""
    from pipeline.engine.shown.jobs import gather

    return list(jsonable(gather(client.config, client.ledger)))


def runs(client: Client, since: datetime) -> list[dict[str, Any]]:
    """The runs that began since then, newest first."""
    from pipeline.engine.shown.runs import runs_of

    return [
        {**jsonable(row), "took": row["took"].total_seconds() if row["took"] is not None else None}
        for row in runs_of(client, most=RUNS)
        if row["started"] >= since
    ]


def open_cards(client: Client) -> list[dict[str, Any]]:
    """What waits for a person, with every finding."""
    from pipeline.engine.shown.cards import card_row
    from pipeline.ledger.cards import listing

    with client.ledger.read() as conn:
        return [jsonable(card_row(row, client)) for row in listing(conn, client.config.client)[-CARDS:]]


def notices(client: Client, since: datetime) -> list[dict[str, Any]]:
    """What people were told since then, newest first."""
    from pipeline.alerts.outbox import listing

    return [
        {name: jsonable(value) for name, value in row.items() if name != "data"}
        for row in listing(client.ledger, limit=NOTICES)
        if row["created"] >= since
    ]


def story(client: Client, what: str) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """The stories of an order, a document or a file, and the lines of each order in its file, by the order's row."""
    from pipeline.engine.shown.lines import of_order
    from pipeline.engine.shown.stories import stories_of
    from pipeline.ledger.search import orders_called

    stories = [jsonable(one) for one in stories_of(client, what)]
    with client.ledger.read() as conn:
        rows = [int(row["id"]) for row in orders_called(conn, client.config.client, what.strip())]
    return stories, [(row, "\n".join(line.text for line in of_order(client, row))) for row in rows]


def people(client: Client) -> Iterator[str | None]:
    """What the ledger knows of buyers: names and phone numbers, of all orders."""
    import sqlalchemy as sa

    from pipeline.ledger.tables import orders

    query = sa.select(orders.c.customer, orders.c.phone).where(orders.c.client == client.config.client)
    with client.ledger.read() as conn:
        for row in conn.execution_options(yield_per=1000).execute(query):
            yield from row


def sources(client: Client) -> list[str]:
    """What the shops call themselves in their orders."""
    import sqlalchemy as sa

    from pipeline.ledger.tables import orders

    query = sa.select(orders.c.source).where(orders.c.client == client.config.client).distinct().limit(RUNS)
    with client.ledger.read() as conn:
        return [str(row[0]) for row in conn.execute(query)]


def order_files(client: Client, since: datetime) -> Iterator[str]:
    """The texts of the order files that came, or were looked at, since then; those of open cards whatever their age."""
    import sqlalchemy as sa

    from pipeline.engine.cards.story import text_of
    from pipeline.ledger.tables import cards, files, row_dict

    waits = sa.select(cards.c.file_id).where(cards.c.client == client.config.client, cards.c.state == "open")
    query = (
        sa.select(files)
        .where(files.c.client == client.config.client, files.c.sha256.is_not(None), files.c.size < LARGE)
        .where(sa.or_(files.c.updated >= since, files.c.id.in_(waits)))
        .order_by(files.c.id.desc())
        .limit(FILES)
    )
    with client.ledger.read() as conn:
        rows = [row_dict(row) for row in conn.execute(query)]
    for row in rows:
        yield text_of(client, row)


def log_files(config: ClientConfig | None, since: datetime, more: tuple[Path, ...] = ()) -> list[Path]:
    """The log's files that were written to since then, newest first; ``more``: others, where they are."""
    found = list(more)
    if config is not None and config.log.file is not None:
        path = config.path(config.log.file)
        if path.parent.is_dir():
            found += [one for one in path.parent.glob(f"{path.name}*") if not one.name.endswith(".lock")]
    alive = [(one.stat().st_mtime, one) for one in found if one.is_file()]
    return [one for at, one in sorted(alive, reverse=True) if at >= since.timestamp()]


def since(now: datetime, days: int) -> datetime:
    """The moment from which on things are told."""
    return now - timedelta(days=days)
