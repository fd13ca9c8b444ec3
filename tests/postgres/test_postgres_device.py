"""Device codes over two nodes of one PostgreSQL: one success, one decision, one limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Visitor, register
from support.devices import TV, ask, enter, poll
from test_postgres_provider import at_once, two_nodes

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]
TRIES = 32


async def test_a_device_code_buys_once_over_two_nodes(database: str, tmp_path: Path) -> None:
    async with two_nodes(database, tmp_path) as (one, two):
        await register(one, TV)
        for node in (one, two):
            await node.server.reload_registry()
        for _ in range(5):
            visitor = Visitor(one)
            told = await ask(two.http, scope="openid offline_access")
            await poll(one.http, told["device_code"])
            assert (await poll(two.http, told["device_code"])).json()["error"] == "slow_down"
            await visitor.submit(await enter(visitor, told["user_code"]), decision="allow")
            await visitor.aclose()
            polls = await at_once(poll(node.http, told["device_code"]) for node in (one, two) * (TRIES // 2))
            assert sorted(answer.status_code for answer in polls) == [200] + [400] * (TRIES - 1)
            assert {answer.json().get("error") for answer in polls} == {None, "invalid_grant"}


async def test_one_of_many_decisions_counts(database: str, tmp_path: Path) -> None:
    async with two_nodes(database, tmp_path) as (one, two):
        await register(one, TV)
        for node in (one, two):
            await node.server.reload_registry()
        visitors = [Visitor(node) for node in (one, two)]
        for _ in range(5):
            told = await ask(one.http)
            alice, bob = visitors
            page, other = await enter(alice, told["user_code"]), await enter(bob, told["user_code"], "bob")
            ends = await at_once([alice.submit(page, decision="allow"), bob.submit(other, decision="deny")])
            assert sorted(page.id for page in ends) == ["device", "device-done"]
            answer = await poll(two.http, told["device_code"])
            expected = None if ends[0].id == "device-done" else "access_denied"
            assert answer.json().get("error") == expected
        for visitor in visitors:
            await visitor.aclose()


async def test_devices_that_wait_are_bounded_over_nodes(database: str, tmp_path: Path) -> None:
    limits = {"limits__device_codes": 5, "limits__device_codes_overall": 9}
    async with two_nodes(database, tmp_path, **limits) as (one, two):
        await register(one, TV)
        for node in (one, two):
            await node.server.reload_registry()
        form = {"scope": "openid"}
        asked = await at_once(TV.call(node.http, "/device_authorization", form) for node in (one, two) * 8)
        assert sorted(answer.status_code for answer in asked) == [200] * 9 + [429] * 7
