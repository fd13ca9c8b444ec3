"""A provider of the test's own, whose every answer can be made sick."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

from idp.jose import generate_private_key
from idp.jose.keys import public_jwk

JWKS = "/keys"
OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


@dataclass
class Patient:
    """``documents`` are answers by path, ``headers`` what comes with them, ``sick`` a function of the request's headers
    that changes the discovery document."""

    url: str
    documents: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    sick: Callable[[Mapping[str, str]], Mapping[str, Any]] = lambda headers: {}
    clock: float = 0.0

    def healthy(self) -> None:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}{JWKS}",
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        keys = [{**public_jwk(generate_private_key("ES256")), "kid": kid, "alg": "ES256"} for kid in ("a", "b")]
        self.documents = {OPENID: document, OAUTH: dict(document), JWKS: {"keys": keys}, "/token": {"error": "e"}}
        cors = {"access-control-allow-origin": "*"}
        self.headers = {path: dict(cors) for path in (OPENID, OAUTH, JWKS)}
        self.headers[JWKS]["cache-control"] = "public, max-age=300"
        self.statuses = {"/token": 400}

    def both(self, **changed: Any) -> None:
        """Change members in both documents; None takes one away."""
        for path in (OPENID, OAUTH):
            merged = {**self.documents[path], **changed}
            self.documents[path] = {name: value for name, value in merged.items() if value is not None}


@contextmanager
def patient(host: str = "localhost", tls: SSLContext | None = None) -> Iterator[Patient]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            body = found.documents.get(path)
            if path in (OPENID, OAUTH) and isinstance(body, dict):
                body = {**body, **found.sick({name.lower(): value for name, value in self.headers.items()})}
            data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response_only(found.statuses.get(path, 404 if body is None else 200))
            self.send_header("date", formatdate(time.time() + found.clock, usegmt=True))
            for name, value in found.headers.get(path, {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def do_OPTIONS(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    found = Patient(f"{'https' if tls else 'http'}://{host}:{http.server_port}")
    found.healthy()
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
