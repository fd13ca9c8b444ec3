"""What goes wrong between a provider and its apps: an address that answers 503, nonsense or late; a wrong clock.

All of it stands in front of the server, which is untouched: it has no switch for failing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from idp.app import Application

# Words for addresses that people would have to look up.
PATHS = {
    "jwks": ("/.well-known/jwks.json",),
    "discovery": ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
    **{name: (f"/{name}",) for name in ("authorize", "introspect", "par", "revoke", "token", "userinfo")},
}


@dataclass(eq=False)
class Fault:
    """In effect at once; ends with its ``with`` block, with ``end()``, after ``times`` answers, or with the test."""

    front: Front
    paths: tuple[str, ...]  # empty: everywhere
    status: int | None  # None: the real answer, ``seconds`` late
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    seconds: float
    times: int | None
    met: int = 0  # how many requests have run into it

    def end(self) -> None:
        if self in self.front.faults:
            self.front.faults.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def meet(self) -> None:
        self.met += 1
        if self.times is not None and self.met >= self.times:
            self.end()


class Front:
    """The application, and what stands before it. Every answer carries the Date of the provider's own clock."""

    def __init__(self, application: Application, clock: Callable[[], float]) -> None:
        self.application = application
        self.faults: list[Fault] = []
        self._clock = clock
        self._base = urlsplit(application.server.issuer).path

    @property
    def admission(self) -> Any:
        """``serving.BoundedProtocol`` asks the application it serves for it."""
        return self.application.admission

    def put(
        self,
        where: str,
        *,
        status: int | None,
        body: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        seconds: float = 0.0,
        times: int | None = None,
    ) -> Fault:
        if where != "everything" and where not in PATHS and not where.startswith("/"):
            raise ValueError(f"{where!r} is no address: use {', '.join(PATHS)}, everything, or a path from /")
        paths = () if where == "everything" else PATHS.get(where, (where,))
        # Where the issuer has a path, its documents stand both before and behind it (RFC 8414 3.1).
        both = tuple(dict.fromkeys((*(self._base + path for path in paths), *(path + self._base for path in paths))))
        fault = Fault(self, both, status, body, headers, seconds, times)
        self.faults.append(fault)
        return fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        fault = next((one for one in reversed(self.faults) if not one.paths or path in one.paths), None)

        async def dated(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._clock(), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", ()), (b"date", date)]}
            await send(message)

        if fault is not None:
            fault.meet()
            await asyncio.sleep(fault.seconds)
            if fault.status is not None:
                await dated({"type": "http.response.start", "status": fault.status, "headers": list(fault.headers)})
                await send({"type": "http.response.body", "body": fault.body})
                return
        await self.application(scope, receive, dated)
