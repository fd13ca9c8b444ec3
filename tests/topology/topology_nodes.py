"""The topology as processes: an installation on PostgreSQL, its nodes, and nginx with the file users get."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from idp.app import open_store
from idp.cli.init import settings_text
from idp.keyring import generate_key_encryption_key
from idp.settings import Settings, load
from idp.store import migrate

ROOT = Path(__file__).parent.parent.parent
HOST = "id.example.com"
ISSUER = f"https://{HOST}"
_MAIN = "from idp.cli import main; main()"
_SECONDS = 30.0


def until(true: Callable[[], bool], what: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + _SECONDS
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def status_of(url: str) -> int:
    """0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Installation:
    """Settings, keys and an empty database. ``settings`` are TOML values by name."""

    folder: Path
    settings: Mapping[str, str]
    environ: Mapping[str, str] = field(
        default_factory=lambda: {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    )

    @classmethod
    def make(cls, folder: Path, **settings: str) -> Installation:
        file, key = folder / "idp.toml", folder / "keys" / "key-encryption-key"
        text = settings_text({"issuer": ISSUER, "data_dir": "data", "key_encryption_key_file": str(key)})
        for name, value in settings.items():
            text, times = re.subn(rf"(?m)^(# )?{name} = .*$", f"{name} = {value}", text, count=1)
            assert times == 1, name
        file.write_text(text)
        generate_key_encryption_key(key)
        (folder / "data").mkdir(mode=0o700)
        asyncio.run(_migrate(load(file, {}, "serve")))
        return cls(folder, settings)

    def apply(self, manifest: str) -> None:
        (self.folder / "apply.toml").write_text(manifest)
        command = [sys.executable, "-c", _MAIN, "apply", "apply.toml"]
        subprocess.run(command, cwd=self.folder, env=self.environ, check=True, capture_output=True, timeout=60)

    def data_dir(self, port: int) -> Path:
        """Nodes on one database have a folder each; SQLite's is the database."""
        return self.folder / (f"data-{port}" if "database" in self.settings else "data")


async def _migrate(settings: Settings) -> None:
    store = open_store(settings)
    await store.write(migrate.to_head)
    await store.aclose()


@dataclass
class Node:
    """One ``idp serve`` on a port of its own, with what it wrote in ``log``."""

    installation: Installation
    port: int
    options: Sequence[str] = ()
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.installation.folder / f"{self.port}.log"

    def start(self, *, scheme: str = "http") -> None:
        command = [sys.executable, "-c", _MAIN, "serve", *self.options]
        environ = {**self.installation.environ, "IDP_LISTEN_PORT": str(self.port), **self.environ}
        environ["IDP_DATA_DIR"] = str(self.installation.data_dir(self.port))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.installation.folder, env=environ, stderr=log)
        until(self.is_ready if scheme == "http" else lambda: "idp serves" in self.said(), self.said)

    def is_ready(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.said()
        return self.readyz() == 200

    def readyz(self) -> int:
        return status_of(f"http://127.0.0.1:{self.port}/readyz")

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def wait(self, seconds: float = _SECONDS) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def replace(self) -> None:
        """As an operator does it: ask it to end, wait, start it, wait until it is ready."""
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.said()
        self.start()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGINT)  # another one: two of a kind may count as one
            self.wait()


@contextlib.contextmanager
def running(*nodes: Node, scheme: str = "http") -> Iterator[None]:
    try:
        for node in nodes:
            node.start(scheme=scheme)
        yield
    finally:
        for node in nodes:
            node.stop()


def configuration(folder: Path, port: int, plain_port: int, nodes: Sequence[Node]) -> Path:
    """``deploy/nginx.conf`` with this test's ports and files, inside the frame a package brings along."""
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "/etc/idp/": f"{folder}/",
        "127.0.0.1:8001": f"127.0.0.1:{nodes[0].port}",
        "127.0.0.1:8002": f"127.0.0.1:{nodes[1].port}",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "idp.conf").write_text(text)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    frame = folder / "frame.conf"
    frame.write_text(
        f"daemon off; worker_processes 2; pid {folder}/nginx.pid; {user}\n"
        f"events {{ worker_connections 512; }}\n"
        f"http {{ access_log off; {temporary} include {folder}/idp.conf; }}\n"
    )
    return frame


@contextlib.contextmanager
def proxying(program: Path, frame: Path, port: int) -> Iterator[None]:
    command = [str(program), "-c", str(frame), "-e", str(frame.parent / "nginx.log"), "-p", str(frame.parent)]
    process = subprocess.Popen(command)
    try:
        until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, (frame.parent / "nginx.log").read_text()
        yield
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(_SECONDS)
