"""Schema versions (decision 25): the scripts in turn give exactly the tables of the code; serve only compares.

An upgrade keeps every row, and lets the program before it go on (expand before contract).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from support.old_schema import old_database, populate, rows_of

import idp.store.keys  # noqa: F401 - its tables stand on the same metadata
from idp.store import migrate
from idp.store.database import Database
from idp.store.registry import has_origin
from idp.store.schema import metadata

SCRIPTS = Path(migrate.__file__).parent / "migrations"


def by_scripts(database: Any) -> None:
    """Every script from nothing to the newest, as a database that lived through them all."""
    database.write_now(migrate._run)


def shape(connection: Connection) -> dict[str, Any]:
    """Every table as the database itself describes it."""
    inspector = sa.inspect(connection)
    return {
        table: {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)],
            "primary": inspector.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(tuple(u["column_names"]) for u in inspector.get_unique_constraints(table)),
            "indexes": sorted(
                (i["name"] or "", tuple(i["column_names"]), i["unique"]) for i in inspector.get_indexes(table)
            ),
            "foreign": inspector.get_foreign_keys(table),
        }
        for table in inspector.get_table_names()
    }


def test_the_newest_script_is_the_one_the_code_needs() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]
    assert migrate.known() == (migrate.HEAD, "0002", "0001")


def test_the_scripts_give_the_tables_of_the_code(store: Any) -> None:
    by_scripts(store)
    difference = store.read_now(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert difference == []
    assert store.read_now(migrate.current) == migrate.HEAD


def test_a_new_database_is_made_as_the_scripts_would(store: Any) -> None:
    by_scripts(store)
    theirs = store.read_now(shape)
    store.write_now(undone)
    assert store.write_now(migrate.to_head) == (None, migrate.HEAD)
    ours = store.read_now(shape)
    assert ours.keys() == theirs.keys()
    for table in ours:
        assert ours[table] == theirs[table], table
    assert store.read_now(lambda c: c.execute(sa.text("SELECT id, value FROM epoch")).all()) == [(1, 0)]


def undone(connection: Connection) -> None:
    """The scripts lead back as well, and leave nothing but their own mark."""
    from alembic import command

    config = migrate._config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")
    assert sa.inspect(connection).get_table_names() == ["alembic_version"]
    connection.execute(sa.text("DROP TABLE alembic_version"))


def test_once_there_nothing_is_done(store: Any) -> None:
    store.write_now(migrate.to_head)
    before = store.read_now(shape)
    assert store.write_now(migrate.to_head) == (migrate.HEAD, migrate.HEAD)
    assert store.read_now(shape) == before
    migrate.require(store.read_now(migrate.current))


def test_serve_refuses_an_empty_database_and_names_the_command(store: Any) -> None:
    with pytest.raises(migrate.SchemaMismatch, match="idp migrate") as refused:
        migrate.require(store.read_now(migrate.current))
    assert refused.value.found is None
    assert store.read_now(lambda c: sa.inspect(c).get_table_names()) == [], "and made nothing"


def test_a_newer_schema_is_refused_by_serve_and_by_migrate(store: Any) -> None:
    store.write_now(migrate.to_head)
    store.write_now(lambda c: c.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")) and None)
    before = store.read_now(shape)
    for refuse in (lambda: migrate.require(store.read_now(migrate.current)), lambda: store.write_now(migrate.to_head)):
        with pytest.raises(migrate.SchemaMismatch, match="run the newer idp") as refused:
            refuse()
        assert (refused.value.found, refused.value.newer) == ("9999", True)
    assert store.read_now(shape) == before


def test_a_migration_that_fails_leaves_nothing_half_done(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Connection, version: str) -> None:
        metadata.create_all(connection)
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrate, "create", broken)
    with pytest.raises(RuntimeError):
        store.write_now(migrate.to_head)
    assert store.read_now(lambda c: sa.inspect(c).get_table_names()) == []


def test_foreign_tables_are_not_taken_for_ours(store: Any) -> None:
    """A file of another program gets the scripts, which say what is in the way, and never a half-made schema."""
    store.write_now(lambda c: c.execute(sa.text("CREATE TABLE clients (x INTEGER)")) and None)
    with pytest.raises(Exception, match="clients"):
        store.write_now(migrate.to_head)
    assert store.read_now(lambda c: sa.inspect(c).get_table_names()) == ["clients"]


# -- from an older schema


def test_an_upgrade_keeps_every_row_and_what_the_old_program_writes_still_fits(store: Any) -> None:
    old = store.write_now(old_database)
    before = store.read_now(rows_of, old)
    assert all(len(rows) >= 3 for name, rows in before.items() if name not in ("epoch", "alembic_version"))
    assert store.write_now(migrate.to_head) == ("0001", migrate.HEAD)
    assert store.read_now(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []
    after = store.read_now(rows_of, old)
    assert {**after, "alembic_version": None} == {**before, "alembic_version": None}
    assert all(store.read_now(has_origin, f"https://app{number}.test") for number in range(3))
    # A node that was not replaced yet: its statements name the columns of its own time.
    store.write_now(populate, old, range(3, 5))
    assert all(
        len(rows) == len(before[name]) + 2
        for name, rows in store.read_now(rows_of, old).items()
        if name not in ("epoch", "alembic_version")
    )
    store.write_now(lambda c: c.execute(sa.update(old.tables["sessions"]).values(last_seen=1.0)) and None)


def test_an_sqlite_file_is_copied_before_it_changes_and_one_copy_is_kept(tmp_path: Path) -> None:
    database = Database(tmp_path / "idp.sqlite3")
    old = database.write_now(old_database)
    before = database.read_now(rows_of, old)
    stale = tmp_path / "idp.sqlite3.before-0001"
    stale.touch()
    copy = migrate.copy_before(database)
    assert copy == tmp_path / f"idp.sqlite3.before-{migrate.HEAD}"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not stale.exists()
    database.write_now(migrate.to_head)
    assert migrate.copy_before(database) is None, "nothing to change, nothing to copy"
    database.close()
    kept = Database(copy)
    assert kept.read_now(rows_of, old) == before
    kept.close()
