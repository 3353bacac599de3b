"""A ledger that is missing beside a full archive was lost: nothing runs until somebody has said what to do about it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pipeline.archive import Archive, upkeep
from pipeline.config.model import ClientConfig
from pipeline.errors import ConfigError
from pipeline.ledger import tables as t
from pipeline.ledger.place import can_be_made
from pipeline.ledger.store import DAMAGED, NEWER, Ledger, shown_url
from pipeline.texts import T

MISSING = "ledger-missing"
__all__ = ["DAMAGED", "MISSING", "NEWER", "file_missing", "file_of", "has_story", "lost"]


def file_missing(config: ClientConfig) -> bool:
    """Whether the ledger is a file that is not there. Raises Transient when it is not, and could not be made."""
    path = file_of(config)
    try:
        missing = path is not None and not path.exists()
    except OSError:  # who may not look into its folder is told so below
        missing = True
    if missing and path is not None:
        can_be_made(path)
    return missing


def file_of(config: ClientConfig) -> Path | None:
    """The file that the ledger is; None on a database server."""
    prefix = "sqlite:///"
    url = config.ledger.url
    return (config.base / url.removeprefix(prefix)).resolve() if url.startswith(prefix) else None


def has_story(ledger: Ledger) -> bool:
    """Whether the ledger has any row of its client. Raises Transient when it does not answer."""
    tables = (t.runs, t.values, t.files, t.publications)
    some = sa.or_(*(sa.exists(sa.select(one.c.client).where(one.c.client == ledger.client)) for one in tables))
    with ledger.read() as conn:
        return bool(conn.execute(sa.select(some)).scalar())


def lost(config: ClientConfig, archive: Archive) -> ConfigError | None:
    """What is said when the archive has copies of a client whose ledger is missing or empty; None when it has none.

    Raises Transient when the archive cannot be read.
    """
    if not upkeep.holds(archive, config.client):
        return None
    return ConfigError(
        T(
            "The ledger {url} is missing or empty, but the archive {folder} has files of client {client}.",
            url=shown_url(config.ledger.url, config.base),
            folder=str(archive.root),
            client=config.client,
        ),
        code=MISSING,
        hint=T(
            "Restore a backup of it: mistok ledger restore FILE. Without one: mistok ledger rebuild makes it anew from "
            "the archive. To begin without it on purpose: mistok ledger new."
        ),
    )
