"""The same operations on PostgreSQL: one transaction each, over asyncpg, run by SQLAlchemy's ``run_sync`` (decision 3).

Losing the server is told quickly as ``Unavailable`` and forgotten as quickly: a connection is checked before use, and
an operation as a whole has a limit, whatever it was that took its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from idp.store.database import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_SECONDS = 1.8  # of an operation, and of each of its steps: below the 2 s in which a 503 is promised
_LONG = 3600.0
APPLICATION = "idp"
_LOST = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
# SQLSTATE classes, and states, that tell of the server and not of our statement: connection, resources (a full disk,
# too many connections), an operator's hand (shutting down, a statement cancelled), the system; a failed-over server
# that only reads, a lock not to be had, a database that takes no connections.
_LOST_CLASSES = ("08", "53", "57", "58")
_LOST_STATES = ("25006", "55P03", "55000")
# Serialization failure, deadlock: another transaction won; the operation is simply done again (SQLSTATE class 40).
_RETRIES = 5
# Another process migrated meanwhile: the plan a connection kept no longer fits, and SQLAlchemy has now dropped it.
_PLANNED_BEFORE = AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError


class PostgresDatabase:
    """A pool of ``size`` connections to one database; any number of processes may hold one each."""

    def __init__(self, url: str, *, size: int = 8, patient: bool = False) -> None:
        """``url`` is ``postgresql://user:password@host:port/name``.

        ``patient`` lets an operation take its time, and a statement an hour: for commands.
        """
        self._url = url
        self._seconds = None if patient else _SECONDS
        self._engine = _engine(url, size, _LONG if patient else _SECONDS)
        # A read needs no BEGIN and no ROLLBACK: two round trips less.
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._late: set[asyncio.Task[Any]] = set()

    async def read(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading operation. Raises Unavailable."""

        async def once() -> T:
            async with self._reading.connect() as connection:
                return await connection.run_sync(operation, *args, **kwargs)

        return await self._in_time(_until_won(once))

    async def write(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a changing operation in its own transaction; returns once it is durable. Raises Unavailable.

        Where the connection is lost during COMMIT, nobody can say whether it happened: all of it, or nothing.
        """

        async def once() -> T:
            async with self._engine.begin() as connection:
                return await connection.run_sync(operation, *args, **kwargs)

        return await self._in_time(_until_won(once))

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result, or Unavailable after ``_SECONDS``.

        The steps have limits of their own, but there are several, and after the last of them the connection has to be
        cleared up, which on a server that does not answer takes its time again. Nobody waits for that.
        """
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait((task,), timeout=self._seconds)
        except asyncio.CancelledError:
            self._leave(task)
            raise
        if not done:
            self._leave(task)
            raise Unavailable("no answer in time")
        return task.result()

    def _leave(self, task: asyncio.Task[Any]) -> None:
        task.cancel()
        self._late.add(task)
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever waited was told long ago

    async def snapshot(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a long reading operation on one moment's state, on a connection of its own. Raises Unavailable.

        Between its statements it holds the loop: for the process of a command, not of a server.
        """
        engine = _engine(self._url, 1, _LONG)
        frozen = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

        async def once() -> T:
            async with frozen.begin() as connection:
                return await connection.run_sync(operation, *args, **kwargs)

        try:
            return await _until_won(once)
        finally:
            await engine.dispose()

    async def aclose(self) -> None:
        if self._late:
            await asyncio.wait(self._late, timeout=_SECONDS)
        await self._engine.dispose()


def _engine(url: str, size: int, seconds: float) -> AsyncEngine:
    return create_async_engine(
        _asyncpg(url),
        pool_size=size,
        max_overflow=0,
        pool_timeout=_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "timeout": _SECONDS,
            "command_timeout": seconds,
            # By this name a restore sees that a server is still there.
            "server_settings": {"application_name": APPLICATION},
        },
    )


def others(connection: Connection) -> int:
    """How many other connections of this program the database has: servers, and commands under way."""
    found = connection.execute(_OTHERS, {"name": APPLICATION}).scalar_one()
    return int(found)


_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :name AND pid <> pg_backend_pid()"
)


def _asyncpg(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+asyncpg")


async def _until_won(once: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """``once``, again where another transaction won. Raises Unavailable."""
    for attempt in range(1, _RETRIES + 1):
        try:
            return await once()
        except _LOST as error:
            raise _unavailable(error) from error
        except DBAPIError as error:
            state = str(getattr(error.orig, "sqlstate", None) or "")
            if error.connection_invalidated or state.startswith(_LOST_CLASSES) or state in _LOST_STATES:
                raise _unavailable(error) from error
            if not state.startswith("40") and not isinstance(error.orig, _PLANNED_BEFORE):
                raise
        await asyncio.sleep(0.005 * attempt)
    raise Unavailable("other transactions kept winning")


def _unavailable(error: BaseException) -> Unavailable:
    """What happened, by its name or SQLSTATE. Never the URL: it may hold a password."""
    cause = getattr(error, "orig", None) or error
    return Unavailable(str(getattr(cause, "sqlstate", None) or type(cause).__name__))
