"""Endpoints by exact path: one dictionary look-up, one place where errors become answers.

Every address of ours is an exact string, so Starlette's router (a regular expression a route, three layers of
exception handling, 15 us) only sees what is none of them: static files and addresses that do not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from idp.web.context import Web

Handler = Callable[[Request], Awaitable[Response]]
OnError = Callable[[Request, Exception], Awaitable[Response]]


class Dispatch:
    """``endpoints``: path to method to handler. ``on_error``: an error class to its answer.

    ``fallback`` is a Starlette application: it holds the state that handlers reach as ``http.app``. ``max_body`` bytes
    are read of a request at most.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Mapping[str, Handler]],
        on_error: Mapping[type[Exception], OnError],
        fallback: ASGIApp,
        web: Web,
        max_body: int,
    ) -> None:
        self._endpoints = endpoints
        self._on_error = on_error
        self._fallback = fallback
        self._web = web
        self._bounded = RequestBodyLimitMiddleware(self._respond, max_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["idp.web"] = self._web
        if scope["type"] != "http" or scope["path"] not in self._endpoints:
            await self._fallback(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self._respond(scope, receive, send)  # no handler of these reads a body
        else:
            await self._bounded(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._fallback
        http = Request(scope, receive, send)
        methods = self._endpoints[scope["path"]]
        try:
            handler = methods.get(scope["method"])
            if handler is None:
                raise HTTPException(405, headers={"Allow": ", ".join(methods)})
            response = await handler(http)
        except Exception as error:
            response = await self._answer(http, error)
        await response(scope, receive, send)

    async def _answer(self, http: Request, error: Exception) -> Response:
        """The answer of the nearest class that has one; ``Exception`` always has."""
        for kind in type(error).__mro__:
            if kind in self._on_error:
                return await self._on_error[kind](http, error)
        raise error
