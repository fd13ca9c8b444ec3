"""Answers as signed JWTs: UserInfo (OIDC Core 5.3.2) and introspection (RFC 9701).

Neither is a token that opens anything. Each has a ``typ`` of its own and no ``exp``, so that nothing of ours, and
nobody who follows RFC 9068 or OIDC Core, takes it for an access token, an ID token or a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.accept import prefers
from idp.protocol.client import Client
from idp.server import Server
from idp.web.forms import NO_STORE

USERINFO_TYPE = "userinfo+jwt"
INTROSPECTION_TYPE = "token-introspection+jwt"  # RFC 9701 5
_KEPT = 600.0  # seconds the key stays published at least: who asks checks the answer now, not next week


def wants_signed_userinfo(http: Request, client: Client) -> bool:
    return client.userinfo_signed_response_alg is not None


def wants_signed_introspection(http: Request, client: Client) -> bool:
    """RFC 9701 4: whoever names the type asks for it; ``*/*`` does not."""
    accept = http.headers.get("accept")
    return accept is not None and prefers(accept, f"application/{INTROSPECTION_TYPE}", "application/json")


async def signed_userinfo(server: Server, client: Client, members: Mapping[str, Any]) -> Response:
    """The claims, with ``iss`` and ``aud``; ``application/jwt``."""
    alg = client.userinfo_signed_response_alg or "RS256"
    return await _signed(server, client, alg, USERINFO_TYPE, members, "application/jwt")


async def signed_introspection(server: Server, client: Client, members: Mapping[str, Any]) -> Response:
    """RFC 9701 5: what introspection says in the one member ``token_introspection``, apart from the JWT's own."""
    alg = client.introspection_signed_response_alg
    inside = {"token_introspection": dict(members)}
    return await _signed(server, client, alg, INTROSPECTION_TYPE, inside, f"application/{INTROSPECTION_TYPE}")


async def _signed(
    server: Server, client: Client, alg: str, typ: str, members: Mapping[str, Any], media_type: str
) -> Response:
    now = server.now()
    claims = {**members, "iss": server.issuer, "aud": client.client_id, "iat": int(now)}
    text = await server.keyring.sign(alg, typ, claims, until=now + _KEPT)
    return Response(text, headers=NO_STORE, media_type=media_type)
