"""The whole database as blocks of rows, the same for SQLite and PostgreSQL: what a backup holds and a move carries.

A block is MessagePack: the table's name, its columns, some rows. After the last one comes a block without a name whose
only row holds the number of rows of each table. Types are those of the tables, so a block says the same on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from idp.store import keys as _tables_of_keys  # noqa: F401 - on the same metadata
from idp.store import schema_protocols as _tables_of_protocols  # noqa: F401 - on the same metadata
from idp.store.schema import metadata

ROWS = 500  # in a block: a few hundred kilobytes at most
Block = tuple[str, list[str], list[list[Any]]]
_DECODER = msgspec.msgpack.Decoder(Block)


class NotWhole(Exception):
    """The blocks are not a whole database, or a row does not fit: nothing may be kept of them."""


def dump(connection: Connection, put: Callable[[bytes], object], source: sa.MetaData = metadata) -> dict[str, int]:
    """Give every row of the tables of ``source`` to ``put``; the numbers of rows. Holds one block in memory.

    The connection is in one transaction that sees one moment's state.
    """
    counts: dict[str, int] = {}
    for table in source.sorted_tables:
        # Plain text: SQLAlchemy's own kind of it is no MessagePack.
        table_name, names = str(table.name), [str(column.name) for column in table.c]
        counts[table_name] = 0
        result = connection.execute(sa.select(table), execution_options={"yield_per": ROWS})
        for rows in result.partitions():
            counts[table_name] += len(rows)
            put(msgspec.msgpack.encode((table_name, names, [tuple(row) for row in rows])))
    put(msgspec.msgpack.encode(("", list(counts), [list(counts.values())])))
    return counts


def load(connection: Connection, blocks: Iterable[bytes]) -> dict[str, int]:
    """Write the rows into tables that are there and empty; the numbers of rows. Raises NotWhole."""
    tables: dict[str, sa.Table] = {}
    counts: dict[str, int] = {}
    promised: dict[str, int] | None = None
    for block in blocks:
        if promised is not None:
            raise NotWhole("something follows the last block")
        try:
            name, columns, rows = _DECODER.decode(block)
        except msgspec.MsgspecError as error:
            raise NotWhole(f"a block that says nothing: {error}") from error
        if name:
            if name not in tables:
                tables[name] = _table(connection, name, columns)
            _insert(connection, tables[name], columns, rows)
            counts[name] = counts.get(name, 0) + len(rows)
        else:
            promised = dict(zip(columns, rows[0], strict=True))
    if promised is None:
        raise NotWhole("the last block is missing")
    found = {name: _count(connection, name) for name in promised}
    if found != promised or any(counts.get(name, 0) != number for name, number in promised.items()):
        raise NotWhole(f"{found} rows where {promised} were")
    return promised


def _table(connection: Connection, name: str, columns: Sequence[str]) -> sa.Table:
    """As the database has it: an older schema's table is not the code's."""
    try:
        table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    except NoSuchTableError as error:
        raise NotWhole(f"rows of a table {name} that this schema does not have") from error
    if unknown := set(columns) - set(table.c.keys()):
        raise NotWhole(f"columns of {name} that this schema does not have: {', '.join(sorted(unknown))}")
    return table


def _insert(connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    try:
        connection.execute(sa.insert(table), [dict(zip(columns, row, strict=True)) for row in rows])
    except DBAPIError as error:
        if error.connection_invalidated or _is_fault(error):
            raise
        # SQLite keeps texts longer than their column and with a NUL inside; PostgreSQL does not.
        raise NotWhole(f"a row of {table.name} does not fit: {type(error.orig).__name__}") from error


def _is_fault(error: DBAPIError) -> bool:
    """The database's own trouble (gone, full, locked), not the row's."""
    return isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))


def _count(connection: Connection, name: str) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one())
