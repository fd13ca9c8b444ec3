"""Middleware for any ASGI application: nothing behind it runs without a good token.

    app = TokenMiddleware(app, Verifier(ISSUER, AUDIENCE), scopes=["read"], exempt=["/healthz"])

Behind it ``scope["idp.token"]`` is the ``VerifiedToken``. A browser's CORS preflight passes, since it cannot carry a
token; put the middleware that answers it outside of this one, so that refusals carry its headers too.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

from .adapting import Answer, Asked, Demand, Guard, Kept, escaped, is_preflight
from .claims import VerifiedToken
from .refused import Refused
from .verifier import Verifier

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN = "idp.token"
_KEPT = "idp.tokens"
_EXEMPT = re.compile(r"/[^*]*|/[^*]*[^*/]/\*")
_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1


class TokenMiddleware:
    """Verify each request, then let ``app`` have it.

    ``scopes``, ``acr_values`` and ``max_age`` are asked of every token, as in ``Verifier.verify``. ``base_url`` is what
    callers write before the path, which DPoP needs; by default the origin of the verifier's ``resource``. ``realm``
    goes into WWW-Authenticate. ``exempt`` lists paths that are open to all: one path, or all below one (``/static/*``).
    The metadata of a verifier with a ``resource`` (RFC 9728) is served at its well-known path.

    A refusal is JSON with the status and WWW-Authenticate of ``Refused``. A websocket's handshake is refused by the
    same answer where the server knows the extension ``websocket.http.response`` (uvicorn, hypercorn), else by closing
    it before it is accepted, which servers answer with 403. The lifespan passes.
    """

    def __init__(
        self,
        app: App,
        verifier: Verifier,
        *,
        scopes: str | Iterable[str] = (),
        acr_values: str | Iterable[str] = (),
        max_age: float | None = None,
        base_url: str | None = None,
        realm: str | None = None,
        exempt: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._demand = Demand.of(scopes, acr_values, max_age)
        self._guard = Guard(verifier, base_url, realm)
        self._document: tuple[str | None, bytes] = (None, b"")
        if verifier.resource is not None:
            self._document = verifier.resource.metadata_path, json.dumps(verifier.resource_metadata()).encode()
        listed = tuple(exempt)
        if isinstance(exempt, str) or not all(_EXEMPT.fullmatch(path) for path in listed):
            raise ValueError("exempt must be a list of paths such as /healthz, or /static/* for all below one")
        self._exact = frozenset(path for path in listed if not path.endswith("/*"))
        self._below = tuple(path[:-1] for path in listed if path.endswith("/*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket", "lifespan"):
            raise ValueError(f"a connection of type {scope['type']!r} is not known here")
        path, document = self._document
        if scope["type"] == "http" and scope["path"] == path and scope["method"] in ("GET", "HEAD"):
            await _send(send, 200, _PUBLIC, document, head=scope["method"] == "HEAD")
        elif scope["type"] == "lifespan" or self._is_open(scope):
            await self._app(scope, receive, send)
        else:
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept: Kept = dict(scope.get(_KEPT, {}))
        try:
            token = await self._guard.verified(asked(scope), self._demand, kept)
        except Refused as refused:
            await _refuse(self._guard.answer(refused), scope, receive, send)
        else:
            await self._app({**scope, TOKEN: token, _KEPT: kept}, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path, names = scope["path"], (name.decode("latin-1") for name, _ in scope["headers"])
        if scope["type"] == "http" and is_preflight(scope["method"], names):
            return True
        # Below an open path, an address that climbs up again could be read as another one by what stands behind.
        climbs = "\\" in path or "//" in path or not {".", ".."}.isdisjoint(path.split("/"))
        return path in self._exact or (path.startswith(self._below) and not climbs)


def token_of(scope: Mapping[str, Any]) -> VerifiedToken:
    """The token the middleware verified; ``LookupError`` where it let a request through without."""
    token = scope.get(TOKEN)
    if not isinstance(token, VerifiedToken):
        raise LookupError("no token was verified for this request: its path is exempt, or no TokenMiddleware ran")
    return token


def asked(scope: Mapping[str, Any]) -> Asked:
    """A connection as the verifier looks at it; a websocket's handshake is a GET (RFC 6455 section 4.1)."""
    raw = scope.get("raw_path")
    path = escaped(scope["path"]) if raw is None else raw.decode("latin-1").partition("?")[0]
    return Asked(scope.get("method", "GET"), path, scope["headers"])


def kept_of(scope: MutableMapping[str, Any]) -> Kept:
    """The tokens that were verified before for this request; what is put there is found by the next guard."""
    kept: Kept = scope.setdefault(_KEPT, {})
    return kept


_PUBLIC = {"access-control-allow-origin": "*", "cache-control": "public, max-age=3600"}


async def _refuse(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    body = json.dumps(answer.body).encode()
    if scope["type"] == "http":
        await _send(send, answer.status, answer.headers, body, head=scope["method"] == "HEAD")
        return
    await receive()  # websocket.connect
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await _send(send, answer.status, answer.headers, body, kind="websocket.http.response")
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": answer.body["reason"]})


async def _send(
    send: Send,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    head: bool = False,
    kind: str = "http.response",
) -> None:
    pairs = [*headers.items(), ("content-type", "application/json"), ("content-length", str(len(body)))]
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    await send({"type": f"{kind}.start", "status": status, "headers": raw})
    await send({"type": f"{kind}.body", "body": b"" if head else body})
