"""RS256, PS256, ES256 and EdDSA side by side: keys of their own, chosen by client and resource, read by strangers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from support import App, header_of, register, sign_in, userinfo

from idp.keyring.algorithm_users import AlgorithmInUse
from idp.manifest import ManifestError
from idp.testing import MovingClock, Provider
from idp.verify import Refused, Verifier

pytestmark = pytest.mark.anyio

ALL = ["RS256", "PS256", "ES256", "EdDSA"]
API = "https://api.test/orders"
HASHES = {"RS256": "sha256", "PS256": "sha256", "ES256": "sha256", "EdDSA": "sha512"}


def app(alg: str) -> App:
    name = alg.lower()
    members = {
        "id_token_signed_response_alg": alg,
        "access_token_signed_response_alg": alg,
        "userinfo_signed_response_alg": alg,
        "introspection_signed_response_alg": alg,
    }
    return App(name, f"https://{name}.test/cb", f"secret-of-{name}-0123456789", members=members)


APPS = {alg: app(alg) for alg in ALL}


@pytest.fixture(scope="module")
async def wide(anyio_backend: str) -> AsyncIterator[Provider]:
    async with Provider(keys__algorithms=ALL, keys__signs=3600, keys__longest_cache=10) as provider:
        await register(provider, *APPS.values())
        yield provider


async def published(provider: Provider) -> dict[str, Any]:
    return dict((await provider.http.get("/.well-known/jwks.json")).json())


def read_by_pyjwt(token: str, keys: dict[str, Any], **options: Any) -> dict[str, Any]:
    """With the one algorithm its key names, as PyJWT is told to be used."""
    header = pyjwt.get_unverified_header(token)
    [key] = [key for key in keys["keys"] if key["kid"] == header["kid"]]
    assert key["alg"] == header["alg"]
    options = {"verify_aud": False, "verify_exp": False, "verify_iat": False, **options}
    claims: dict[str, Any] = pyjwt.decode(token, pyjwt.PyJWK(key), algorithms=[key["alg"]], options=options)
    return claims


async def test_each_algorithm_has_keys_of_its_own(wide: Provider) -> None:
    keys = (await published(wide))["keys"]
    assert {key["alg"] for key in keys} == set(ALL)
    assert {(key["alg"], key["kty"], key.get("crv")) for key in keys} == {
        ("RS256", "RSA", None),
        ("PS256", "RSA", None),
        ("ES256", "EC", "P-256"),
        ("EdDSA", "OKP", "Ed25519"),
    }
    assert len({key["kid"] for key in keys}) == len(keys)
    assert len({key["n"] for key in keys if key["kty"] == "RSA"}) == sum(key["kty"] == "RSA" for key in keys)
    document = (await wide.http.get("/.well-known/openid-configuration")).json()
    for member in ("id_token", "userinfo", "introspection"):
        assert document[f"{member}_signing_alg_values_supported"] == ALL


@pytest.mark.parametrize("alg", ALL)
async def test_everything_a_client_gets_is_signed_with_its_algorithm(wide: Provider, alg: str) -> None:
    tokens = await sign_in(wide, APPS[alg], scope="openid offline_access")
    person = (await userinfo(wide.http, tokens["access_token"])).text
    asking = {"accept": "application/token-introspection+jwt"}
    shown = await APPS[alg].call(wide.http, "/introspect", {"token": tokens["access_token"]}, **asking)
    renewed = (await APPS[alg].refresh(wide.http, tokens["refresh_token"])).json()
    keys = await published(wide)
    for text in (tokens["access_token"], tokens["id_token"], person, shown.text, renewed["access_token"]):
        assert header_of(text)["alg"] == alg
        assert read_by_pyjwt(text, keys)["iss"] == wide.issuer
    assert read_by_pyjwt(shown.text, keys)["token_introspection"]["active"] is True
    digest = hashlib.new(HASHES[alg], tokens["access_token"].encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert read_by_pyjwt(tokens["id_token"], keys)["at_hash"] == half


@pytest.mark.parametrize("alg", ALL)
async def test_our_own_verifier_reads_them(wide: Provider, alg: str) -> None:
    token = (await sign_in(wide, APPS[alg], scope="openid"))["access_token"]
    keys = await published(wide)
    verifier = Verifier(wide.issuer, wide.issuer, jwks=keys, algorithms=(alg,), clock=wide.clock)
    assert (await verifier.verify(token)).subject == "alice"
    others = tuple(other for other in ALL if other != alg)
    strict = Verifier(wide.issuer, wide.issuer, jwks=keys, algorithms=others, clock=wide.clock)
    with pytest.raises(Refused, match="alg"):
        await strict.verify(token)


async def test_a_resource_has_its_own(wide: Provider) -> None:
    await wide.apply(f'[[resources]]\nuri = "{API}"\naccess_token_signed_response_alg = "PS256"\n')
    grants, members = ("client_credentials",), {"resources": [API]}
    caller = App("caller", secret="secret-of-caller-0123456789", scope="", grant_types=grants, members=members)
    await register(wide, caller)
    token = (await caller.token(wide.http, "client_credentials", resource=API)).json()["access_token"]
    assert header_of(token)["alg"] == "PS256"


@pytest.mark.node
async def test_panva_s_jose_reads_them(wide: Provider, node: Path) -> None:
    tokens = []
    for alg in ALL:
        answer = await sign_in(wide, APPS[alg], scope="openid")
        tokens += [answer["access_token"], answer["id_token"], (await userinfo(wide.http, answer["access_token"])).text]
    message = {"jwks": await published(wide), "now": int(wide.clock()), "tokens": tokens}
    script = Path(__file__).parents[1] / "node" / "jose_algorithms.mjs"
    process = await asyncio.create_subprocess_exec(
        node, script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate(json.dumps(message).encode())
    assert json.loads(said) == [alg for alg in ALL for _ in range(3)]


async def test_each_rotates_and_what_was_signed_before_stays_good() -> None:
    async with Provider(keys__algorithms=ALL, keys__signs=100, keys__longest_cache=10) as provider:
        await register(provider, *APPS.values())
        before = {alg: (await sign_in(provider, APPS[alg], scope="openid"))["access_token"] for alg in ALL}
        await provider.advance(120)
        for alg in ALL:
            after = (await sign_in(provider, APPS[alg], scope="openid"))["access_token"]
            assert header_of(after)["kid"] != header_of(before[alg])["kid"]
            assert header_of(after)["alg"] == alg
            assert read_by_pyjwt(before[alg], await published(provider))["sub"] == "alice"
            assert await APPS[alg].introspect(provider.http, before[alg]) != {"active": False}


# -- an algorithm is taken out


async def test_what_the_server_has_no_keys_for_cannot_be_registered(provider: Provider) -> None:
    with pytest.raises(ManifestError) as refused:
        await register(provider, APPS["EdDSA"])
    assert "keys.algorithms" in str(refused.value)


async def test_an_algorithm_in_use_is_not_taken_out(tmp_path: Path) -> None:
    clock = MovingClock()
    async with Provider(data_dir=tmp_path, clock=clock, keys__algorithms=ALL) as provider:
        await register(provider, APPS["EdDSA"])
        await provider.apply(f'[[resources]]\nuri = "{API}"\naccess_token_signed_response_alg = "PS256"\n')
        check = {row["check"]: row for row in (await provider.control("deploy_check"))["checks"]}
        assert check["algorithms of clients"]["ok"]
    starting = Provider(data_dir=tmp_path, clock=clock)
    with pytest.raises(AlgorithmInUse) as refused:
        await starting.__aenter__()
    await starting.application.stop()
    assert "client eddsa: id_token_signed_response_alg EdDSA" in refused.value.received
    assert "PS256" in refused.value.received
    assert "idp apply" in refused.value.mend
    assert "RS256, ES256" in refused.value.expected


async def test_taken_out_once_nobody_uses_it(tmp_path: Path) -> None:
    clock = MovingClock()
    async with Provider(data_dir=tmp_path, clock=clock, keys__algorithms=ALL) as provider:
        await register(provider, APPS["EdDSA"])
        old = (await sign_in(provider, APPS["EdDSA"], scope="openid"))["access_token"]
        await register(provider, App("eddsa", "https://eddsa.test/cb", "secret-of-eddsa-0123456789"))
    async with Provider(data_dir=tmp_path, clock=clock) as provider:
        assert (await userinfo(provider.http, old)).status_code == 200, "signed before, and good to its end"
        tokens = await sign_in(provider, App("eddsa", "https://eddsa.test/cb", "secret-of-eddsa-0123456789"))
        assert header_of(tokens["id_token"])["alg"] == "RS256"


async def test_check_tells_of_a_client_that_was_left_behind(tmp_path: Path) -> None:
    """Another node with other settings may have registered it since the start."""
    clock = MovingClock()
    async with Provider(data_dir=tmp_path, clock=clock) as provider:
        from idp.protocol.client import Client
        from idp.store import registry

        late = Client(client_id="late", userinfo_signed_response_alg="EdDSA")
        server = provider.server
        await server.database.write(registry.put_client, server.journal, late, server.now())
        check = {row["check"]: row for row in (await provider.control("deploy_check"))["checks"]}
        found = check["algorithms of clients"]
        assert not found["ok"]
        assert found["found"] == "client late: userinfo_signed_response_alg EdDSA"
