"""JW: tokens shown to the provider, and the key set it shows to the world."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from attack_support import Browser, Canary, World, assert_refused, signed_es256
from attack_world import API, ISSUER, MANIFEST, ROGUE_KEY, forge, parts_of, public_jwk
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idp.control.errors import ControlError
from idp.manifest import ManifestError

pytestmark = pytest.mark.anyio
NOTHING = b""


async def refused_everywhere(world: World, token: str) -> None:
    """USERINFO 401, INTROSPECT active=false and nothing else, REVOKE 200; no trace in the database."""
    async with world.unchanged():
        if token.isascii() and token.isprintable():
            assert_refused(await world.userinfo(token), 401, "invalid_token")
        assert not await world.active(token)
        response = await world.post("/revoke", {"token": token}, "web")
        assert response.status_code == 200
        assert response.content == NOTHING


async def honest(world: World, browser: Browser) -> tuple[dict[str, Any], dict[str, Any]]:
    issued = await browser.tokens()
    return parts_of(issued["access_token"])


def rogue(header: Mapping[str, Any], claims: Mapping[str, Any] | str, **extra: Any) -> str:
    """Signed by a key of nobody's, under whatever header."""
    return forge({**header, "alg": "ES256", **extra}, claims, signed_es256(ROGUE_KEY))


async def test_jw_01_unsigned(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    header, claims = parts_of(issued["access_token"])
    for alg in ("none", "NONE", "nOnE", "None", ""):
        text = forge({**header, "alg": alg}, claims)
        for token in (text, text[:-1], text + "AA"):
            await refused_everywhere(world, token)
    head = issued["access_token"].rpartition(".")[0]
    for token in (head, head + ".", head + "..", "." + head, head + ".AA"):
        await refused_everywhere(world, token)


async def test_jw_02_hmac_with_the_published_key(world: World, browser: Browser) -> None:
    header, claims = await honest(world, browser)
    published = (await browser.http.get("/.well-known/jwks.json")).json()["keys"]
    for jwk in published:
        key = jwt.PyJWK(jwk).key
        secrets = [
            key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
            key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            json.dumps(jwk).encode(),
            json.dumps(jwk, separators=(",", ":")).encode(),
            base64.urlsafe_b64decode(jwk.get("n", jwk.get("x")) + "=="),
            jwk.get("n", jwk.get("x")).encode(),
        ]
        for secret in secrets:
            for alg, digest in (("HS256", "sha256"), ("HS512", "sha512")):
                head = {**header, "alg": alg, "kid": jwk["kid"]}
                await refused_everywhere(world, forge(head, claims, lambda m, s=secret, d=digest: hmac.digest(s, m, d)))


async def test_jw_03_embedded_and_remote_keys(world: World, browser: Browser) -> None:
    header, claims = await honest(world, browser)
    canary = await Canary.start()
    async with canary.server:
        for extra in (
            {"jwk": public_jwk(ROGUE_KEY, header["kid"], "ES256")},
            {"jku": canary.url},
            {"x5u": canary.url},
            {"x5c": [base64.b64encode(b"x" * 300).decode()]},
            {"jwk": public_jwk(ROGUE_KEY, header["kid"], "ES256"), "kid": None},
        ):
            given = {name: value for name, value in {**header, **extra}.items() if value is not None}
            token = rogue(given, claims)
            await refused_everywhere(world, token)
            hint = rogue(given, {**claims, "aud": "web"}, typ="JWT")
            async with world.unchanged():
                response = await browser.ask(prompt="none", id_token_hint=hint)
                assert "error=login_required" in response.headers["location"]
        assert canary.visits == 0


async def test_jw_04_kid_as_injection_point(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    header, claims = parts_of(issued["access_token"])
    published = (await browser.http.get("/.well-known/jwks.json")).json()["keys"]
    elliptic = next(key["kid"] for key in published if key["kty"] == "EC")
    kids: list[Any] = [
        "../../etc/passwd",
        "' OR 1=1--",
        "k" * 10_240,
        "\x00",
        "%00",
        1,
        ["a"],
        {"a": 1},
        True,
        None,
        "",
    ]
    for kid in [*kids, elliptic, *(key["kid"] for key in published)]:
        await refused_everywhere(world, rogue(header, claims, kid=kid))
        await refused_everywhere(world, forge({**header, "kid": kid}, claims, lambda _: b"\x01" * 256))
    signature = issued["access_token"].rpartition(".")[2]
    without = {name: value for name, value in header.items() if name != "kid"}
    await refused_everywhere(world, forge(without, claims) + signature)
    await refused_everywhere(world, forge({**header, "kid": elliptic}, claims) + signature)


async def test_jw_05_id_token_for_access_token_and_the_reverse(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    await refused_everywhere(world, issued["id_token"])
    async with world.unchanged():
        response = await browser.ask(prompt="none", id_token_hint=issued["access_token"], scope="openid profile")
        assert "error=login_required" in response.headers["location"]
        response = await browser.http.get("/logout", params={"id_token_hint": issued["access_token"]})
        assert response.status_code == 400
    assert await world.active(issued["access_token"])


async def test_jw_05_any_other_kind_of_token_we_sign(world: World, browser: Browser) -> None:
    """A logout token is signed by the same keys: its typ keeps it from being anything else."""
    _, claims = await honest(world, browser)
    token = await world.server.keyring.sign("RS256", "logout+jwt", {**claims, "aud": ISSUER})
    await refused_everywhere(world, token)
    async with world.unchanged():
        hint = await world.server.keyring.sign("RS256", "logout+jwt", {**claims, "aud": "web"})
        response = await browser.ask(prompt="none", id_token_hint=hint)
        assert "error=login_required" in response.headers["location"]


async def test_jw_07_audience(world: World, browser: Browser) -> None:
    issued = await browser.tokens(scope="openid orders offline_access", resource=API)
    token = issued["access_token"]
    assert parts_of(token)[1]["aud"] == API
    assert_refused(await world.userinfo(token), 401, "invalid_token")
    assert await world.active(token, "rs"), "the resource server it is for"
    for stranger in ("web2", "svc"):
        assert not await world.active(token, stranger)
    for_issuer = (await browser.tokens())["access_token"]
    assert not await world.active(for_issuer, "rs")


@pytest.mark.parametrize(
    "iss",
    [
        f"{ISSUER}/",
        ISSUER.upper(),
        "http://localhost:800",
        [ISSUER],
        None,
        "",
        {"a": ISSUER},
        "http://localhost:8000\x00",
    ],
)
async def test_jw_09_issuer_variants(world: World, browser: Browser, iss: Any) -> None:
    """Signed by our own key, as by a sibling deployment that was given it: the issuer still counts."""
    _, claims = await honest(world, browser)
    given = {name: value for name, value in {**claims, "iss": iss}.items() if value is not None}
    await refused_everywhere(world, await world.server.keyring.sign("RS256", "at+jwt", given))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"client_id": "unknown"},
        {"client_id": ["web"]},
        {"client_id": {}},
        {"grant": "unknown"},
        {"grant": 5},
        {"grant": ["x"]},
        {"grant": {"a": 1}},
        {"jti": {"a": 1}},
        {"scope": 7},
        {"aud": 7},
        {"aud": {"a": 1}},
        {"aud": [{"a": 1}, None]},
        {"aud": None},
        {"sub": ["alice"]},
    ],
    ids=str,
)
async def test_jw_09_strange_claims_never_fault(world: World, browser: Browser, changes: dict[str, Any]) -> None:
    """Claims of other types than ours, even under our own signature, end as a refusal and never as a fault."""
    _, claims = await honest(world, browser)
    alg = "ES256"
    sign_with = {**claims, **changes}
    token = await world.server.keyring.sign(alg, "at+jwt", {**sign_with, "exp": changes.get("exp", claims["exp"])})
    response = await world.userinfo(token)
    assert response.status_code in (200, 401, 403)
    await world.post("/introspect", {"token": token}, "web")
    await world.post("/revoke", {"token": token}, "web")


async def test_jw_13_nothing_but_public_members(world: World, browser: Browser) -> None:
    response = await browser.http.get("/.well-known/jwks.json")
    keys = response.json()["keys"]
    for key in keys:
        public = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}}[key["kty"]]
        assert key.keys() == public | {"kty", "kid", "alg", "use"}
        assert key["use"] == "sig"
        if key["kty"] == "RSA":
            assert int.from_bytes(base64.urlsafe_b64decode(key["n"] + "=="), "big").bit_length() >= 2048
    assert len({key["kid"] for key in keys}) == len(keys)
    assert {"RS256", "ES256"} <= {key["alg"] for key in keys}
    assert "max-age=" in response.headers["cache-control"]
    assert response.headers["etag"].startswith('"')
    assert "set-cookie" not in response.headers
    assert (
        hashlib.sha256(response.content).digest()
        == hashlib.sha256((await browser.http.get("/.well-known/jwks.json")).content).digest()
    )


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS1", "ES512", "PS256", ""])
async def test_jw_14_weak_algorithms_cannot_be_registered(world: World, alg: str) -> None:
    for member in (
        "id_token_signed_response_alg",
        "access_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "introspection_signed_response_alg",
    ):
        before, entry, after = MANIFEST.partition('client_id = "web"\n')
        async with world.unchanged():
            with pytest.raises((ManifestError, ControlError)):
                await world.provider.apply(f'{before}{entry}{member} = "{alg}"\n{after}')


async def test_jw_05_signed_answers_are_no_tokens(world: World, browser: Browser) -> None:
    """UserInfo and introspection as JWTs: by the same keys, for the same client, and good for nothing else."""
    _, claims = await honest(world, browser)
    for typ in ("userinfo+jwt", "token-introspection+jwt"):
        for aud in (ISSUER, "web"):
            await refused_everywhere(world, await world.server.keyring.sign("RS256", typ, {**claims, "aud": aud}))
        hint = await world.server.keyring.sign("RS256", typ, {**claims, "aud": "web"})
        async with world.unchanged():
            response = await browser.ask(prompt="none", id_token_hint=hint)
            assert "error=login_required" in response.headers["location"]
            assert (await browser.http.get("/logout", params={"id_token_hint": hint})).status_code == 400
