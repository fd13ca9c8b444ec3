"""An access token of ours that somebody shows us: proved, and still standing (RFC 9068 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from idp.jose import JoseError
from idp.keyring.opaque import hash_of, is_opaque
from idp.protocol.client import Client
from idp.server import Server
from idp.store.opaque_tokens import find_token
from idp.store.tokens import Standing, standing


class Accepted(msgspec.Struct, frozen=True):
    """A live token: its claims, its client, and the person it acts for (None: the client itself)."""

    claims: Mapping[str, Any]
    client: Client
    standing: Standing

    @property
    def scope(self) -> tuple[str, ...]:
        return tuple(str(self.claims.get("scope", "")).split())


async def accept(server: Server, token: str) -> Accepted | str:
    """A live token, or the reason why it is not one. The grant is asked each time: revoked means now (decision 18)."""
    claims = await _kept(server, token) if is_opaque(token) else _proved(server, token)
    if isinstance(claims, str):
        return claims
    now = server.now()
    expires, jti, client_id, grant = claims.get("exp"), claims.get("jti"), claims.get("client_id"), claims.get("grant")
    if claims.get("iss") != server.issuer:
        return "it was issued by another issuer"
    if not isinstance(jti, str) or not isinstance(grant, str | None):
        return "its claims are not those of an access token"
    if not isinstance(expires, (int, float)) or now >= expires:
        return f"it expired {int(now - expires)} s ago" if isinstance(expires, (int, float)) else "it has no exp"
    client = await server.known_client(client_id if isinstance(client_id, str) else None)
    if client is None or client.disabled:
        return "its client is unknown or disabled"
    found = await server.database.read(standing, grant, jti)
    people = server.hooks.people
    account = found.account if found is not None else None
    if people is not None and account is not None and await people.changed(server, account.id):
        found = await server.database.read(standing, grant, jti)
    return "it was revoked, or its person may not act" if found is None else Accepted(claims, client, found)


async def _kept(server: Server, token: str) -> Mapping[str, Any] | str:
    kept = await server.database.read(find_token, hash_of(token))
    return "it is not one of this server, or was revoked" if kept is None else kept


def _proved(server: Server, token: str) -> Mapping[str, Any] | str:
    """Claims of a token we signed, or why it is none."""
    try:
        return server.keyring.verify(token, typ=("at+jwt",)).claims
    except JoseError as error:
        return str(error)


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    audience = claims.get("aud")
    if isinstance(audience, str):
        return (audience,)
    several = audience if isinstance(audience, list) else [audience]
    return tuple(name for name in several if isinstance(name, str))


def concerns(client: Client, claims: Mapping[str, Any]) -> bool:
    """Whether a token is this client's business: issued to it, or meant for a resource it serves (RFC 7662 4)."""
    return client.client_id == claims.get("client_id") or not set(client.audiences).isdisjoint(audiences(claims))
