"""A README of ``examples/`` followed as printed: its own commands, in a copy of its folder with other ports."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from idp.cli.group import run

ROOT = Path(__file__).parents[2]
SECONDS = 30.0
# What following the page once leaves behind in a checkout.
_MADE = ("client-secret", "secrets.conf", "logs", "private-key.pem", "registered.toml")
_NOT_COPIED = shutil.ignore_patterns("node_modules", "__pycache__", *_MADE)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def unused_port() -> int:
    """A TCP port of 127.0.0.1 nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], object], what: Callable[[], str] = lambda: "", seconds: float = SECONDS) -> None:
    """Wait for something another process does; ``what`` tells how far it came."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what()
        time.sleep(0.02)


@dataclass(frozen=True)
class Running:
    """A command under way; ``said`` is all it wrote so far, on both outputs."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def says(self, text: str, seconds: float = SECONDS) -> str:
        """All that was said, once ``text`` is in it."""
        until(lambda: text in self.said() or self.process.poll() is not None, self.said, seconds)
        assert text in self.said(), f"{text!r} was never said:\n{self.said()}"
        return self.said()

    def told(self, pattern: str) -> str:
        """The first group of ``pattern`` in what was said, once it is there."""
        until(lambda: re.search(pattern, self.said()) or self.process.poll() is not None, self.said)
        found = re.search(pattern, self.said())
        assert found, f"{pattern} was never said:\n{self.said()}"
        return found[1]

    def ends(self, seconds: float = SECONDS) -> int:
        return self.process.wait(seconds)

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()


class Readme:
    """``ports`` are those the example is printed with, and the free ones of this run."""

    def __init__(self, name: str, folder: Path, ports: Mapping[int, int]) -> None:
        self.folder, self.ports = folder, ports
        self.here = folder / "examples" / name
        source = ROOT / "examples" / name
        shutil.copytree(source, self.here, ignore=_NOT_COPIED)
        for file in self.here.rglob("*"):
            if file.is_file():
                file.write_text(self.with_ports(file.read_text(encoding="utf-8")), encoding="utf-8")
        if (source / "node_modules").is_dir():
            (self.here / "node_modules").symlink_to(source / "node_modules")
        shown = _BLOCK.findall((self.here / "README.md").read_text(encoding="utf-8"))
        joined = "".join(shown).replace("\\\n", " ")
        self.commands = [line.split("  #")[0].rstrip() for line in joined.splitlines() if line.strip()]
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        self.environ |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }

    def with_ports(self, text: str) -> str:
        return re.sub(r"\b\d{4}\b", lambda found: str(self.ports.get(int(found[0]), found[0])), text)

    def command(self, start: str) -> str:
        """The page's command of that text, or the only one that begins so."""
        start = self.with_ports(start)
        found = [command for command in self.commands if command.startswith(start)]
        found = [command for command in found if command == start] or found
        assert len(found) == 1, f"{start!r} begins {found} of {self.commands}"
        command = found[0]
        if re.search(r"(^|\s)idp dev\b", command):
            command += f" --port {self.ports[8000]}"
        return command

    def run(self, start: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Type the command and wait for its end, which must be a good one."""
        ran = self.tried(start, **environ)
        assert ran.returncode == 0, f"{ran.args}\n{ran.stdout}{ran.stderr}"
        return ran

    def tried(self, start: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", self.command(start)],
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def idp(self, start: str) -> str:
        """``run`` for one of our own commands, in this process: what it printed."""
        words, said = shlex.split(self.command(start)), io.StringIO()
        assert words[0] == "idp"
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
            patch.chdir(self.folder)
            for name in {*os.environ, *self.environ}:
                if name.startswith("IDP_"):
                    patch.delenv(name, raising=False)
                    if name in self.environ:
                        patch.setenv(name, self.environ[name])
            status = run(words[1:])
        assert status == 0, said.getvalue()
        return said.getvalue()

    @contextlib.contextmanager
    def started(self, start: str, ready: str = "", **environ: str) -> Iterator[Running]:
        """Type the command, wait until it says ``ready``; at the end of the block it is ended as by Ctrl+C."""
        log = self.folder / f"{time.monotonic_ns()}.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                ["bash", "-c", f"exec env {self.command(start)}"],
                cwd=self.folder,
                env={**self.environ, **environ},
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Running(process, log)
        try:
            if ready:
                running.says(ready)
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdin is not None
            process.stdin.close()

    def up(self, port: int) -> None:
        """Wait until the program that is printed with this port answers."""

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.ports[port])) == 0

        until(listens, lambda: f"nobody at port {port}")

    @contextlib.contextmanager
    def also(self, command: str) -> Iterator[str]:
        """A command beyond those of the page, to be typed by this test alone."""
        self.commands.append(self.with_ports(command))
        try:
            yield self.commands[-1]
        finally:
            self.commands.pop()

    def token(self, person: str = "alice", **options: str) -> str:
        """What ``idp token`` prints on standard output."""
        words = [f"--{name} '{value}'" for name, value in options.items()]
        with self.also(" ".join(["idp token", person, *words])) as command:
            return self.idp(command).splitlines()[0]

    @contextlib.contextmanager
    def dev(self, **environ: str) -> Iterator[str]:
        """The page's ``idp dev``; its issuer."""
        [start] = [command for command in self.commands if re.search(r"(^|\s)idp dev\b", command)]
        with self.started(start, "idp dev  http", **environ):
            yield f"http://localhost:{self.ports[8000]}"
