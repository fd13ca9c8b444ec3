"""Issuers of other makes: the shape of their metadata, key sets and access tokens, served on loopback.

Written from their public documentation and what they answer; the keys are the tests' own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from verify_loopback import Loopback, as_json, response, serving
from verify_tokens import NOW, RS, odd_token

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Shape:
    """One make: where its documents stand below an origin, what they hold, what a token looks like."""

    issuer: str
    metadata_at: str
    keys_at: str
    metadata: Callable[[str, str], dict[str, Any]]
    keys: Callable[[], list[dict[str, Any]]]
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    options: Mapping[str, Any]  # what a verifier must be told beside issuer and audience


def _rsa(**more: Any) -> dict[str, Any]:
    jwk = {name: RS.jwk()[name] for name in ("kty", "n", "e")}
    return {**jwk, "kid": "made-elsewhere", **more}


def _openid(issuer: str, origin: str, **more: Any) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{origin}/auth",
        "token_endpoint": f"{origin}/token",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        **more,
    }


_TIMES = {"iat": NOW - 5, "exp": NOW + 295}
_CERTIFICATE = {"x5c": ["MIICmzCCAYMCBgGX"], "x5t": "c3VtIG9mIGl0", "x5t#S256": "bG9uZ2VyIHN1bSBvZiBpdA"}

KEYCLOAK = Shape(
    issuer="/realms/shop",
    metadata_at=f"/realms/shop{WELL_KNOWN}",
    keys_at="/realms/shop/protocol/openid-connect/certs",
    metadata=lambda issuer, origin: _openid(
        issuer,
        f"{issuer}/protocol/openid-connect",
        introspection_endpoint=f"{issuer}/protocol/openid-connect/token/introspect",
        mtls_endpoint_aliases={"token_endpoint": f"{issuer}/protocol/openid-connect/token"},
        acr_values_supported=["0", "1"],
        claims_parameter_supported=True,
    ),
    # A realm publishes a key for encryption beside the one it signs with.
    keys=lambda: [
        _rsa(kid="for-encryption", use="enc", alg="RSA-OAEP", **_CERTIFICATE),
        _rsa(use="sig", alg="RS256", **_CERTIFICATE),
    ],
    header={"alg": "RS256", "typ": "JWT", "kid": "made-elsewhere"},
    claims={
        **_TIMES,
        "jti": "onrtac:5c0d1a6e-96c7-4a4b-9d5f-1f6a5e5f6a11",
        "aud": ["notes", "account"],
        "sub": "f3a1c2d4-0000-4000-8000-0123456789ab",
        "typ": "Bearer",
        "azp": "shop",
        "sid": "b1946ac9-2492-4d23-8a4b-6f2d1c0e9f00",
        "acr": "1",
        "realm_access": {"roles": ["offline_access", "uma_authorization"]},
        "resource_access": {"account": {"roles": ["view-profile"]}},
        "scope": "email read",
    },
    options={"typ": "JWT"},
)

DEX = Shape(
    issuer="/dex",
    metadata_at=f"/dex{WELL_KNOWN}",
    keys_at="/dex/keys",
    metadata=lambda issuer, origin: _openid(
        issuer, issuer, device_authorization_endpoint=f"{issuer}/device/code", userinfo_endpoint=f"{issuer}/userinfo"
    ),
    keys=lambda: [_rsa(use="sig", alg="RS256")],
    header={"alg": "RS256", "kid": "made-elsewhere"},
    claims={
        **_TIMES,
        "aud": "notes",
        "sub": "CgVhbGljZRIFbG9jYWw",
        "at_hash": "0Kp1pUmH6mL5d9Yt2Yv2Ag",
        "email": "alice@example.com",
        "email_verified": True,
        "federated_claims": {"connector_id": "local", "user_id": "alice"},
        "scope": "read",
    },
    options={"typ": ""},
)

HYDRA = Shape(
    issuer="/",
    metadata_at=WELL_KNOWN,
    keys_at="/.well-known/jwks.json",
    metadata=lambda issuer, origin: _openid(
        issuer,
        f"{origin}/oauth2",
        revocation_endpoint=f"{origin}/oauth2/revoke",
        credentials_endpoint_draft_00=f"{origin}/credentials",
        credentials_supported_draft_00=[{"format": "jwt_vc_json", "types": ["VerifiableCredential"]}],
    ),
    keys=lambda: [_rsa(kid="an-older-one", use="sig", alg="RS256"), _rsa(use="sig", alg="RS256")],
    header={"alg": "RS256", "kid": "made-elsewhere", "typ": "JWT"},
    claims={
        **_TIMES,
        "nbf": NOW - 5,
        "jti": "0b4a3c1e-3f0e-4b63-a8b3-5d6f0a1b2c3d",
        "aud": ["notes"],
        "client_id": "shop",
        "sub": "alice",
        "ext": {},
        "scp": ["offline", "read"],
    },
    options={"typ": "JWT"},
)

# An OAuth server without OpenID, its name with a path: RFC 8414 puts the well-known part before it.
OAUTH = Shape(
    issuer="/tenant/one",
    metadata_at="/.well-known/oauth-authorization-server/tenant/one",
    keys_at="/keys?set=1",
    metadata=lambda issuer, origin: {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/token",
        "response_types_supported": ["code"],
        "grant_types_supported": ["client_credentials"],
    },
    keys=lambda: [_rsa()],  # neither use nor alg: RFC 7517 asks for none
    header={"alg": "RS256", "kid": "made-elsewhere", "typ": "application/at+jwt"},
    claims={**_TIMES, "aud": "notes", "sub": "svc", "client_id": "svc", "jti": "1", "scope": "read"},
    options={},
)

# OpenID's document at RFC 8414's place, as some servers of tenants have it.
INSERTED = Shape(
    **{**vars(OAUTH), "metadata_at": f"{WELL_KNOWN}/tenant/one"},
)

SHAPES = {"Keycloak": KEYCLOAK, "Dex": DEX, "Hydra": HYDRA, "OAuth alone": OAUTH, "path inserted": INSERTED}


@dataclass
class Served:
    """A shape at an address; ``token`` signs one of its tokens."""

    shape: Shape
    server: Loopback
    issuer: str

    def token(self, **changes: Any) -> str:
        return odd_token(dict(self.shape.header), {"iss": self.issuer, **self.shape.claims, **changes}, RS)


@contextmanager
def served(shape: Shape) -> Iterator[Served]:
    def answer(connection: socket.socket, path: str) -> None:
        origin = f"http://127.0.0.1:{server.port}"
        issuer = f"{origin}{shape.issuer}"
        documents = {
            shape.metadata_at: {**shape.metadata(issuer, origin), "jwks_uri": f"{origin}{shape.keys_at}"},
            shape.keys_at: {"keys": shape.keys()},
        }
        found = documents.get(path)
        connection.sendall(response(404, b"no such page") if found is None else response(200, as_json(found)))

    with serving(answer) as server:
        yield Served(shape, server, f"http://127.0.0.1:{server.port}{shape.issuer}")
