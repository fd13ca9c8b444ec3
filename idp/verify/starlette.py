"""Starlette: a decorator for endpoints.

    protect = Protection(Verifier(ISSUER, AUDIENCE), base_url="https://api.example.com")

    @protect.requires("read")
    async def notes(request: Request) -> Response:
        return JSONResponse({"you": request.state.token.subject})

For FastAPI there is ``idp.verify.fastapi``; to guard all of an application, ``idp.verify.asgi``.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from .adapting import Demand, Guard
from .asgi import asked, kept_of
from .claims import VerifiedToken
from .refused import Refused
from .verifier import Verifier

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response] | Response]


class Protection:
    """One verifier for all endpoints of an API.

    ``base_url`` is what callers write before the path, which DPoP needs; by default the origin of the verifier's
    ``resource``. ``realm`` goes into WWW-Authenticate.
    """

    def __init__(self, verifier: Verifier, *, base_url: str | None = None, realm: str | None = None) -> None:
        self._guard = Guard(verifier, base_url, realm)

    def requires(
        self, *scopes: str, acr_values: str | Iterable[str] = (), max_age: float | None = None
    ) -> Callable[[Endpoint], Callable[[Request], Awaitable[Response]]]:
        """A decorator: the endpoint, synchronous or not, runs for a good token alone, found in ``request.state.token``.

        A refusal is answered with its status, its WWW-Authenticate and a JSON body.
        """
        demand = Demand.of(scopes, acr_values, max_age)

        def around(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
            waits = inspect.iscoroutinefunction(endpoint)

            @functools.wraps(endpoint)
            async def guarded(request: Request) -> Response:
                try:
                    await self.verified(request, demand)
                except Refused as refused:
                    return self.answer(refused)
                answer = endpoint(request) if waits else await run_in_threadpool(endpoint, request)
                return await answer if inspect.isawaitable(answer) else answer

            return guarded

        return around

    async def verified(self, connection: HTTPConnection, demand: Demand) -> VerifiedToken:
        """The token of a request or of a websocket's handshake, also left in ``state.token``; or ``Refused``."""
        token = await self._guard.verified(asked(connection.scope), demand, kept_of(connection.scope))
        connection.state.token = token
        return token

    def answer(self, refused: Refused) -> Response:
        """The response to a refusal."""
        status, headers, body = self._guard.answer(refused)
        return JSONResponse(body, status, headers)
