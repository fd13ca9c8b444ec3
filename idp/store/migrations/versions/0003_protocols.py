"""What the protocols of the third step keep: keys tokens are bound to, and what a request asked of its person."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Columns that may be null: the program of 0002 goes on writing while this runs (decision 25).
    op.add_column("codes", sa.Column("dpop_jkt", sa.String(length=64), nullable=True))
    op.add_column("refresh_tokens", sa.Column("dpop_jkt", sa.String(length=64), nullable=True))
    op.add_column("grants", sa.Column("claims", sa.Text(), nullable=True))
    op.add_column("grants", sa.Column("acr", sa.String(length=255), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("grants") as batch_op:
        batch_op.drop_column("acr")
        batch_op.drop_column("claims")
    with op.batch_alter_table("refresh_tokens") as batch_op:
        batch_op.drop_column("dpop_jkt")
    with op.batch_alter_table("codes") as batch_op:
        batch_op.drop_column("dpop_jkt")
