"""Introspection (RFC 7662): for the client a token was issued to, and for the resource server it is meant for."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from idp.grants.presented import accept, concerns
from idp.grants.refresh_token import parse_refresh_token
from idp.protocol.client import Client
from idp.protocol.errors import invalid_client
from idp.protocol.extra_claims import added
from idp.protocol.holder import token_type_of
from idp.server import Server
from idp.store.tokens import family
from idp.web.answers import answer
from idp.web.client_authentication import authenticate
from idp.web.context import server_of
from idp.web.forms import read_form

_INACTIVE = {"active": False}
_MEMBERS = ("scope", "client_id", "sub", "aud", "iss", "exp", "iat", "jti", "auth_time", "acr", "sid", "act", "cnf")


async def introspect(http: Request) -> Response:
    """Anything but a live token of the caller's own concern is ``{"active": false}``, without saying why (2.2)."""
    server = server_of(http)
    parameters = await read_form(http)
    client = await authenticate(http, parameters, server, http.app.state.client_authentication)
    if client.public:
        raise invalid_client(
            "Introspection needs a client with credentials.",
            received=f"public client {client.client_id}",
            expected="a confidential client",
            mend="Register a confidential client for the resource server.",
        )
    text = parameters.require("token")
    parsed = parse_refresh_token(text)
    if parsed is not None:
        members = await _refresh_token(server, client, *parsed)
    else:
        members = await _access_token(server, client, text)
    return await answer(http, "introspection", client, members)


async def _access_token(server: Server, client: Client, text: str) -> dict[str, Any]:
    accepted = await accept(server, text)
    if isinstance(accepted, str) or not concerns(client, accepted.claims):
        return _INACTIVE
    members = {name: accepted.claims[name] for name in _MEMBERS if name in accepted.claims}
    if server.hooks.claims is not None:
        members = added(accepted.claims) | members
    account = accepted.standing.account
    named = _named(members["sub"], account.id, account.username) if account else {}
    return {"active": True, "token_type": token_type_of(accepted.claims), **named, **members}


def _named(subject: str, account_id: str, username: str) -> dict[str, str]:
    """A user name is the same everywhere, which a pairwise subject must not be (OIDC Core 8)."""
    return {"username": username} if subject == account_id else {}


async def _refresh_token(server: Server, client: Client, handle: str, secret: bytes) -> dict[str, Any]:
    row = await server.database.read(family, handle)
    people = server.hooks.people
    if people is not None and row is not None and await people.changed(server, row["account_id"]):
        row = await server.database.read(family, handle)
    if row is None or row["client_id"] != client.client_id or not _alive(row, secret, server.now()):
        return _INACTIVE
    subject = server.subject_of(client, row["account_id"])
    return {
        "active": True,
        "token_type": "refresh_token",
        "client_id": client.client_id,
        "scope": row["scope"],
        "sub": subject,
        **_named(subject, row["account_id"], row["username"]),
        "iss": server.issuer,
        "exp": int(row["expires_at"]),
        "iat": int(row["rotated_at"]),
    }


def _alive(row: Any, secret: bytes, now: float) -> bool:
    live = hmac.compare_digest(hashlib.sha256(secret).digest(), row["secret_hash"])
    return live and row["revoked_at"] is None and row["disabled_at"] is None and now < row["expires_at"]
