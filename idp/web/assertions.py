"""What a client assertion must say once its signature is proved (RFC 7523 3, OIDC Core 9, RFC 10070)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from idp.protocol.client import Client
from idp.protocol.errors import Refused, invalid_client, visible
from idp.protocol.fapi2 import acceptable_audience, signing_algorithms
from idp.protocol.registration_keys import ASSERTION_ALGORITHMS
from idp.server import Server
from idp.store.spent import spend

TYPES = ("JWT", "client-authentication+jwt", "")
_MAX_LIFETIME = 3600.0  # what Authlib asks for; each assertion counts once all the same
_LEEWAY = 30.0


def accepted_algorithms(client: Client) -> Sequence[str]:
    """Those of the client's method, or the one it registered."""
    known = ASSERTION_ALGORITHMS.get(client.token_endpoint_auth_method, ())
    pinned = client.token_endpoint_auth_signing_alg
    return signing_algorithms(client, (pinned,) if pinned in known else known)


async def accept_assertion(claims: Mapping[str, Any], client: Client, server: Server) -> None:
    """Audience exactly this issuer, a short life, and a ``jti`` never seen: it is spent here."""
    now = server.now()
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        received = f"iss {_shown(claims, 'iss')}, sub {_shown(claims, 'sub')}"
        raise refused(client, received, f"iss = sub = {client.client_id}")
    audiences = _audiences(client, server.issuer)
    if not acceptable_audience(claims.get("aud"), client, audiences):
        raise refused(client, f"aud {_shown(claims, 'aud')}", f"aud = {' or '.join(audiences)}, alone")
    expires, jti = claims.get("exp"), claims.get("jti")
    if not is_time(expires) or not now - _LEEWAY < expires <= now + _MAX_LIFETIME + _LEEWAY:
        within = f"exp from {now - _LEEWAY:.0f} to {now + _MAX_LIFETIME + _LEEWAY:.0f}, by this server's clock"
        raise refused(client, f"exp {_shown(claims, 'exp')}", within)
    for name in ("nbf", "iat"):
        if name in claims and not (is_time(claims[name]) and claims[name] <= now + _LEEWAY):
            latest = f"{name} of at most {now + _LEEWAY:.0f}, {_LEEWAY:g} s ahead of this server's clock"
            raise refused(client, f"{name} {_shown(claims, name)}", latest)
    if not isinstance(jti, str) or not 1 <= len(jti) <= 255:
        raise refused(client, "no jti", "a jti that is fresh for each assertion")
    fresh = await server.database.write(spend, "client-assertion", f"{client.client_id} {jti}", expires + _LEEWAY)
    if not fresh:
        raise refused(client, "an assertion used before", "a fresh assertion for each request")


def is_time(value: object) -> TypeGuard[float]:
    """A NumericDate (RFC 7519 2): a finite number, and ``true`` is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def refused(client: Client, received: str, expected: str) -> Refused:
    return invalid_client(
        "The client assertion was not accepted.",
        received=f"{received} (client {client.client_id})",
        expected=expected,
        mend="Sign a new assertion for every request; idp client list shows the registered keys.",
    )


def _audiences(client: Client, issuer: str) -> tuple[str, ...]:
    """The issuer; for a client of the older rule (RFC 7523 3) its token endpoint as well."""
    return (issuer, f"{issuer}/token") if client.assertion_audience == "token_endpoint" else (issuer,)


def _shown(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "(none)")
    return visible(value if isinstance(value, str) else str(value))
