"""Many key sets at once: bounded in number, in bytes and in who waits; each under the rules of one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from idp.jose import Fetched, JoseError, KeySet, KeySetCaches, LocalSigner, generate_private_key

pytestmark = pytest.mark.anyio

JWK = dict(LocalSigner(generate_private_key("ES256"), "k", "ES256").jwk())
HEADER = {"kid": "k", "alg": "ES256"}
UNKNOWN = {"kid": "other", "alg": "ES256"}


class Source:
    """Answers with the one key, ``size`` bytes of it; while ``held`` it waits."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.asked: list[str] = []
        self.free = asyncio.Event()
        self.free.set()
        self.now = 1000.0

    async def fetch(self, address: str) -> tuple[Fetched, int]:
        self.asked.append(address)
        await self.free.wait()
        return Fetched(KeySet.from_jwks({"keys": [JWK]})), self.size

    def caches(self, **limits: Any) -> KeySetCaches:
        return KeySetCaches(self.fetch, clock=lambda: self.now, **limits)


async def test_each_address_is_fetched_once() -> None:
    source = Source()
    caches = source.caches()
    for _ in range(3):
        for address in ("a", "b"):
            assert (await caches.find(address, HEADER)).kid == "k"
    assert sorted(source.asked) == ["a", "b"]
    assert (len(caches), caches.size) == (2, 200)


async def test_past_the_number_the_one_longest_unused_goes() -> None:
    source = Source()
    caches = source.caches(most=2)
    for address in ("a", "b", "a", "c", "a"):
        await caches.find(address, HEADER)
    assert source.asked == ["a", "b", "c"]
    await caches.find("b", HEADER)
    assert source.asked == ["a", "b", "c", "b"]
    assert (len(caches), caches.size) == (2, 200)


async def test_past_the_bytes_as_well() -> None:
    source = Source(size=100)
    caches = source.caches(most_bytes=250)
    for address in ("a", "b", "c", "d"):
        await caches.find(address, HEADER)
    assert (len(caches), caches.size) == (2, 200)
    source.size = 10_000
    await caches.find("e", HEADER)
    assert len(caches) == 1
    assert (await caches.find("e", HEADER)).kid == "k"


async def test_a_renewal_counts_its_bytes_once() -> None:
    source = Source()
    caches = source.caches()
    for size in (100, 300, 50):
        source.size = size
        await caches.find("a", HEADER)
        source.now += 400
    assert caches.size == 50


async def test_only_so_many_wait_and_whoever_has_a_key_does_not() -> None:
    source = Source()
    caches = source.caches(most_waiting=3)
    await caches.find("held", HEADER)
    source.free.clear()
    waiting = [asyncio.create_task(caches.find(f"slow-{number}", HEADER)) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(JoseError) as refused:
        await caches.find("another", HEADER)
    assert refused.value.reason == "busy"
    assert (await caches.find("held", HEADER)).kid == "k"
    source.free.set()
    assert [(await one).kid for one in waiting] == ["k"] * 3
    assert (await caches.find("another", HEADER)).kid == "k"


async def test_unknown_keys_share_the_cool_down() -> None:
    source = Source()
    caches = source.caches()
    await caches.find("a", HEADER)
    for _ in range(5):
        for _ in range(20):
            with pytest.raises(JoseError) as refused:
                await caches.find("a", UNKNOWN)
            assert refused.value.reason == "unknown_key"
        source.now += 31
    assert len(source.asked) == 5


async def test_a_key_that_proved_nothing_asks_for_a_newer_set_in_the_same_bounds() -> None:
    source = Source()
    caches = source.caches()
    key = await caches.find("a", HEADER)
    source.now += 31
    for _ in range(20):
        with pytest.raises(JoseError):
            await caches.find("a", HEADER, key)
    assert len(source.asked) == 2
