"""Sessions that live on the server: the cookie is a random id, everything else stays in this process.

A relying party that keeps its session inside a signed cookie cannot obey a back-channel logout: the provider
calls it without any browser, so there is no cookie to take away. In production this table is a database or a
cache that every worker shares.
"""

import secrets
import time
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IDLE = 8 * 3600.0
LIMIT = 10_000

Data = dict[str, Any]


class SessionTable:
    """Session id -> data. It ends ``IDLE`` seconds after its last use; past ``LIMIT`` the oldest goes."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, tuple[float, Data]] = OrderedDict()

    def find(self, key: str) -> Data | None:
        row = self._rows.get(key)
        if row is None or time.monotonic() - row[0] > IDLE:
            self.drop(key)
            return None
        self.keep(key, row[1])
        return row[1]

    def keep(self, key: str, data: Data) -> None:
        self._rows[key] = (time.monotonic(), data)
        self._rows.move_to_end(key)
        while len(self._rows) > LIMIT:
            self._rows.popitem(last=False)

    def drop(self, key: str) -> None:
        self._rows.pop(key, None)

    def end(self, *, sid: str | None, sub: str | None) -> int:
        """Sign out one session of the provider (``sid``) or, where none is named, all of a person's."""
        ended = 0
        for _, data in self._rows.values():
            who = data.get("user")
            if who and (who["sid"] == sid if sid is not None else who["sub"] == sub):
                # A sign-in under way in the same browser (Authlib keeps it here) is somebody's next session.
                under_way = {name: value for name, value in data.items() if name.startswith("_state_")}
                data.clear()
                data.update(under_way, ended_at=time.time())
                ended += 1
        return ended


class ServerSideSessions:
    """ASGI middleware: fills ``request.session``, the dictionary Authlib keeps its state in."""

    def __init__(self, app: ASGIApp, table: SessionTable, cookie: str, secure: bool) -> None:
        self.app, self.table, self.cookie = app, table, cookie
        self.attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = self._cookie(Request(scope))
        found = self.table.find(sent) if sent else None
        # An id we did not make is never adopted: whoever planted it would know the session it becomes.
        key = sent if sent and found is not None else None
        scope["session"] = {} if found is None else found

        async def send_with_cookie(message: Message) -> None:
            nonlocal key
            if message["type"] == "http.response.start":
                if scope.pop("session_is_new", False) and key:
                    self.table.drop(key)
                    key = None
                if scope["session"]:
                    fresh = key is None
                    key = key or secrets.token_urlsafe(32)
                    self.table.keep(key, scope["session"])
                    if fresh:
                        cookie = f"{self.cookie}={key}{self.attributes}"
                        MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_with_cookie)

    def _cookie(self, request: Request) -> str | None:
        try:
            morsel = SimpleCookie(request.headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return None
        return morsel.value if morsel else None


def start_afresh(request: Request, data: Data) -> None:
    """Replace the session by ``data`` under a new id: whoever knew the old one before sign-in has nothing."""
    request.scope["session"] = dict(data)
    request.scope["session_is_new"] = True
