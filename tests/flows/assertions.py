"""Client assertions as a client makes them (RFC 7523 3), with joserfc, and what a refused client hears."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from support import App

from idp.testing import Provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}

KEYS: dict[str, Key] = {
    "RS256": RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig", "alg": "RS256"}),
    "ES256": ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig", "alg": "ES256"}),
    "EdDSA": OKPKey.generate_key("Ed25519", parameters={"kid": "ed", "use": "sig", "alg": "EdDSA"}),
}


def service(client_id: str, method: str, secret: str | None = None, **members: Any) -> App:
    return App(client_id, "", secret, method, "", ("client_credentials",), members)


SIGNED = service("signed", "private_key_jwt", jwks={"keys": [key.as_dict(private=False) for key in KEYS.values()]})


def assertion(
    provider: Provider, alg: str = "RS256", key: Key | None = None, header: Any = None, **changes: Any
) -> str:
    """A good assertion of ``signed``; a change to None leaves the claim out."""
    now = int(provider.clock())
    claims = {
        "iss": "signed",
        "sub": "signed",
        "aud": provider.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": uuid.uuid4().hex,
    } | changes
    key = key or KEYS[alg]
    members = {"alg": alg, "typ": "JWT", "kid": key.kid} | (header or {})
    members = {name: value for name, value in members.items() if value is not None}
    return jwt.encode(
        members,
        {k: v for k, v in claims.items() if v is not None},
        key,
        algorithms=["RS256", "ES256", "EdDSA"],
    )


async def present(provider: Provider, text: str, **form: str) -> httpx2.Response:
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
    return await provider.http.post("/token", data={**GRANT, **proof, **form})


def challenged(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"
