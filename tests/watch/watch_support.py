"""``idp serve`` as a process of its own, and what the log's lines are read as."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Lines = Callable[[], list[dict[str, Any]]]
MAIN = "from idp.cli import main; main()"


class Serving:
    """``idp serve`` in ``folder``, as its settings say; ``log`` is what it wrote to standard error."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.issuer = f"http://localhost:{port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def idp(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **environ},
        )

    def install(self, settings: str = "") -> None:
        port = self.issuer.rpartition(":")[2]
        made = self.idp("init", "--issuer", self.issuer, "--port", port)
        assert made.returncode == 0, made.stderr
        file = self.folder / "idp.toml"
        file.write_text(f"drain_seconds = 0\n{settings}\n{file.read_text()}")
        made = self.idp("migrate")
        assert made.returncode == 0, made.stderr

    @contextmanager
    def running(
        self, *words: str, command: str = "serve", program: str = MAIN, **environ: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Until the block ends; answering by the time it begins."""
        line, named = [sys.executable, "-c", program, command, *words], {**os.environ, **environ}
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(line, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=log, env=named)
        try:
            self.until(lambda: process.poll() is not None or self.get("/readyz")[0] == 200)
            assert process.poll() is None, self.log
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(20)

    def get(self, path: str, base: str = "", **headers: str) -> tuple[int, str]:
        """Status and body; 0 where nobody answers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urllib.request.urlopen(urllib.request.Request((base or self.issuer) + path, headers=named)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    @staticmethod
    def until(true: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)


