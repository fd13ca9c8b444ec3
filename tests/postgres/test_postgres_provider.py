"""The provider on PostgreSQL: the same flows, several nodes on one database, and the loss of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from support import WEB, Visitor, claims_of, register, sign_in, userinfo

from idp.store import migrate
from idp.store.postgres import PostgresDatabase
from idp.store.schema import metadata
from idp.testing import MovingClock, Provider

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

OFFLINE = {"scope": "openid profile offline_access"}
TRIES = 32


async def test_a_sign_on_from_beginning_to_end(database: str) -> None:
    async with Provider(database=database) as provider:
        await register(provider, WEB)
        tokens = await sign_in(provider, WEB, **OFFLINE)
        assert (await userinfo(provider.http, tokens["access_token"])).json()["name"] == "Alice Archer"
        assert (await WEB.introspect(provider.http, tokens["access_token"]))["active"] is True
        renewed = await WEB.refresh(provider.http, tokens["refresh_token"])
        assert renewed.status_code == 200
        await WEB.revoke(provider.http, renewed.json()["refresh_token"])
        assert (await userinfo(provider.http, renewed.json()["access_token"])).status_code == 401
        events = [event["event"] for event in (await provider.control("audit.tail", limit=100))["events"]]
        assert {"session.started", "authorization.granted", "grant.revoked"} <= set(events)


async def test_a_code_is_redeemed_once_over_two_nodes(database: str, tmp_path: Path) -> None:
    async with two_nodes(database, tmp_path) as (one, two):
        for _ in range(5):
            visitor = Visitor(one)
            code = (await visitor.sign_on(WEB.request(**OFFLINE), "alice")).code
            await visitor.aclose()
            answers = await at_once(WEB.redeem(node.http, code) for node in (one, two) * (TRIES // 2))
            assert sorted(answer.status_code for answer in answers) == [200] + [400] * (TRIES - 1)
            bought = next(answer.json() for answer in answers if answer.status_code == 200)
            assert (await WEB.introspect(two.http, bought["access_token"])) == {"active": False}, "a replay ends it"


@pytest.mark.parametrize("grace", [0, 30])
async def test_a_refresh_token_over_two_nodes_has_one_successor(database: str, tmp_path: Path, grace: int) -> None:
    async with two_nodes(database, tmp_path, lifetimes__refresh_grace=grace) as (one, two):
        for _ in range(5):
            token = (await sign_in(one, WEB, **OFFLINE))["refresh_token"]
            answers = await at_once(WEB.refresh(node.http, token) for node in (one, two) * (TRIES // 2))
            successors = {answer.json()["refresh_token"] for answer in answers if answer.status_code == 200}
            assert {answer.status_code for answer in answers} <= {200, 400}
            if grace:
                assert len(successors) == 1
                assert all(answer.status_code == 200 for answer in answers)
            else:
                assert sum(answer.status_code == 200 for answer in answers) <= 1


async def test_what_one_node_changes_is_in_effect_at_the_other_within_a_second(database: str, tmp_path: Path) -> None:
    async with two_nodes(database, tmp_path) as (one, two):
        assert await two.server.client("late") is None
        await one.apply(
            '[[clients]]\nclient_id = "late"\nclient_secret = "late-secret-0123456789"\nscope = ""\n'
            'grant_types = ["client_credentials"]\n'
        )
        began = time.monotonic()
        while await two.server.client("late") is None:
            assert time.monotonic() - began < 1
            await asyncio.sleep(0.02)


async def test_two_nodes_make_one_ring_and_rotate_once(database: str, tmp_path: Path) -> None:
    async with two_nodes(database, tmp_path) as (one, two):
        assert one.server.keyring.jwks == two.server.keyring.jwks
        one.clock.advance(60)  # both share the clock
        await at_once(node.control("keys.rotate") for node in (one, two))
        for node in (one, two):
            await node.application.jobs.run_all()
        lives = (await one.control("keys.list"))["keys"]
        for alg in ("RS256", "ES256"):
            states = [life["state"] for life in lives if life["alg"] == alg]
            assert (states.count("signing"), states.count("waiting")) == (1, 1), states
        assert one.server.keyring.jwks == two.server.keyring.jwks
        token = await one.token_for("alice")
        assert (await claims_of(two.http, token))["sub"] == "alice"


async def test_two_upgrades_at_once_make_one_schema(database: str) -> None:
    stores = [PostgresDatabase(database) for _ in range(2)]
    try:
        found = await at_once(store.write(migrate.to_head) for store in stores)
        assert sorted(str(before) for before, _ in found) == [migrate.HEAD, "None"]
        assert await stores[0].read(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []
        migrate.require(await stores[0].read(migrate.current))
    finally:
        for store in stores:
            await store.aclose()


async def test_the_scripts_give_the_same_schema(database: str) -> None:
    store = PostgresDatabase(database)
    try:
        await store.write(migrate._run)
        assert await store.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []
    finally:
        await store.aclose()


async def test_an_outage_is_told_in_two_seconds_and_over_in_five(database: str, cluster: Any) -> None:
    async with Provider(database=database) as provider:
        await register(provider, WEB)
        token = (await sign_in(provider, WEB, **OFFLINE))["refresh_token"]
        cluster.stop()
        try:
            for _ in range(3):
                began = time.monotonic()
                answer = await WEB.refresh(provider.http, token)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert time.monotonic() - began < 2
                for path in ("/.well-known/jwks.json", "/.well-known/openid-configuration", "/healthz"):
                    assert (await provider.http.get(path)).status_code == 200
            assert (await provider.http.get("/readyz")).status_code == 503
        finally:
            cluster.start()
        began = time.monotonic()
        while (answer := await WEB.refresh(provider.http, token)).status_code != 200:
            assert answer.status_code == 503
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.1)
        assert (await provider.http.get("/readyz")).status_code == 200


class two_nodes:
    """Two providers on one database and one key-encryption key, seeing one clock."""

    def __init__(self, database: str, folder: Path, **options: Any) -> None:
        clock = MovingClock()
        self.nodes = [
            Provider(database=database, clock=clock, data_dir=folder / name, **options) for name in ("one", "two")
        ]

    async def __aenter__(self) -> list[Provider]:
        for node in self.nodes:
            await node.__aenter__()
        await register(self.nodes[0], WEB)
        for node in self.nodes:
            await node.server.reload_registry()
        return self.nodes

    async def __aexit__(self, *error: Any) -> None:
        for node in self.nodes:
            await node.__aexit__(*error)


async def at_once(work: Any) -> list[Any]:
    started: list[Awaitable[Any]] = list(work)
    return list(await asyncio.gather(*started))


async def test_a_clock_off_the_databases_is_told(database: str) -> None:
    """Nodes that disagree about the time disagree about what has expired."""
    async with Provider(database=database, clock=MovingClock(follow=time.time)) as provider:
        assert (await clock_check(provider))["ok"] is True
        provider.clock.advance(4)
        assert (await clock_check(provider))["ok"] is True
        provider.clock.advance(4)
        check = await clock_check(provider)
        assert (check["ok"], "ahead of the database" in check["found"]) == (False, True)


async def clock_check(provider: Provider) -> dict[str, Any]:
    checks = (await provider.control("deploy_check"))["checks"]
    return dict(next(check for check in checks if check["check"] == "clock"))
