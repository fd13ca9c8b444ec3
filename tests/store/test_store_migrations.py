"""Schema versions (decision 25): the scripts in turn give exactly the tables of the code; serve only compares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import idp.store.keys  # noqa: F401 - its tables stand on the same metadata
from idp.store import migrate
from idp.store.database import Database
from idp.store.schema import metadata

SCRIPTS = Path(migrate.__file__).parent / "migrations"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(tmp_path / "test.sqlite3")
    yield found
    found.close()


def by_scripts(database: Database) -> None:
    """Every script from nothing to the newest, as a database that lived through them all."""
    from alembic import command

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.write_now(run)


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


def test_the_scripts_give_the_tables_of_the_code(database: Database) -> None:
    by_scripts(database)
    difference = database.read_now(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert difference == []
    assert database.read_now(migrate.current) == migrate.HEAD


def test_a_new_database_is_made_as_the_scripts_would(database: Database, tmp_path: Path) -> None:
    by_scripts(database)
    fresh = Database(tmp_path / "fresh.sqlite3")
    assert fresh.write_now(migrate.to_head) == (None, migrate.HEAD)
    ours, theirs = fresh.read_now(shape), database.read_now(shape)
    assert ours.keys() == theirs.keys()
    for table in ours:
        assert ours[table] == theirs[table], table
    assert fresh.read_now(lambda c: c.execute(sa.text("SELECT id, value FROM epoch")).all()) == [(1, 0)]
    assert database.read_now(lambda c: c.execute(sa.text("SELECT id, value FROM epoch")).all()) == [(1, 0)]
    fresh.close()


def test_once_there_nothing_is_done(database: Database) -> None:
    database.write_now(migrate.to_head)
    before = database.read_now(shape)
    assert database.write_now(migrate.to_head) == (migrate.HEAD, migrate.HEAD)
    assert database.read_now(shape) == before
    migrate.require(database.read_now(migrate.current))


def test_serve_refuses_an_empty_database_and_names_the_command(database: Database) -> None:
    with pytest.raises(migrate.SchemaMismatch, match="idp migrate") as refused:
        migrate.require(database.read_now(migrate.current))
    assert refused.value.found is None
    assert database.read_now(lambda c: sa.inspect(c).get_table_names()) == [], "and made nothing"


def test_serve_refuses_another_version(database: Database) -> None:
    database.write_now(migrate.to_head)
    database.write_now(lambda c: c.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(migrate.SchemaMismatch) as refused:
        migrate.require(database.read_now(migrate.current))
    assert refused.value.found == "9999"


def test_a_migration_that_fails_leaves_nothing_half_done(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Connection) -> None:
        metadata.create_all(connection)
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrate, "_create", broken)
    with pytest.raises(RuntimeError):
        database.write_now(migrate.to_head)
    assert database.read_now(lambda c: sa.inspect(c).get_table_names()) == []


def test_foreign_tables_are_not_taken_for_ours(database: Database) -> None:
    """A file of another program gets the scripts, which say what is in the way, and never a half-made schema."""
    database.write_now(lambda c: c.execute(sa.text("CREATE TABLE clients (x INTEGER)")))
    with pytest.raises(Exception, match="clients"):
        database.write_now(migrate.to_head)
    assert database.read_now(lambda c: sa.inspect(c).get_table_names()) == ["clients"]
