"""A throw-away PostgreSQL for the bench: durable, on a loopback port, pinned to the servers' core."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from process import BenchError, cpu_seconds, family, free_port

USER = "postgres"


@dataclass(frozen=True, slots=True)
class Cluster:
    folder: Path
    programs: Path
    port: int

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run statements; what they answer, without decoration."""
        command = [str(self.programs / "psql"), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", self.url(database)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=1800)
        if done.returncode:
            raise BenchError(f"psql: {done.stderr[-2000:]}")
        return done.stdout.strip()

    def cpu_seconds(self) -> float:
        """Of the postmaster and the processes that live now: connections of a pool do for as long as it."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        return sum(cpu_seconds(each) for each in family(pid))


@contextmanager
def cluster(core: int) -> Iterator[Cluster]:
    """Started, and gone again at the end. Raises BenchError without PostgreSQL's server programs."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None:
        raise BenchError("no PostgreSQL: apt-get install postgresql")
    folder = Path(f"/var/tmp/idp-bench-{os.getpid()}")  # not /tmp: that may be memory, where a commit costs nothing
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    found = Cluster(folder, programs, free_port())
    options = (
        f"-c port={found.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} "
        "-c shared_buffers=1GB -c max_wal_size=4GB -c max_connections=100"
    )
    control = [str(programs / "pg_ctl"), "-D", str(folder / "data"), "-l", str(folder / "log"), "-w", "-t", "120"]
    as_user([str(programs / "initdb"), "-A", "trust", "-U", USER, "-D", str(folder / "data")])
    as_user(["taskset", "-c", str(core), *control, "-o", options, "start"])
    try:
        yield found
    finally:
        as_user([*control, "-m", "immediate", "stop"])
        time.sleep(0.2)
        shutil.rmtree(folder, ignore_errors=True)


def as_user(command: list[str]) -> None:
    """PostgreSQL refuses to run as root; its package made a user for it."""
    if os.geteuid() == 0:
        command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=180)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stderr.decode()[-1000:]}")
