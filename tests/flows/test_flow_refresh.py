"""Refresh tokens (RFC 6749 6, RFC 9700 4.14, OIDC Core 11, 12): rotation with grace, replay, narrowing, ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support import SPA, WEB, Answer, App, Visitor, claims_of, discovery, register, sign_in, unverified, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

DAY = 86_400
OFFLINE = "openid profile email offline_access"
NO_GRACE = App("no-grace", "https://ng.test/cb", "secret-of-no-grace-0123456789", members={"refresh_grace": 0})
LONG_GRACE = App("long-grace", "https://lg.test/cb", "secret-of-long-grace-0123456789", members={"refresh_grace": 600})
SESSION = App(
    "session-bound", "https://sb.test/cb", "secret-of-session-bound-0123456789", members={"refresh": "session"}
)
WITHOUT = App("without", "https://wo.test/cb", "secret-of-without-0123456789", grant_types=("authorization_code",))
NARROW = App("no-offline", "https://no.test/cb", "secret-of-no-offline-0123456789", scope="openid profile")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, NO_GRACE, LONG_GRACE, SESSION, WITHOUT, NARROW)


async def family(provider: Provider, app: App = WEB, scope: str = OFFLINE) -> str:
    return str((await sign_in(provider, app, scope=scope))["refresh_token"])


async def renewed(provider: Provider, app: App, refresh_token: str, **changes: Any) -> dict[str, Any]:
    answer = await app.refresh(provider.http, refresh_token, **changes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refused(provider: Provider, app: App, refresh_token: str, **changes: Any) -> str:
    answer = await app.refresh(provider.http, refresh_token, **changes)
    assert answer.status_code == 400, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["error"])


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
