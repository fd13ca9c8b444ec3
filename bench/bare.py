"""Bare Starlette: what the same web stack does when it only parses the form and signs.

The upper bound of what a provider on this stack can reach. It authenticates nobody and remembers nothing, so
it is no provider: it answers JWKS and discovery from prebuilt bytes and a token request with a fresh JWT.
Usage: python bare.py PORT
"""

from __future__ import annotations

import json
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from secrets import token_urlsafe
from urllib.parse import parse_qsl

import uvicorn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ec_key = ec.generate_private_key(ec.SECP256R1())
rsa_key = rsa.generate_private_key(65537, 2048)


def segment(value: bytes) -> bytes:
    return urlsafe_b64encode(value).rstrip(b"=")


def sign_es256(message: bytes) -> bytes:
    r, s = decode_dss_signature(ec_key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign_rs256(message: bytes) -> bytes:
    return rsa_key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def head(alg: str) -> bytes:
    return segment(json.dumps({"alg": alg, "kid": alg, "typ": "at+jwt"}).encode())


SIGNERS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "ES256": (head("ES256"), sign_es256),
    "RS256": (head("RS256"), sign_rs256),
}


def application(issuer: str) -> Starlette:
    jwks = json.dumps(
        {
            "keys": [
                ECKey.import_key(ec_key, {"kid": "ES256", "alg": "ES256", "use": "sig"}).as_dict(private=False),
                RSAKey.import_key(rsa_key, {"kid": "RS256", "alg": "RS256", "use": "sig"}).as_dict(private=False),
            ]
        }
    ).encode()
    discovery = json.dumps(
        {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", "token_endpoint": f"{issuer}/token"}
    ).encode()

    async def show_jwks(_: Request) -> Response:
        return Response(jwks, media_type="application/json")

    async def show_discovery(_: Request) -> Response:
        return Response(discovery, media_type="application/json")

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), max_num_fields=20))
        alg = form["alg"]
        header, sign = SIGNERS[alg]
        now = int(time.time())
        claims = {
            "iss": issuer,
            "sub": form["client_id"],
            "aud": issuer,
            "client_id": form["client_id"],
            "iat": now,
            "exp": now + 300,
            "jti": token_urlsafe(16),
        }
        message = header + b"." + segment(json.dumps(claims).encode())
        value = (message + b"." + segment(sign(message))).decode()
        answer = {"access_token": value, "token_type": "Bearer", "expires_in": 300}
        return Response(json.dumps(answer), media_type="application/json", headers={"cache-control": "no-store"})

    return Starlette(
        routes=[
            Route("/jwks", show_jwks),
            Route("/.well-known/openid-configuration", show_discovery),
            Route("/token", token, methods=["POST"]),
        ]
    )


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(
        application(f"http://localhost:{port}"),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
