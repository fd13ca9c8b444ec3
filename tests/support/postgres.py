"""A real PostgreSQL: a throw-away cluster a worker, on a free loopback port, and empty databases in it.

``Bridge`` runs the asynchronous store on a loop of its own thread, so that a test written for SQLite's store can use
it: the same calls, each on a pooled connection, so that calls together are really at once.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from idp.store import migrate
from idp.store.postgres import PostgresDatabase
from idp.store.schema import metadata

USER = "postgres"


@dataclass(frozen=True, slots=True)
class Cluster:
    """``stop`` and ``start`` take the server away and bring it back, as an outage would."""

    folder: Path
    port: int
    programs: Path

    def control(self, *words: str) -> None:
        # Without fsync a crash of the machine would lose data; a crash of the server, which is what tests do, does not.
        options = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        )
        command = [self.programs / "pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w"]
        _as_user([*map(str, command), "-o", options, *words])

    def start(self) -> None:
        self.control("start")

    def stop(self) -> None:
        self.control("-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def new(self) -> str:
        """The URL of an empty database."""
        import asyncpg

        name = f"t{uuid.uuid4().hex}"

        async def create() -> None:
            connection = await asyncpg.connect(self.url("postgres"))
            await connection.execute(f'CREATE DATABASE "{name}"')
            await connection.close()

        in_thread(create())
        return self.url(name)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    folder = Path("/tmp") / f"idp-pg-{uuid.uuid4().hex[:8]}"
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Cluster(folder, port, programs)
    _as_user([str(programs / "initdb"), "-A", "trust", "-U", USER, "-D", str(folder / "data"), "--no-sync"])
    found.start()
    try:
        yield found
    finally:
        for bridge in (*_FREE, *_BLANK):
            bridge.close()
        _FREE.clear()
        _BLANK.clear()
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _as_user(command: list[str]) -> None:
    """PostgreSQL refuses to run as root; its package made a user for it."""
    if os.geteuid() == 0:
        command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class _Loop:
    """One loop in one thread for the life of the process: a pool of connections belongs to the loop that made it."""

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        return loop

    def submit(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)


_LOOP = _Loop()


def in_thread(work: Any) -> Any:
    """A coroutine's result, run beside whatever loop the caller may be in."""
    return _LOOP.submit(work).result(60)


@dataclass
class Bridge:
    """``PostgresDatabase`` with SQLite's synchronous calls beside it."""

    url: str
    store: PostgresDatabase = field(init=False)

    def __post_init__(self) -> None:
        self.store = PostgresDatabase(self.url, patient=True)  # a test may hold a lock for long

    def write_now(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return in_thread(self.store.write(operation, *args, **kwargs))

    def read_now(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return in_thread(self.store.read(operation, *args, **kwargs))

    async def write(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.wrap_future(_LOOP.submit(self.store.write(operation, *args, **kwargs)))

    async def read(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.wrap_future(_LOOP.submit(self.store.read(operation, *args, **kwargs)))

    async def snapshot(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.wrap_future(_LOOP.submit(self.store.snapshot(operation, *args, **kwargs)))

    def close(self) -> None:
        in_thread(self.store.aclose())

    def empty(self) -> None:
        """The schema of this program, without a row: made once, then emptied."""
        if self.read_now(migrate.current) is None:
            self.write_now(migrate.to_head)
        self.write_now(_without_rows)


_FREE: list[Bridge] = []
_BLANK: list[Bridge] = []


@contextmanager
def blank(cluster: Cluster) -> Iterator[Bridge]:
    """A database without any table."""
    bridge = _BLANK.pop() if _BLANK else Bridge(cluster.new())
    yield bridge
    bridge.write_now(lambda c: c.execute(sa.text("DROP SCHEMA public CASCADE")) and None)
    bridge.write_now(lambda c: c.execute(sa.text("CREATE SCHEMA public")) and None)
    bridge.close()  # its connections have learned statements about tables that are gone; it makes new ones
    _BLANK.append(bridge)


@contextmanager
def emptied(cluster: Cluster) -> Iterator[Bridge]:
    """A database with the schema and no row. It goes from test to test: emptying takes 5 ms, making 200."""
    bridge = _FREE.pop() if _FREE else Bridge(cluster.new())
    bridge.empty()
    yield bridge
    _FREE.append(bridge)


def _without_rows(connection: sa.Connection) -> None:
    names = ";".join(f'DELETE FROM "{table.name}"' for table in metadata.sorted_tables if table.name != "epoch")
    connection.execute(sa.text(f"DO $$ BEGIN {names}; UPDATE epoch SET value = 0; END $$"))
