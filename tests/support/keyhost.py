"""A place on loopback where a client keeps its public keys: what a ``jwks_uri`` points at."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class KeyHost:
    """Answers every GET with ``body`` and counts them. ``held`` cleared, an answer waits until it is set again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/keys"
        self.status = 200
        self.body = b'{"keys":[]}'
        self.headers: dict[str, str] = {}
        self.fetches = 0
        self.accepts: list[str] = []
        self.held = threading.Event()
        self.held.set()

    def publish(self, *keys: Mapping[str, Any]) -> None:
        self.body = json.dumps({"keys": list(keys)}).encode()


@contextmanager
def key_host() -> Iterator[KeyHost]:
    """Listen until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.fetches += 1
            found.accepts.append(self.headers["accept"])
            found.held.wait(10)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(found.body)))
            self.end_headers()
            with suppress(ConnectionError):  # whoever asked may wait no longer
                self.wfile.write(found.body)

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    found = KeyHost(http.server_port)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.held.set()
        http.shutdown()
        http.server_close()
        thread.join()
