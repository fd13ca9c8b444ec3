"""Opaque access tokens: for a resource that says so, a random text whose meaning introspection alone tells."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
import sqlalchemy as sa
from support import App, Visitor, claims_of, sign_in

from idp.protocol.errors import without_issued
from idp.store.schema_protocols import opaque_tokens
from idp.testing import Provider

pytestmark = pytest.mark.anyio

API, JWT_API = "https://opaque.example.com", "https://jwt.example.com"
MANIFEST = f"""
[[scopes]]
name = "read"

[[resources]]
uri = "{API}"
scopes = ["read"]
access_token_format = "opaque"

[[resources]]
uri = "{JWT_API}"

"""
BOTH = {"resources": [API, JWT_API]}
ALL = "openid read offline_access"
MACHINE = ("client_credentials",)
SHOP = App("oshop", "https://oshop.test/cb", "secret-of-oshop-0123456789", scope=ALL, members=BOTH)
SERVER = App("oapi", "", "secret-of-oapi-01234567890", grant_types=MACHINE, members={"audiences": [API]})
OTHER = App("oother", "", "secret-of-oother-0123456789", scope="read", grant_types=MACHINE, members=BOTH)


@pytest.fixture
async def house(provider: Provider) -> Provider:
    await provider.apply(MANIFEST + "\n\n".join(app.toml() for app in (SHOP, SERVER, OTHER)))
    await provider.server.reload_registry()
    return provider


async def tokens_for(house: Provider, **changes: str) -> dict[str, Any]:
    return await sign_in(house, SHOP, **{"scope": ALL, "resource": API, **changes})


async def rows(house: Provider) -> int:
    def count(connection: sa.Connection) -> int:
        return int(connection.execute(sa.select(sa.func.count()).select_from(opaque_tokens)).scalar_one())

    return await house.server.database.read(count)


async def active(house: Provider, token: str) -> bool:
    return bool((await SERVER.introspect(house.http, token))["active"])


async def test_it_says_nothing_and_its_resource_server_is_told(house: Provider) -> None:
    tokens = await tokens_for(house)
    token = tokens["access_token"]
    assert re.fullmatch(r"at\.[A-Za-z0-9_-]{43}", token)
    told = await SERVER.introspect(house.http, token)
    assert {name: told[name] for name in ("active", "aud", "iss", "client_id", "scope", "username", "token_type")} == {
        "active": True,
        "aud": API,
        "iss": house.issuer,
        "client_id": SHOP.client_id,
        "scope": ALL,
        "username": "alice",
        "token_type": "Bearer",
    }
    assert told["exp"] - told["iat"] == 300
    digest = hashlib.sha256(token.encode("ascii")).digest()[:16]
    at_hash = (await claims_of(house.http, tokens["id_token"]))["at_hash"]
    assert at_hash == base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), "Core 3.1.3.6"


async def test_only_its_own_parties_are_told(house: Provider) -> None:
    token = (await tokens_for(house))["access_token"]
    assert (await SHOP.introspect(house.http, token))["active"] is True
    assert await OTHER.introspect(house.http, token) == {"active": False}


async def test_the_database_holds_no_token(house: Provider) -> None:
    token = (await tokens_for(house))["access_token"]

    def everything(connection: sa.Connection) -> str:
        return repr(connection.execute(sa.select(opaque_tokens)).all())

    stored = await house.server.database.read(everything)
    assert token not in stored
    assert token.removeprefix("at.") not in stored


async def test_other_resources_and_the_issuer_still_have_jwts_and_no_row(house: Provider) -> None:
    before = await rows(house)
    for resource in (JWT_API, house.issuer):
        assert (await tokens_for(house, resource=resource))["access_token"].count(".") == 2
    assert await rows(house) == before


async def test_one_opaque_resource_among_several_makes_it_opaque(house: Provider) -> None:
    visitor = Visitor(house)
    answer = await visitor.sign_on(SHOP.request(scope="openid") | {"resource": [API, JWT_API]})  # type: ignore[dict-item]
    token = (await SHOP.redeem(house.http, answer.code)).json()["access_token"]
    assert token.startswith("at.")
    assert (await SERVER.introspect(house.http, token))["aud"] == [API, JWT_API]


async def test_userinfo_takes_none(house: Provider) -> None:
    token = (await tokens_for(house))["access_token"]
    answer = await house.http.get("/userinfo", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert f"aud is {API}" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("change", ["cut", "longer", "other", "upper", "no prefix", "hash"])
async def test_another_spelling_is_no_token(house: Provider, change: str) -> None:
    token = (await tokens_for(house))["access_token"]
    spoilt = {
        "cut": token[:-1],
        "longer": token + "A",
        "other": "at." + "A" * 43,
        "upper": token.replace("at.", "AT."),
        "no prefix": token[3:],
        "hash": hashlib.sha256(token.encode()).hexdigest(),
    }[change]
    assert not await active(house, spoilt)
    assert await active(house, token)


async def test_it_expires(house: Provider) -> None:
    token = (await tokens_for(house))["access_token"]
    house.clock.advance(299)
    assert await active(house, token)
    house.clock.advance(1)
    assert not await active(house, token)


async def test_expired_ones_are_swept(house: Provider) -> None:
    await tokens_for(house)
    assert await rows(house)
    await house.advance(7200)
    assert await rows(house) == 0


async def test_revoked_it_is_gone_and_only_its_client_can(house: Provider) -> None:
    token = (await tokens_for(house))["access_token"]
    assert (await OTHER.revoke(house.http, token)).status_code == 200
    assert await active(house, token)
    assert (await SHOP.revoke(house.http, token)).status_code == 200
    assert not await active(house, token)
    assert (await SHOP.revoke(house.http, token)).status_code == 200
    events = (await house.control("audit.tail", limit=20))["events"]
    assert [line["client_id"] for line in events if line["event"] == "token.revoked"] == [SHOP.client_id]


async def test_it_dies_with_its_grant(house: Provider) -> None:
    tokens = await tokens_for(house)
    fresh = (await SHOP.refresh(house.http, tokens["refresh_token"])).json()
    assert fresh["access_token"].startswith("at.")
    await SHOP.revoke(house.http, fresh["refresh_token"])
    assert not await active(house, tokens["access_token"])
    assert not await active(house, fresh["access_token"])


async def test_it_dies_with_its_person_and_its_client(house: Provider) -> None:
    token = (await tokens_for(house))["access_token"]
    await house.control("user.disable", username="alice")
    assert not await active(house, token)
    await house.control("user.enable", username="alice")
    token = (await tokens_for(house))["access_token"]
    await house.control("client.disable", client_id=SHOP.client_id)
    await house.server.reload_registry()
    assert not await active(house, token)
    await house.control("client.enable", client_id=SHOP.client_id)
    await house.server.reload_registry()


async def test_a_machine_gets_one_too(house: Provider) -> None:
    token = (await OTHER.token(house.http, "client_credentials", resource=API, scope="read")).json()["access_token"]
    told = await SERVER.introspect(house.http, token)
    assert (told["active"], told["sub"], told["scope"]) == (True, OTHER.client_id, "read")


async def test_an_algorithm_beside_it_means_nothing_and_is_refused(house: Provider) -> None:
    text = f'[[resources]]\nuri = "{API}"\naccess_token_format = "opaque"\naccess_token_signed_response_alg = "ES256"\n'
    with pytest.raises(Exception, match="an opaque token is not signed"):
        await house.apply(text)
    with pytest.raises(Exception, match="access_token_format"):
        await house.apply(f'[[resources]]\nuri = "{API}"\naccess_token_format = "paseto"\n')


async def test_it_is_exported_and_hidden_in_texts(house: Provider) -> None:
    text = (await house.control("export"))["text"]
    assert 'access_token_format = "opaque"' in text
    token = (await tokens_for(house))["access_token"]
    assert token[6:] not in without_issued(f"received {token} here")
