"""Processes of the bench: one server on its core, what it costs, and its end. Owns no knowledge of OAuth."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something that makes a figure worthless; its text is shown to whoever runs the bench."""


def cores() -> tuple[int, int]:
    """(core of the servers, core of the load)."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise BenchError("the bench needs two cores: one for the server, one for the load")
    return available[0], available[1]


def surroundings(more: Mapping[str, str] | None) -> dict[str, str]:
    """This environment without settings of ours that somebody's shell happens to hold, and `more`."""
    return {k: v for k, v in os.environ.items() if not k.startswith("IDP_")} | dict(more or {})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Running:
    """A server process of ours."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        """Processor time used so far, user and system, by all threads of the process and of those it started."""
        return sum(cpu_seconds(pid) for pid in family(self.pid))

    def resident_mb(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise BenchError(f"process {self.pid} has no VmRSS: it ended; see {self.log}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family(pid: int) -> list[int]:
    """A process and its children, which are the workers of `idp serve --workers` or PostgreSQL's processes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def start(
    argv: Sequence[str], *, core: int, log: Path, ready: str, environment: Mapping[str, str] | None = None
) -> Running:
    """Start a server pinned to `core` and wait until `ready` (a URL) answers 200."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=surroundings(environment),
        )
    running = Running(process, log)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{' '.join(argv)} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        try:
            with urlopen(ready, timeout=2) as answer:
                if answer.status == 200:
                    return running
        except HTTPError as error:
            running.stop()
            raise BenchError(f"{ready} answered {error.code}") from error
        except (URLError, OSError):
            time.sleep(0.05)
    running.stop()
    raise BenchError(f"{' '.join(argv)} did not answer at {ready} within 30 s:\n{log.read_text()[-2000:]}")


def command(argv: Sequence[str], *, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command to its end; its output, or BenchError with it."""
    done = subprocess.run(
        list(argv),
        env=surroundings(environment),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise BenchError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout
