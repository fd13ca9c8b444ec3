"""What a client assertion must say once its signature is proved (RFC 7523 3, OIDC Core 9, RFC 10070)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idp.protocol.assertions import LEEWAY, amiss, shown
from idp.protocol.client import Client
from idp.protocol.errors import Refused, invalid_client
from idp.protocol.fapi2 import acceptable_audience, signing_algorithms
from idp.protocol.registration_keys import ASSERTION_ALGORITHMS
from idp.server import Server
from idp.store.spent import spend

TYPES = ("JWT", "client-authentication+jwt", "")


def accepted_algorithms(client: Client) -> Sequence[str]:
    """Those of the client's method, or the one it registered."""
    known = ASSERTION_ALGORITHMS.get(client.token_endpoint_auth_method, ())
    pinned = client.token_endpoint_auth_signing_alg
    return signing_algorithms(client, (pinned,) if pinned in known else known)


async def accept_assertion(claims: Mapping[str, Any], client: Client, server: Server) -> None:
    """Audience exactly this issuer, a short life, and a ``jti`` never seen: it is spent here."""
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        received = f"iss {shown(claims, 'iss')}, sub {shown(claims, 'sub')}"
        raise refused(client, received, f"iss = sub = {client.client_id}")
    audiences = _audiences(client, server.issuer)
    if not acceptable_audience(claims.get("aud"), client, audiences):
        raise refused(client, f"aud {shown(claims, 'aud')}", f"aud = {' or '.join(audiences)}, alone")
    wrong = amiss(claims, server.now())
    if wrong is not None:
        raise refused(client, *wrong)
    value = f"{client.client_id} {claims['jti']}"
    if not await server.database.write(spend, "client-assertion", value, claims["exp"] + LEEWAY):
        raise refused(client, "an assertion used before", "a fresh assertion for each request")


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
