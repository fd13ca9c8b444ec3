"""CA, by key: an assertion is signed by a registered key, for this server alone, and counts once."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import math
from typing import Any

import pytest
from attack_support import Canary, World, assert_refused, signed_es256
from attack_world import (
    ES_KEY,
    ISSUER,
    ROGUE_KEY,
    RS_KEY,
    assertion,
    forge,
    public_jwk,
    with_assertion,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

pytestmark = pytest.mark.anyio
WRONG = (401, 400)
MACHINE = {"grant_type": "client_credentials"}


async def test_ca_07_assertion_replay(world: World) -> None:
    text = assertion("pkj", world.now)
    assert (await world.post("/token", with_assertion(text))).status_code == 200
    async with world.unchanged():
        assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")
        for path in ("/introspect", "/revoke"):
            form = with_assertion(text, token="x")
            assert_refused(await world.post(path, form), 401, "invalid_client")
    same_jti = assertion("pkj", world.now, jti="once")
    assert (await world.post("/token", with_assertion(same_jti))).status_code == 200
    other = assertion("pkj", world.now, jti="once", exp=int(world.now) + 90)
    assert_refused(await world.post("/token", with_assertion(other)), 401, "invalid_client")


async def test_ca_07_assertion_in_parallel(world: World) -> None:
    text = assertion("pkj", world.now)
    answers = await asyncio.gather(*(world.post("/token", with_assertion(text)) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 49


async def test_ca_07_the_memory_outlives_the_assertion(fresh: World) -> None:
    """Swept rows must not make an assertion count again while its exp and leeway still hold."""
    text = assertion("pkj", fresh.now, exp=int(fresh.now) + 500)
    assert (await fresh.post("/token", with_assertion(text))).status_code == 200
    for _ in range(10):
        await fresh.provider.advance(60)
        assert_refused(await fresh.post("/token", with_assertion(text)), 401, "invalid_client")


@pytest.mark.parametrize(
    "aud",
    [
        [ISSUER, "https://evil.example"],
        [ISSUER, ISSUER],
        "https://other.test/token",
        f"{ISSUER}/",
        f"{ISSUER}/token",
        ISSUER.upper(),
        "http://localhost",
        None,
        "",
        [],
        {"iss": ISSUER},
        1,
    ],
    ids=str,
)
async def test_ca_08_wrong_audience(world: World, aud: Any) -> None:
    async with world.unchanged():
        text = assertion("pkj", world.now, aud=aud)
        assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")


def _public_texts() -> list[bytes]:
    public = ES_KEY.public_key()
    return [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        json.dumps(public_jwk(ES_KEY, "es", "ES256")).encode(),
        json.dumps(public_jwk(ES_KEY, "es", "ES256"), separators=(",", ":")).encode(),
    ]


async def refused_assertion(world: World, text: str) -> None:
    async with world.unchanged():
        assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")


def _claims(world: World, client: str = "pkj") -> dict[str, Any]:
    return {"iss": client, "sub": client, "aud": ISSUER, "exp": int(world.now) + 60, "jti": "forged"}


async def test_ca_10_algorithm_confusion(world: World) -> None:
    for alg in ("none", "NoNe", "NONE", "", "HS256 ", "ES256K", "RS1"):
        await refused_assertion(world, forge({"alg": alg, "kid": "es"}, _claims(world)))
    for alg, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        for secret in _public_texts():
            text = forge({"alg": alg, "kid": "es"}, _claims(world), lambda m, s=secret, d=digest: hmac.digest(s, m, d))
            await refused_assertion(world, text)
    # RS256, under the name of another key, and by a key that is registered too, where ES256 is pinned.
    await refused_assertion(world, assertion("pkj", world.now, key=RS_KEY))
    await refused_assertion(world, assertion("pkj", world.now, key=RS_KEY, headers={"kid": "rs"}))
    good = assertion("pkj2", world.now)
    assert (await world.post("/token", with_assertion(good))).status_code == 200


async def test_ca_10_empty_and_degenerate_signatures(world: World) -> None:
    honest = assertion("pkj", world.now)
    head = honest.rpartition(".")[0]
    for signature in (b"", b"\x00" * 64, b"\x00" * 63, b"\x00" * 65, b"\xff" * 64):
        await refused_assertion(world, f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")
    await refused_assertion(world, head)
    await refused_assertion(world, head + ".")


async def test_ca_12_key_supplied_by_the_token(world: World) -> None:
    rogue = public_jwk(ROGUE_KEY, "es", "ES256")
    canary = await Canary.start()
    async with canary.server:
        for extra in (
            {"jwk": rogue},
            {"jwk": rogue, "kid": None},
            {"jku": canary.url},
            {"x5u": canary.url},
            {"x5c": [base64.b64encode(b"certificate").decode()]},
            {"jwk": rogue, "jku": canary.url, "x5u": canary.url, "crit": ["jku"]},
        ):
            header = {"alg": "ES256", "typ": "JWT", "kid": "es", **extra}
            given = {name: value for name, value in header.items() if value is not None}
            await refused_assertion(world, forge(given, _claims(world), signed_es256(ROGUE_KEY)))
        assert canary.visits == 0


async def test_ca_13_crit_and_b64(world: World) -> None:
    for extra in (
        {"crit": ["exp2"], "exp2": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"b64": True},
        {"crit": []},
        {"crit": None},
        {"crit": "exp"},
        {"crit": ["alg"]},
        {"crit": {}},
    ):
        header = {"alg": "ES256", "typ": "JWT", "kid": "es", **extra}
        await refused_assertion(world, forge(header, _claims(world), signed_es256(ES_KEY)))
    await refused_assertion(
        world, forge({"alg": "ES256", "kid": "es", "typ": "dpop+jwt"}, _claims(world), signed_es256(ES_KEY))
    )


async def test_ca_14_identity_mismatch(world: World) -> None:
    async with world.unchanged():
        response = await world.post("/token", {**MACHINE, "client_id": "web2"}, "web")
        assert_refused(response, WRONG, "invalid_request", "invalid_client")
        text = assertion("pkj", world.now)
        response = await world.post("/token", with_assertion(text, client_id="web2"))
        assert_refused(response, WRONG, "invalid_request", "invalid_client")
        for changes in ({"iss": "pkj2"}, {"sub": "pkj2"}, {"sub": "pkj2", "iss": "pkj2"}, {"sub": None}, {"iss": None}):
            await refused_assertion(world, assertion("pkj", world.now, **changes))
        for sub in (["pkj"], 1, {"a": 1}, "pkj ", "PKJ", ""):
            await refused_assertion(
                world, forge({"alg": "ES256", "kid": "es"}, _claims(world) | {"sub": sub}, signed_es256(ES_KEY))
            )


async def test_ca_14_times_of_the_assertion(world: World) -> None:
    now = int(world.now)
    for changes in (
        {"exp": None},
        {"exp": now - 31},
        {"exp": now + 100_000},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": now + 120},
        {"iat": now + 120},
        {"nbf": "x"},
        {"jti": None},
        {"jti": ""},
        {"jti": "j" * 256},
    ):
        text = forge(
            {"alg": "ES256", "kid": "es", "typ": "JWT"},
            {name: value for name, value in (_claims(world) | changes).items() if value is not None},
            signed_es256(ES_KEY),
        )
        await refused_assertion(world, text)
    for number in (math.inf, -math.inf, math.nan):
        text = json.dumps(_claims(world) | {"exp": number})
        await refused_assertion(world, forge({"alg": "ES256", "kid": "es"}, text, signed_es256(ES_KEY)))
    await refused_assertion(
        world,
        forge(
            {"alg": "ES256", "kid": "es"},
            json.dumps(_claims(world) | {"exp": "x"}).replace('"x"', "1e400"),
            signed_es256(ES_KEY),
        ),
    )
