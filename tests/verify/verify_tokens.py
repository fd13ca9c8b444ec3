"""Signers, claims and signed tokens for the tests of ``idp.verify``."""

import asyncio
import base64
import json
from typing import Any

from idp.jose import LocalSigner, generate_private_key, sign_compact

ISSUER = "https://id.example.com"
AUDIENCE = "https://api.example.com"
NOW = 1_764_000_000.0

ES = LocalSigner(generate_private_key("ES256"), "es-1", "ES256")
RS = LocalSigner(generate_private_key("RS256"), "rs-1", "RS256")
NEXT = LocalSigner(generate_private_key("ES256"), "es-2", "ES256")
STRANGER = LocalSigner(generate_private_key("ES256"), "es-1", "ES256")

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "alice",
    "client_id": "web",
    "iat": NOW - 10,
    "exp": NOW + 290,
    "jti": "t-1",
    "scope": "read write",
}


def jwks(*signers: LocalSigner) -> dict[str, Any]:
    return {"keys": [dict(signer.jwk()) for signer in signers]}


def token(signer: LocalSigner = ES, typ: str = "at+jwt", without: str = "", **changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if name != without}
    return asyncio.run(sign_compact(signer, typ, claims))


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def odd_token(header: dict[str, Any], payload: Any = CLAIMS, signer: LocalSigner = ES) -> str:
    message = f"{part(header)}.{part(payload)}"
    return f"{message}.{part(signer.sign_now(message.encode()))}"
