"""private_key_jwt (RFC 7523 3, OIDC Core 9): the client proves a key; each assertion counts once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.jose import JoseError
from idp.protocol.client import Client
from idp.protocol.errors import Refused, invalid_client, visible
from idp.protocol.times import is_time
from idp.server import Server
from idp.store.spent import spend
from idp.web.client_authentication import Presented
from idp.web.client_keys import signed_by_client

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
_MAX_LIFETIME = 3600.0  # what Authlib asks for; each assertion counts once all the same
_LEEWAY = 30.0


async def prove_key(presented: Presented, client: Client, server: Server) -> None:
    """Signature by a registered key, audience exactly this issuer (RFC 10070), short life, and a ``jti`` never seen."""
    now = server.now()
    try:
        token = await signed_by_client(
            server,
            client,
            presented.assertion or "",
            algorithms=_algorithms(client),
            typ=("JWT", "client-authentication+jwt", ""),
        )
    except JoseError as error:
        expected = f"a JWT signed with {' or '.join(_algorithms(client))} by a registered key of the client"
        raise _refused(client, str(error), expected) from None
    claims = token.claims
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        received = f"iss {_shown(claims, 'iss')}, sub {_shown(claims, 'sub')}"
        raise _refused(client, received, f"iss = sub = {client.client_id}")
    audiences = _audiences(client, server.issuer)
    if not any(claims.get("aud") in (name, [name]) for name in audiences):
        raise _refused(client, f"aud {_shown(claims, 'aud')}", f"aud = {' or '.join(audiences)}, alone")
    expires, jti = claims.get("exp"), claims.get("jti")
    if not is_time(expires) or not now - _LEEWAY < expires <= now + _MAX_LIFETIME + _LEEWAY:
        within = f"exp from {now - _LEEWAY:.0f} to {now + _MAX_LIFETIME + _LEEWAY:.0f}, by this server's clock"
        raise _refused(client, f"exp {_shown(claims, 'exp')}", within)
    for name in ("nbf", "iat"):
        if name in claims and not (is_time(claims[name]) and claims[name] <= now + _LEEWAY):
            latest = f"{name} of at most {now + _LEEWAY:.0f}, {_LEEWAY:g} s ahead of this server's clock"
            raise _refused(client, f"{name} {_shown(claims, name)}", latest)
    if not isinstance(jti, str) or not 1 <= len(jti) <= 255:
        raise _refused(client, "no jti", "a jti that is fresh for each assertion")
    fresh = await server.database.write(spend, "client-assertion", f"{client.client_id} {jti}", expires + _LEEWAY)
    if not fresh:
        raise _refused(client, "an assertion used before", "a fresh assertion for each request")


def _audiences(client: Client, issuer: str) -> tuple[str, ...]:
    """The issuer; for a client of the older rule (RFC 7523 3) its token endpoint as well."""
    return (issuer, f"{issuer}/token") if client.assertion_audience == "token_endpoint" else (issuer,)


def _algorithms(client: Client) -> tuple[str, ...]:
    pinned = client.token_endpoint_auth_signing_alg
    return (pinned,) if pinned in ALGORITHMS else ALGORITHMS


def _shown(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "(none)")
    return visible(value if isinstance(value, str) else str(value))


def _refused(client: Client, received: str, expected: str) -> Refused:
    return invalid_client(
        "The client assertion was not accepted.",
        received=f"{received} (client {client.client_id})",
        expected=expected,
        mend="Sign a new assertion for every request; idp client list shows the registered keys.",
    )
