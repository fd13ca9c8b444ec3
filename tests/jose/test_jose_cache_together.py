"""Many callers of one cached key set: threads, coroutines, and those that give up."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jose_issuer import DOWN, Issuer, header, keys

from idp.jose import Fetched, JoseError, KeySetCache, PublicKey, in_loop, in_thread


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def test_two_hundred_coroutines_share_one_fetch(issuer: Issuer) -> None:
    issuer.hold = True
    cache = KeySetCache(issuer.start, clock=issuer.clock)

    async def main() -> list[PublicKey]:
        callers = [asyncio.create_task(cache.find(header("a"))) for _ in range(200)]
        await asyncio.sleep(0)
        assert issuer.fetches == 1
        issuer.answer()
        return await asyncio.gather(*callers)

    assert {key.kid for key in asyncio.run(main())} == {"a"}
    assert issuer.fetches == 1


def test_a_caller_that_goes_away_does_not_take_the_fetch_along(issuer: Issuer) -> None:
    issuer.hold = True
    cache = KeySetCache(issuer.start, clock=issuer.clock)

    async def main() -> None:
        first, second = (asyncio.create_task(cache.find(header("a"))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        issuer.answer()
        assert (await second).kid == "a"

    asyncio.run(main())
    assert issuer.fetches == 1


def test_fifty_threads_share_one_fetch(issuer: Issuer) -> None:
    gate, calls = threading.Event(), []
    everyone = threading.Barrier(50, action=gate.set)

    def fetch(_: str | None) -> Fetched:
        calls.append(1)
        gate.wait(10)
        return Fetched(keys("a"))

    cache = KeySetCache(in_thread(fetch), clock=issuer.clock)

    def caller(_: int) -> PublicKey:
        everyone.wait(10)
        return cache.find_blocking(header("a"))

    with ThreadPoolExecutor(50) as pool:
        assert {key.kid for key in pool.map(caller, range(50))} == {"a"}
    assert len(calls) == 1


def test_one_cache_serves_threads_and_several_event_loops(issuer: Issuer) -> None:
    cache = KeySetCache(in_thread(lambda _: Fetched(keys("ab"))), clock=issuer.clock)
    assert asyncio.run(cache.find(header("a"))).kid == "a"
    issuer.now += 301
    assert asyncio.run(cache.find(header("b"))).kid == "b"
    issuer.now += 301
    assert cache.find_blocking(header("a")).kid == "a"


def test_an_async_fetch_runs_in_the_loop(issuer: Issuer) -> None:
    calls: list[str | None] = []

    async def fetch(etag: str | None) -> Fetched:
        calls.append(etag)
        await asyncio.sleep(0)
        if len(calls) == 2:
            raise DOWN
        return Fetched(keys("a"), '"a"')

    async def main() -> None:
        cache = KeySetCache(in_loop(fetch), clock=issuer.clock)
        await asyncio.gather(*(cache.find(header("a")) for _ in range(50)))
        assert calls == [None]
        issuer.now += 301
        assert (await cache.find(header("a"))).kid == "a", "stale while the issuer is in trouble"
        issuer.now += 31
        assert (await cache.find(header("a"))).kid == "a"
        while len(calls) < 3:  # the retry runs in the background
            await asyncio.sleep(0)
        assert calls == [None, '"a"', '"a"']

    asyncio.run(main())


def test_a_cancelled_async_fetch_is_a_failure_for_those_who_wait(issuer: Issuer) -> None:
    async def main() -> None:
        running: list[weakref.ref[asyncio.Task[Any]]] = []

        async def fetch(_: str | None) -> Fetched:
            task = asyncio.current_task()
            if task is not None:
                running.append(weakref.ref(task))
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        cache = KeySetCache(in_loop(fetch), clock=issuer.clock)
        caller = asyncio.create_task(cache.find(header("a")))
        while not running:
            await asyncio.sleep(0)
        gc.collect()  # what only the task itself holds would be gone now
        task = running[0]()
        assert task is not None
        task.cancel()
        with pytest.raises(JoseError, match="cancelled"):
            await caller

    asyncio.run(main())
