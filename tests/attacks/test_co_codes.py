"""CO: a code works once, for its client, for a minute, while everything it rests on still stands."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attack_support import Browser, World, assert_refused
from attack_world import MANIFEST, VERIFIER

from idp.store.accounts import set_disabled
from idp.store.sessions import end_all

pytestmark = pytest.mark.anyio


async def test_co_01_replay_revokes_everything_it_bought(fresh: World, browser: Browser) -> None:
    code = await browser.code(scope="openid offline_access")
    first = (await fresh.redeem(code)).json()
    assert await fresh.active(first["access_token"])
    await fresh.provider.advance(1)
    assert_refused(await fresh.redeem(code), 400, "invalid_grant")
    assert not await fresh.active(first["access_token"])
    assert (await fresh.userinfo(first["access_token"])).status_code == 401
    assert not await fresh.active(first["refresh_token"])
    assert_refused(await fresh.refresh(first["refresh_token"]), 400, "invalid_grant")


async def test_co_02_exactly_once_under_parallel_tries(world: World, browser: Browser) -> None:
    # One process and one writer here; many connections and many processes are raced in tests/store.
    for _ in range(5):
        code = await browser.code()
        answers = await asyncio.gather(*(world.redeem(code) for _ in range(50)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] + [400] * 49
        winner = next(answer for answer in answers if answer.status_code == 200).json()
        assert not await world.active(winner["access_token"]), "a replay, however fast, revokes"


async def test_co_03_redemption_by_another_client(world: World, browser: Browser) -> None:
    code = await browser.code()
    async with world.unchanged():
        assert_refused(await world.redeem(code, "web2"), 400, "invalid_grant")
        assert_refused(await world.redeem(code, "spa", redirect_uri="https://rp.test/cb"), 400, "invalid_grant")
    assert (await world.redeem(code)).status_code == 200, "the code's own client is not harmed"


async def test_co_05_late_redemption(fresh: World, browser: Browser) -> None:
    lifetime = fresh.server.settings.lifetimes.code
    assert lifetime == 60
    in_time, late = await browser.code(), await browser.code()
    fresh.provider.clock.advance(lifetime - 1)
    assert (await fresh.redeem(in_time)).status_code == 200
    fresh.provider.clock.advance(1)
    async with fresh.unchanged():
        assert_refused(await fresh.redeem(late), 400, "invalid_grant")
    fresh.provider.clock.advance(1_000_000)
    assert_refused(await fresh.redeem(late), 400, "invalid_grant")


async def _user_disabled(world: World, browser: Browser) -> None:
    await world.server.database.write(set_disabled, world.server.journal, "alice", world.now, disabled=True)


async def _client_disabled(world: World, browser: Browser) -> None:
    before, entry, after = MANIFEST.partition('client_id = "web"\n')
    await world.provider.apply(f"{before}{entry}disabled = true\n{after}")


async def _password_changed(world: World, browser: Browser) -> None:
    await world.provider.control("user.passwd", username="alice", password="another password")


async def _logged_out(world: World, browser: Browser) -> None:
    page = await browser.http.get("/logout")
    await browser.submit(page, "/logout")


async def _sessions_killed(world: World, browser: Browser) -> None:
    await world.server.database.write(end_all, world.server.journal, "alice", world.now, reason="operator")


Change = Callable[[World, Browser], Awaitable[Any]]


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        (_user_disabled, 400, "invalid_grant"),
        (_client_disabled, 401, "invalid_client"),
        (_password_changed, 400, "invalid_grant"),
        (_logged_out, 400, "invalid_grant"),
        (_sessions_killed, 400, "invalid_grant"),
    ],
)
async def test_co_07_grant_changed_before_redemption(
    fresh: World, browser: Browser, change: Change, status: int, error: str
) -> None:
    code = await browser.code()
    await change(fresh, browser)
    async with fresh.unchanged():
        assert_refused(await fresh.redeem(code), status, error)


async def test_co_08_guessable_values(fresh: World) -> None:
    """10,000 values as the server makes them: 128 bits or more, none twice, no order, no shared part."""
    for size, least in ((16, 22), (32, 43)):
        values = [fresh.server.random_id(size) for _ in range(10_000)]
        assert all(len(value) == least for value in values)
        assert len(set(values)) == 10_000
        # The first characters alone spread out, and later values are not larger: neither prefix nor time inside.
        assert len({value[:3] for value in values}) > 9_000
        rising = sum(earlier < later for earlier, later in itertools.pairwise(values))
        assert 4_800 < rising < 5_200
        for position in range(least - 1):
            assert len({value[position] for value in values}) == 64


async def test_co_08_issued_values_come_from_the_random_source(world: World) -> None:
    """What really leaves: codes, refresh tokens, session cookies, jti."""
    browsers = [world.browser() for _ in range(3)]
    seen: list[str] = []
    for each in browsers:
        code = await each.code(scope="openid offline_access")
        answer = (await world.redeem(code)).json()
        seen += [code.removeprefix("ac."), *answer["refresh_token"].removeprefix("rt.").split(".")]
        seen += [each.http.cookies["idp"], each.http.cookies["idp-browser"]]
    assert [len(value) for value in seen[:5]] == [43, 22, 43, 43, 22]
    assert len({value[:6] for value in seen}) == len(seen)
    digests = {hashlib.sha256(value.encode()).digest() for value in random.sample(seen, 5)}
    assert VERIFIER not in seen
    assert len(digests) == 5
