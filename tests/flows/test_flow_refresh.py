"""Refresh tokens (RFC 6749 6, RFC 9700 4.14, OIDC Core 11): who gets one, rotation with grace, replay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from refreshing import OFFLINE, SESSION, family, refused, renewed
from support import SPA, WEB, Answer, App, Visitor, discovery, register, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

NO_GRACE = App("no-grace", "https://ng.test/cb", "secret-of-no-grace-0123456789", members={"refresh_grace": 0})
LONG_GRACE = App("long-grace", "https://lg.test/cb", "secret-of-long-grace-0123456789", members={"refresh_grace": 600})
WITHOUT = App("without", "https://wo.test/cb", "secret-of-without-0123456789", grant_types=("authorization_code",))
NARROW = App("no-offline", "https://no.test/cb", "secret-of-no-offline-0123456789", scope="openid profile")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, NO_GRACE, LONG_GRACE, SESSION, WITHOUT, NARROW)


async def replays(provider: Provider) -> list[dict[str, Any]]:
    events = (await provider.control("audit.tail", limit=10_000))["events"]
    return [line for line in events if line["event"] == "refresh.replayed"]


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert "refresh_token" in document["grant_types_supported"]
    assert "offline_access" in document["scopes_supported"]


# -- who gets one


async def test_only_offline_access_earns_one(provider: Provider) -> None:
    assert "refresh_token" in await sign_in(provider, WEB, scope="openid offline_access")
    assert "refresh_token" not in await sign_in(provider, WEB, scope="openid profile")


async def test_an_app_without_the_grant_gets_none(provider: Provider, visitor: Visitor) -> None:
    """OIDC Core 11: the request is not refused, the scope is left out."""
    tokens = await sign_in(provider, WITHOUT, scope="openid offline_access")
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "openid"
    answer = await WITHOUT.refresh(provider.http, await family(provider))
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def test_a_scope_the_app_may_not_have_earns_none(visitor: Visitor) -> None:
    answer = await visitor.authorize(NARROW.request(scope="openid offline_access"))
    assert isinstance(answer, Answer)
    assert answer.error == "invalid_scope"


async def test_a_session_bound_app_gets_one_without_asking(provider: Provider) -> None:
    assert "refresh_token" in await sign_in(provider, SESSION, scope="openid")


# -- rotation


@pytest.mark.parametrize("app", [WEB, SPA], ids=lambda app: app.client_id)
async def test_each_use_gives_the_next(provider: Provider, app: App) -> None:
    token, seen = await family(provider, app), set()
    for _ in range(5):
        seen.add(token)
        tokens = await renewed(provider, app, token)
        assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
        token = tokens["refresh_token"]
        assert (await userinfo(provider.http, tokens["access_token"])).status_code == 200
    assert len(seen | {token}) == 6
    assert len({text.rpartition(".")[0] for text in seen}) == 1, "the handle stays"


async def test_fifty_at_once_get_one_successor(provider: Provider) -> None:
    token = await family(provider)
    answers = await asyncio.gather(*(WEB.refresh(provider.http, token) for _ in range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert len({answer.json()["access_token"] for answer in answers}) == 50
    await renewed(provider, WEB, successors.pop())


async def test_a_lost_answer_is_repeated_within_the_grace(provider: Provider) -> None:
    token = await family(provider)
    first = await renewed(provider, WEB, token)
    provider.clock.advance(29)
    assert (await renewed(provider, WEB, token))["refresh_token"] == first["refresh_token"]


async def test_the_grace_is_counted_from_the_first_use(provider: Provider) -> None:
    token = await family(provider)
    await renewed(provider, WEB, token)
    provider.clock.advance(29)
    await renewed(provider, WEB, token)
    provider.clock.advance(1)
    assert await refused(provider, WEB, token) == "invalid_grant"


async def test_the_grace_ends_when_the_successor_is_used(provider: Provider) -> None:
    old = await family(provider)
    new = (await renewed(provider, WEB, old))["refresh_token"]
    newest = (await renewed(provider, WEB, new))["refresh_token"]
    assert await refused(provider, WEB, old) == "invalid_grant"
    assert await refused(provider, WEB, newest) == "invalid_grant", "the family died with the replay"


async def test_a_client_may_ask_for_ten_minutes(provider: Provider) -> None:
    token = await family(provider, LONG_GRACE)
    first = await renewed(provider, LONG_GRACE, token)
    provider.clock.advance(599)
    assert (await renewed(provider, LONG_GRACE, token))["refresh_token"] == first["refresh_token"]


async def test_the_grace_is_the_same_clients(provider: Provider) -> None:
    token = await family(provider)
    await renewed(provider, WEB, token)
    assert await refused(provider, LONG_GRACE, token) == "invalid_grant"
    await renewed(provider, WEB, token)


# -- replay


async def test_a_replay_after_the_grace_kills_the_family(provider: Provider) -> None:
    token = await family(provider)
    new = await renewed(provider, WEB, token)
    before = len(await replays(provider))
    provider.clock.advance(31)
    assert await refused(provider, WEB, token) == "invalid_grant"
    assert await refused(provider, WEB, new["refresh_token"]) == "invalid_grant"
    assert (await userinfo(provider.http, new["access_token"])).status_code == 401
    assert await WEB.introspect(provider.http, new["access_token"]) == {"active": False}
    written = await replays(provider)
    assert len(written) == before + 1
    assert (written[-1]["client_id"], written[-1]["detail"]["generations_old"]) == ("web", 1)


async def test_without_grace_the_first_repeat_is_a_replay(provider: Provider) -> None:
    """RT-01, grace 0."""
    token = await family(provider, NO_GRACE)
    new = await renewed(provider, NO_GRACE, token)
    assert await refused(provider, NO_GRACE, token) == "invalid_grant"
    assert await refused(provider, NO_GRACE, new["refresh_token"]) == "invalid_grant"
    assert await NO_GRACE.introspect(provider.http, new["access_token"]) == {"active": False}


async def test_without_grace_fifty_at_once_leave_no_live_family(provider: Provider) -> None:
    """RT-02, grace 0: at most one success, and the replay beside it ends that too."""
    token = await family(provider, NO_GRACE)
    answers = await asyncio.gather(*(NO_GRACE.refresh(provider.http, token) for _ in range(50)))
    good = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    assert {answer.status_code for answer in answers} == {200, 400}
    assert await refused(provider, NO_GRACE, good[0]["refresh_token"]) == "invalid_grant"


@pytest.mark.parametrize("age", [2, 3, 7])
async def test_an_older_secret_is_proved_genuine_and_kills_the_family(provider: Provider, age: int) -> None:
    old = token = await family(provider)
    for _ in range(age):
        token = (await renewed(provider, WEB, token))["refresh_token"]
    assert await refused(provider, WEB, old) == "invalid_grant"
    assert await refused(provider, WEB, token) == "invalid_grant"
    assert (await replays(provider))[-1]["detail"]["generations_old"] == age


async def test_what_cannot_be_proved_changes_nothing(provider: Provider) -> None:
    """Who saw only the handle must not be able to end the family."""
    token = await family(provider)
    token = (await renewed(provider, WEB, token))["refresh_token"]
    handle, _, secret = token.rpartition(".")
    for forged in (f"{handle}.{'A' * 43}", f"{handle}.{secret[:-2]}{'AA' if secret[-2:] != 'AA' else 'BB'}"):
        assert await refused(provider, WEB, forged) == "invalid_grant"
    await renewed(provider, WEB, token)


@pytest.mark.parametrize("change", ["cut 1", "cut 8", "longer", "spaced", "upper", "other spelling", "code", "access"])
async def test_only_the_exact_text_counts(provider: Provider, change: str) -> None:
    token = await family(provider)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 43 characters carry 258 bits: the last one has two that a careless decoder ignores.
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    changed = {
        "cut 1": token[:-1],
        "cut 8": token[:-8],
        "longer": token + "A",
        "spaced": f" {token}",
        "upper": token.replace("rt.", "RT."),
        "other spelling": twin,
        "code": "ac." + token[3:],
        "access": (await sign_in(provider, WEB))["access_token"],
    }[change]
    assert await refused(provider, WEB, changed) == "invalid_grant"
    assert (await WEB.introspect(provider.http, changed)) == {"active": False} or change == "access"
    await renewed(provider, WEB, token)


async def test_another_client_gets_nothing_and_harms_nobody(provider: Provider) -> None:
    token = await family(provider)
    for thief in (NO_GRACE, SPA):
        assert await refused(provider, thief, token) == "invalid_grant"
    nameless = await provider.http.post("/token", data={"grant_type": "refresh_token", "refresh_token": token})
    assert (nameless.status_code, nameless.json()["error"]) == (401, "invalid_client")
    await renewed(provider, WEB, token)


async def test_two_apps_of_one_session_never_disturb_each_other(provider: Provider, visitor: Visitor) -> None:
    """RT-15."""
    tokens = {}
    for app in (WEB, NO_GRACE):
        code = (await visitor.sign_on(app.request(scope=OFFLINE))).code
        tokens[app] = (await app.redeem(provider.http, code)).json()["refresh_token"]
    for _ in range(20):
        answers = await asyncio.gather(*(app.refresh(provider.http, token) for app, token in tokens.items()))
        tokens = {app: answer.json()["refresh_token"] for app, answer in zip(tokens, answers, strict=True)}
