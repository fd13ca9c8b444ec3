"""Looking at an SQLite file beside the connection that serves: one moment's state, read while writes go on.

Old SQLite (before 3.51.3) can damage a WAL file when two connections write or checkpoint it in the same instant. The
second connection here can do neither: it is opened read-only, holds one read transaction, and is never the last to
close. What it costs is that the WAL cannot start over until it is done.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

T = TypeVar("T")

_INSTRUCTIONS = 20_000  # of SQLite's machine between two looks at whether to stop


def read_beside(path: Path, stop: Event, operation: Callable[[Connection], T]) -> T:
    """Run a long reading operation in the calling thread; OperationalError soon after ``stop`` is set."""

    def connect() -> sqlite3.Connection:
        raw = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        raw.set_progress_handler(stop.is_set, _INSTRUCTIONS)
        return raw

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool, hide_parameters=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN")
        # The first read, not BEGIN, chooses the moment.
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        try:
            return operation(connection)
        finally:
            connection.exec_driver_sql("ROLLBACK")


def copy_file(source: sqlite3.Connection, path: Path) -> None:
    """A second database file with the same content, mode 0600: whole under ``path``, or not there at all."""
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(draft)) as target:
            source.backup(target)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
