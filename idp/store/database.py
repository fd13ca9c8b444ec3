"""Runs operations: SQLite in the loop's thread on one held connection, a turn's writes in one commit (decisions 3, 4).

A write's answer leaves only after the commit that holds its effect. An operation that returns is committed, one that
raises is rolled back to its own savepoint; the others of its turn are not touched.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from idp.store.snapshots import copy_file, read_beside

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("idp.store")

_BUSY_SECONDS = 0.2


class Unavailable(Exception):
    """The database is locked, full or gone; the caller answers 503 and nothing has changed."""


class Store(Protocol):
    """What the rest of the server runs operations on: SQLite here, PostgreSQL in ``store.postgres``."""

    async def read(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    async def write(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    async def snapshot(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    async def aclose(self) -> None: ...


class Database:
    """One SQLite file, one process, one connection."""

    def __init__(self, path: Path | str, *, synchronous: str = "FULL") -> None:
        """``path`` is a file or ``:memory:``; ``synchronous`` FULL keeps a spent code spent after a power loss."""
        if synchronous not in ("FULL", "NORMAL"):
            raise ValueError(f"synchronous must be FULL or NORMAL, not {synchronous!r}")
        if path != ":memory:":
            Path(path).touch(mode=0o600)  # before SQLite makes it: its WAL takes the same mode
        self.path = Path(path)
        self.engine = sa.create_engine(
            f"sqlite:///{path}",
            poolclass=sa.StaticPool,
            hide_parameters=True,  # an error's text or a log of statements must not hold what was asked for
            connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS, "isolation_level": None},
        )
        self._connection: Connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        pragmas = (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            "cache_size=-16000",
            "wal_autocheckpoint=8000",  # 32 MB: a page changed often goes to the file less often
        )
        for pragma in pragmas:
            self._connection.exec_driver_sql(f"PRAGMA {pragma}")
        # Transaction control goes past SQLAlchemy: it is the same few words each time, and 15 us a word through it.
        self._raw: sqlite3.Connection = self._connection.connection.driver_connection  # type: ignore[assignment]
        self._waiting: list[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = []

    async def read(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading operation; it sees every committed write. Raises Unavailable."""
        return self.read_now(operation, *args, **kwargs)

    def read_now(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return operation(self._connection, *args, **kwargs)
        except (OperationalError, sqlite3.OperationalError) as error:
            raise _unavailable(error) from error

    async def write(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a changing operation in this turn's transaction; returns once it is durable. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if not self._waiting:
            # Two turns of the loop later, whoever was readable meanwhile has had its say too: they share the commit.
            loop.call_soon(loop.call_soon, self._commit_turn)
        self._waiting.append((lambda connection: operation(connection, *args, **kwargs), done))
        return await done

    def write_now(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, alone in its transaction, for commands and start-up outside a loop."""
        try:
            self._raw.execute("BEGIN IMMEDIATE")
            try:
                result = operation(self._connection, *args, **kwargs)
                self._raw.execute("COMMIT")
            except BaseException:
                self._rollback()
                raise
        except (OperationalError, sqlite3.OperationalError) as error:
            raise _unavailable(error) from error
        return result

    async def snapshot(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a long reading operation on the state of this moment, in a thread, while writes go on.

        It sees every write answered before the call. Raises Unavailable.
        """
        stop = Event()
        try:
            return await asyncio.to_thread(
                read_beside, self.path, stop, lambda connection: operation(connection, *args, **kwargs)
            )
        except (OperationalError, sqlite3.OperationalError) as error:
            raise _unavailable(error) from error
        finally:
            stop.set()  # whoever waited may have been cancelled: the thread ends too

    def copy_to(self, path: Path) -> None:
        """Copy the whole file; for commands that hold the database alone. Raises Unavailable."""
        try:
            copy_file(self._raw, path)
        except (OSError, sqlite3.OperationalError) as error:
            raise _unavailable(error) from error

    def _commit_turn(self) -> None:
        units, self._waiting = self._waiting, []
        outcomes: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            self._raw.execute("BEGIN IMMEDIATE")
            alone = len(units) == 1
            for unit, done in units:
                outcomes.append((done, *(self._alone(unit) if alone else self._in_savepoint(unit))))
            self._raw.execute("COMMIT")
        except BaseException as error:
            self._rollback()
            lost = isinstance(error, (OperationalError, sqlite3.OperationalError))
            failure = _unavailable(error) if lost else error
            outcomes = [(done, None, failure) for _, done in units]
        for done, result, failed in outcomes:
            if done.cancelled():
                continue
            if failed is None:
                done.set_result(result)
            else:
                done.set_exception(failed)

    def _alone(self, unit: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
        """A turn's only unit needs no savepoint: rolling the turn back is rolling it back."""
        return unit(self._connection), None

    def _in_savepoint(self, unit: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
        execute = self._raw.execute
        execute("SAVEPOINT unit")
        try:
            result = unit(self._connection)
        except (OperationalError, sqlite3.OperationalError):
            raise
        except Exception as error:
            execute("ROLLBACK TO unit")
            execute("RELEASE unit")
            return None, error
        execute("RELEASE unit")
        return result, None

    def _rollback(self) -> None:
        """Never raises: whoever waits for this turn must hear of it. What stays open is tried again by the next one."""
        try:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.error("a rollback failed: %s", error)

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        self.engine.dispose()


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable(str(getattr(error, "orig", error)))
