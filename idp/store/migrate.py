"""Schema versions by alembic. ``serve`` never migrates: it compares, and names the command (decision 25)."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store import keys as _tables_of_keys  # noqa: F401 - on the same metadata
from idp.store.schema import epoch, metadata

# The newest script in migrations/versions; compared here so that a start need not import alembic (40 ms, 10 MB).
HEAD = "0002"
_LOCK = 0x1D9  # any number, the same in every process
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


def require(found: str | None) -> None:
    """Raises SchemaMismatch unless ``found``, from ``current``, is what this program needs."""
    if found != HEAD:
        raise SchemaMismatch(found)


def to_head(connection: Connection) -> tuple[str | None, str]:
    """Bring the schema to HEAD, one upgrade at a time; answers the versions before and after."""
    if connection.dialect.name == "postgresql":
        # Held until the transaction ends: of two commands the second waits, and then finds nothing to do.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    before = current(connection)
    if before is None and not sa.inspect(connection).get_table_names():
        _create(connection)
    elif before != HEAD:
        _run(connection)
    return before, HEAD


def _create(connection: Connection) -> None:
    """An empty database is made from the tables as they are: a test holds them equal to all scripts run in turn."""
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
