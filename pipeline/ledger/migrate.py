"""Brings a ledger to the newest version by alembic. Imported only when there is something to do."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.ledger.store import MIGRATING

_FOLDER = Path(__file__).with_name("migrations")


def config_for(connection: sa.Connection | None = None) -> Config:
    """Alembic's config, with the connection to use."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(engine: sa.Engine) -> None:
    """Run every migration that is missing, in one transaction. Two at once: the second finds nothing to do."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # one migrator at a time; released with the transaction
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
        command.upgrade(config_for(connection), "head")


def upgrade_to(connection: sa.Connection, version: str) -> None:
    """Run the migrations up to ``version`` on a connection, in its transaction."""
    command.upgrade(config_for(connection), version)
