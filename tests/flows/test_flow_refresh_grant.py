"""What a refresh token buys and until when (RFC 6749 6, OIDC Core 11, 12): narrowing, the same sign-in, its ends."""

from __future__ import annotations

import pytest
from refreshing import OFFLINE, SESSION, family, refused, renewed
from support import WEB, Visitor, claims_of, discovery, register, sign_in, unverified, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

DAY = 86_400


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, SESSION)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert "refresh_token" in (await discovery(provider.http))["grant_types_supported"]


# -- narrowing


async def test_narrower_for_one_token_and_wide_again(provider: Provider) -> None:
    token = await family(provider)
    narrow = await renewed(provider, WEB, token, scope="openid email")
    assert narrow["scope"] == "openid email"
    claims = await claims_of(provider.http, narrow["access_token"])
    assert claims["scope"] == "openid email"
    assert (await userinfo(provider.http, narrow["access_token"])).json().keys() == {"sub", "email", "email_verified"}
    wide = await renewed(provider, WEB, narrow["refresh_token"])
    assert wide["scope"] == OFFLINE
    asked_again = await renewed(provider, WEB, wide["refresh_token"], scope=OFFLINE)
    assert asked_again["scope"] == OFFLINE


@pytest.mark.parametrize("scope", ["openid phone", "openid admin", f"{OFFLINE} address"])
async def test_more_than_granted_is_refused_and_spends_nothing(provider: Provider, scope: str) -> None:
    token = await family(provider, scope="openid email offline_access")
    assert await refused(provider, WEB, token, scope=scope) == "invalid_scope"
    assert await refused(provider, WEB, token, resource="https://elsewhere.test") == "invalid_target"
    first = await renewed(provider, WEB, token)
    assert (await renewed(provider, WEB, token))["refresh_token"] == first["refresh_token"]


async def test_no_id_token_where_openid_is_narrowed_away(provider: Provider) -> None:
    narrow = await renewed(provider, WEB, await family(provider), scope="profile")
    assert "id_token" not in narrow


# -- what a refreshed ID token says (OIDC Core 12.2)


async def test_the_id_token_tells_of_the_same_sign_in(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB, scope=OFFLINE)
    first = await claims_of(provider.http, tokens["id_token"])
    provider.clock.advance(100)
    again = await claims_of(provider.http, (await renewed(provider, WEB, tokens["refresh_token"]))["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid"):
        assert again[name] == first[name], name
    assert again["iat"] == first["iat"] + 100
    assert "nonce" not in again


# -- ends


async def test_idle_for_a_day_it_is_dead(provider: Provider) -> None:
    token = await family(provider)
    provider.clock.advance(DAY - 1)
    token = (await renewed(provider, WEB, token))["refresh_token"]
    provider.clock.advance(DAY - 1)
    token = (await renewed(provider, WEB, token))["refresh_token"]
    provider.clock.advance(DAY)
    assert await refused(provider, WEB, token) == "invalid_grant"


async def test_used_every_day_it_ends_after_thirty(provider: Provider) -> None:
    token = await family(provider)
    for _ in range(30):
        provider.clock.advance(DAY - 1)
        token = (await renewed(provider, WEB, token))["refresh_token"]
    provider.clock.advance(29)
    token = (await renewed(provider, WEB, token))["refresh_token"]
    provider.clock.advance(1)
    assert await refused(provider, WEB, token) == "invalid_grant"


async def test_sweeping_between_the_uses_loses_nothing(provider: Provider) -> None:
    token = await family(provider)
    for _ in range(6):
        await provider.advance(DAY - 60)
        token = (await renewed(provider, WEB, token))["refresh_token"]


async def test_signing_out_ends_the_session_bound_and_not_the_offline(provider: Provider, visitor: Visitor) -> None:
    bound = (await SESSION.redeem(provider.http, (await visitor.sign_on(SESSION.request())).code)).json()
    code = (await visitor.sign_on(WEB.request(scope=OFFLINE))).code
    offline = (await WEB.redeem(provider.http, code)).json()
    await visitor.open("/logout", {"id_token_hint": bound["id_token"]})
    assert await refused(provider, SESSION, bound["refresh_token"]) == "invalid_grant"
    assert (await userinfo(provider.http, bound["access_token"])).status_code == 401
    await renewed(provider, WEB, offline["refresh_token"])


async def test_offline_access_at_a_session_bound_app_still_dies_with_the_session(
    provider: Provider, visitor: Visitor
) -> None:
    code = (await visitor.sign_on(SESSION.request(scope="openid offline_access"))).code
    tokens = (await SESSION.redeem(provider.http, code)).json()
    await visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
    assert await refused(provider, SESSION, tokens["refresh_token"]) == "invalid_grant"


async def test_a_session_bound_token_ends_with_the_sessions_time(provider: Provider) -> None:
    token = await family(provider, SESSION, "openid")
    for _ in range(30):
        provider.clock.advance(DAY - 1)
        token = (await renewed(provider, SESSION, token))["refresh_token"]
    provider.clock.advance(30)
    assert await refused(provider, SESSION, token) == "invalid_grant"


async def test_a_token_holds_no_claims_and_no_order(provider: Provider) -> None:
    tokens = [await family(provider) for _ in range(5)]
    assert all(len(token) == len("rt.") + 22 + 1 + 43 for token in tokens)
    assert len({token[:6] for token in tokens}) == 5
    header, _ = unverified((await sign_in(provider, WEB))["access_token"])
    assert header["typ"] == "at+jwt"
