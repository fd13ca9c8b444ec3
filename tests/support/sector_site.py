"""A site of the test's own that publishes a sector's document: which redirect URIs belong together."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SectorSite:
    """``body`` is what stands at ``url``; ``visits`` counts who read it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/sector.json"
        self.status = 200
        self.body = b"[]"
        self.visits = 0

    def lists(self, uris: Sequence[object]) -> None:
        self.body = json.dumps(uris).encode()


@contextmanager
def sector_site() -> Iterator[SectorSite]:
    """Listen on a loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.visits += 1
            self.send_response(found.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(found.body)))
            if found.status in (301, 302, 303, 307, 308):
                self.send_header("location", found.url)
            self.end_headers()
            try:
                self.wfile.write(found.body)
            except ConnectionError:
                return  # who asked has heard enough

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    found = SectorSite(http.server_port)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
