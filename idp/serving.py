"""uvicorn as this project runs it: one configuration for commands and tests, and an end to what requests may take.

uvicorn bounds neither the head of a request nor the time it takes to arrive, so one peer could fill the memory or hold
connections for ever. A proxy in front may be stricter; nothing here relies on one.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from idp.admission import PATIENCE, Admission, is_whole, refusal
from idp.app import Application
from idp.config.addresses import is_loopback_host
from idp.serving_tls import Certificate
from idp.settings import Settings

MAX_HEAD = 65_536  # bytes of request line and headers
MAX_HEADERS = 100
_HANDLES = 64
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"  # RFC 6585 5
)
# Behind a proxy the proxy closes idle connections: sooner than we would, it never sends on one that is being closed.
# The longest habit among the usual ones is two minutes (nginx 60 s, Traefik 90 s, Caddy 120 s).
_IDLE, _IDLE_BEHIND_PROXY = 30, 130
GRACEFUL = 4  # seconds; with the usual drain of 5 it stays below the 10 s after which containers are killed


def server_config(application: Application, certificate: Certificate | None = None) -> uvicorn.Config:
    """What ``serving_drain.FrontServer`` takes. The caller opens and closes the application."""
    settings = application.server.settings
    return plain_config(
        application,
        headers=_headers(settings),
        timeout_keep_alive=_IDLE_BEHIND_PROXY if settings.trusted_proxies else _IDLE,
        backlog=2048,
        ssl_context_factory=(lambda config, default: certificate.context) if certificate else None,
    )


def plain_config(application: Any, **options: Any) -> uvicorn.Config:
    """The same manners for any ASGI application, such as the one that shows the metrics."""
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
        timeout_graceful_shutdown=GRACEFUL,
        **options,
    )


def _headers(settings: Settings) -> list[tuple[str, str]]:
    """What stands on every answer, refusals of the parser too. uvicorn encodes it once.

    HSTS (RFC 6797 7.1) never goes out for loopback: it would hold for every port of this machine.
    """
    issuer = urlsplit(settings.issuer)
    if not settings.hsts_seconds or issuer.scheme != "https" or is_loopback_host(issuer.hostname):
        return []
    return [("strict-transport-security", f"max-age={settings.hsts_seconds}")]


def several(listener: socket.socket) -> list[socket.socket]:
    """Handles of one listening socket: the loop accepts one connection a turn of each, and a busy turn takes 20 ms.

    With a single one a verifier that comes for the key set during an overload would wait seconds for its connection.
    """
    return [listener, *(listener.dup() for _ in range(_HANDLES - 1))]


class BoundedProtocol(HttpToolsProtocol):
    """Cuts a connection whose request has too large a head, or is not whole ``arrival_seconds`` after it began.

    While the process is crowded a request waits unread, or is refused unread: see ``idp.admission``.
    """

    arrival_seconds = 30.0
    first_request_seconds = 1.0  # of a connection taken just before the end

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_message = False
        self._in_head = True
        self._head = 0
        self._late: asyncio.TimerHandle | None = None
        self._admission: Admission = getattr(self.config.app, "admission", None) or Admission()
        self._signing_in = False
        self._held = b""  # what has come of a request that waits for a place
        self._patience: asyncio.TimerHandle | None = None
        self._young: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()  # the first byte may never come

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self._hold_nothing()
        self._arrived()
        self._signed_in()
        if self._young is not None:
            self._young.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The first question is the cheap one: below it nobody can be crowded.
        admission = self._admission
        if (len(self.tasks) >= admission.places or admission.waiting) and self._at_rest:
            admission.next(len(self.tasks))  # a client that left before its answer freed a place and told nobody
            if admission.turns_away(data, len(self.tasks)):
                self._wait(data)
                return
        self._read(data)

    @property
    def _at_rest(self) -> bool:
        return not self._in_message and (self.cycle is None or self.cycle.response_complete)

    def _wait(self, data: bytes) -> None:
        if len(self._admission.waiting) >= self._admission.most_waiting:
            self._refuse(data)
            return
        self._unset_keepalive_if_required()
        self.transport.pause_reading()
        self._held = data
        self._patience = self.loop.call_later(PATIENCE, self._lose_patience)
        self._admission.waiting.append(self._begin)

    def _begin(self) -> None:
        """A place is free; nothing to do for a connection that has gone, or has been answered."""
        if data := self._hold_nothing():
            self.transport.resume_reading()
            self._read(data)

    def _lose_patience(self) -> None:
        self._admission.waiting.remove(self._begin)
        if self._admission.crowded(len(self.tasks)):
            data = self._hold_nothing()
            self.transport.resume_reading()
            self._refuse(data)
        else:
            self._begin()

    def _hold_nothing(self) -> bytes:
        data, self._held = self._held, b""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        return data

    def _refuse(self, data: bytes) -> None:
        self._admission.on_refusal()
        stays = is_whole(data) and not self._leaving
        answer = refusal(data, close=not stays)
        self.transport.write(self._with_headers(answer) if self.config.encoded_headers else answer)
        if not stays:
            self.transport.close()
        elif self._late is None:
            self._expect()

    def _read(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head > MAX_HEAD:
            # The parser keeps an unfinished header to itself: only the bytes tell how long it is.
            self.transport.write(self._with_headers(_TOO_LARGE))
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
        self._admission.arriving += 1
        super().on_headers_complete()
        if self._leaving:
            self.cycle.keep_alive = False
        if self._admission.is_sign_in(self.scope["method"], self.scope["path"]) and not self._signing_in:
            self._admission.signing_in += 1
            self._signing_in = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._arrived()
        self._in_message, self._in_head, self._head = False, True, 0
        self._expect_nothing()

    def on_response_complete(self) -> None:
        self._signed_in()
        super().on_response_complete()
        self._admission.next(len(self.tasks) - 1)  # this request's own task ends in a moment

    def last_answer(self) -> None:
        """Drain: what is being answered ends with ``Connection: close``, unless it has begun to say otherwise."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The end: close what is idle. A request that arrives or waits is answered; a new connection may bring one."""
        if self._held or (self._in_message and (self.cycle is None or self.cycle.response_complete)):
            return
        if self.cycle is None and self._young is None:
            self._young = self.loop.call_later(self.first_request_seconds, self.shutdown)
            return
        super().shutdown()

    def _with_headers(self, answer: bytes) -> bytes:
        """Prebuilt bytes with what stands on every answer."""
        lines = b"".join(b"%b: %b\r\n" % header for header in self.config.encoded_headers)
        return answer.replace(b"\r\n", b"\r\n" + lines, 1)

    @property
    def _leaving(self) -> bool:
        return getattr(self.server_state, "leaving", False)

    def _arrived(self) -> None:
        if self._in_message and not self._in_head:
            self._admission.arriving -= 1

    def _signed_in(self) -> None:
        if self._signing_in:
            self._admission.signing_in -= 1
            self._signing_in = False

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _expect(self) -> None:
        self._late = self.loop.call_later(self.arrival_seconds, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

