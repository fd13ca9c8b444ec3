"""Token introspection (RFC 7662): who may ask, what a live token shows, and that anything else is just inactive."""

from __future__ import annotations

from typing import Any

import pytest
from support import SPA, WEB, App, discovery, header_of, register, sign_in

from idp.testing import Provider

pytestmark = pytest.mark.anyio

ORDERS = "https://orders.test"
SHOP = App("shop", "https://shop.test/cb", "secret-of-shop-0123456789", members={"resources": [ORDERS]})
API = App(
    "api",
    "",
    "secret-of-api-0123456789",
    grant_types=("client_credentials",),
    scope="",
    members={"audiences": [ORDERS]},
)
OTHER = App("other-api", "", "secret-of-other-api-0123456789", grant_types=("client_credentials",), scope="")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(f'[[resources]]\nuri = "{ORDERS}"')
    await register(provider, SHOP, API, OTHER)


async def bought(provider: Provider, **changes: str) -> dict[str, Any]:
    return await sign_in(provider, WEB, scope="openid email offline_access", **changes)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["introspection_endpoint"] == f"{provider.issuer}/introspect"
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]


async def test_a_live_access_token(provider: Provider) -> None:
    shown = await WEB.introspect(provider.http, (await bought(provider))["access_token"])
    now = int(provider.clock())
    for random in ("jti", "sid"):
        assert len(shown.pop(random)) == 22
    assert shown == {
        "active": True,
        "token_type": "Bearer",
        "scope": "openid email offline_access",
        "client_id": "web",
        "username": "alice",
        "sub": "alice",
        "aud": provider.issuer,
        "iss": provider.issuer,
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "acr": "urn:idp:acr:pwd",
    }


async def test_a_live_refresh_token(provider: Provider) -> None:
    shown = await WEB.introspect(provider.http, (await bought(provider))["refresh_token"])
    now = int(provider.clock())
    assert shown == {
        "active": True,
        "token_type": "refresh_token",
        "scope": "openid email offline_access",
        "client_id": "web",
        "username": "alice",
        "sub": "alice",
        "iss": provider.issuer,
        "iat": now,
        "exp": now + 86_400,
    }


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "saml_token", ""])
async def test_the_hint_may_be_wrong(provider: Provider, hint: str) -> None:
    tokens = await bought(provider)
    for name in ("access_token", "refresh_token"):
        assert (await WEB.introspect(provider.http, tokens[name], token_type_hint=hint))["active"] is True


async def test_a_services_own_token(provider: Provider) -> None:
    service = App("service", secret="service-secret-for-development-only")
    token = (await service.token(provider.http, "client_credentials")).json()["access_token"]
    shown = await service.introspect(provider.http, token)
    assert (shown["active"], shown["sub"], shown["client_id"]) == (True, "service", "service")
    assert "username" not in shown


async def test_the_resource_server_it_is_meant_for_may_ask(provider: Provider) -> None:
    token = (await sign_in(provider, SHOP, resource=ORDERS))["access_token"]
    assert (await API.introspect(provider.http, token))["aud"] == ORDERS
    assert (await SHOP.introspect(provider.http, token))["active"] is True
    assert await OTHER.introspect(provider.http, token) == {"active": False}
    assert await WEB.introspect(provider.http, token) == {"active": False}


async def test_a_token_for_the_issuer_is_no_business_of_a_resource_server(provider: Provider) -> None:
    tokens = await bought(provider)
    for name in ("access_token", "refresh_token"):
        assert await API.introspect(provider.http, tokens[name]) == {"active": False}


async def test_whatever_is_not_live_says_only_that(provider: Provider) -> None:
    tokens = await bought(provider)
    revoked = await bought(provider)
    await WEB.revoke(provider.http, revoked["refresh_token"])
    rotated = await bought(provider)
    await WEB.refresh(provider.http, rotated["refresh_token"])
    dead = [
        "junk",
        tokens["id_token"],
        tokens["access_token"][:-3],
        tokens["access_token"] + "A",
        tokens["refresh_token"][:-3],
        revoked["access_token"],
        revoked["refresh_token"],
        rotated["refresh_token"],
        "rt." + "A" * 22 + "." + "A" * 43,
        "\u00fc" * 50,
        "a" * 20_000,
    ]
    for token in dead:
        assert await WEB.introspect(provider.http, token) == {"active": False}, token[:60]


async def test_time_ends_both(provider: Provider) -> None:
    tokens = await bought(provider)
    provider.clock.advance(299)
    assert (await WEB.introspect(provider.http, tokens["access_token"]))["active"] is True
    provider.clock.advance(1)
    assert await WEB.introspect(provider.http, tokens["access_token"]) == {"active": False}
    provider.clock.advance(86_100 - 1)
    assert (await WEB.introspect(provider.http, tokens["refresh_token"]))["active"] is True
    provider.clock.advance(1)
    assert await WEB.introspect(provider.http, tokens["refresh_token"]) == {"active": False}


async def test_a_withdrawn_key_ends_its_tokens_at_once(tmp_path: Any) -> None:
    async with Provider(data_dir=tmp_path) as provider:
        await register(provider, WEB)
        token = (await sign_in(provider, WEB))["access_token"]
        assert (await WEB.introspect(provider.http, token))["active"] is True
        await provider.advance(11)
        await provider.control("keys.rotate")
        await provider.control("keys.revoke", kid=header_of(token)["kid"])
        assert await WEB.introspect(provider.http, token) == {"active": False}


async def test_only_clients_with_credentials_may_ask(provider: Provider) -> None:
    token = (await bought(provider))["access_token"]
    for answer in (
        await SPA.call(provider.http, "/introspect", {"token": token}),
        await provider.http.post("/introspect", data={"token": token}),
        await provider.http.post("/introspect", data={"token": token}, auth=("web", "wrong-0123456789")),
        await provider.http.post("/introspect", data={"token": token}, headers={"authorization": f"Bearer {token}"}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_the_answer_is_never_stored(provider: Provider) -> None:
    answer = await WEB.call(provider.http, "/introspect", {"token": "junk"})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


async def test_a_request_without_token_or_by_get(provider: Provider) -> None:
    answer = await WEB.call(provider.http, "/introspect", {"token": ""})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = await provider.http.get("/introspect", params={"token": "x"}, auth=("web", str(WEB.secret)))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
