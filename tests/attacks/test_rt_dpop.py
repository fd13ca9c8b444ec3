"""RT, for refresh tokens that are bound to a key (RFC 9449 5): what a thief of one can do is nothing at all."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from attack_support import Browser, World, assert_refused
from attack_world import VERIFIER
from support.dpop import ProofKey

pytestmark = pytest.mark.anyio


class Holder:
    """The public client ``spa`` with its key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = ProofKey(lambda: world.now)
        self.url = f"{world.server.issuer}/token"

    async def tokens(self, browser: Browser) -> str:
        code = await browser.code("spa", scope="openid offline_access", prompt="consent")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://spa.test/cb"}
        answer = await self.ask({**form, "code_verifier": VERIFIER})
        return str(answer.json()["refresh_token"])

    async def ask(self, form: dict[str, str], key: ProofKey | None = None, client: str = "spa") -> httpx2.Response:
        proof = (key or self.key).proof("POST", self.url)
        return await self.world.provider.http.post(
            self.url, data={"client_id": client, **form}, headers={"DPoP": proof}
        )

    async def refresh(self, token: str, key: ProofKey | None = None, client: str = "spa") -> httpx2.Response:
        return await self.ask({"grant_type": "refresh_token", "refresh_token": token}, key, client)


async def test_rt_01_a_replay_by_whoever_lacks_the_key_ends_nothing(world: World, browser: Browser) -> None:
    holder, thief = Holder(world), ProofKey(lambda: world.now)
    first = await holder.tokens(browser)
    second = (await holder.refresh(first)).json()["refresh_token"]
    before = world.dump()
    for token in (first, second):
        assert_refused(await holder.refresh(token, thief), 400, "invalid_grant")
        assert_refused(await world.refresh(token, "spa"), 400, "invalid_grant")
    assert {**world.dump(), "spent_values": before["spent_values"]} == before, "but for the proofs, which are used up"
    assert (await holder.refresh(second)).status_code == 200


async def test_rt_01_a_replay_with_the_key_ends_the_family(world: World, browser: Browser) -> None:
    """Then the key is lost too, or the client is broken: as for any other family."""
    holder = Holder(world)
    first = await holder.tokens(browser)
    second = (await holder.refresh(first)).json()["refresh_token"]
    third = (await holder.refresh(second)).json()["refresh_token"]
    assert_refused(await holder.refresh(first), 400, "invalid_grant")
    assert_refused(await holder.refresh(third), 400, "invalid_grant")


async def test_rt_02_parallel_refresh_of_a_bound_family(world: World, browser: Browser) -> None:
    holder, thief = Holder(world), ProofKey(lambda: world.now)
    token = await holder.tokens(browser)
    answers = await asyncio.gather(*(holder.refresh(token, thief if n % 2 else None) for n in range(32)))
    assert {answer.status_code for answer in answers[1::2]} == {400}
    live = {answer.json()["refresh_token"] for answer in answers[::2] if answer.status_code == 200}
    assert len(live) == 1


async def test_rt_07_another_client_with_the_same_key(world: World, browser: Browser) -> None:
    holder = Holder(world)
    token = await holder.tokens(browser)
    assert_refused(await holder.refresh(token, client="native"), 400, "invalid_grant")
    assert (await holder.refresh(token)).status_code == 200
