"""Client credentials (RFC 6749 4.4): a service for itself."""

from __future__ import annotations

import pytest
from support import SPA, App, claims_of, discovery, register, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

ROBOT = App(
    "robot",
    secret="secret-of-robot-0123456789abcdef",
    scope="openid profile offline_access jobs:run jobs:see",
    grant_types=("client_credentials",),
)
QUICK = App(
    "quick",
    secret="secret-of-quick-0123456789abcdef",
    scope="",
    grant_types=("client_credentials",),
    members={"access_token_signed_response_alg": "ES256", "access_token_lifetime": 20},
)
SCOPES = """
[[scopes]]
name = "jobs:run"
[[scopes]]
name = "jobs:see"
[[scopes]]
name = "jobs:own"
"""


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(SCOPES)
    await register(provider, ROBOT, QUICK)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert "client_credentials" in (await discovery(provider.http))["grant_types_supported"]


async def test_the_token_is_the_clients_own(provider: Provider) -> None:
    answer = await ROBOT.token(provider.http, "client_credentials")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope"}, "no refresh token, no ID token"
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 300, "jobs:run jobs:see")
    claims = await claims_of(provider.http, tokens["access_token"])
    assert claims["sub"] == claims["client_id"] == "robot"
    assert not claims.keys() & {"auth_time", "acr", "amr", "sid", "grant"}


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("jobs:see", "jobs:see"),
        ("jobs:run jobs:see jobs:run", "jobs:run jobs:see"),
        ("openid jobs:see offline_access profile", "jobs:see"),
        ("jobs:see never-heard-of", "jobs:see"),
    ],
)
async def test_scope_is_what_it_may_have_without_people(provider: Provider, asked: str, granted: str) -> None:
    tokens = (await ROBOT.token(provider.http, "client_credentials", scope=asked)).json()
    assert tokens["scope"] == granted


@pytest.mark.parametrize("scope", ["jobs:own", "jobs:see jobs:own", "never-heard-of"])
async def test_more_than_registered_is_refused(provider: Provider, scope: str) -> None:
    answer = await ROBOT.token(provider.http, "client_credentials", scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_algorithm_and_lifetime_are_the_clients(provider: Provider) -> None:
    tokens = (await QUICK.token(provider.http, "client_credentials")).json()
    assert (tokens["expires_in"], tokens["scope"]) == (20, "")
    claims = await claims_of(provider.http, tokens["access_token"], "ES256")
    assert claims["exp"] - claims["iat"] == 20


async def test_it_is_nobody_at_userinfo(provider: Provider) -> None:
    tokens = (await ROBOT.token(provider.http, "client_credentials")).json()
    answer = await userinfo(provider.http, tokens["access_token"])
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_only_clients_registered_for_it(provider: Provider) -> None:
    answer = await SPA.token(provider.http, "client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    "grant_type", ["password", "urn:ietf:params:oauth:grant-type:saml2-bearer", "Client_Credentials"]
)
async def test_grants_that_are_not_offered(provider: Provider, grant_type: str) -> None:
    answer = await ROBOT.token(provider.http, grant_type, username="alice", password="alice")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


async def test_a_request_without_grant_type(provider: Provider) -> None:
    answer = await ROBOT.call(provider.http, "/token", {"scope": "jobs:see"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "grant_type" in answer.json()["error_description"]
