"""The users table of a Django site, read and never written: SQLite is opened read-only, PostgreSQL asked for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

# Our column -> that of django.contrib.auth; a custom model may lack any of them but the first two.
DJANGO_COLUMNS: Mapping[str, str] = {
    "username": "username",
    "password_hash": "password",
    "email": "email",
    "given_name": "first_name",
    "family_name": "last_name",
    "active": "is_active",
}
_REQUIRED = ("username", "password_hash")


class ForeignDatabase(Exception):
    """The other database cannot be read; the parts never hold its address, which may have a password in it."""

    def __init__(self, rule: str, received: str, expected: str, mend: str) -> None:
        super().__init__(rule)
        self.rule, self.received, self.expected, self.mend = rule, received, expected, mend


def read_users(
    dsn: str, table: str, chosen: Mapping[str, str], also: Collection[str] = ()
) -> tuple[dict[str, str], list[tuple[str, dict[str, Any]]]]:
    """Our column -> theirs as far as the table has them, and every row by its key ("id 17"), in the key's order.

    ``chosen`` overrides ``DJANGO_COLUMNS``; ``also`` are further columns to read. Raises ForeignDatabase.
    """
    url = _url(dsn)
    try:
        if url.drivername == "sqlite":
            return _on_sqlite(url, table, chosen, also)
        return asyncio.run(_on_postgres(url, table, chosen, also))
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise ForeignDatabase(
            "the Django database can be read", f"{type(cause).__name__}", "a database that answers", "check the address"
        ) from None


def _url(dsn: str) -> URL:
    try:
        url = make_url(dsn)
    except ArgumentError:
        url = URL.create("none")
    if url.drivername == "sqlite" and url.database and Path(url.database).is_file():
        return url
    if url.drivername in ("postgresql", "postgres") and url.database:
        return url.set(drivername="postgresql+asyncpg")
    received = {"sqlite": "sqlite, and no file there", "none": "a text of another form"}
    raise ForeignDatabase(
        "the address of the Django site's database",
        received.get(url.drivername, url.drivername),
        "sqlite:///db.sqlite3, sqlite:////srv/site/db.sqlite3 or postgresql://user@host/name",
        "correct it; from another database export the table as CSV and import that",
    )


def _on_sqlite(
    url: URL, table: str, chosen: Mapping[str, str], also: Collection[str]
) -> tuple[dict[str, str], list[tuple[str, dict[str, Any]]]]:
    address = f"file:{quote(str(Path(url.database or '').absolute()))}?mode=ro"
    engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), hide_parameters=True)
    try:
        with engine.connect() as connection:
            return _read(connection, table, chosen, also)
    finally:
        engine.dispose()


async def _on_postgres(
    url: URL, table: str, chosen: Mapping[str, str], also: Collection[str]
) -> tuple[dict[str, str], list[tuple[str, dict[str, Any]]]]:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, connect_args={"timeout": 10}, hide_parameters=True)
    try:
        async with engine.connect() as plain:
            connection = await plain.execution_options(postgresql_readonly=True)
            return await connection.run_sync(_read, table, chosen, also)
    finally:
        await engine.dispose()


def _read(
    connection: Connection, table: str, chosen: Mapping[str, str], also: Collection[str]
) -> tuple[dict[str, str], list[tuple[str, dict[str, Any]]]]:
    schema, _, name = table.rpartition(".")
    inspector = sa.inspect(connection)
    if not inspector.has_table(name, schema or None):
        known = ", ".join(sorted(inspector.get_table_names(schema or None))) or "no table"
        raise ForeignDatabase("the users table", table, known, "--table NAME: your user model's db_table")
    there = [column["name"] for column in inspector.get_columns(name, schema or None)]
    columns = {ours: theirs for ours, theirs in DJANGO_COLUMNS.items() if theirs in there or ours in _REQUIRED}
    columns |= chosen
    for theirs in (*columns.values(), *also):
        if theirs not in there:
            raise ForeignDatabase(
                f"the table {table} has the columns asked for", theirs, ", ".join(there), "--map OURS=THEIRS"
            )
    keys = inspector.get_pk_constraint(name, schema or None)["constrained_columns"] or [columns["username"]]
    wanted: list[sa.ColumnClause[Any]] = [
        sa.column(theirs) for theirs in dict.fromkeys((*keys, *columns.values(), *also))
    ]
    query = sa.select(*wanted).select_from(sa.table(name, schema=schema or None)).order_by(*map(sa.column, keys))
    rows = connection.execute(query).mappings()
    return columns, [(" ".join(f"{key} {row[key]}" for key in keys), dict(row)) for row in rows]
