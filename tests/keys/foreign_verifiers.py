"""Six kinds of resource server, each with the cache it has in the wild, under a clock that is told to them.

Two are the real libraries (PyJWT's ``PyJWKClient``, panva's jose in a Node.js process); the others are the habits
found among the rest. Each answers with None for a token it accepts, or with its reason.
"""

from __future__ import annotations

import json
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from jwt import PyJWK, PyJWKClient
from key_support import Clock, header

Fetch = Callable[[], bytes]
SCRIPT = Path(__file__).parent.parent / "node" / "jose_verifier.mjs"
# Expiry is the simulation's to know: it only hands out tokens that are valid.
_OPTIONS: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}


class Verifier(ABC):
    """``name`` is the kind. ``next_poll`` is a moment at which it acts by itself, if it does."""

    name: str
    next_poll: float | None = None

    @abstractmethod
    def refusals(self, tokens: list[str]) -> list[str | None]: ...

    def poll(self) -> None:  # noqa: B027 - most do nothing by themselves
        """What it does at ``next_poll``."""

    def published(self) -> None:  # noqa: B027 - most do not hear of it
        """A key was published a moment ago."""


class JwksServer:
    """The issuer's JWKS endpoint on the loopback, for verifiers that bring their own HTTP."""

    def __init__(self, fetch: Fetch) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = fetch()
                self.send_response(200)
                self.send_header("Content-Type", "application/jwk-set+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def tell_pyjwt_the_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyJWT measures cache ages by ``time.monotonic`` in three modules."""
    for module in ("jwt.jwks_client", "jwt.jwk_set_cache", "jwt.api_jwk"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=clock), raising=True)


class PyJwt(Verifier):
    """The client under SimpleJWT and most FastAPI samples: 300 s, one refetch for an unknown kid each 30 s."""

    name = "PyJWKClient 300 s"

    def __init__(self, url: str) -> None:
        self._client = PyJWKClient(url, lifespan=300)

    def refusals(self, tokens: list[str]) -> list[str | None]:
        return [self._refusal(token) for token in tokens]

    def _refusal(self, token: str) -> str | None:
        try:
            key = self._client.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=["RS256", "ES256"], options=_OPTIONS)
        except jwt.PyJWTError as error:
            return str(error)
        return None


class NodeProcess:
    """One Node.js child that holds any number of jose key sets."""

    def __init__(self, node: Path, clock: Clock, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self._process = subprocess.Popen(
            [str(node), str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.fetches = 0

    def ask(self, instance: str, tokens: list[str]) -> list[str | None]:
        message = {"now": self._clock(), "instance": instance, "tokens": tokens, "jwks": self._fetch().decode()}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self.fetches = answer["fetches"]
        results: list[str | None] = answer["results"]
        return results

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)


class Jose(Verifier):
    """``createRemoteJWKSet`` with its own defaults: 600 s, 30 s cool-down."""

    name = "jose 600 s"

    def __init__(self, process: NodeProcess, instance: str) -> None:
        self._process = process
        self._instance = instance

    def refusals(self, tokens: list[str]) -> list[str | None]:
        return self._process.ask(self._instance, tokens)


class Snapshot(Verifier):
    """Holds a JWKS as it was at some moment."""

    def __init__(self, clock: Clock, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self.renew()

    def renew(self) -> None:
        self.fetched_at = self._clock()
        self._keys = {key["kid"]: PyJWK(key) for key in json.loads(self._fetch())["keys"]}

    def refusals(self, tokens: list[str]) -> list[str | None]:
        return [self._refusal(token) for token in tokens]

    def _refusal(self, token: str) -> str | None:
        key = self._keys.get(header(token)["kid"])
        if key is None:
            return f"unknown kid in a set of {self._clock() - self.fetched_at:.0f} s"
        try:
            jwt.decode(token, key, algorithms=["RS256", "ES256"], options=_OPTIONS)
        except jwt.PyJWTError as error:
            return str(error)
        return None


class HourlyPoll(Snapshot):
    """Reads the JWKS on the hour, whatever happens in between."""

    name = "hourly poll"

    def renew(self) -> None:
        super().renew()
        self.next_poll = self._clock() + 3600

    def poll(self) -> None:
        self.renew()


class DayCache(Snapshot):
    """Keeps a set for 24 hours and never asks before."""

    name = "24 h cache"

    def refusals(self, tokens: list[str]) -> list[str | None]:
        if self._clock() - self.fetched_at >= 86_400:
            self.renew()
        return super().refusals(tokens)


class ForEver(Snapshot):
    """Keeps its set until a kid is unknown."""

    name = "for ever, refetch on unknown kid"

    def _refusal(self, token: str) -> str | None:
        if header(token)["kid"] not in self._keys:
            self.renew()
        return super()._refusal(token)


class StaticCopy(Snapshot):
    """A file that somebody copies when told that a key was published; ``late`` says how long that takes."""

    name = "static copy"

    def __init__(self, clock: Clock, fetch: Fetch, late: float = 0) -> None:
        super().__init__(clock, fetch)
        self._late = late

    def published(self) -> None:
        self.next_poll = self._clock() + self._late

    def poll(self) -> None:
        self.next_poll = None
        self.renew()
