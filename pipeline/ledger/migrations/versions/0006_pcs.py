"""PCs that notices go to, what became of them there, and what was told elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.ledger.tables import Moment

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the ledger here from the version before."""
    op.add_column("orders", sa.Column("warehouse", sa.String(length=64), nullable=True))
    op.add_column("notices", sa.Column("routed", Moment(timezone=True), nullable=True))
    # what is there was told before there were PCs
    op.execute("UPDATE notices SET routed = created")
    op.create_index("ix_notices_client_routed", "notices", ["client", "routed"], unique=False)
    op.create_index("ix_notices_client_subject", "notices", ["client", "subject"], unique=False)
    op.create_table(
        "pcs",
        sa.Column("id", ID, nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("created", Moment(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("revoked", Moment(timezone=True), nullable=True),
        sa.Column("seen", Moment(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("program", sa.String(length=128), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pcs")),
        sa.UniqueConstraint("client", "name", name="uq_pcs_client_name"),
    )
    op.create_index("ix_pcs_token", "pcs", ["token"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("pc_id", ID, nullable=False),
        sa.Column("notice_id", ID, nullable=False),
        sa.Column("created", Moment(timezone=True), nullable=False),
        sa.Column("quiet", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("released", Moment(timezone=True), nullable=True),
        sa.Column("shown", Moment(timezone=True), nullable=True),
        sa.Column("clicked", Moment(timezone=True), nullable=True),
        sa.Column("done", Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_deliveries_notice_id")),
        sa.ForeignKeyConstraint(["pc_id"], ["pcs.id"], name=op.f("fk_deliveries_pc_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("pc_id", "notice_id", name="uq_deliveries_pc_id_notice_id"),
    )
    op.create_index("ix_deliveries_client_seq", "deliveries", ["client", "seq"], unique=False)
    op.create_index("ix_deliveries_pc_id_seq", "deliveries", ["pc_id", "seq"], unique=False)
    op.create_index("ix_deliveries_notice_id", "deliveries", ["notice_id"], unique=False)
    op.create_table(
        "escalations",
        sa.Column("id", ID, nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("notice_id", ID, nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("next_try", Moment(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("why", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_escalations_notice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalations")),
        sa.UniqueConstraint("notice_id", "rule", name="uq_escalations_notice_id_rule"),
    )
