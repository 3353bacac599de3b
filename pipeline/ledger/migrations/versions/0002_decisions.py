"""What people decide: mappings and decisions; pruned copies; statuses and amendments of orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.ledger.tables import Moment

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MAY_BE_EMPTY = {
    "files": ("findings", "ack_error"),
    "orders": ("findings",),
    "events": ("data",),
    "runs": ("counts", "error"),
    "notices": ("data", "why"),
}


def upgrade() -> None:
    """Bring the ledger here from the version before."""
    op.create_table(
        "mappings",
        sa.Column("id", ID, nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("meant", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("card_id", ID, nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_mappings_card_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mappings")),
        sa.UniqueConstraint("client", "kind", "code", name="uq_mappings_client_kind_code"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", ID, nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("codes", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("card_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_decisions_card_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_client_subject", "decisions", ["client", "subject"], unique=False)
    op.add_column("files", sa.Column("pruned", Moment(timezone=True), nullable=True))
    op.add_column("publications", sa.Column("pruned", Moment(timezone=True), nullable=True))
    op.add_column("orders", sa.Column("status", sa.String(length=64), nullable=True))
    op.add_column("orders", sa.Column("amended", Moment(timezone=True), nullable=True))
    op.create_index("ix_sightings_outcome", "sightings", ["outcome"], unique=False)
    for table, columns in _MAY_BE_EMPTY.items():  # nothing was a JSON null there, which IS NOT NULL finds
        for column in columns:
            place = sa.table(table, sa.column(column))
            null = sa.cast(place.c[column], sa.Text()) == "null"
            op.execute(place.update().where(null).values({column: sa.null()}))
