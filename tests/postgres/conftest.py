"""A real PostgreSQL for these tests: a throw-away cluster a worker, on a free loopback port, and a database a test."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

USER = "postgres"


@dataclass(frozen=True, slots=True)
class Cluster:
    """``stop`` and ``start`` take the server away and bring it back, as an outage would."""

    folder: Path
    port: int
    programs: Path

    def control(self, *words: str) -> None:
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        command = [self.programs / "pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w"]
        _as_user([*map(str, command), "-o", options, *words])

    def start(self) -> None:
        self.control("start")

    def stop(self) -> None:
        self.control("-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"


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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
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
    yield found
    found.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The URL of an empty database."""
    name = f"t{uuid.uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(cluster.url("postgres"))
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    asyncio.run(create())
    return cluster.url(name)
