"""What the documents walk does about orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.ledger.tables import Moment

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the ledger here from the version before."""
    op.create_table(
        "acts",
        sa.Column("id", ID, nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("order_row", ID, nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=True),
        sa.Column("document_number", sa.Text(), nullable=True),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("created", Moment(timezone=True), nullable=False),
        sa.Column("updated", Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_row"], ["orders.id"], name=op.f("fk_acts_order_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
        sa.UniqueConstraint("order_row", "act", "key", name="uq_acts_order_row_act_key"),
    )
    op.create_index("ix_acts_client_state", "acts", ["client", "state"], unique=False)
