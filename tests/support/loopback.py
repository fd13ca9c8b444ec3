"""A web server of the test's own on a loopback port: what a relying party's back-channel address would be."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class Sink:
    """Keeps every posted form. ``answers`` are the statuses of the next posts; 200 when none is left."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/backchannel"
        self.answers: list[int] = []
        self.paths: list[str] = []
        self.content_types: list[str] = []
        self._received: queue.Queue[dict[str, str]] = queue.Queue()
        self.held = threading.Event()
        self.held.set()

    def take(self, seconds: float = 2.0) -> dict[str, str]:
        """The next form; raises queue.Empty if none came in time."""
        return self._received.get(timeout=seconds)

    @property
    def empty(self) -> bool:
        return self._received.empty()

    def receive(self, path: str, content_type: str, body: bytes) -> int:
        self.paths.append(path)
        self.content_types.append(content_type)
        self._received.put({name: values[0] for name, values in parse_qs(body.decode()).items()})
        self.held.wait(10)
        return self.answers.pop(0) if self.answers else 200


@contextmanager
def sink() -> Iterator[Sink]:
    """Listen until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = found.receive(self.path, self.headers["content-type"], body)
            self.send_response(status)
            if status in (301, 302, 303, 307, 308):
                self.send_header("location", found.url + "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    found = Sink(http.server_port)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.held.set()
        http.shutdown()
        http.server_close()
        thread.join()
