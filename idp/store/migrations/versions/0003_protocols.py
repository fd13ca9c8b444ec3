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
    op.add_column("logout_deliveries", sa.Column("tries", sa.Text(), nullable=True))
    op.add_column("grants", sa.Column("acr", sa.String(length=255), nullable=True))
    op.add_column("consents", sa.Column("claims", sa.Text(), nullable=True))
    op.create_table(
        "pushed_requests",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("spent_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_with_rowid=False,
    )
    _opaque_tokens()
    _registration()
    _devices()


def _registration() -> None:
    """Clients that register themselves, and what lets them."""
    op.create_table(
        "registrations",
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.Column("removed_at", sa.Double(), nullable=True),
        sa.Column("initial_token", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("client_id"),
        sqlite_with_rowid=False,
    )
    for name, column, rows in (
        ("registrations_unused", "created_at", "used_at IS NULL AND removed_at IS NULL"),
        ("registrations_removed", "removed_at", "removed_at IS NOT NULL"),
    ):
        op.create_index(name, "registrations", [column], sqlite_where=sa.text(rows), postgresql_where=sa.text(rows))
    op.create_table(
        "initial_tokens",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("hash"),
        sqlite_with_rowid=False,
    )


def _opaque_tokens() -> None:
    """Access tokens that are kept instead of signed."""
    op.create_table(
        "opaque_tokens",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("claims", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_with_rowid=False,
    )


def _devices() -> None:
    """Devices that wait for their person."""
    op.create_table(
        "device_codes",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("resources", sa.Text(), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("poll_interval", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.Double(), nullable=True),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.Column("grant_id", sa.String(length=64), nullable=True),
        sa.Column("spent_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("hash"),
        sa.UniqueConstraint("user_code_hash"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    with op.batch_alter_table("logout_deliveries") as batch_op:
        batch_op.drop_column("tries")
    op.drop_table("device_codes")
    op.drop_table("pushed_requests")
    op.drop_table("opaque_tokens")
    op.drop_table("initial_tokens")
    for name in ("registrations_removed", "registrations_unused"):
        op.drop_index(name, "registrations")
    op.drop_table("registrations")
    with op.batch_alter_table("consents") as batch_op:
        batch_op.drop_column("claims")
    with op.batch_alter_table("grants") as batch_op:
        batch_op.drop_column("acr")
        batch_op.drop_column("claims")
    with op.batch_alter_table("refresh_tokens") as batch_op:
        batch_op.drop_column("dpop_jkt")
    with op.batch_alter_table("codes") as batch_op:
        batch_op.drop_column("dpop_jkt")
