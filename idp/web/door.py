"""The outermost ASGI layer: public documents as prebuilt bytes before anything else runs, and the calls' CORS answers.

Discovery and JWKS are the same bytes for everybody (decision 20), so they are answered from a table without a request
object. No answer depends on Host or on any forwarding header; in dev a foreign Host is refused, at serve it is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idp.config.addresses import is_loopback_host
from idp.protocol.client import Client
from idp.web.foreign_host import ForeignHosts

# The last one browser apps of the Model Context Protocol send with every request, for documents too.
_MAY_SEND = b"Authorization, Content-Type, DPoP, If-None-Match, MCP-Protocol-Version"
_EXPOSED = b"WWW-Authenticate, X-Correlation-Id, DPoP-Nonce"
Content = Callable[[], tuple[bytes, str]]


@dataclass(slots=True)
class Document:
    """A public JSON document: ``content`` gives bytes and ETag, both replaced together when it changes."""

    content: Content
    max_age: int
    content_type: bytes = b"application/json"
    _for: str = ""
    _messages: tuple[Message, Message, Message, Message] = field(default=({}, {}, {}, {}))

    def messages(self) -> tuple[Message, Message, Message, Message]:
        """200's start and body, 304's start, an empty body; made again only when the ETag moves."""
        body, etag = self.content()
        if etag != self._for:
            shared = [
                (b"etag", etag.encode("ascii")),
                (b"cache-control", f"public, max-age={self.max_age}, stale-if-error=86400".encode("ascii")),
                (b"access-control-allow-origin", b"*"),
                (b"x-content-type-options", b"nosniff"),
            ]
            whole = [(b"content-type", self.content_type), (b"content-length", str(len(body)).encode()), *shared]
            self._messages = (
                {"type": "http.response.start", "status": 200, "headers": whole},
                {"type": "http.response.body", "body": body},
                {"type": "http.response.start", "status": 304, "headers": shared},
                {"type": "http.response.body", "body": b""},
            )
            self._for = etag
        return self._messages


class Door:
    """``documents`` by path; ``cors_paths`` are what a browser app may call, from where ``origin_known`` says,
    or (True) from anywhere: there nothing is answered by a cookie.

    Without ``foreign`` (dev) any Host but a loopback name is refused: a page of a stranger's domain that resolves to
    this machine must not reach a provider whose passwords everybody knows.
    """

    def __init__(
        self,
        app: ASGIApp,
        documents: Mapping[str, Document],
        cors_paths: Mapping[str, bool],
        origin_known: Callable[[str], Awaitable[bool]],
        foreign: ForeignHosts | None,
    ) -> None:
        self._app = app
        self._documents = documents
        self._cors_paths = cors_paths
        self._origin_known = origin_known
        self._foreign = foreign

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._foreign is not None:
                self._foreign.look(scope)
            elif not _is_loopback(_header(scope, b"host") or b""):
                await _misdirected(send)
                return
            path = scope["path"]
            document = self._documents.get(path)
            if document is not None:
                await self._public(document, scope, send)
                return
            if path in self._cors_paths and (origin := _header(scope, b"origin")) is not None:
                await self._for_browsers(origin.decode("latin-1"), scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _public(self, document: Document, scope: Scope, send: Send) -> None:
        start, body, unchanged, empty = document.messages()
        if scope["method"] == "OPTIONS":
            await _preflight("*", send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await send({"type": "http.response.start", "status": 405, "headers": [(b"allow", b"GET, HEAD, OPTIONS")]})
            await send(empty)
            return
        known = _header(scope, b"if-none-match")
        if known is not None and dict(start["headers"])[b"etag"] in known.replace(b"W/", b"").replace(b" ", b"").split(
            b","
        ):
            await send(unchanged)
            await send(empty)
            return
        await send(start)
        await send(empty if scope["method"] == "HEAD" else body)

    async def _for_browsers(self, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        anybody = self._cors_paths[scope["path"]]
        if scope["method"] == "OPTIONS":
            known = anybody or await self._origin_known(origin)
            await _preflight(origin if known else None, send)
            return

        async def with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[tuple[bytes, bytes]] = [*message["headers"], (b"vary", b"Origin")]
                client: Client | None = scope.get("idp.client")
                if anybody or (client is not None and origin in client.origins):
                    headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
                    headers.append((b"access-control-expose-headers", _EXPOSED))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, with_origin)


async def _preflight(origin: str | None, send: Send) -> None:
    headers: list[tuple[bytes, bytes]] = [(b"vary", b"Origin"), (b"content-length", b"0")]
    if origin is not None:
        headers += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
            (b"access-control-allow-headers", _MAY_SEND),
            (b"access-control-max-age", b"600"),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _misdirected(send: Send) -> None:
    text = b"idp dev answers loopback names only (localhost, *.localhost, 127.0.0.1); for others: idp serve.\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@lru_cache(maxsize=64)
def _is_loopback(host: bytes) -> bool:
    if b"@" in host:  # a user name, which no Host holds (RFC 9110 7.2)
        return False
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname
    except ValueError:
        return False
    return is_loopback_host(name)


def _header(scope: Mapping[str, Any], name: bytes) -> bytes | None:
    for header, value in scope["headers"]:
        if header == name:
            return bytes(value)
    return None
