"""Ways into a provider without a socket: an ASGI application for any loop, transports for httpx2."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import httpx2
from starlette.types import Receive, Scope, Send

from idp.testing.faults import Front
from idp.testing.portal import Portal

Message = MutableMapping[str, Any]


class Bridge:
    """The ASGI application of a provider that lives in ``portal``, called from wherever the test runs.

    A request crosses over whole, and its answer comes back whole: nothing of this provider streams.
    """

    def __init__(self, front: Front, portal: Portal) -> None:
        self._front = front
        self._portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = b""
        more = scope["type"] == "http"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        for answer in await self._portal.aside(_answered(self._front, scope, body)):
            await send(answer)


async def _lifespan(receive: Receive, send: Send) -> None:
    # The provider is started and ended by its fixture, whatever the application does that mounts it.
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return


async def _answered(front: Front, scope: Scope, body: bytes) -> list[Message]:
    messages: list[Message] = []
    asked = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return asked.pop() if asked else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        messages.append(message)

    await front(scope, receive, send)
    return messages


class _Reach:
    """One provider, one origin: a request to anywhere else finds no network."""

    def __init__(self, front: Front, portal: Portal, issuer: str) -> None:
        self._inner = httpx2.ASGITransport(app=front)
        self._portal = portal
        self._issuer = httpx2.URL(issuer)

    async def _exchange(self, request: httpx2.Request) -> tuple[httpx2.Response, bytes]:
        answer = await self._inner.handle_async_request(request)
        if not isinstance(answer.stream, httpx2.AsyncByteStream):
            raise TypeError("an ASGI answer is read asynchronously")
        return answer, b"".join([chunk async for chunk in answer.stream])

    def _copied(self, request: httpx2.Request, body: bytes) -> httpx2.Request:
        here, there = self._issuer, request.url
        if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port):
            raise httpx2.ConnectError(f"{there} is not at {here}, and this transport reaches nothing else")
        return httpx2.Request(request.method, there, headers=request.headers, content=body)


class Transport(_Reach, httpx2.BaseTransport):
    """For ``httpx2.Client``."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = self._copied(request, request.read())
        answer, body = self._portal.call(self._exchange(asked))
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=httpx2.ByteStream(body))


class AsyncTransport(_Reach, httpx2.AsyncBaseTransport):
    """For ``httpx2.AsyncClient``, in any loop."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = self._copied(request, await request.aread())
        answer, body = await self._portal.aside(self._exchange(asked))
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=httpx2.ByteStream(body))
