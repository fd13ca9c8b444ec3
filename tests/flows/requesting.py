"""What clients do before the browser comes: push a request (RFC 9126), sign one (RFC 9101), with joserfc."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from support import App

from idp.testing import Provider

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
KEYS: dict[str, Key] = {
    "RS256": RSAKey.generate_key(2048, parameters={"kid": "rs", "use": "sig", "alg": "RS256"}),
    "PS256": RSAKey.generate_key(2048, parameters={"kid": "ps", "use": "sig", "alg": "PS256"}),
    "ES256": ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig", "alg": "ES256"}),
    "EdDSA": OKPKey.generate_key("Ed25519", parameters={"kid": "ed", "use": "sig", "alg": "EdDSA"}),
}
JWKS = {"keys": [key.as_dict(private=False) for key in KEYS.values()]}


async def pushed(provider: Provider, app: App, **changes: Any) -> httpx2.Response:
    """The answer to a correct request of ``app`` with changes; a None takes a parameter away."""
    return await app.call(provider.http, "/par", app.request(**changes))


async def handle(provider: Provider, app: App, **changes: Any) -> dict[str, str]:
    """Push, and what the browser then carries."""
    answer = await pushed(provider, app, **changes)
    assert answer.status_code == 201, answer.text
    return {"client_id": app.client_id, "request_uri": answer.json()["request_uri"]}


def signed(
    provider: Provider, app: App, /, alg: str = "ES256", key: Key | None = None, header: Any = None, **changes: Any
) -> str:
    """A correct request object of ``app``; a change to None leaves the claim out."""
    now = int(provider.clock())
    claims: Mapping[str, Any] = {
        **app.request(),
        "iss": app.client_id,
        "aud": provider.issuer,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": uuid.uuid4().hex,
        **changes,
    }
    key = key or KEYS[alg]
    members = {"alg": alg, "typ": "oauth-authz-req+jwt", "kid": key.kid, **(header or {})}
    return jwt.encode(
        {name: value for name, value in members.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
        key,
        algorithms=ALGORITHMS,
    )
