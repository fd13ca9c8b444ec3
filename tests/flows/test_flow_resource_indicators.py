"""Resource indicators (RFC 8707): ``resource`` decides ``aud``, in the authorization and in the token request."""

from __future__ import annotations

from typing import Any

import pytest
from support import Answer, App, Visitor, claims_of, discovery, header_of, register, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

ORDERS, STOCK, SECRETS = "https://orders.test", "https://stock.test/api", "https://secrets.test"
CATALOGUE = f"""
[[scopes]]
name = "orders:read"
[[resources]]
uri = "{ORDERS}"
scopes = ["orders:read"]
[[resources]]
uri = "{STOCK}"
access_token_signed_response_alg = "ES256"
access_token_lifetime = 60
[[resources]]
uri = "{SECRETS}"
"""
SHOP = App(
    "shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789",
    scope="openid email offline_access orders:read",
    grant_types=("authorization_code", "refresh_token", "client_credentials"),
    members={"resources": [ORDERS, STOCK], "consent": "skip"},
)


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(CATALOGUE)
    await register(provider, SHOP)


async def bought(provider: Provider, visitor: Visitor, resource: Any, at_token: Any = None) -> dict[str, Any]:
    request: dict[str, Any] = SHOP.request(scope="openid email offline_access orders:read")
    code = (await visitor.sign_on(request | {"resource": resource} if resource else request)).code
    answer = await SHOP.redeem(provider.http, code, resource=at_token)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def aud(provider: Provider, token: str) -> Any:
    return (await claims_of(provider.http, token))["aud"]


async def test_is_announced_in_discovery(provider: Provider) -> None:
    """RFC 8707 has no metadata member of its own; the scopes a resource understands are listed."""
    assert "orders:read" in (await discovery(provider.http))["scopes_supported"]


async def test_without_one_the_audience_is_the_issuer(provider: Provider, visitor: Visitor) -> None:
    assert await aud(provider, (await bought(provider, visitor, None))["access_token"]) == provider.issuer


async def test_one_resource_is_the_audience(provider: Provider, visitor: Visitor) -> None:
    tokens = await bought(provider, visitor, ORDERS)
    assert await aud(provider, tokens["access_token"]) == ORDERS
    assert await aud(provider, tokens["id_token"]) == "shop"


async def test_several_are_a_list_and_the_token_request_picks(provider: Provider, visitor: Visitor) -> None:
    both = await bought(provider, visitor, [ORDERS, STOCK])
    assert await aud(provider, both["access_token"]) == [ORDERS, STOCK]
    one = await bought(provider, visitor, [ORDERS, STOCK], STOCK)
    assert await aud(provider, one["access_token"]) == STOCK


async def test_a_refresh_picks_and_widens_back(provider: Provider, visitor: Visitor) -> None:
    tokens = await bought(provider, visitor, [ORDERS, STOCK])
    for resource, expected in ((ORDERS, ORDERS), (STOCK, STOCK), (None, [ORDERS, STOCK])):
        tokens = (await SHOP.refresh(provider.http, tokens["refresh_token"], resource=resource)).json()
        assert await aud(provider, tokens["access_token"]) == expected


async def test_what_was_not_granted_cannot_be_had_later(provider: Provider, visitor: Visitor) -> None:
    code = (await visitor.sign_on(SHOP.request(resource=ORDERS, scope="openid offline_access"))).code
    refused = await SHOP.redeem(provider.http, code, resource=STOCK)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    tokens = (await SHOP.redeem(provider.http, code)).json()
    refused = await SHOP.refresh(provider.http, tokens["refresh_token"], resource=[ORDERS, STOCK])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")


@pytest.mark.parametrize(
    "resource",
    [SECRETS, "https://unknown.test", f"{ORDERS}/", f"{ORDERS}#part", "orders", "https://orders.test:443"],
)
async def test_other_resources_are_invalid_target(provider: Provider, visitor: Visitor, resource: str) -> None:
    answer = await visitor.authorize(SHOP.request(resource=resource))
    assert isinstance(answer, Answer)
    assert answer.error == "invalid_target"
    refused = await SHOP.token(provider.http, "client_credentials", resource=resource)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")


async def test_client_credentials_name_theirs(provider: Provider) -> None:
    tokens = (await SHOP.token(provider.http, "client_credentials", resource=ORDERS)).json()
    assert await aud(provider, tokens["access_token"]) == ORDERS


async def test_algorithm_and_lifetime_are_the_resources(provider: Provider) -> None:
    tokens = (await SHOP.token(provider.http, "client_credentials", resource=STOCK)).json()
    assert header_of(tokens["access_token"])["alg"] == "ES256"
    assert tokens["expires_in"] == 60


async def test_userinfo_takes_only_tokens_meant_for_it(provider: Provider, visitor: Visitor) -> None:
    elsewhere = await bought(provider, visitor, ORDERS)
    refused = await userinfo(provider.http, elsewhere["access_token"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    assert f"aud is {ORDERS}, this is {provider.issuer}" in refused.headers["www-authenticate"]
    both = await bought(provider, visitor, [provider.issuer, ORDERS])
    assert (await userinfo(provider.http, both["access_token"])).status_code == 200


async def test_nine_resources_are_too_many(provider: Provider) -> None:
    refused = await SHOP.token(provider.http, "client_credentials", resource=[ORDERS] * 9)
    assert refused.json()["error"] == "invalid_target"
