"""Token exchange (RFC 8693): a service that was shown a person's token calls the next one, and says so."""

from __future__ import annotations

from typing import Any

import pytest
from support import App, Visitor, claims_of, discovery, register, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
ORDERS, STOCK, VAULT = "https://orders.test", "https://stock.test", "https://vault.test"
CATALOGUE = f"""
[[scopes]]
name = "see"
[[scopes]]
name = "move"
[[scopes]]
name = "orders:own"
[[resources]]
uri = "{ORDERS}"
scopes = ["orders:own"]
[[resources]]
uri = "{STOCK}"
[[resources]]
uri = "{VAULT}"
"""
SHOP = App(
    "shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789",
    scope="openid offline_access see move orders:own",
    members={"resources": [ORDERS], "consent": "skip"},
)


def service(name: str, serves: str, *ways: str, **members: Any) -> App:
    return App(
        name,
        secret=f"secret-of-{name}-0123456789",
        scope="see orders:own",
        grant_types=("client_credentials", EXCHANGE) if ways else ("client_credentials",),
        members={"audiences": [serves], "resources": [ORDERS, STOCK]}
        | ({"token_exchange": list(ways)} if ways else {})
        | members,
    )


API = service("orders-api", ORDERS, "delegation")
NEXT = service("stock-api", STOCK, "delegation", "impersonation", resources=[VAULT, STOCK])
PLAIN = service("plain-api", ORDERS)


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(CATALOGUE)
    await register(provider, SHOP, API, NEXT, PLAIN)


@pytest.fixture
async def bought(provider: Provider, visitor: Visitor) -> dict[str, Any]:
    """Tokens of alice for the orders API."""
    scope = "openid offline_access see move orders:own"
    code = (await visitor.sign_on(SHOP.request(scope=scope) | {"resource": ORDERS})).code
    return dict((await SHOP.redeem(provider.http, code)).json())


async def exchange(provider: Provider, app: App, token: str, /, **form: Any) -> Any:
    form = {"subject_token": token, "subject_token_type": ACCESS, "resource": STOCK, **form}
    return await app.token(provider.http, EXCHANGE, **form)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert EXCHANGE in (await discovery(provider.http))["grant_types_supported"]


async def test_a_service_acts_for_a_person(provider: Provider, bought: dict[str, Any]) -> None:
    held = await claims_of(provider.http, bought["access_token"])
    answer = await exchange(provider, API, bought["access_token"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (tokens["issued_token_type"], tokens["token_type"], tokens["scope"]) == (ACCESS, "Bearer", "see")
    claims = await claims_of(provider.http, tokens["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == (held["sub"], "orders-api", STOCK)
    assert claims["act"] == {"sub": "orders-api"}
    assert claims["exp"] <= held["exp"], "never longer than the token it was given for"
    assert claims["auth_time"] == held["auth_time"]


async def test_it_never_outlives_the_token_it_was_given_for(provider: Provider, bought: dict[str, Any]) -> None:
    held = await claims_of(provider.http, bought["access_token"])
    provider.clock.advance(250)
    tokens = (await exchange(provider, API, bought["access_token"])).json()
    assert (await claims_of(provider.http, tokens["access_token"]))["exp"] == held["exp"]


async def test_the_chain_names_everyone_who_acted(provider: Provider, bought: dict[str, Any]) -> None:
    first = (await exchange(provider, API, bought["access_token"])).json()["access_token"]
    own = (await NEXT.token(provider.http, "client_credentials")).json()["access_token"]
    form = {"resource": VAULT, "actor_token": own, "actor_token_type": ACCESS}
    second = (await exchange(provider, NEXT, first, **form)).json()["access_token"]
    claims = await claims_of(provider.http, second)
    assert claims["act"] == {"sub": "stock-api", "client_id": "stock-api", "act": {"sub": "orders-api"}}
    shown = await NEXT.introspect(provider.http, second)
    assert shown["act"] == claims["act"]


async def test_whoever_impersonates_leaves_out_itself_alone(provider: Provider, bought: dict[str, Any]) -> None:
    first = (await exchange(provider, API, bought["access_token"])).json()["access_token"]
    second = (await exchange(provider, NEXT, first, resource=VAULT)).json()["access_token"]
    assert (await claims_of(provider.http, second))["act"] == {"sub": "orders-api"}


async def test_a_chain_has_an_end(provider: Provider, bought: dict[str, Any]) -> None:
    own = (await NEXT.token(provider.http, "client_credentials")).json()["access_token"]
    token = (await exchange(provider, API, bought["access_token"])).json()["access_token"]
    for _ in range(3):
        form = {"actor_token": own, "actor_token_type": ACCESS}
        answer = await exchange(provider, NEXT, token, **form)
        token = answer.json()["access_token"]
    answer = await exchange(provider, NEXT, token, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "move"}, "invalid_scope"),  # the person's token has it, this service may not
        ({"scope": "see never-heard-of"}, "invalid_scope"),
        ({"resource": VAULT}, "invalid_target"),  # not among the service's resources
        ({"resource": None}, "invalid_target"),
        ({"audience": VAULT}, "invalid_target"),
        ({"resource": None, "audience": "http://localhost:8000"}, "invalid_target"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token": "not-a-token"}, "invalid_request"),
        ({"actor_token_type": ACCESS}, "invalid_request"),
        ({"actor_token": "nobody", "actor_token_type": ACCESS}, "invalid_request"),
    ],
)
async def test_only_ever_narrower(provider: Provider, bought: dict[str, Any], form: dict[str, Any], error: str) -> None:
    answer = await exchange(provider, API, bought["access_token"], **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text


async def test_audience_names_what_resource_does(provider: Provider, bought: dict[str, Any]) -> None:
    answer = await exchange(provider, API, bought["access_token"], resource=None, audience=STOCK)
    assert (await claims_of(provider.http, answer.json()["access_token"]))["aud"] == STOCK


async def test_is_denied_by_default(provider: Provider, bought: dict[str, Any]) -> None:
    for app in (PLAIN, SHOP):
        answer = await exchange(provider, app, bought["access_token"])
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def test_a_token_meant_for_another_service_is_not_exchanged(provider: Provider, bought: dict[str, Any]) -> None:
    """CN: whoever finds a token cannot turn it into one of their own."""
    answer = await exchange(provider, NEXT, bought["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_other_tokens_are_not_access_tokens(provider: Provider, bought: dict[str, Any]) -> None:
    own = (await API.token(provider.http, "client_credentials")).json()["access_token"]
    for token in (bought["id_token"], bought["refresh_token"], own):
        answer = await exchange(provider, API, token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_it_ends_with_the_grant_it_came_from(provider: Provider, bought: dict[str, Any]) -> None:
    token = (await exchange(provider, API, bought["access_token"])).json()["access_token"]
    assert (await NEXT.introspect(provider.http, token))["active"]
    await SHOP.revoke(provider.http, bought["refresh_token"])
    assert not (await NEXT.introspect(provider.http, token))["active"]
    answer = await exchange(provider, API, bought["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_it_opens_nothing_here(provider: Provider, bought: dict[str, Any]) -> None:
    token = (await exchange(provider, API, bought["access_token"])).json()["access_token"]
    assert (await userinfo(provider.http, token)).status_code == 401


@pytest.mark.parametrize(
    "members",
    [
        {"grant_types": ["client_credentials"], "token_exchange": ["delegation"]},
        {"grant_types": [EXCHANGE]},
        {"grant_types": [EXCHANGE], "token_exchange": ["delegation"], "token_endpoint_auth_method": "none"},
        {"grant_types": [EXCHANGE], "token_exchange": ["theft"]},
    ],
)
async def test_registration_asks_for_both_words(provider: Provider, members: dict[str, Any]) -> None:
    from idp.manifest import ManifestError

    public = members.get("token_endpoint_auth_method") == "none"
    app = App("odd", secret=None if public else "secret-of-odd-0123456789", scope="", members=members)
    with pytest.raises(ManifestError, match="token_exchange"):
        await register(provider, app)
