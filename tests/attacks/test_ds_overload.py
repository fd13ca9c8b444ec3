"""DS, more requests than can be done: refused quickly and in words, without taking the work of others with them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from attack_raw import form, port_of, request, talk
from attack_support import World

from idp.testing import RunningServer
from idp.web.overload import Room

pytestmark = pytest.mark.anyio
PLACES, QUEUE = 8, 2
TOKEN = {"grant_type": "client_credentials"}


def small() -> World:
    return World(overload__in_flight=PLACES, overload__waiting=QUEUE)


class Occupied:
    """``count`` requests that hold a place each, inside a database operation that ``release`` lets finish."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._gate = asyncio.Event()

    async def __aenter__(self) -> Occupied:
        database = self._world.provider.server.database
        read = database.read

        async def held(operation: object, *arguments: object, **named: object) -> object:
            if getattr(operation, "__name__", "") == "know":
                await self._gate.wait()
            return await read(operation, *arguments, **named)  # type: ignore[arg-type]

        database.read = held  # type: ignore[method-assign,assignment]
        self._restore = lambda: setattr(database, "read", read)
        return self

    def take(self, count: int) -> list[asyncio.Task[httpx2.Response]]:
        async def hold() -> httpx2.Response:
            browser = self._world.browser()
            browser.http.cookies.set("idp", "x" * 43)
            return await browser.ask()

        return [asyncio.create_task(hold()) for _ in range(count)]

    def release(self) -> None:
        self._gate.set()

    async def __aexit__(self, *_: object) -> None:
        self.release()
        self._restore()


async def turns() -> None:
    """Let every task come as far as it can."""
    for _ in range(200):
        await asyncio.sleep(0)


async def test_what_fits_neither_place_nor_queue_is_refused_at_once() -> None:
    async with small() as world, Occupied(world) as occupied:
        held = occupied.take(PLACES + QUEUE)
        await turns()
        started = time.perf_counter()
        answer = await world.post("/token", TOKEN, "web")
        assert time.perf_counter() - started < 0.2
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"] == "temporarily_unavailable"
        page = await world.api.http.get("/login", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        for path in ("/.well-known/jwks.json", "/.well-known/openid-configuration", "/healthz", "/readyz"):
            assert (await world.api.http.get(path)).status_code == 200, path
        occupied.release()
        assert {(await task).status_code for task in held} == {303}
        assert (await world.post("/token", TOKEN, "web")).status_code == 200


async def test_a_waiting_request_gets_the_place_that_comes_free() -> None:
    async with small() as world, Occupied(world) as occupied:
        held = occupied.take(PLACES)
        await turns()
        waiting = asyncio.create_task(world.post("/token", TOKEN, "web"))
        await turns()
        assert not waiting.done()
        occupied.release()
        assert (await waiting).status_code == 200
        await asyncio.gather(*held)


async def test_patience_ends_with_a_refusal_within_half_a_second() -> None:
    async with small() as world, Occupied(world) as occupied:
        held = occupied.take(PLACES)
        await turns()
        started = time.perf_counter()
        answer = await world.post("/token", TOKEN, "web")
        assert answer.status_code == 503
        assert 0.25 < time.perf_counter() - started < 0.5
        occupied.release()
        await asyncio.gather(*held)
        for _ in range(3 * PLACES):  # no place was lost with those that gave up
            assert (await world.post("/token", TOKEN, "web")).status_code == 200


async def test_a_waiting_request_that_goes_away_takes_no_place_along() -> None:
    async with small() as world, Occupied(world) as occupied:
        held = occupied.take(PLACES)
        await turns()
        gone = [asyncio.create_task(world.post("/token", TOKEN, "web")) for _ in range(QUEUE)]
        await turns()
        for task in gone:
            task.cancel()
        occupied.release()
        await asyncio.gather(*held, *gone, return_exceptions=True)
        answers = await asyncio.gather(*(world.post("/token", TOKEN, "web") for _ in range(PLACES)))
        assert {answer.status_code for answer in answers} == {200}


async def test_a_body_on_its_way_holds_no_place() -> None:
    """64 senders that never finish would otherwise be all it takes."""
    async with small() as world:
        stop = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"grant_type="
            await stop.wait()

        slow = [asyncio.create_task(world.api.http.post("/token", content=endless())) for _ in range(3 * PLACES)]
        await turns()
        assert (await world.post("/token", TOKEN, "web")).status_code == 200
        stop.set()
        assert {(await task).status_code for task in slow} <= {400, 401, 415}


def test_slow_bodies_over_sockets_hold_no_place(socket_server: RunningServer) -> None:
    peers = [socket.create_connection(("127.0.0.1", port_of(socket_server)), 2) for _ in range(80)]
    for peer in peers:
        peer.sendall(form("/token", b"grant_type", Content_Length="100"))
    assert talk(socket_server, form("/token", b"a=b")).status == 401
    assert talk(socket_server, request("GET", "/login")).status in (400, 403)
    for peer in peers:
        peer.close()


async def test_a_place_handed_to_a_request_that_goes_away_that_moment_comes_back() -> None:
    room = Room(1, 1)
    assert room.enter_now()
    waiting = asyncio.create_task(room.enter())
    await turns()
    room.leave()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert room.enter_now()
