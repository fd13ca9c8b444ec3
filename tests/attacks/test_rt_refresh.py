"""RT: one live refresh token a family; whoever replays an old one ends it, whoever guesses ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attack_support import Browser, World, answer_of, assert_refused
from attack_world import MANIFEST

from idp.store.accounts import set_disabled
from idp.store.sessions import end_all

pytestmark = pytest.mark.anyio


async def test_rt_01_replay_after_rotation(world: World, browser: Browser) -> None:
    first = await browser.tokens()
    second = (await world.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert_refused(await world.refresh(first["refresh_token"]), 400, "invalid_grant")
    assert_refused(await world.refresh(second["refresh_token"]), 400, "invalid_grant")
    for answer in (first, second):
        assert not await world.active(answer["access_token"])
        assert (await world.userinfo(answer["access_token"])).status_code == 401


async def test_rt_01_replay_of_a_much_older_one(world: World, browser: Browser) -> None:
    first = token = (await browser.tokens())["refresh_token"]
    for _ in range(5):
        token = (await world.refresh(token)).json()["refresh_token"]
    assert_refused(await world.refresh(first), 400, "invalid_grant")
    assert_refused(await world.refresh(token), 400, "invalid_grant")


async def test_rt_02_parallel_refresh_does_not_fork(world: World, browser: Browser) -> None:
    """Grace 0: one of fifty wins, the others are replays, so the family is dead. Never two live tokens."""
    for _ in range(4):
        token = (await browser.tokens())["refresh_token"]
        answers = await asyncio.gather(*(world.refresh(token) for _ in range(50)))
        won = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
        assert len(won) == 1
        assert {answer.status_code for answer in answers} == {200, 400}
        assert not await world.active(won[0])


async def test_rt_02_parallel_refresh_with_grace(world: World, browser: Browser) -> None:
    """With grace all get the same successor: still one live token."""
    token = (await browser.tokens("web2"))["refresh_token"]
    answers = await asyncio.gather(*(world.refresh(token, "web2") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_rt_07_refresh_by_another_client(world: World, browser: Browser) -> None:
    token = (await browser.tokens())["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    async with world.unchanged():
        assert_refused(await world.refresh(token, "web2"), 400, "invalid_grant")
        assert_refused(await world.refresh(token, "spa"), 400, "invalid_grant")
        assert_refused(await world.post("/token", form), 401, "invalid_client")
        assert_refused(await world.post("/token", {**form, "client_id": "web"}), 401, "invalid_client")
    assert (await world.refresh(token)).status_code == 200, "its own client is not harmed"


async def test_rt_08_scope_growth(world: World, browser: Browser) -> None:
    token = (await browser.tokens(scope="openid profile offline_access"))["refresh_token"]
    async with world.unchanged():
        for grown in ("openid profile admin", "email", "openid orders", "openid nosuch"):
            assert_refused(await world.refresh(token, scope=grown), 400, "invalid_scope")
    narrow = (await world.refresh(token, scope="openid")).json()
    assert narrow["scope"] == "openid"
    wide = (await world.refresh(narrow["refresh_token"])).json()
    assert set(wide["scope"].split()) == {"openid", "profile", "offline_access"}


async def _user_disabled(world: World) -> None:
    await world.server.database.write(set_disabled, world.server.journal, "alice", world.now, disabled=True)


async def _client_disabled(world: World) -> None:
    before, entry, after = MANIFEST.partition('client_id = "web"\n')
    await world.provider.apply(f"{before}{entry}disabled = true\n{after}")


async def _password_changed(world: World) -> None:
    await world.provider.control("user.passwd", username="alice", password="another password")


async def _sessions_killed(world: World) -> None:
    await world.server.database.write(end_all, world.server.journal, "alice", world.now, reason="operator")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        (_user_disabled, 400, "invalid_grant"),
        (_client_disabled, 401, "invalid_client"),
        (_password_changed, 400, "invalid_grant"),
        (_sessions_killed, 400, "invalid_grant"),
    ],
)
async def test_rt_09_refresh_after_authorization_ended(
    fresh: World, browser: Browser, change: Callable[[World], Awaitable[Any]], status: int, error: str
) -> None:
    token = (await browser.tokens())["refresh_token"]
    await change(fresh)
    async with fresh.unchanged():
        assert_refused(await fresh.refresh(token), status, error)


async def test_rt_11_offline_access_is_never_silent(world: World) -> None:
    browser = world.browser()
    code = await browser.code(person="bob")
    assert "refresh_token" not in (await world.redeem(code)).json()
    response = await browser.ask(scope="openid offline_access", prompt="none")
    assert answer_of(response)["error"] == "consent_required"


@pytest.mark.parametrize("where", ["/token", "/introspect", "/userinfo"])
async def test_rt_12_truncated_or_extended(world: World, browser: Browser, where: str) -> None:
    issued = await browser.tokens()
    refresh, access = issued["refresh_token"], issued["access_token"]
    spoilt = [token[:-cut] for token in (refresh, access) for cut in range(1, 9)]
    spoilt += [token + more for token in (refresh, access) for more in ("A", "==", ".", " ", "\n", "%00", "\u00e9")]
    spoilt += [refresh.upper(), refresh.replace("rt.", "ac."), refresh[1:], access[1:], refresh + "." + refresh]
    async with world.unchanged():
        for token in spoilt:
            if where == "/token":
                assert_refused(await world.refresh(token), 400, "invalid_grant")
            elif where == "/introspect":
                assert not await world.active(token)
            elif token.isascii() and token.isprintable():
                assert_refused(await world.userinfo(token), 401, "invalid_token")
    assert await world.active(access)
    assert await world.active(refresh)


async def test_rt_12_a_second_spelling_of_the_same_bytes(world: World, browser: Browser) -> None:
    """The last base64url character carries two unused bits: only the canonical form is the token."""
    token = (await browser.tokens())["refresh_token"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.index(token[-1])
    others = [token[:-1] + alphabet[(at & ~3) | low] for low in range(4) if (at & ~3) | low != at]
    async with world.unchanged():
        for other in others:
            assert_refused(await world.refresh(other), 400, "invalid_grant")


async def test_rt_14_answer_lost_in_transit(fresh: World, browser: Browser) -> None:
    """Within the grace the same successor comes again; once it was used, or later, the old one is a replay."""
    first = (await browser.tokens("web2"))["refresh_token"]
    lost = (await fresh.refresh(first, "web2")).json()["refresh_token"]
    again = (await fresh.refresh(first, "web2")).json()["refresh_token"]
    assert again == lost
    newest = (await fresh.refresh(again, "web2")).json()["refresh_token"]
    assert newest != again
    assert_refused(await fresh.refresh(first, "web2"), 400, "invalid_grant")
    assert_refused(await fresh.refresh(newest, "web2"), 400, "invalid_grant")


async def test_rt_14_after_the_grace(fresh: World, browser: Browser) -> None:
    first = (await browser.tokens("web2"))["refresh_token"]
    second = (await fresh.refresh(first, "web2")).json()["refresh_token"]
    fresh.provider.clock.advance(fresh.server.settings.lifetimes.refresh_grace)
    assert_refused(await fresh.refresh(first, "web2"), 400, "invalid_grant")
    assert_refused(await fresh.refresh(second, "web2"), 400, "invalid_grant")


async def test_rt_15_two_clients_of_one_session(world: World, browser: Browser) -> None:
    tokens = {client: (await browser.tokens(client))["refresh_token"] for client in ("web", "web2")}

    async def many(client: str) -> None:
        for _ in range(100):
            answer = await world.refresh(tokens[client], client)
            assert answer.status_code == 200
            tokens[client] = answer.json()["refresh_token"]

    await asyncio.gather(many("web"), many("web2"))
    for client, token in tokens.items():
        assert await world.active(token, client)
