"""Schema versions by alembic. ``serve`` never migrates: it compares, and names the command (decision 25)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store import keys as _tables_of_keys  # noqa: F401 - on the same metadata
from idp.store import schema_protocols as _tables_of_protocols  # noqa: F401 - on the same metadata
from idp.store.database import Database, Store
from idp.store.schema import epoch, metadata

# The newest script in migrations/versions; compared here so that a start need not import alembic (40 ms, 10 MB).
HEAD = "0003"
_LOCK = 0x1D9  # any number, the same in every process
_VERSION = sa.text("SELECT version_num FROM alembic_version")


class SchemaMismatch(Exception):
    """The database is older or newer than this program; ``found`` is its version, None for an empty database."""

    def __init__(self, found: str | None) -> None:
        self.found = found
        # Versions are numbers of four digits: text compares as they do.
        self.newer = found is not None and found > HEAD
        self.mend = (
            "run the newer idp that made it, or restore a backup of this version's" if self.newer else "idp migrate"
        )
        super().__init__(f"the database's schema is {found or 'empty'}, this program needs {HEAD}: {self.mend}")


def current(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(_VERSION).scalar()


def require(found: str | None) -> None:
    """Raises SchemaMismatch unless ``found``, from ``current``, is what this program needs."""
    if found != HEAD:
        raise SchemaMismatch(found)


def serves(found: str | None) -> bool:
    """Whether a running process can go on with ``found``: an upgrade under it only adds (decision 25)."""
    return found is not None and found >= HEAD


def lock(connection: Connection) -> None:
    """Of two commands that change the schema the second waits until the first one's transaction has ended."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def to_head(connection: Connection) -> tuple[str | None, str]:
    """Bring the schema to HEAD, one upgrade at a time; answers the versions before and after.

    Raises SchemaMismatch for a schema this program does not know: a newer one's, or another program's.
    """
    lock(connection)
    before = current(connection)
    if before is None and not sa.inspect(connection).get_table_names():
        create(connection, HEAD)
    elif before != HEAD:
        if before is not None and before not in known():
            raise SchemaMismatch(before)
        _run(connection)
    return before, HEAD


def copy_before(store: Store) -> Path | None:
    """Before an SQLite schema changes, the file is copied beside itself; one such copy is kept. Its path, if made."""
    if not isinstance(store, Database):
        return None
    version = store.read_now(current)
    if version is None or version == HEAD or version not in known():
        return None
    copy = store.path.with_name(f"{store.path.name}.before-{HEAD}")
    for older in store.path.parent.glob(f"{store.path.name}.before-*"):
        if older != copy:
            older.unlink()
    store.copy_to(copy)
    return copy


def known() -> tuple[str, ...]:
    """Every version this program can make or bring to its own, the newest first."""
    from alembic.script import ScriptDirectory

    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def create(connection: Connection, version: str) -> None:
    """The tables of a version, in a database that has none of them."""
    if version != HEAD:
        _run(connection, version)
        return
    # HEAD is made from the tables as they are: a test holds them equal to all scripts run in turn.
    metadata.create_all(connection)
    connection.execute(sa.insert(epoch).values(id=1, value=0))
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(sa.text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def _run(connection: Connection, version: str = "head") -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
