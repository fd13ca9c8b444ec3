"""uvicorn as this project runs it: one configuration for commands and tests, and an end to what a request may take.

uvicorn bounds neither the head of a request nor the time it takes to arrive, so one peer could fill the memory or hold
connections for ever. A proxy in front may be stricter; nothing here relies on one.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65_536  # bytes of request line and headers
MAX_HEADERS = 100
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"  # RFC 6585 5
)


def server_config(application: Any, **options: Any) -> uvicorn.Config:
    """What ``uvicorn.Server`` takes; ``options`` are host and port. The caller opens and closes the application."""
    return uvicorn.Config(
        application,
        loop="auto",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",  # a start that fails is told in our words
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        backlog=2048,
        **options,
    )


class BoundedProtocol(HttpToolsProtocol):
    """Cuts a connection whose request has too large a head, or is not whole ``arrival_seconds`` after it began."""

    arrival_seconds = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_message = False
        self._in_head = True
        self._head = 0
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()  # the first byte may never come

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head > MAX_HEAD:
            # The parser keeps an unfinished header to itself: only the bytes tell how long it is.
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._in_message and self._late is None:
            self._expect()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message = True

    def on_headers_complete(self) -> None:
        # 0: a pipelined request whose head came in one piece with the end of the one before.
        measured = 0 < self._head <= MAX_HEAD
        if len(self.headers) > MAX_HEADERS or not (measured or self._head_size() <= MAX_HEAD):
            raise ValueError("the head is too large")  # the parser makes a 400 of it, and the end of the connection
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_message, self._in_head, self._head = False, True, 0
        self._expect_nothing()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _expect(self) -> None:
        self._late = self.loop.call_later(self.arrival_seconds, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
