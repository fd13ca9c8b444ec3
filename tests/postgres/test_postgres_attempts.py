"""Limits on guessing hold over nodes: one database counts, whoever asks."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from test_postgres_provider import at_once, two_nodes

from idp.protocol.limits import Limit
from idp.store import attempts, migrate
from idp.store.attempts import Bucket, Full
from idp.store.postgres import PostgresDatabase
from idp.testing import Provider

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]


async def knock(node: Provider, password: str, username: str = "alice") -> int:
    return (await node.http.post("/api/token/", json={"username": username, "password": password})).status_code


async def test_parallel_guesses_over_two_nodes_meet_one_limit(database: str, tmp_path: Path) -> None:
    """BF-02: 100 at once, at most the limit and one for each node are looked at."""
    async with two_nodes(database, tmp_path, passwords__queue=200) as nodes:
        one, two = nodes
        statuses = await at_once(knock(node, "wrong") for node in nodes * 50)
        assert set(statuses) == {401, 429}
        assert statuses.count(401) == 10
        assert await knock(two, "alice") == 429
        await one.control("user.unlock", username="alice")
        one.clock.advance(1)  # both share the clock; so long another node may repeat its refusal
        assert await knock(two, "alice") == 200


async def test_right_ones_over_two_nodes_all_succeed(database: str, tmp_path: Path) -> None:
    """BF-08, with the places nearly used up: a right try waits for one that is still being hashed elsewhere."""
    async with two_nodes(database, tmp_path) as nodes:
        for _ in range(9):
            assert await knock(nodes[0], "typo") == 401
        assert await at_once(knock(node, "alice") for node in nodes) == [200, 200]
    async with two_nodes(database, tmp_path) as nodes:
        nodes[0].clock.advance(900)
        for node in (nodes * 3)[:5]:
            assert await knock(node, "typo", "bob") == 401
        assert await at_once(knock(node, "bob", "bob") for node in nodes * 10) == [200] * 20


async def test_buckets_in_any_order_never_wait_for_each_other(database: str) -> None:
    """Two transactions that take the same rows in another order would end after PostgreSQL's deadlock_timeout."""
    store = PostgresDatabase(database)
    await store.write(migrate.to_head)
    buckets = [Bucket(bytes([number]) * 32, "any", Limit(100_000, 60)) for number in range(4)]

    async def visit(number: int) -> None:
        mine = [buckets[(number * 7 + n) % 4] for n in range(3)]
        await store.write(attempts.take, mine, 1_800_000_000.0)
        await store.write(attempts.give_back, mine[::-1], 1_800_000_000.0)

    try:
        began = time.monotonic()
        await asyncio.gather(*(visit(number) for number in range(150)))
        assert time.monotonic() - began < 8
        now = 1_800_000_000.0
        assert [await store.read(attempts.used, bucket, now) for bucket in buckets] == [0, 0, 0, 0]
    finally:
        await store.aclose()


async def test_a_try_refused_by_halves_is_undone(database: str) -> None:
    store = PostgresDatabase(database)
    await store.write(migrate.to_head)
    wide, narrow = Bucket(b"a" * 32, "wide", Limit(1000, 60)), Bucket(b"b" * 32, "narrow", Limit(3, 60))
    now = 1_800_000_000.0

    async def take() -> bool:
        try:
            await store.write(attempts.take, [wide, narrow], now)
        except Full:
            return False
        return True

    try:
        assert sum(await asyncio.gather(*(take() for _ in range(60)))) == 3
        assert await store.read(attempts.used, wide, now) == 3
    finally:
        await store.aclose()
