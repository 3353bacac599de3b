"""What the sheet of a day tells of orders, and why they became what they did.

Orders that were taken before have none of it: no file of them is read again here, and the sheet says so.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.ledger.tables import Moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the ledger here from the version before."""
    for column in (
        sa.Column("placed", Moment(timezone=True), nullable=True),
        sa.Column("payment_method", sa.Text(), nullable=True),
        sa.Column("payment_status", sa.String(length=16), nullable=True),
        sa.Column("document_says", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("decided", sa.JSON(none_as_null=True), nullable=True),
    ):
        op.add_column("orders", column)
    op.create_index("ix_orders_client_placed", "orders", ["client", "placed"], unique=False)
