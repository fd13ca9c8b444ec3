"""SF and RG, by client keys: what a client names is fetched carefully or not at all, and what it is may be anything."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from attack_support import Canary, World, assert_refused
from attack_world import ES_KEY, ISSUER, ROGUE_KEY, RS_KEY, public_jwk, with_assertion
from support.keyhost import KeyHost, key_host

from idp.control import ControlError
from idp.manifest import ManifestError

pytestmark = pytest.mark.anyio

PRIVATE = [
    "http://127.0.0.1:{port}/keys",
    "https://127.0.0.1:{port}/keys",
    "https://[::1]:{port}/keys",
    "https://0.0.0.0:{port}/keys",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/keys",
    "https://192.168.1.1/keys",
    "https://172.16.0.1/keys",
    "https://100.64.0.1/keys",
    "https://2130706433:{port}/keys",
    "https://0x7f000001:{port}/keys",
    "https://0177.0.0.1:{port}/keys",
    "https://127.1:{port}/keys",
    "https://[::ffff:127.0.0.1]:{port}/keys",
    "https://[64:ff9b::7f00:1]:{port}/keys",
    "https://[2002:7f00:1::]:{port}/keys",
    "https://[fe80::1]:{port}/keys",
    "https://[fc00::1]:{port}/keys",
    "https://localhost:{port}/keys",
    "https://LOCALHOST.:{port}/keys",
    "https://rp.localhost:{port}/keys",
    "https://rp.test@127.0.0.1:{port}/keys",
    "http://rp.test/keys",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/x",
    "data:application/json,{{}}",
    "https:///keys",
    "",
]


def client(name: str, **members: Any) -> str:
    given = {"client_id": name, "token_endpoint_auth_method": "private_key_jwt", "scope": "orders"} | members
    lines = [f"{key} = {json.dumps(value)}" for key, value in given.items()]
    return "\n".join(["[[clients]]", 'grant_types = ["client_credentials"]', *lines]) + "\n"


def signed(world: World, name: str, key: Any = ES_KEY, alg: str = "ES256", **header: Any) -> dict[str, str]:
    claims = {"iss": name, "sub": name, "aud": world.provider.issuer, "exp": int(world.now) + 60}
    claims["jti"] = f"jti-{time.monotonic_ns()}"
    return with_assertion(jwt.encode(claims, key, algorithm=alg, headers={"kid": "es", **header}))


@pytest.fixture
def host() -> Iterator[KeyHost]:
    with key_host() as found:
        found.publish(public_jwk(ES_KEY, "es", "ES256"))
        yield found


@pytest.mark.parametrize("pattern", PRIVATE)
async def test_sf_01_an_address_inside_cannot_be_registered(production: World, pattern: str) -> None:
    canary = await Canary.start()
    async with canary.server, production.unchanged():
        uri = pattern.replace("{port}", str(canary.port))
        with pytest.raises(ManifestError):
            await production.provider.apply(client("inside", jwks_uri=uri))
        members = {"client_id": "inside", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}
        with pytest.raises(ControlError):
            await production.provider.control("client.add", client=members | {"grant_types": ["client_credentials"]})
        assert canary.visits == 0


async def test_sf_01_a_name_that_leads_inside_is_not_called(
    production: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the stranger hears is the same for an open port, a closed one and a name that is not there."""
    canary = await Canary.start()
    loop, addresses = asyncio.get_running_loop(), ["127.0.0.1"]

    async def resolved(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if host == "nowhere.test":
            raise OSError("no such name")
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", resolved)
    heard = set()
    async with canary.server:
        for number, port in enumerate((canary.port, 1)):
            await production.provider.apply(client(f"in-{number}", jwks_uri=f"https://in-{number}.test:{port}/keys"))
        await production.provider.apply(client("in-2", jwks_uri="https://nowhere.test/keys"))
        for name in ("in-0", "in-1", "in-2"):
            started = time.perf_counter()
            answer = await production.post("/token", signed(production, name))
            assert time.perf_counter() - started < 1
            assert_refused(answer, 401, "invalid_client")
            heard.add(answer.text)
        assert canary.visits == 0
    assert len(heard) == 1
    assert "127.0.0.1" not in heard.pop()


async def test_sf_02_a_key_address_that_sends_elsewhere_is_not_followed(world: World, host: KeyHost) -> None:
    canary = await Canary.start()
    async with canary.server:
        for number, status in enumerate((301, 302, 303, 307, 308)):
            host.status, host.headers = status, {"Location": canary.url}
            await world.provider.apply(client(f"sent-{number}", jwks_uri=f"{host.url}?{number}"))
            assert_refused(await world.post("/token", signed(world, f"sent-{number}")), 401, "invalid_client")
        assert canary.visits == 0
    assert host.fetches == 5


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"[" * 10_000 + b"]" * 10_000, {}),
        (b'{"keys":[' + b"{}," * 20_000 + b"{}]}", {}),
        (gzip.compress(b"0" * 10_000_000), {"Content-Encoding": "gzip"}),
        (b'{"keys":[{"kty":"RSA","e":"AQAB","n":"' + b"A" * 60_000 + b'"}]}', {}),
        (b'{"keys":' + b"9" * 60_000 + b"}", {}),
        (b"\xff\xfe" * 100, {}),
    ],
    ids=["deep", "many", "bomb", "long", "digits", "binary"],
)
async def test_sf_10_a_key_set_that_is_none(world: World, host: KeyHost, body: bytes, headers: dict[str, str]) -> None:
    name = f"bad-{len(body)}"
    host.body, host.headers = body, headers
    await world.provider.apply(client(name, jwks_uri=host.url))
    started = time.perf_counter()
    assert_refused(await world.post("/token", signed(world, name)), 401, "invalid_client")
    assert time.perf_counter() - started < 1
    assert (await world.post("/token", {"grant_type": "client_credentials"}, "svc")).status_code == 200


async def test_sf_11_a_storm_of_unknown_keys(world: World, host: KeyHost) -> None:
    """At most one fetch a cool-down, and refusals as fast as others; the client's own key works on."""
    await world.provider.apply(client("far", jwks_uri=host.url))
    assert (await world.post("/token", signed(world, "far"))).status_code == 200
    world.provider.clock.advance(31)
    started = time.perf_counter()
    for first in range(0, 1000, 10):
        storm = (world.post("/token", signed(world, "far", ROGUE_KEY, kid=f"k{first + one}")) for one in range(10))
        for answer in await asyncio.gather(*storm):
            assert_refused(answer, 401, "invalid_client")
    assert time.perf_counter() - started < 20  # some 3 ms each, the test's own signing included
    assert host.fetches == 2
    assert (await world.post("/token", signed(world, "far"))).status_code == 200
    world.provider.clock.advance(31)
    for kid in ("a", "b", "c"):
        assert_refused(await world.post("/token", signed(world, "far", ROGUE_KEY, kid=kid)), 401, "invalid_client")
    assert host.fetches == 3


async def test_sf_11_wrong_signatures_fetch_no_more_often(host: KeyHost) -> None:
    host.publish(public_jwk(ES_KEY, "es", "ES256"))
    async with World(limits__client=1000, limits__client_network=10_000) as world:
        await world.provider.apply(client("far", jwks_uri=host.url))
        for _ in range(50):
            for header in ({}, {"kid": None}):
                kid = {name: value for name, value in header.items() if value is not None}
                text = signed(world, "far", ROGUE_KEY, **kid)
                assert_refused(await world.post("/token", text), 401, "invalid_client")
        assert host.fetches == 1


async def test_ca_12_a_set_elsewhere_is_never_one_the_token_names(world: World, host: KeyHost) -> None:
    await world.provider.apply(client("far", jwks_uri=host.url))
    rogue = public_jwk(ROGUE_KEY, "es", "ES256")
    with key_host() as theirs:
        theirs.publish(rogue)
        for extra in ({"jwk": rogue}, {"jku": theirs.url}, {"x5u": theirs.url}):
            text = signed(world, "far", ROGUE_KEY, **extra)
            assert_refused(await world.post("/token", text), 401, "invalid_client")
        assert theirs.fetches == 0


def _rsa_of(bits: int) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from idp.jose.keys import public_jwk as members

    return {**members(rsa.generate_private_key(65537, bits)), "kid": "weak"}


GOOD = public_jwk(ES_KEY, "es", "ES256")
BAD_SETS: dict[str, Any] = {
    "a symmetric key": {"keys": [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]},
    "a symmetric key for encryption": {"keys": [GOOD, {"kty": "oct", "k": "AAAA", "use": "enc"}]},
    "a private key": {"keys": [{**GOOD, "d": "AAAA"}]},
    "a private key for encryption": {"keys": [GOOD, {**GOOD, "use": "enc", "d": "AAAA"}]},
    "a private RSA key": {"keys": [{**public_jwk(RS_KEY, "rs", "RS256"), "p": "AQAB"}]},
    "nothing": {"keys": []},
    "no list": {"keys": "x"},
    "no member": {},
    "texts": {"keys": ["x"]},
    "numbers": {"keys": [1, GOOD]},
    "lists": {"keys": [[]]},
    "encryption alone": {"keys": [{**GOOD, "use": "enc"}]},
    "a weak key": {"keys": [_rsa_of(1024)]},
    "a point off the curve": {"keys": [{**GOOD, "y": GOOD["x"]}]},
    "ten thousand keys": {"keys": [GOOD] * 10_000},
    "an algorithm of another kind": {"keys": [{**GOOD, "alg": "RS256"}]},
    "an HMAC algorithm": {"keys": [{**GOOD, "alg": "HS256"}]},
}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + "}"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)


@pytest.mark.parametrize("kind", BAD_SETS)
async def test_rg_08_bad_keys_cannot_be_registered(world: World, kind: str) -> None:
    text = client("bad-keys") + f"jwks = {_toml(BAD_SETS[kind])}\n"
    async with world.unchanged():
        with pytest.raises(ManifestError) as refused:
            await world.provider.apply(text)
    assert "jwks" in str(refused.value)
    assert "AAAA" not in str(refused.value)


async def test_rg_08_null_members_over_the_other_ways(world: World) -> None:
    """TOML has no null, the operation behind registration takes any value JSON has."""
    base = {"client_id": "bad-keys", "token_endpoint_auth_method": "private_key_jwt", "redirect_uris": ["https://a.test"]}
    async with world.unchanged():
        for jwks in (None, {"keys": None}, {"keys": [None]}, {"keys": [GOOD, None]}, [], "x", 7, *BAD_SETS.values()):
            with pytest.raises(ControlError):
                await world.provider.control("client.add", client={**base, "jwks": jwks})


async def test_rg_08_keys_twice_by_value_and_by_address(world: World) -> None:
    text = client("both", jwks_uri="https://rp.test/keys") + f"jwks = {_toml({'keys': [GOOD]})}\n"
    async with world.unchanged():
        with pytest.raises(ManifestError, match="by value or by address"):
            await world.provider.apply(text)


async def test_rg_08_an_encryption_key_beside_a_good_one_is_passed_over(world: World) -> None:
    text = client("mixed") + f"jwks = {_toml({'keys': [{**public_jwk(RS_KEY, 'e', 'RS256'), 'use': 'enc'}, GOOD]})}\n"
    await world.provider.apply(text)
    assert (await world.post("/token", signed(world, "mixed"))).status_code == 200
    answer = await world.post("/token", signed(world, "mixed", RS_KEY, "RS256", kid="e"))
    assert_refused(answer, 401, "invalid_client")
    assert world.provider.issuer == ISSUER
