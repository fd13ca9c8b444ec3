"""FastAPI: a dependency, seen by OpenAPI, so that Swagger's page has its button.

    protect = Protection(Verifier(ISSUER, AUDIENCE), base_url="https://api.example.com")

    @app.get("/notes")
    async def notes(token: Annotated[VerifiedToken, Security(protect, scopes=["read"])]) -> list[str]: ...

    @app.delete("/notes")
    async def clear(token: Annotated[VerifiedToken, Depends(protect.requires("write", max_age=300))]) -> None: ...
"""

import copy
from collections.abc import Iterable

from fastapi import HTTPException
from fastapi.exceptions import WebSocketException
from fastapi.openapi import models
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from .adapting import Demand, Guard
from .asgi import asked, kept_of
from .claims import VerifiedToken
from .refused import Refused
from .verifier import Verifier

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1
_BEARER = models.HTTPBearer(bearerFormat="JWT", description="An access token of the provider")


class Protection(SecurityBase):
    """A dependency whose value is the ``VerifiedToken``. Declared scopes (``Security``) are asked of the token.

    ``base_url`` is what callers write before the path, which DPoP needs; by default the origin of the verifier's
    ``resource``. ``realm`` goes into WWW-Authenticate. ``model`` is the security scheme that OpenAPI shows under
    ``scheme_name``: a bearer token to paste, or for example ``models.OpenIdConnect(openIdConnectUrl=...)``.

    A refusal is an ``HTTPException`` with its status and WWW-Authenticate; its ``detail`` is an object for people. On a
    websocket route it is a ``WebSocketException``: the handshake is refused.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        base_url: str | None = None,
        realm: str | None = None,
        model: models.SecurityBase = _BEARER,
        scheme_name: str = "access token",
    ) -> None:
        self._guard = Guard(verifier, base_url, realm)
        self._demand = Demand()
        self.model = model
        self.scheme_name = scheme_name

    def requires(
        self, *scopes: str, acr_values: str | Iterable[str] = (), max_age: float | None = None
    ) -> "Protection":
        """The same dependency, which asks for more; for ``Depends``."""
        more = copy.copy(self)
        more._demand = Demand.of(scopes, acr_values, max_age)
        return more

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> VerifiedToken:
        demand = self._demand.also(security_scopes.scopes)
        try:
            token = await self._guard.verified(asked(connection.scope), demand, kept_of(connection.scope))
        except Refused as refused:
            raise self._exception(refused, connection.scope["type"]) from refused
        connection.state.token = token
        return token

    def _exception(self, refused: Refused, kind: str) -> Exception:
        if kind == "websocket":
            return WebSocketException(_POLICY_VIOLATION, refused.reason)
        status, headers, body = self._guard.answer(refused)
        return HTTPException(status, body, headers)
