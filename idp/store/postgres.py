"""The same operations on PostgreSQL: one transaction each, over asyncpg, run by SQLAlchemy's ``run_sync`` (decision 3).

Losing the server is told quickly as ``Unavailable`` and forgotten as quickly: a connection is checked before use, and
connecting, waiting for a place in the pool, and a statement each have a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from idp.store.database import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_SECONDS = 1.8  # to connect, to wait for a place, to run a statement: below the 2 s in which a 503 is promised
_LONG = 3600.0
APPLICATION = "idp"
_LOST = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
# Serialization failure, deadlock: another transaction won; the operation is simply done again (SQLSTATE class 40).
_RETRIES = 3


class PostgresDatabase:
    """A pool of ``size`` connections to one database; any number of processes may hold one each."""

    def __init__(self, url: str, *, size: int = 8, patient: bool = False) -> None:
        """``url`` is ``postgresql://user:password@host:port/name``.

        ``patient`` lets a statement take an hour: for commands that rebuild tables or wait for one another.
        """
        self._url = url
        self._engine = _engine(url, size, _LONG if patient else _SECONDS)
        # A read needs no BEGIN and no ROLLBACK: two round trips less.
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a reading operation. Raises Unavailable."""
        try:
            async with self._reading.connect() as connection:
                return await connection.run_sync(operation, *args, **kwargs)
        except _LOST as error:
            raise _unavailable(error) from error

    async def write(self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a changing operation in its own transaction; returns once it is durable. Raises Unavailable."""
        for attempt in range(_RETRIES):
            try:
                async with self._engine.begin() as connection:
                    return await connection.run_sync(operation, *args, **kwargs)
            except _LOST as error:
                raise _unavailable(error) from error
            except DBAPIError as error:
                if not _lost_a_race(error) or attempt == _RETRIES - 1:
                    raise
                await asyncio.sleep(0.005 * (attempt + 1))
        raise Unavailable("other transactions kept winning")

    async def snapshot(
        self, operation: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a long reading operation on one moment's state, on a connection of its own. Raises Unavailable.

        Between its statements it holds the loop: for the process of a command, not of a server.
        """
        engine = _engine(self._url, 1, _LONG)
        frozen = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        try:
            async with frozen.begin() as connection:
                return await connection.run_sync(operation, *args, **kwargs)
        except _LOST as error:
            raise _unavailable(error) from error
        finally:
            await engine.dispose()

    async def aclose(self) -> None:
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


def _lost_a_race(error: DBAPIError) -> bool:
    return str(getattr(error.orig, "sqlstate", "") or "").startswith("40")


def _unavailable(error: BaseException) -> Unavailable:
    # Never the URL: it may hold a password.
    return Unavailable(type(getattr(error, "orig", None) or error).__name__)
