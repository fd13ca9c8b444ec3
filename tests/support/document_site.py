"""An https site of the test's own on a loopback port: where an app's client metadata document would stand."""

from __future__ import annotations

import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from support.certificates import certificate

REDIRECT = "https://app.example/cb"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Site:
    """``replies`` by path; ``visits`` counts them. ``held`` keeps answers back while it is clear."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.host = f"docs.localhost:{port}"
        self.ca_file = ca_file
        self.replies: dict[str, Reply] = {}
        self.visits: Counter[str] = Counter()
        self.asked: list[Mapping[str, str]] = []
        self.held = threading.Event()
        self.held.set()

    def url(self, path: str = "/client.json") -> str:
        return f"https://{self.host}{path}"

    def document(self, path: str = "/client.json", **members: Any) -> dict[str, Any]:
        """A sound one; a member of None is left out."""
        said = {
            "client_id": self.url(path),
            "client_name": "Example app",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        return {name: value for name, value in {**said, **members}.items() if value is not None}

    def publish(self, path: str = "/client.json", headers: Mapping[str, str] | None = None, **members: Any) -> str:
        """Put a document there; its address."""
        return self.say(json.dumps(self.document(path, **members)).encode(), path, headers=headers)

    def say(
        self, body: bytes, path: str = "/client.json", status: int = 200, headers: Mapping[str, str] | None = None
    ) -> str:
        self.replies[path] = Reply(status, {"content-type": "application/json", **(headers or {})}, body)
        return self.url(path)


@contextmanager
def document_site(folder: Path) -> Iterator[Site]:
    """Listen until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.visits[self.path] += 1
            found.asked.append({name.lower(): value for name, value in self.headers.items()})
            found.held.wait(10)
            status, headers, body = found.replies.get(self.path, Reply(404, {}, b"nothing"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    cert_file, key_file = certificate(folder, "docs.localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.socket = context.wrap_socket(http.socket, server_side=True)
    found = Site(http.server_port, cert_file)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.held.set()
        http.shutdown()
        http.server_close()
        thread.join()
