"""A loopback address that waits for one authorization response (RFC 8252 7.3)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from idp.cli.trouble import Trouble

PATH = "/callback"
_PAGE = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>idp</title>"
    b"<body style='font:1.1rem system-ui;margin:20vh auto;max-width:30rem;text-align:center'>"
    b"<p>Done. You can close this page and return to the terminal.</p></body></html>"
)


class Listener:
    """Use in a ``with`` statement; ``redirect_uri`` holds the port the system gave."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.server_close()

    def wait(self, seconds: float) -> Mapping[str, str]:
        """The parameters of the first answer at the callback. Raises Trouble when none comes in time."""
        end = time.monotonic() + seconds
        while self._server.received is None:
            self._server.timeout = end - time.monotonic()
            if self._server.timeout <= 0:
                raise Trouble(
                    "nobody signed in",
                    received=f"no answer in {seconds:g} s",
                    expected="a sign-in at the address above",
                    mend="idp login",
                )
            self._server.handle_request()
        return self._server.received


class _Server(HTTPServer):
    received: Mapping[str, str] | None = None


class _Handler(BaseHTTPRequestHandler):
    timeout = 5  # a connection that says nothing must not hold the answer up
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != PATH:
            self.send_error(404)
            return
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        names = [name for name, _ in pairs]
        if len(set(names)) == len(names):
            self.server.received = dict(pairs)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the request line holds the code."""
