"""A real ``idp dev``, commands against it, and snippets saved and started as they are printed."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from cli_support import Said, unused_port

from idp.cli.group import run

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
ENVIRONMENT = {**CLEAN, "PYTHONPATH": str(ROOT), "PATH": f"{BIN}{os.pathsep}{CLEAN.get('PATH', '')}"}


@contextmanager
def started(command: str, folder: Path, **environment: str) -> Iterator[Path]:
    """A line of shell until the block ends, with all that it started; what it says stands in the file answered."""
    log = folder / "said.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}" if "=" not in command.split()[0] else command],
            cwd=folder,
            env={**ENVIRONMENT, **environment},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield log
        finally:
            # Its own session, so its own group: a reloader and its child, a server and its workers.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def until_answered(url: str, log: Path, seconds: float = 30.0) -> httpx2.Response:
    end = time.monotonic() + seconds
    while True:
        try:
            return httpx2.get(url, trust_env=False)
        except httpx2.TransportError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)


@dataclass(frozen=True)
class Dev:
    """``folder`` is where it was started, and where commands find it."""

    folder: Path
    issuer: str

    def command(self, *words: str) -> Said:
        """As typed in its folder."""
        out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = run(words)
        finally:
            os.chdir(before)
        return Said(status, out.getvalue(), err.getvalue())

    def add(self, client_id: str, kind: str, *words: str) -> Snippet:
        said = self.command("client", "add", client_id, "--for", kind, *words)
        assert said.status == 0, said.err
        return Snippet(said.out, said.err)


@dataclass(frozen=True)
class Snippet:
    text: str
    beside: str

    def saved(self, folder: Path) -> Path:
        """Under the name its first line says, or the ``next`` lines do."""
        first = self.text.splitlines()[0]
        named = re.match(r"(?://|#) ((?:src/)?[\w.]+\.\w+)", first) or re.search(r"saved as ([\w.]+)", self.beside)
        assert named is not None, first
        path = folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text)
        return path

    @property
    def typed(self) -> list[str]:
        """The commands that are suggested."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.beside)
        return re.findall(r"^next  (.*?)  # ", plain, re.MULTILINE)

    @property
    def values(self) -> Mapping[str, str]:
        return dict(re.findall(r"^([a-z_]+) +(\S+)$", self.beside, re.MULTILINE))


@contextmanager
def running_dev(folder: Path) -> Iterator[Dev]:
    port = unused_port()
    with started(f"{sys.executable} -c 'from idp.cli import main; main()' dev --port {port}", folder) as log:
        until_answered(f"http://localhost:{port}/readyz", log)
        yield Dev(folder, f"http://localhost:{port}")
