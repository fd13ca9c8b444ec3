"""Revocation (RFC 7009): a refresh token ends its grant, an access token ends alone, the answer tells nothing."""

from __future__ import annotations

from typing import Any

import pytest
from support import SPA, WEB, App, discovery, register, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

OTHER = App("other", "https://other.test/cb", "secret-of-other-0123456789")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, OTHER)


async def bought(provider: Provider, app: App = WEB) -> dict[str, Any]:
    return await sign_in(provider, app, scope="openid offline_access")


async def works(provider: Provider, token: str) -> bool:
    seen = (await userinfo(provider.http, token)).status_code == 200
    active = (await WEB.introspect(provider.http, token))["active"]
    assert seen == active, "UserInfo and introspection must agree"
    return seen


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["revocation_endpoint"] == f"{provider.issuer}/revoke"
    assert "none" in document["revocation_endpoint_auth_methods_supported"]


@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "nonsense"])
async def test_a_refresh_token_ends_all_its_grant_bought(provider: Provider, hint: str | None) -> None:
    tokens = await bought(provider)
    newer = (await WEB.refresh(provider.http, tokens["refresh_token"])).json()
    answer = await WEB.revoke(provider.http, newer["refresh_token"], token_type_hint=hint)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    for token in (tokens["access_token"], newer["access_token"]):
        assert not await works(provider, token)
    refused = await WEB.refresh(provider.http, newer["refresh_token"])
    assert refused.json()["error"] == "invalid_grant"


async def test_its_predecessor_will_do(provider: Provider) -> None:
    """A client whose last answer was lost may still want to leave."""
    tokens = await bought(provider)
    newer = (await WEB.refresh(provider.http, tokens["refresh_token"])).json()
    await WEB.revoke(provider.http, tokens["refresh_token"])
    assert not await works(provider, newer["access_token"])


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token"])
async def test_an_access_token_ends_alone(provider: Provider, hint: str | None) -> None:
    tokens = await bought(provider)
    answer = await WEB.revoke(provider.http, tokens["access_token"], token_type_hint=hint)
    assert answer.status_code == 200
    assert not await works(provider, tokens["access_token"])
    newer = (await WEB.refresh(provider.http, tokens["refresh_token"])).json()
    assert await works(provider, newer["access_token"])


async def test_revoked_stays_revoked_through_sweeping(provider: Provider) -> None:
    tokens = await bought(provider)
    await WEB.revoke(provider.http, tokens["access_token"])
    for _ in range(5):
        await provider.advance(59)
        assert not await works(provider, tokens["access_token"])


async def test_another_grant_of_the_same_person_lives(provider: Provider) -> None:
    first, second = await bought(provider), await bought(provider)
    await WEB.revoke(provider.http, first["refresh_token"])
    assert await works(provider, second["access_token"])


async def test_a_service_revokes_its_own(provider: Provider) -> None:
    service = App("service", secret="service-secret-for-development-only")
    token = (await service.token(provider.http, "client_credentials")).json()["access_token"]
    await service.revoke(provider.http, token)
    assert await service.introspect(provider.http, token) == {"active": False}


async def test_a_public_client_revokes_its_own(provider: Provider) -> None:
    tokens = await bought(provider, SPA)
    assert (await SPA.revoke(provider.http, tokens["refresh_token"])).status_code == 200
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401


async def test_another_clients_token_is_not_touched(provider: Provider) -> None:
    tokens = await bought(provider)
    for thief in (OTHER, SPA):
        for name in ("access_token", "refresh_token"):
            assert (await thief.revoke(provider.http, tokens[name])).status_code == 200
    assert await works(provider, tokens["access_token"])
    assert (await WEB.refresh(provider.http, tokens["refresh_token"])).status_code == 200


async def test_unknown_tokens_are_200_too(provider: Provider) -> None:
    tokens = await bought(provider)
    handle = tokens["refresh_token"].rpartition(".")[0]
    for token in ("junk", f"{handle}.{'A' * 43}", tokens["id_token"], tokens["access_token"][:-3], "a" * 20_000):
        answer = await WEB.revoke(provider.http, token)
        assert (answer.status_code, answer.content) == (200, b"")
    assert await works(provider, tokens["access_token"])


async def test_expired_ones_leave_no_row(provider: Provider) -> None:
    tokens = await bought(provider)
    provider.clock.advance(301)
    assert (await WEB.revoke(provider.http, tokens["access_token"])).status_code == 200
    events = (await provider.control("audit.tail", limit=5))["events"]
    assert "token.revoked" not in {line["event"] for line in events if line["at"] == provider.clock()}


async def test_it_is_in_the_audit_once(provider: Provider) -> None:
    tokens = await bought(provider)
    for _ in range(2):
        for name in ("access_token", "refresh_token"):
            await WEB.revoke(provider.http, tokens[name])
    events = (await provider.control("audit.tail", limit=50))["events"]
    now = [line["event"] for line in events if line["at"] == provider.clock()]
    assert (now.count("token.revoked"), now.count("grant.revoked")) == (1, 1)


async def test_a_client_must_prove_itself(provider: Provider) -> None:
    tokens = await bought(provider)
    for answer in (
        await provider.http.post("/revoke", data={"token": tokens["refresh_token"]}),
        await provider.http.post("/revoke", data={"token": tokens["refresh_token"], "client_id": "web"}),
        await provider.http.post("/revoke", data={"token": tokens["refresh_token"]}, auth=("web", "wrong-0123456")),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert await works(provider, tokens["access_token"])


async def test_a_request_without_token_or_by_get(provider: Provider) -> None:
    answer = await WEB.call(provider.http, "/revoke", {"token": ""})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = await provider.http.get("/revoke", params={"token": "x"}, auth=("web", str(WEB.secret)))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
