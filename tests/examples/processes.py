"""Programs in processes of their own, as a reader starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from built_apps import EXAMPLES

_IDP = "from idp.cli import main; main()"


@contextmanager
def idp_dev(folder: Path, port: int, manifest: str) -> Iterator[str]:
    """The issuer, once it answers. Its data is kept in ``folder``; ``manifest`` is what ``--apply`` is given."""
    (folder / "apps.toml").write_text(manifest, encoding="utf-8")
    with program(folder, port, "-c", _IDP, "dev", "--port", str(port), "--apply", "apps.toml"):
        yield f"http://localhost:{port}"


@contextmanager
def backend(folder: Path, port: int, *, api: str, issuer: str) -> Iterator[None]:
    """The backend for a frontend; the API keeps the name its tokens bear."""
    arguments = ("--origin", f"http://localhost:{port}", "--issuer", issuer, "--api", api)
    with program(folder, port, str(EXAMPLES / "bff" / "bff.py"), *arguments):
        yield


@contextmanager
def program(folder: Path, port: int, *arguments: str) -> Iterator[None]:
    """A Python program that listens on ``port``; what it says is shown if it does not."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    log = folder / f"{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environ, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 60
            while not _listens(port):
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                time.sleep(0.02)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(15)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
