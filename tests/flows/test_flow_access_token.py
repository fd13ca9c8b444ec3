"""Access tokens as JWTs (RFC 9068): every claim, checked by Authlib's validator and by our own verifier."""

from __future__ import annotations

import pytest
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from joserfc import jwt
from support import WEB, App, claims_of, discovery, header_of, key_set, register, sign_in

from idp.testing import Provider
from idp.verify import Refused, Verifier

pytestmark = pytest.mark.anyio

LONG = App(
    "long",
    "https://long.test/cb",
    "secret-of-long-0123456789",
    members={"access_token_lifetime": 3600, "access_token_signed_response_alg": "ES256"},
)


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, LONG)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["jwks_uri"] == f"{provider.issuer}/.well-known/jwks.json"


async def test_every_claim(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB, scope="openid email")
    header = header_of(tokens["access_token"])
    assert header.keys() == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    claims = await claims_of(provider.http, tokens["access_token"])
    now = int(provider.clock())
    for random in ("jti", "grant", "sid"):
        assert len(claims.pop(random)) == 22
    assert claims == {
        "iss": provider.issuer,
        "sub": "alice",
        "aud": provider.issuer,
        "client_id": "web",
        "iat": now,
        "exp": now + 300,
        "scope": "openid email",
        "auth_time": now,
        "acr": "urn:idp:acr:pwd",
    }


async def test_authlib_accepts_it(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB)
    read = jwt.decode(tokens["access_token"], await key_set(provider.http), algorithms=["RS256"])
    options = {
        "iss": {"essential": True, "validate": lambda claims, value: value == provider.issuer},
        "exp": {"essential": True},
        "aud": {"essential": True, "value": provider.issuer},
        "sub": {"essential": True},
        "client_id": {"essential": True},
        "iat": {"essential": True},
        "jti": {"essential": True},
    }
    JWTAccessTokenClaims(read.claims, read.header, options).validate(now=int(provider.clock()))


async def test_every_token_has_its_own_jti(provider: Provider) -> None:
    tokens = [await sign_in(provider, WEB) for _ in range(3)]
    assert len({(await claims_of(provider.http, answer["access_token"]))["jti"] for answer in tokens}) == 3


async def test_lifetime_and_algorithm_may_be_the_clients(provider: Provider) -> None:
    tokens = await sign_in(provider, LONG)
    assert tokens["expires_in"] == 3600
    claims = await claims_of(provider.http, tokens["access_token"], "ES256")
    assert claims["exp"] - claims["iat"] == 3600
    assert header_of(tokens["id_token"])["alg"] == "RS256"


async def test_a_resource_server_verifies_it_with_the_key_set_alone(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB)
    keys = (await provider.http.get("/.well-known/jwks.json")).json()

    def verifier(audience: str) -> Verifier:
        return Verifier(provider.issuer, audience, jwks=keys, clock=provider.clock)

    found = await verifier(provider.issuer).verify(tokens["access_token"])
    assert found.subject == "alice"
    for audience, token, reason in (
        ("https://other.test", tokens["access_token"], "audience"),
        (provider.issuer, tokens["id_token"], "typ"),
    ):
        with pytest.raises(Refused) as refused:
            await verifier(audience).verify(token)
        assert refused.value.reason == reason
    provider.clock.advance(331)
    with pytest.raises(Refused) as refused:
        await verifier(provider.issuer).verify(tokens["access_token"])
    assert refused.value.reason == "expired"
