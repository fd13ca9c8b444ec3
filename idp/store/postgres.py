"""The same operations on PostgreSQL: one transaction each, over asyncpg, run by SQLAlchemy's ``run_sync`` (decision 3).

Losing the server is told quickly as ``Unavailable`` and forgotten as quickly: a connection is checked before use, and
connecting, waiting for a place in the pool, and a statement each have a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from idp.store.database import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_SECONDS = 1.8  # to connect, to wait for a place, to run a statement: below the 2 s in which a 503 is promised
_LOST = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
# Serialization failure, deadlock: another transaction won; the operation is simply done again (SQLSTATE class 40).
_RETRIES = 3


class PostgresDatabase:
    """A pool of ``size`` connections to one database; any number of processes may hold one each."""

    def __init__(self, url: str, *, size: int = 8) -> None:
        """``url`` is ``postgresql://user:password@host:port/name``."""
        self._engine: AsyncEngine = create_async_engine(
            _asyncpg(url),
            pool_size=size,
            max_overflow=0,
            pool_timeout=_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"timeout": _SECONDS, "command_timeout": _SECONDS},
        )
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

    async def aclose(self) -> None:
        await self._engine.dispose()


def _asyncpg(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+asyncpg")


def _lost_a_race(error: DBAPIError) -> bool:
    return str(getattr(error.orig, "sqlstate", "") or "").startswith("40")


def _unavailable(error: BaseException) -> Unavailable:
    # Never the URL: it may hold a password.
    return Unavailable(type(getattr(error, "orig", None) or error).__name__)
