"""Registration over HTTP of what a client proves itself with and what it wants signed (RFC 7591 2)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
from assertions import assertion, challenged, present
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from support.keyhost import key_host

from idp.testing import Provider

pytestmark = pytest.mark.anyio

KEY = ECKey.generate_key("P-256", parameters={"kid": "own", "use": "sig", "alg": "ES256"})
SERVICE = {"grant_types": ["client_credentials"], "response_types": ["code"]}
Members = dict[str, Any]


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    options: Members = {"registration__grant_types": ["authorization_code", "client_credentials"]}
    async with Provider(registration__mode="open", registration__network=10_000, **options) as started:
        yield started


async def registered(provider: Provider, **members: Any) -> Members:
    answer = await provider.http.post("/register", json={**SERVICE, **members})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def changed(provider: Provider, found: Mapping[str, Any], **members: Any) -> Members:
    headers = {"authorization": f"Bearer {found['registration_access_token']}"}
    body = {**SERVICE, "client_id": found["client_id"], **members}
    answer = await provider.http.put(found["registration_client_uri"], json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def by_mac(provider: Provider, client_id: str, secret: str, alg: str = "HS256") -> httpx2.Response:
    claims = {"iss": client_id, "sub": client_id, "aud": provider.issuer, "exp": int(provider.clock()) + 60}
    claims["jti"] = uuid.uuid4().hex
    return await present(provider, jwt.encode({"alg": alg}, claims, OctKey.import_key(secret), algorithms=[alg]))


async def test_a_client_of_client_secret_jwt_gets_a_secret_for_every_hash(provider: Provider) -> None:
    found = await registered(provider, token_endpoint_auth_method="client_secret_jwt")
    assert len(found["client_secret"]) == 64
    assert "sealed_secrets" not in found
    for alg in ("HS256", "HS384", "HS512"):
        assert (await by_mac(provider, found["client_id"], found["client_secret"], alg)).status_code == 200


async def test_a_change_of_method_leaves_no_secret_of_the_wrong_kind(provider: Provider) -> None:
    """A hash keys no HMAC, so whoever moves there gets a secret; whoever moves away is not kept sealed."""
    found = await registered(provider)
    moved = await changed(provider, found, token_endpoint_auth_method="client_secret_jwt")
    assert moved["client_secret"] != found["client_secret"]
    assert (await by_mac(provider, found["client_id"], moved["client_secret"])).status_code == 200
    challenged(await by_mac(provider, found["client_id"], found["client_secret"]))
    kept = await changed(provider, found, token_endpoint_auth_method="client_secret_jwt", client_name="Same")
    assert "client_secret" not in kept
    assert (await by_mac(provider, found["client_id"], moved["client_secret"])).status_code == 200
    back = await changed(provider, found, token_endpoint_auth_method="client_secret_basic")
    assert "client_secret" not in back
    auth = (found["client_id"], moved["client_secret"])
    answer = await provider.http.post("/token", data={"grant_type": "client_credentials"}, auth=auth)
    assert answer.status_code == 200
    stored = await provider.server.client(found["client_id"])
    assert stored is not None
    assert stored.sealed_secrets == ()


async def test_keys_at_an_address(provider: Provider) -> None:
    with key_host() as host:
        host.publish(KEY.as_dict(private=False))
        found = await registered(provider, token_endpoint_auth_method="private_key_jwt", jwks_uri=host.url)
        assert found["jwks_uri"] == host.url
        assert "client_secret" not in found
        name = found["client_id"]
        assert (await present(provider, assertion(provider, "ES256", KEY, iss=name, sub=name))).status_code == 200


@pytest.mark.parametrize(
    "members",
    [
        {"jwks_uri": "https://10.0.0.1/keys"},
        {"jwks_uri": "https://169.254.169.254/latest"},
        {"jwks_uri": "http://keys.test/keys"},
        {"jwks_uri": "https://keys.test/keys", "jwks": {"keys": [KEY.as_dict(private=False)]}},
        {"jwks": {"keys": [KEY.as_dict(private=True)]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"jwks": {"keys": [None]}},
        {"jwks": {"keys": []}},
        {},
        {"jwks_uri": "https://keys.test/keys", "token_endpoint_auth_signing_alg": "HS256"},
        {"jwks_uri": "https://keys.test/keys", "userinfo_signed_response_alg": "none"},
        {"jwks_uri": "https://keys.test/keys", "introspection_signed_response_alg": "HS256"},
    ],
)
async def test_what_cannot_be_is_refused(provider: Provider, members: Members) -> None:
    asked = {**SERVICE, "token_endpoint_auth_method": "private_key_jwt", **members}
    answer = await provider.http.post("/register", json=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), answer.text


async def test_what_it_wants_signed_is_stored(provider: Provider) -> None:
    wanted = {"userinfo_signed_response_alg": "RS256", "introspection_signed_response_alg": "ES256"}
    found = await registered(provider, **wanted)
    assert {name: found[name] for name in wanted} == wanted
