"""An installation as an operator has it: a folder, a database, ``idp serve`` in processes that can be killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_MAIN = "from idp.cli import main; main()"
START_SECONDS = 15.0  # past it a start has failed; how long starts may take is what the tests measure


@dataclass
class Installation:
    """``database`` None is SQLite in the folder. ``options`` are IDP_* variables for every process, without IDP_."""

    folder: Path
    port: int
    database: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        given = {f"IDP_{name.upper()}": value for name, value in {**self.options, **more}.items()}
        if self.database is not None:
            given["IDP_DATABASE"] = self.database
        return kept | given

    def idp(self, *words: str) -> str:
        """A command to its end; raises with what it said."""
        done = subprocess.run(
            _command(*words), cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise AssertionError(f"idp {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def make(self, manifest: str) -> None:
        self.idp("init", "--issuer", self.issuer, "--port", str(self.port))
        self.idp("migrate")
        self.apply(manifest)

    def apply(self, manifest: str) -> None:
        file = self.folder / "apply.toml"
        file.write_text(manifest, encoding="utf-8")
        self.idp("apply", str(file))

    @contextmanager
    def serving(self, *words: str, port: int | None = None) -> Iterator[Serving]:
        """``idp serve`` until the block ends; ready when it is entered."""
        serving = self.start(*words, port=port)
        try:
            yield serving
        finally:
            serving.kill()

    def start(self, *words: str, port: int | None = None) -> Serving:
        """Launch and wait until it is ready; the seconds that took are added to ``starts``."""
        began = time.monotonic()
        serving = self.launch(*words, port=port)
        try:
            serving.until_ready(began + START_SECONDS)
        except BaseException:
            serving.kill()
            raise
        self.starts.append(time.monotonic() - began)
        return serving

    def launch(self, *words: str, port: int | None = None) -> Serving:
        at = port or self.port
        log = self.folder / f"log-{at}"
        with log.open("ab") as said:
            process = subprocess.Popen(
                _command("serve", *words),
                cwd=self.folder,
                env=self.environment(listen_port=str(at)),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return Serving(process, at, log)


@dataclass
class Serving:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def until_ready(self, deadline: float) -> None:
        while status(self.port, "/readyz") != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"not ready; its log ends with:\n{self.said()[-3000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL to the whole group, parent and workers at once: as if the machine's power went."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def status(port: int, path: str) -> int:
    """0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", _MAIN, *words]


def unused_port() -> int:
    """A port of 127.0.0.1 nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
