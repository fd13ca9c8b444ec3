"""Overload is refused at the door (decision 27): requests in flight are bounded before any of their work is done.

A request past the bound waits a short while for a place, and then is told 503 in prebuilt bytes. The wait is what
makes refusing cheap: a connection that waits sends nothing new, so a crowd cannot spend the processor on refusals.
Public documents never come here, health is never refused, and password sign-ins, slow by design, have their own room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 65_536  # bytes of a request's body
PATIENCE = 0.3  # seconds in the queue; with the work itself a refusal leaves within 500 ms
RETRY_AFTER = b"1"

_JSON = b'{"error":"temporarily_unavailable","error_description":"The server is busy; ask again shortly."}'
_PAGE = (
    b"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    b"<title>Busy</title><body id=busy><h1>Very busy just now</h1>"
    b"<p>Nothing was lost. Wait a moment, then load this page again.</p>"
)


class Room:
    """``places`` requests run at a time, ``queue`` more wait for one; a place passes to whoever waited longest."""

    __slots__ = ("_free", "_queue", "_waiting")

    def __init__(self, places: int, queue: int) -> None:
        self._free = places
        self._queue = queue
        self._waiting: deque[asyncio.Future[bool]] = deque()

    def enter_now(self) -> bool:
        if self._free == 0:
            return False
        self._free -= 1
        return True

    async def enter(self) -> bool:
        """Whether a place came free in time."""
        if len(self._waiting) >= self._queue:
            return False
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(place)
        timer = loop.call_later(PATIENCE, _give_up, place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                pass  # it was handed over in the very moment the request went away
            raise
        finally:
            timer.cancel()

    def leave(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(True)
                return
        self._free += 1


def _give_up(place: asyncio.Future[bool]) -> None:
    if not place.done():
        place.set_result(False)


class Overload:
    """``rooms`` by method and path; None is no bound. Everything else shares ``general``."""

    def __init__(self, app: ASGIApp, rooms: Mapping[tuple[str, str], Room | None], general: Room) -> None:
        self._app = app
        self._rooms = rooms
        self._general = general

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        room = self._rooms.get((scope["method"], scope["path"]), self._general) if scope["type"] == "http" else None
        if room is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD") and not _promises_too_much(scope):
            receive = await _arrived(receive)
        if room.enter_now() or await room.enter():
            try:
                await self._app(scope, receive, send)
            finally:
                room.leave()
        else:
            await _refuse(scope, send)


def _promises_too_much(scope: Scope) -> bool:
    """Then there is nothing to wait for: it is refused by its Content-Length."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return length.isdigit() and int(length) > MAX_BODY


async def _arrived(receive: Receive) -> Receive:
    """Wait until the body is whole, or longer than any that is taken: a slow sender must not hold a place meanwhile."""
    messages: deque[Message] = deque()
    size, more = 0, True
    while more and size <= MAX_BODY:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return again


def _answer(body: bytes, content_type: bytes) -> tuple[Message, Message]:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", RETRY_AFTER),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    ]
    return (
        {"type": "http.response.start", "status": 503, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


_FOR_PROGRAMS = _answer(_JSON, b"application/json")
_FOR_PEOPLE = _answer(_PAGE, b"text/html; charset=utf-8")


async def _refuse(scope: Scope, send: Send) -> None:
    accepts = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    for message in _FOR_PEOPLE if b"text/html" in accepts else _FOR_PROGRAMS:
        await send(message)
