"""The inhabitants attacked here, and what a whole sign-on takes: parties as the catalogue names them."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from idp.jose import LocalSigner, generate_private_key

ISSUER = "http://localhost:8000"
CALLBACK = "https://rp.test/cb"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
API = "https://api.test/orders"
OTHER_API = "https://api.test/stock"
SECRETS = {
    "web": "web-secret-0123456789abcdef0123456789",
    "web2": "web2-secret-0123456789abcdef012345678",
    "post": "post-secret-0123456789abcdef012345678",
    "svc": "svc-secret-0123456789abcdef0123456789",
    "hybrid": "hybrid-secret-0123456789abcdef01234567",
    "rs": "rs-secret-0123456789abcdef0123456789a",
}
PASSWORDS = {"alice": "alice", "bob": "bob", "mallory": "mallory-password"}
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

# Limits for a world whose clock stands still: all that fails in a file counts together.
WIDE = {
    "limits__account": 100_000,
    "limits__overall": 1_000_000,
    "limits__client": 100_000,
    "limits__client_network": 1_000_000,
}

ES_KEY = generate_private_key("ES256")
RS_KEY = generate_private_key("RS256")
ROGUE_KEY = generate_private_key("ES256")


def public_jwk(key: Any, kid: str, alg: str) -> dict[str, Any]:
    return dict(LocalSigner(key, kid, alg).jwk())


def _toml(jwk: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in jwk.items()) + "}"


MANIFEST = f"""
[[scopes]]
name = "orders"
description = "See orders"

[[scopes]]
name = "admin"
description = "Do anything"

[[resources]]
uri = "{API}"
scopes = ["orders"]

[[resources]]
uri = "{OTHER_API}"
scopes = ["orders"]

[[people]]
username = "mallory"
sub = "mallory"
password = "{PASSWORDS["mallory"]}"
name = "Mallory"

[[people]]
username = "nopassword"
sub = "nopassword"
name = "Upstream Only"

[[clients]]
client_id = "web"
client_name = "Web shop"
client_secret = "{SECRETS["web"]}"
redirect_uris = ["{CALLBACK}", "https://rp.test/other", "https://rp.test/query?a=1&b=2"]
post_logout_redirect_uris = ["https://rp.test/bye"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
scope = "openid profile email offline_access orders"
resources = ["{API}", "{OTHER_API}"]
refresh_grace = 0

[[clients]]
client_id = "web2"
client_name = "Other owner"
client_secret = "{SECRETS["web2"]}"
redirect_uris = ["{CALLBACK}"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile email offline_access"

[[clients]]
client_id = "post"
client_secret = "{SECRETS["post"]}"
token_endpoint_auth_method = "client_secret_post"
redirect_uris = ["{CALLBACK}"]
grant_types = ["authorization_code", "client_credentials"]
scope = "openid"

[[clients]]
client_id = "session"
client_name = "Session bound"
client_secret = "{SECRETS["web"]}"
redirect_uris = ["{CALLBACK}"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid"
refresh = "session"
refresh_grace = 0

[[clients]]
client_id = "pkj"
token_endpoint_auth_method = "private_key_jwt"
token_endpoint_auth_signing_alg = "ES256"
grant_types = ["client_credentials"]
redirect_uris = []
response_types = ["code"]
scope = "orders"
jwks = {{ keys = [{_toml(public_jwk(ES_KEY, "es", "ES256"))}, {_toml(public_jwk(RS_KEY, "rs", "RS256"))}] }}

[[clients]]
client_id = "pkj2"
token_endpoint_auth_method = "private_key_jwt"
grant_types = ["client_credentials"]
scope = "orders"
jwks = {{ keys = [{_toml(public_jwk(RS_KEY, "rs", "RS256"))}] }}

[[clients]]
client_id = "spa"
token_endpoint_auth_method = "none"
redirect_uris = ["https://spa.test/cb"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile offline_access"

[[clients]]
client_id = "native"
token_endpoint_auth_method = "none"
application_type = "native"
redirect_uris = ["http://127.0.0.1/cb", "com.example.app:/cb"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access"

[[clients]]
client_id = "svc"
client_secret = "{SECRETS["svc"]}"
grant_types = ["client_credentials"]
scope = "orders"
resources = ["{API}"]

[[clients]]
client_id = "rs"
client_secret = "{SECRETS["rs"]}"
grant_types = ["client_credentials"]
scope = ""
audiences = ["{API}"]
"""

# What a client sends to come back from the authorization endpoint with a code; changes name single members.
REDIRECTS = {"spa": "https://spa.test/cb", "native": "http://127.0.0.1:49152/cb"}


def asking(client: str = "web", **changes: str | None) -> dict[str, str]:
    """A(x) of the catalogue: a correct authorization request of ``client``, a None taking a parameter away."""
    members: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": REDIRECTS.get(client, CALLBACK),
        "scope": "openid",
        "state": "state-1",
        "nonce": "nonce-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def redeeming(code: str, client: str = "web", **changes: str | None) -> dict[str, str]:
    """TOK(x): the token request for that code."""
    members: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECTS.get(client, CALLBACK),
        "code_verifier": VERIFIER,
        "client_id": client if client in REDIRECTS else None,
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def credentials(client: str) -> tuple[str, str] | None:
    """Basic credentials, or None for a public client."""
    if client in REDIRECTS:
        return None
    return client, SECRETS["web" if client == "session" else client]


def b64(data: bytes | str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(
    header: Mapping[str, Any] | str, claims: Mapping[str, Any] | str, sign: Callable[[bytes], bytes] = lambda _: b""
) -> str:
    """A compact JWS written by hand, so that nothing honest stands in the way."""
    texts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    message = f"{b64(texts[0])}.{b64(texts[1])}"
    return f"{message}.{b64(sign(message.encode()))}"


def assertion(
    client: str, now: float, *, key: Any = None, headers: Mapping[str, Any] | None = None, **changes: Any
) -> str:
    """A client assertion with everything right but the changes; a None takes a claim away."""
    signing = key or {"pkj": ES_KEY, "pkj2": RS_KEY}[client]
    alg = "ES256" if isinstance(signing, ec.EllipticCurvePrivateKey) else "RS256"
    claims: dict[str, Any] = {
        "iss": client,
        "sub": client,
        "aud": ISSUER,
        "iat": int(now),
        "exp": int(now) + 60,
        "jti": f"jti-{time.monotonic_ns()}",
        **changes,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    kid = {"pkj": "es", "pkj2": "rs"}[client]
    return jwt.encode(given, signing, algorithm=alg, headers={"kid": kid, **(headers or {})})


def with_assertion(text: str, **more: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": text,
        **more,
    }


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, claims, _ = token.split(".")
    return json.loads(_bytes(header)), json.loads(_bytes(claims))


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
