"""Statements on the hot paths: written in SQLAlchemy Core, compiled once, and on SQLite run past its execution layer.

Core's layer costs 20 us a statement, SQLite itself 5; a sign-on runs seven (bench/README.md). Elsewhere the same
statement goes through Core as any other. Only types that need no conversion may appear: text, numbers, bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.crud import REQUIRED

_SQLITE = sqlite.dialect()
_CONVERTED = (sa.DateTime, sa.Date, sa.Time, sa.JSON, sa.Enum, sa.Numeric)


class Prepared:
    """One statement with named parameters; an INSERT takes every column of its table, null where one is not given."""

    __slots__ = ("_fixed", "_names", "_sql", "_statement", "_wanted")

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update | sa.Delete | sa.TextClause) -> None:
        keys = list(statement.table.c.keys()) if isinstance(statement, sa.Insert) else None
        compiled = statement.compile(dialect=_SQLITE, column_keys=keys)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("only statements that read or change rows are prepared")
        self._statement = statement
        self._sql = str(compiled)
        self._wanted = tuple(compiled.positiontup or ())
        # Values written into the statement itself, such as the 1 of "generation + 1".
        # What the caller has to give stands there as a mark, which SQLite would store as a number.
        self._fixed = {
            name: value for name, value in compiled.params.items() if value is not None and value is not REQUIRED
        }
        if isinstance(statement, sa.Insert):
            self._fixed |= {column.key: None for column in statement.table.c if column.nullable}
        self._names = _result_names(statement)

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row by column name, or None."""
        raw = _raw(connection)
        if raw is None:
            row = connection.execute(self._statement, dict(parameters)).mappings().first()
            return dict(row) if row else None
        found = raw.execute(self._sql, self._values(parameters)).fetchone()
        return None if found is None else dict(zip(self._names, found, strict=True))

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Do it; answers how many rows changed."""
        raw = _raw(connection)
        if raw is None:
            return connection.execute(self._statement, dict(parameters)).rowcount
        count: int = raw.execute(self._sql, self._values(parameters)).rowcount
        return count

    def _values(self, parameters: Mapping[str, Any]) -> list[Any]:
        given = {**self._fixed, **parameters} if self._fixed else parameters
        return [given[name] for name in self._wanted]


def _raw(connection: Connection) -> Any | None:
    """SQLite's own connection, or None for another database."""
    if connection.dialect.name != "sqlite":
        return None
    return connection.connection.driver_connection


def _result_names(statement: Any) -> tuple[str, ...]:
    if not isinstance(statement, sa.Select):
        return ()
    for column in statement.selected_columns:
        if isinstance(column.type, _CONVERTED):
            raise TypeError(f"{column} needs a conversion, which a prepared statement does not do")
    return tuple(statement.selected_columns.keys())
