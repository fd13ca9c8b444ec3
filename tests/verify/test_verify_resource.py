"""What an API says of itself (RFC 9728), and refusals that point there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, jwks, token

from idp.verify import Dpop, Introspection, Refused, Resource, SyncVerifier, Verifier

STATIC: dict[str, Any] = {"jwks": jwks(ES), "clock": lambda: NOW}


@pytest.mark.parametrize(
    ("identifier", "address"),
    [
        # The two examples of RFC 9728 section 3.1.
        ("https://resource.example.com", "https://resource.example.com/.well-known/oauth-protected-resource"),
        (
            "https://resource.example.com/resource1",
            "https://resource.example.com/.well-known/oauth-protected-resource/resource1",
        ),
        ("https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"),
        ("https://api.example.com/a/?b=c", "https://api.example.com/.well-known/oauth-protected-resource/a/?b=c"),
        ("http://localhost:8003", "http://localhost:8003/.well-known/oauth-protected-resource"),
    ],
)
def test_where_the_document_stands(identifier: str, address: str) -> None:
    resource = Resource(identifier)
    assert resource.metadata_url == address
    assert address.partition("//")[2].partition("?")[0].endswith(resource.metadata_path)


@pytest.mark.parametrize("identifier", ["", "api", "http://api.example.com", "https://api.example.com/#a", "urn:api"])
def test_what_is_no_resource(identifier: str) -> None:
    with pytest.raises(ValueError, match="resource"):
        SyncVerifier(ISSUER, AUDIENCE, **STATIC, resource=identifier)


def test_the_document() -> None:
    resource = Resource(AUDIENCE, scopes=("read", "write"), name="Notes", documentation="https://example.com/docs")
    verifier = Verifier(ISSUER, AUDIENCE, **STATIC, resource=resource, dpop=Dpop(required=True, algorithms=("ES256",)))
    assert verifier.resource is resource
    assert verifier.resource_metadata() == {
        "resource": AUDIENCE,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read", "write"],
        "resource_name": "Notes",
        "resource_documentation": "https://example.com/docs",
        "dpop_signing_alg_values_supported": ["ES256"],
        "dpop_bound_access_tokens_required": True,
    }
    short = Verifier(ISSUER, AUDIENCE, **STATIC, resource=AUDIENCE).resource_metadata()
    assert set(short) == {
        "resource",
        "authorization_servers",
        "bearer_methods_supported",
        "dpop_signing_alg_values_supported",
    }


def test_without_an_address_there_is_no_document() -> None:
    verifier = SyncVerifier(ISSUER, AUDIENCE, **STATIC)
    assert verifier.resource is None
    with pytest.raises(ValueError, match="resource="):
        verifier.resource_metadata()


def test_every_refusal_points_there() -> None:
    verifier = Verifier(ISSUER, AUDIENCE, **STATIC, resource=AUDIENCE)
    pointer = f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"'
    bound = token(cnf={"jkt": "x"})
    for headers, scopes, scheme in (
        ({}, (), "Bearer"),
        ({"authorization": f"Bearer {token(aud='x')}"}, (), "Bearer"),
        ({"authorization": f"Bearer {token()}"}, ("admin",), "Bearer"),
        ({"authorization": f"Bearer {bound}"}, (), "DPoP"),
        ({"authorization": "Bearer"}, (), "Bearer"),
    ):
        with pytest.raises(Refused) as refused:
            asyncio.run(verifier.verify_request("GET", f"{AUDIENCE}/a", headers, scopes))
        assert refused.value.www_authenticate().startswith(f"{scheme} {pointer}")
        assert f"{pointer}, realm=" in refused.value.www_authenticate(realm="notes")
    with pytest.raises(Refused) as refused:
        asyncio.run(verifier.verify(token(aud="x")))
    assert pointer in refused.value.www_authenticate()
    assert 'resource_metadata="https://other"' in refused.value.www_authenticate(resource_metadata="https://other")


def test_no_secret_of_the_api_is_in_its_document() -> None:
    asked = Introspection("notes-api", "s3cret")
    verifier = SyncVerifier(ISSUER, AUDIENCE, **STATIC, resource=AUDIENCE, introspection=asked)
    assert "s3cret" not in str(verifier.resource_metadata())
