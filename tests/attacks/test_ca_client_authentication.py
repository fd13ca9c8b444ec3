"""CA: a client proves itself in exactly the one way it registered, and each proof counts once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import math
from typing import Any

import pytest
from attack_support import Browser, Canary, World, assert_refused, signed_es256
from attack_world import (
    ASSERTION_TYPE,
    ES_KEY,
    ISSUER,
    ROGUE_KEY,
    RS_KEY,
    SECRETS,
    assertion,
    forge,
    public_jwk,
    redeeming,
    with_assertion,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

pytestmark = pytest.mark.anyio
WRONG = (401, 400)
MACHINE = {"grant_type": "client_credentials"}


async def test_ca_01_secret_in_the_query(world: World, caplog: pytest.LogCaptureFixture) -> None:
    query = {"client_id": "post", "client_secret": SECRETS["post"]}
    async with world.unchanged():
        response = await world.api.http.post("/token", params=query, data=MACHINE)
    assert_refused(response, 401, "invalid_client")
    said = [record.getMessage() for record in caplog.records if record.name.startswith(("idp", "uvicorn"))]
    assert said
    assert not any(SECRETS["post"] in line for line in said)


@pytest.mark.parametrize(
    ("client", "form"),
    [
        ("web", {"client_secret": SECRETS["web"]}),
        ("web", {"client_id": "web", "client_secret": SECRETS["web"]}),
        ("web", {"client_secret": "wrong"}),
        ("web", {"client_assertion": "e30.e30.", "client_assertion_type": ASSERTION_TYPE}),
        ("web", {"client_assertion": "junk"}),
        (None, {"client_id": "post", "client_secret": SECRETS["post"], "client_assertion": "e30.e30."}),
    ],
)
async def test_ca_02_two_methods_at_once(world: World, client: str | None, form: dict[str, str]) -> None:
    async with world.unchanged():
        assert_refused(
            await world.post("/token", {**MACHINE, **form}, client), WRONG, "invalid_request", "invalid_client"
        )


async def test_ca_02_two_headers(world: World) -> None:
    pair = base64.b64encode(f"web:{SECRETS['web']}".encode()).decode()
    headers = [("Authorization", f"Basic {pair}"), ("Authorization", f"Basic {pair}")]
    async with world.unchanged():
        response = await world.api.http.post("/token", data=MACHINE, headers=headers)
        assert_refused(response, WRONG, "invalid_request", "invalid_client")


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
@pytest.mark.parametrize("client", ["web", "svc", "post", "pkj", "session"])
async def test_ca_03_confidential_client_with_its_name_alone(
    world: World, browser: Browser, path: str, client: str
) -> None:
    issued = await browser.tokens()
    forms: list[dict[str, str]] = [{"token": issued["refresh_token"]}]
    if path == "/token":
        code = await browser.code()
        refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
        forms = [redeeming(code), refresh, MACHINE]
    async with world.unchanged():
        for form in forms:
            assert_refused(await world.post(path, {**form, "client_id": client}), 401, "invalid_client")
            assert_refused(await world.post(path, form), 401, "invalid_client")


async def test_ca_04_method_other_than_registered(world: World) -> None:
    now = world.now
    forms: list[tuple[dict[str, str], str | None]] = [
        ({**MACHINE, "client_id": "web", "client_secret": SECRETS["web"]}, None),
        ({**MACHINE, "client_id": "pkj"}, None),
        ({**MACHINE, "client_id": "pkj", "client_secret": "x" * 32}, None),
        (with_assertion(assertion("pkj", now, iss="web", sub="web")), None),
        (with_assertion(assertion("pkj", now, iss="spa", sub="spa")), None),
        ({**MACHINE, "client_id": "spa", "client_secret": "x" * 32}, None),
    ]
    async with world.unchanged():
        for form, client in forms:
            assert_refused(await world.post("/token", form, client), 401, "invalid_client")
        for pair in (("post", SECRETS["post"]), ("pkj", "x" * 32), ("spa", "x")):
            response = await world.api.http.post("/token", data=MACHINE, auth=pair)
            assert_refused(response, 401, "invalid_client")


async def test_ca_05_empty_secret_or_key(world: World) -> None:
    async with world.unchanged():
        for client in ("web", "pkj", "spa", "native"):
            response = await world.api.http.post("/token", data=MACHINE, auth=(client, ""))
            assert_refused(response, 401, "invalid_client")
        response = await world.post("/token", {**MACHINE, "client_id": "post", "client_secret": ""})
        assert_refused(response, 401, "invalid_client")
        claims = {"iss": "pkj", "sub": "pkj", "aud": ISSUER, "exp": int(world.now) + 60, "jti": "empty"}
        for client in ("pkj", "web", "post"):
            claims |= {"iss": client, "sub": client}
            text = forge({"alg": "HS256", "kid": "es"}, claims, lambda m: hmac.digest(b"", m, hashlib.sha256))
            assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


BASIC = [
    "",
    "Basic",
    "Basic ",
    "Basic  " + _b64(f"web:{SECRETS['web']}"),
    "Basic " + _b64("web"),
    "Basic " + _b64(f":{SECRETS['web']}"),
    "Basic " + _b64("web:"),
    "Basic !!!!",
    "Basic " + _b64(f"web:{SECRETS['web']}")[:-2],
    "Basic " + _b64(f"web:{SECRETS['web']}") + "\t",
    "Basic " + _b64(f"web:{SECRETS['web']}")[:10] + " " + _b64(f"web:{SECRETS['web']}")[10:],
    "Basic " + _b64(b"\xfb\xef\xff:\xff").replace("+", "-").replace("/", "_"),
    "Basic " + _b64(b"web:\xff\xfe"),
    "Basic " + _b64(f"web:{SECRETS['web']}\x00"),
    "Basic " + _b64("web\x00:x"),
    "Basic " + _b64("web%00:x"),
    "Basic " + _b64(f"web%3A{SECRETS['web']}"),
    "Basic " + _b64("web:%ff%fe"),
    "Basic " + _b64("web:%zz"),
    "Basic " + _b64("web:" + "x" * 1_000_000),
    "Bearer " + _b64(f"web:{SECRETS['web']}"),
    "Digest username=web",
]


@pytest.mark.parametrize("header", BASIC, ids=[f"{index}" for index in range(len(BASIC))])
async def test_ca_06_broken_basic_header(world: World, header: str) -> None:
    async with world.unchanged():
        response = await world.post("/token", MACHINE, Authorization=header)
    assert_refused(response, 401, "invalid_client")
    assert response.headers["www-authenticate"].startswith("Basic ")


async def test_ca_06_form_encoded_halves_are_read(world: World) -> None:
    """RFC 6749 2.3.1: the right secret, percent-encoded, is the right secret."""
    encoded = "".join(f"%{ord(character):02X}" for character in SECRETS["web"])
    response = await world.post("/token", MACHINE, Authorization="Basic " + _b64(f"web:{encoded}"))
    assert response.status_code == 200


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
    # RS256, by a key that is not registered and by one registered for another client, where ES256 is pinned.
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


async def test_ca_15_guessing_is_paid_for_and_locks_nobody_out(world: World) -> None:
    """Secrets are 256 bits and compared as hashes: 300 wrong ones change nothing, and the client works on."""
    async with world.unchanged():
        for number in range(300):
            response = await world.api.http.post("/token", data=MACHINE, auth=("web", f"{number:032}"))
            assert_refused(response, (401, 429), "invalid_client")
    assert (await world.post("/token", MACHINE, "web")).status_code == 200
