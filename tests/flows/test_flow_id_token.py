"""ID tokens (OIDC Core 2, 3.1.3.6): every claim, exactly; read with joserfc and checked by Authlib."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet
from support import WEB, App, Visitor, claims_of, discovery, header_of, key_set, register, sign_in, unverified

from idp.testing import Provider

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:EdDSA is deprecated")]

# The hash belongs to the algorithm (OIDC Core 3.1.3.6); Ed25519 hashes with SHA-512.
HASHES = {"RS256": hashlib.sha256, "PS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
ES256 = App(
    "es", "https://es.test/cb", "secret-of-es-0123456789abcdef", members={"id_token_signed_response_alg": "ES256"}
)


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, ES256)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["id_token_signing_alg_values_supported"] == ["RS256", "ES256"]
    claims = {"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"}
    assert claims <= set(document["claims_supported"])


async def test_every_claim(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB, scope="openid profile email")
    header = header_of(tokens["id_token"])
    assert header.keys() == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    claims = await claims_of(provider.http, tokens["id_token"], "RS256")
    now = int(provider.clock())
    assert claims.pop("at_hash")
    assert claims.pop("sid")
    assert claims == {
        "iss": provider.issuer,
        "sub": "alice",
        "aud": "web",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "nonce": "nonce-of-the-app",
        "acr": "urn:idp:acr:pwd",
        "amr": ["pwd"],
    }, "and nothing of the person's details, which are UserInfo's"


async def test_authlib_accepts_it(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB)
    read = jwt.decode(tokens["id_token"], await key_set(provider.http), algorithms=["RS256"])
    token = CodeIDToken(
        read.claims,
        read.header,
        {"iss": {"value": provider.issuer}, "aud": {"value": "web"}},
        {"nonce": "nonce-of-the-app", "client_id": "web", "access_token": tokens["access_token"]},
    )
    token.validate(now=int(provider.clock()))


@pytest.mark.parametrize("nonce", ["n", "a b&c=d%+\u00fc", "x" * 4000])
async def test_the_nonce_comes_back_unchanged(provider: Provider, nonce: str) -> None:
    tokens = await sign_in(provider, WEB, nonce=nonce)
    assert (await claims_of(provider.http, tokens["id_token"]))["nonce"] == nonce


async def test_without_a_nonce_there_is_none(provider: Provider, visitor: Visitor) -> None:
    code = (await visitor.sign_on(WEB.request(nonce=None))).code
    claims = await claims_of(provider.http, (await WEB.redeem(provider.http, code)).json()["id_token"])
    assert "nonce" not in claims


async def test_auth_time_is_when_the_password_was_typed(provider: Provider, visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    typed = int(provider.clock())
    provider.clock.advance(1000)
    code = (await visitor.sign_on(WEB.request())).code
    provider.clock.advance(7)
    claims = await claims_of(provider.http, (await WEB.redeem(provider.http, code)).json()["id_token"])
    assert claims["auth_time"] == typed
    assert claims["iat"] == typed + 1007


async def test_sid_names_the_session_to_one_app_only(provider: Provider, visitor: Visitor) -> None:
    """decision 14: the same session has another sid at each app, so apps cannot compare notes."""
    sids: dict[App, set[str]] = {WEB: set(), ES256: set()}
    for app in (WEB, ES256, WEB):
        tokens = (await app.redeem(provider.http, (await visitor.sign_on(app.request())).code)).json()
        claims = await claims_of(provider.http, tokens["id_token"])
        assert (await claims_of(provider.http, tokens["access_token"]))["sid"] == claims["sid"]
        sids[app].add(claims["sid"])
    assert [len(found) for found in sids.values()] == [1, 1]
    assert sids[WEB].isdisjoint(sids[ES256])
    assert visitor.http.cookies["idp"] not in sids[WEB] | sids[ES256]
    other = await claims_of(provider.http, (await sign_in(provider, WEB))["id_token"])
    assert other["sid"] not in sids[WEB], "another browser, another sid"


async def test_each_app_gets_its_algorithm(provider: Provider) -> None:
    tokens = await sign_in(provider, ES256)
    assert header_of(tokens["id_token"])["alg"] == "ES256"
    assert header_of(tokens["access_token"])["alg"] == "RS256"
    await claims_of(provider.http, tokens["id_token"], "ES256")


async def test_at_hash_is_exact_for_every_algorithm(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path, keys__algorithms=tuple(HASHES)) as provider:
        for alg, hash_of in HASHES.items():
            app = App(
                f"app-{alg}",
                f"https://{alg.lower()}.test/cb",
                "secret-of-the-app-0123456789",
                members={"id_token_signed_response_alg": alg, "access_token_signed_response_alg": alg},
            )
            await register(provider, app)
            tokens = await sign_in(provider, app)
            claims = await claims_of(provider.http, tokens["id_token"], alg)
            digest = hash_of(tokens["access_token"].encode("ascii")).digest()
            half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
            assert claims["at_hash"] == half, alg


@pytest.mark.parametrize(("table", "acr"), [({"pwd": "urn:example:silver"}, "urn:example:silver"), ({}, None)])
async def test_acr_is_what_the_operators_table_says(tmp_path: Path, table: dict[str, str], acr: str | None) -> None:
    async with Provider(data_dir=tmp_path, acr=table) as provider:
        await register(provider, WEB)
        claims = await claims_of(provider.http, (await sign_in(provider, WEB))["id_token"])
        assert claims.get("acr") == acr
        assert (await discovery(provider.http))["acr_values_supported"] == ([acr] if acr else [])


async def test_a_wanted_acr_that_cannot_be_met_is_still_answered_truly(provider: Provider) -> None:
    """OIDC Core 3.1.2.1: acr_values is a wish; the token says what was really done."""
    tokens = await sign_in(provider, WEB, acr_values="urn:example:gold urn:idp:acr:pwd")
    assert (await claims_of(provider.http, tokens["id_token"]))["acr"] == "urn:idp:acr:pwd"


async def test_nothing_is_issued_in_the_future(provider: Provider) -> None:
    provider.clock.advance(0.9)
    tokens = await sign_in(provider, WEB)
    for name in ("id_token", "access_token"):
        _, claims = unverified(tokens[name])
        assert claims["iat"] <= provider.clock()
        assert all(isinstance(claims[time], int) for time in ("iat", "exp"))


async def test_an_id_token_opens_nothing(provider: Provider) -> None:
    text = (await sign_in(provider, WEB))["id_token"]
    refused = await provider.http.get("/userinfo", headers={"authorization": f"Bearer {text}"})
    assert refused.status_code == 401
    assert await WEB.introspect(provider.http, text) == {"active": False}


async def test_rotation_changes_the_kid_and_both_verify(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path) as provider:
        await register(provider, WEB)
        before: Any = (await sign_in(provider, WEB))["id_token"]
        old_keys: KeySet = await key_set(provider.http)
        await provider.advance(11)  # the waiting key has been published for the longest cache
        await provider.control("keys.rotate")
        after = (await sign_in(provider, WEB))["id_token"]
        assert header_of(before)["kid"] != header_of(after)["kid"]
        for text in (before, after):
            await claims_of(provider.http, text)
            jwt.decode(text, old_keys, algorithms=["RS256"])  # a verifier's copy from before the rotation
