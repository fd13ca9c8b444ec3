"""The browser apps, built as their README says, and served as a web server would: one page for every address."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
MADE = {"node_modules", "dist", ".angular", ".idp"}


def built(name: str) -> Path:
    """The folder ``npm run build`` made; made again only when a source is newer. One build at a time."""
    folder = EXAMPLES / name
    if shutil.which("npm") is None or not (folder / "node_modules").is_dir():
        pytest.skip(f"no npm, or the packages of examples/{name} are missing: run make setup")
    with (folder / "node_modules" / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page = folder / "dist" / "index.html"
        if not page.exists() or page.stat().st_mtime < newest(folder):
            said = subprocess.run(["npm", "run", "build"], cwd=folder, capture_output=True, text=True)
            assert said.returncode == 0, f"{said.stdout}{said.stderr}"
            page.touch()
    return folder / "dist"


def newest(folder: Path) -> float:
    found = [path for path in folder.iterdir() if path.name not in MADE]
    files = [inner for path in found for inner in (path.rglob("*") if path.is_dir() else [path])]
    return max(path.stat().st_mtime for path in files)


@contextmanager
def served(folder: Path, port: int, *, api: str, issuer: str) -> Iterator[None]:
    """On ``port`` until the block ends, with the policy the README recommends; only /config.json is the test's own."""
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"api": api, "issuer": issuer}
    policy = f"default-src 'self'; connect-src 'self' {issuer} {api}; frame-src 'self' {issuer}; frame-ancestors 'self'"
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    handler = partial(_OnePage, directory=str(folder), settings=json.dumps(settings).encode(), headers_of_all=headers)
    http = ThreadingHTTPServer(("127.0.0.1", port), handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _OnePage(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, settings: bytes, headers_of_all: Mapping[str, str], directory: str) -> None:
        self.settings, self.headers_of_all = settings, headers_of_all
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/config.json":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(self.settings)))
            self.end_headers()
            self.wfile.write(self.settings)
            return
        if not Path(self.directory, path.lstrip("/")).is_file():
            self.path = "/index.html"
        super().do_GET()

    def end_headers(self) -> None:
        for name, value in self.headers_of_all.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        pass
