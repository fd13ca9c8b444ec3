"""CA, by shared secret: an HMAC counts only where a secret was registered for it, and never under a public key."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from attack_support import World, assert_refused
from attack_world import ES_KEY, ISSUER, RS_KEY, assertion, forge, public_jwk, with_assertion
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

pytestmark = pytest.mark.anyio

SECRET = "mac-secret-0123456789abcdef0123456789abcdef0123456789abcdef01234"
MAC = f"""
[[clients]]
client_id = "mac"
token_endpoint_auth_method = "client_secret_jwt"
client_secret = "{SECRET}"
grant_types = ["client_credentials"]
scope = "orders"
"""
HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


@pytest.fixture(autouse=True, scope="module")
async def mac_client(world: World) -> None:
    await world.provider.apply(MAC)


def claims(world: World, client: str = "mac", **changes: Any) -> dict[str, Any]:
    found = {"iss": client, "sub": client, "aud": ISSUER, "exp": int(world.now) + 60, "jti": f"mac-{len(changes)}"}
    return found | changes


def under(secret: bytes, alg: str = "HS256", header: dict[str, Any] | None = None, **members: Any) -> Any:
    def make(world: World) -> str:
        head = {"alg": alg, "typ": "JWT"} | (header or {})
        return forge(head, claims(world, **members), lambda m: hmac.digest(secret, m, HASHES[alg]))

    return make


async def refused(world: World, text: str) -> None:
    async with world.unchanged():
        assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")


async def test_ca_10_an_hmac_under_a_public_key(world: World) -> None:
    """Of a client that registered keys, and of one that registered a secret: neither is proved by what all can read."""
    texts: list[bytes] = []
    for key, alg in ((ES_KEY, "ES256"), (RS_KEY, "RS256")):
        public = key.public_key()
        texts += [
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
            json.dumps(public_jwk(key, "es", alg)).encode(),
        ]
    texts += [base64.b64encode(text) for text in texts] + [text.strip() for text in texts]
    for secret in texts:
        for alg in HASHES:
            for client in ("pkj", "pkj2", "mac"):
                await refused(world, under(secret, alg, {"kid": "es"}, iss=client, sub=client)(world))
    assert (await world.post("/token", with_assertion(assertion("pkj", world.now)))).status_code == 200


async def test_ca_10_a_signature_where_an_hmac_is_registered(world: World) -> None:
    for key, kid in ((ES_KEY, "es"), (RS_KEY, "rs")):
        await refused(world, assertion("pkj", world.now, key=key, headers={"kid": kid}, iss="mac", sub="mac"))
    for alg in ("none", "NONE", "", "hs256", "HS256 ", "HS1", "HS2560", "SHA256"):
        forged = forge({"alg": alg}, claims(world), lambda m: hmac.digest(SECRET.encode(), m, "sha256"))
        await refused(world, forged)


async def test_ca_05_an_empty_or_guessable_key(world: World) -> None:
    for secret in (b"", b"\0" * 32, b"mac", SECRET[:32].encode(), SECRET.encode() + b" ", hash_of(SECRET)):
        await refused(world, under(secret)(world))
    for client in ("web", "post", "svc", "spa", "native"):
        await refused(world, under(b"", iss=client, sub=client)(world))
        await refused(world, under(SECRET.encode(), iss=client, sub=client)(world))


def hash_of(secret: str) -> bytes:
    """What the database holds in the clear: it must prove nothing."""
    import hashlib

    return hashlib.sha256(secret.encode()).digest()


async def test_ca_04_the_secret_in_another_way(world: World) -> None:
    form = {"grant_type": "client_credentials"}
    async with world.unchanged():
        answer = await world.api.http.post("/token", data=form, auth=("mac", SECRET))
        assert_refused(answer, 401, "invalid_client")
        answer = await world.post("/token", {**form, "client_id": "mac", "client_secret": SECRET})
        assert_refused(answer, 401, "invalid_client")
        answer = await world.post("/token", {**form, "client_id": "mac"})
        assert_refused(answer, 401, "invalid_client")


async def test_ca_02_an_hmac_and_another_method_at_once(world: World) -> None:
    text = under(SECRET.encode())(world)
    async with world.unchanged():
        answer = await world.post("/token", with_assertion(text, client_secret=SECRET, client_id="mac"))
        assert_refused(answer, (400, 401), "invalid_request", "invalid_client")
        answer = await world.post("/token", with_assertion(text), "web")
        assert_refused(answer, (400, 401), "invalid_request", "invalid_client")


async def test_ca_13_crit_and_b64(world: World) -> None:
    for extra in ({"crit": ["exp2"], "exp2": 1}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"crit": []}):
        await refused(world, under(SECRET.encode(), header=extra)(world))
    for typ in ("at+jwt", "dpop+jwt", "logout+jwt", "userinfo+jwt"):
        await refused(world, under(SECRET.encode(), header={"typ": typ})(world))
    for extra in ({"jwk": {"kty": "oct", "k": "AAAA"}}, {"jku": "https://evil.example"}):
        await refused(world, under(b"\0\0\0", header=extra)(world))


async def test_ca_08_ca_14_audience_and_identity(world: World) -> None:
    for aud in ([ISSUER, "https://evil.example"], f"{ISSUER}/", f"{ISSUER}/token", ISSUER.upper(), None, []):
        await refused(world, under(SECRET.encode(), aud=aud)(world))
    for changes in ({"iss": "web"}, {"sub": "web"}, {"exp": int(world.now) - 31}, {"jti": 7}):
        await refused(world, under(SECRET.encode(), **changes)(world))


async def test_ca_07_counts_once_of_fifty(world: World) -> None:
    import asyncio

    text = under(SECRET.encode(), jti="of-fifty")(world)
    answers = await asyncio.gather(*(world.post("/token", with_assertion(text)) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 49
