"""Load through nginx, and a count of every request that did not get what it must: bare sockets for most of it, a whole
browser for sign-ins."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx2
from support import WEB, App, Visitor
from topology_nodes import HOST, ISSUER

SERVICE = App("machine", secret="machine-secret-0123456789", scope="", grant_types=("client_credentials",))
MANIFEST = f"""
{WEB.toml()}
{SERVICE.toml()}
[[people]]
username = "alice"
password = "alice"
"""


@dataclass
class Load:
    """``done`` counts good answers by kind, ``failures`` tells the others."""

    port: int
    tls: ssl.SSLContext
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    enough: Callable[[], bool] = lambda: True

    async def run(self, connections: int) -> None:
        """Until ``enough``. A failure ends the connection it came by, as it would a client's."""
        await asyncio.gather(*(self._stream() for _ in range(connections)), self._sign_ins())

    async def _stream(self) -> None:
        connection: _Connection | None = None
        while not self.enough():
            for kind, request, wanted in _REQUESTS:
                try:
                    connection = connection or await _Connection.open(self.port, self.tls)
                    status, body, stays = await connection.ask(request)
                    if status != 200 or wanted not in body:
                        self.failures.append(f"{kind}: {status} {body[:100]!r}")
                    self.done[kind] += 1
                except (OSError, asyncio.IncompleteReadError) as error:
                    self.failures.append(f"{kind}: {error!r}")
                    stays = False
                if not stays and connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    async def _sign_ins(self) -> None:
        """A person, a browser of their own each time; five requests and a password hash."""
        while not self.enough():
            visitor = Visitor(SimpleNamespace(issuer=ISSUER))  # type: ignore[arg-type]
            await visitor.aclose()
            visitor.http = browser(self.port, self.tls)
            try:
                answer = await visitor.sign_on(WEB.request(), "alice")
                tokens = await WEB.redeem(visitor.http, answer.code)
                if tokens.status_code != 200:
                    self.failures.append(f"sign-in: {tokens.status_code} {tokens.text}")
                self.done["sign-in"] += 1
            except Exception as error:
                self.failures.append(f"sign-in: {error!r}"[:300])
            await visitor.aclose()


def browser(port: int, tls: ssl.SSLContext) -> httpx2.AsyncClient:
    """A client that believes it speaks to the issuer."""
    return httpx2.AsyncClient(
        base_url=ISSUER, transport=_Through(port, verify=tls), headers={"accept": "text/html"}, timeout=30
    )


class _Through(httpx2.AsyncHTTPTransport):
    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(**options)
        self._port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        moved = httpx2.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=self._port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": HOST},
        )
        return await super().handle_async_request(moved)


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext) -> _Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=HOST))

    async def ask(self, request: bytes) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection stays open."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await self.reader.readexactly(length)
        return int(head[9:12]), body, b"connection: close" not in head

    def close(self) -> None:
        self.writer.close()


def _request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    lines = {"Host": HOST, **headers}
    if body:
        lines |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


_BASIC = base64.b64encode(f"{SERVICE.client_id}:{SERVICE.secret}".encode()).decode()
_REQUESTS = (
    ("token", _request("POST", "/token", b"grant_type=client_credentials", Authorization=f"Basic {_BASIC}"), b"ey"),
    ("jwks", _request("GET", "/.well-known/jwks.json"), b'"kid"'),
)
