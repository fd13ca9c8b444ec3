"""What the second day needs: buckets of tries, marks, uses of redirect URIs, and where a session is."""

import msgspec
import sqlalchemy as sa
from alembic import op

from idp.protocol.client import Client

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("bucket", sa.LargeBinary(length=32), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("bucket"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "redirect_uses",
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("uri_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "uri_hash"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "client_origins",
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("origin", "client_id"),
        sqlite_with_rowid=False,
    )
    _write_origins()
    # Columns that may be null: the program of 0001 goes on writing while this runs (decision 25).
    op.add_column("sessions", sa.Column("user_agent", sa.String(length=255), nullable=True))
    op.add_column("sessions", sa.Column("network", sa.String(length=64), nullable=True))
    op.add_column("consents", sa.Column("created_at", sa.Double(), nullable=True))
    op.create_index("audit_account", "audit", ["account_id", "at"], unique=False)
    waits = sa.text("delivered_at IS NULL AND given_up_at IS NULL")
    op.drop_index("logout_deliveries_due", table_name="logout_deliveries")
    op.create_index(
        "logout_deliveries_due", "logout_deliveries", ["due_at"], sqlite_where=waits, postgresql_where=waits
    )
    # Names in the order of their code points, which SQLite has anyway: pages of a list need an index in one order.
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("accounts", "username", type_=sa.String(length=255, collation="C"))
        op.alter_column("clients", "client_id", type_=sa.String(length=255, collation="C"))


def _write_origins() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT data FROM clients")).scalars().all()
    found = [msgspec.json.decode(bytes(data), type=Client) for data in rows]
    values = [{"client_id": client.client_id, "origin": origin} for client in found for origin in client.origins]
    if values:
        statement = "INSERT INTO client_origins (client_id, origin) VALUES (:client_id, :origin)"
        connection.execute(sa.text(statement), values)


def downgrade() -> None:
    op.drop_table("client_origins")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("clients", "client_id", type_=sa.String(length=255))
        op.alter_column("accounts", "username", type_=sa.String(length=255))
    op.drop_index("logout_deliveries_due", table_name="logout_deliveries")
    op.create_index("logout_deliveries_due", "logout_deliveries", ["due_at"])
    op.drop_index("audit_account", table_name="audit")
    with op.batch_alter_table("consents") as batch_op:
        batch_op.drop_column("created_at")
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.drop_column("network")
        batch_op.drop_column("user_agent")
    op.drop_table("redirect_uses")
    op.drop_table("marks")
    op.drop_table("attempts")
