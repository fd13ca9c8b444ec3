"""Schema versions by alembic. ``serve`` never migrates: it compares, and names the command (decision 25)."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store import keys as _tables_of_keys  # noqa: F401 - on the same metadata
from idp.store.database import Database
from idp.store.schema import epoch, metadata

# The newest script in migrations/versions; compared here so that a start need not import alembic (40 ms, 10 MB).
HEAD = "0001"
_VERSION = sa.text("SELECT version_num FROM alembic_version")


class SchemaMismatch(Exception):
    """The database is older or newer than this program; ``found`` is its version, None for an empty database."""

    def __init__(self, found: str | None) -> None:
        super().__init__(f"the database's schema is {found or 'empty'}, this program needs {HEAD}: run idp migrate")
        self.found = found


def current(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(_VERSION).scalar()


def require_current(database: Database) -> None:
    """Raises SchemaMismatch."""
    found = database.read_now(current)
    if found != HEAD:
        raise SchemaMismatch(found)


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the schema to HEAD in one transaction; answers the versions before and after.

    An empty database is made from the tables as they are, which a test holds equal to all scripts run in turn.
    """
    before = database.read_now(current)
    if before is None and not database.read_now(_has_tables):
        database.write_now(_create)
    elif before != HEAD:
        database.write_now(_run)
    return before, HEAD


def _has_tables(connection: Connection) -> bool:
    return bool(sa.inspect(connection).get_table_names())


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(sa.insert(epoch).values(id=1, value=0))
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(sa.text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
