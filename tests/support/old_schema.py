"""A database as version 0001 left it: its tables by its script, its rows by its columns alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store import migrate

OLD = "0001"


def old_database(connection: Connection) -> sa.MetaData:
    """Three rows in every table; answers the tables as they are now."""
    migrate.create(connection, OLD)
    found = sa.MetaData()
    found.reflect(connection)
    populate(connection, found, range(3))
    return found


def populate(connection: Connection, tables: sa.MetaData, numbers: Iterable[int]) -> None:
    """One row a number, each column naming itself; nothing is left out, so nothing new may be demanded."""
    for table in tables.sorted_tables:
        if table.name not in ("epoch", "alembic_version"):
            connection.execute(sa.insert(table), [_row(table, number) for number in numbers])


def rows_of(connection: Connection, tables: sa.MetaData) -> dict[str, list[tuple[Any, ...]]]:
    """Every row by these tables' columns, in an order of its own."""
    return {
        table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
        for table in tables.sorted_tables
    }


def _row(table: sa.Table, number: int) -> dict[str, Any]:
    row = {column.name: _value(column, number) for column in table.c}
    if table.name == "clients":  # a script reads what is in them
        client = {"client_id": row["client_id"], "redirect_uris": [f"https://app{number}.test/cb"]}
        row["data"] = json.dumps(client).encode()
    return row


def _value(column: sa.Column[Any], number: int) -> Any:
    match column.type:
        case sa.LargeBinary():
            return f"{column.name}-{number}".encode().ljust(32, b".")
        case sa.Boolean():
            return bool(number % 2)
        case sa.Integer():
            return number + 1
        case sa.Float():
            return 1_800_000_000.25 + number
        case _:
            return f"{column.name[:8]}-{number}"
