"""DS, more requests than can be done: refused quickly and in words, without taking the work of others with them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from attack_raw import form, port_of, read, request, talk

from idp.admission import Admission, is_whole
from idp.testing import RunningServer, running_server

PLACES, QUEUE = 8, 2
AUTHORIZE = request("GET", "/authorize?client_id=web", {"Cookie": f"idp={'x' * 43}", "Accept": "text/html"})
TOKEN = form("/token", b"grant_type=client_credentials&client_id=nobody")


class Occupied:
    """A server whose places are taken: each by a request inside a database operation that ``release`` lets finish."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self._gate = asyncio.Event()
        self._peers: list[socket.socket] = []
        self._database: Any = server.application.server.database
        self._read = self._database.read
        self._inside = 0
        self._database.read = self._held

    async def _held(self, operation: Any, *arguments: Any, **named: Any) -> Any:
        if operation.__name__ == "standing":
            self._inside += 1
            await self._gate.wait()
        return await self._read(operation, *arguments, **named)

    def send(self, data: bytes) -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", port_of(self.server)), 2)
        peer.sendall(data)
        self._peers.append(peer)
        return peer

    def take(self, count: int = PLACES) -> list[socket.socket]:
        token = self.server.token_for("alice", scope="openid")
        asking = request("GET", "/userinfo", {"Authorization": f"Bearer {token}"})
        wanted = self._inside + count
        peers = [self.send(asking) for _ in range(count)]
        self.until(lambda: self._inside == wanted)
        return peers

    def until(self, reached: Any) -> None:
        deadline = time.monotonic() + 5
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    @property
    def waiting(self) -> int:
        return len(self.server.application.admission.waiting)

    def release(self) -> None:
        self.server.loop.call_soon_threadsafe(self._gate.set)

    def close(self) -> None:
        self.release()
        self._database.read = self._read
        for peer in self._peers:
            peer.close()
        self.until(lambda: not self._answering())

    def _answering(self) -> bool:
        return any(task.get_coro().__name__ == "run_asgi" for task in asyncio.all_tasks(self.server.loop))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def small() -> Iterator[RunningServer]:
    with running_server(overload__in_flight=PLACES, overload__waiting=QUEUE) as server:
        yield server


@pytest.fixture
def occupied(small: RunningServer) -> Iterator[Occupied]:
    found = Occupied(small)
    yield found
    found.close()


def test_what_finds_neither_place_nor_queue_is_refused_at_once(small: RunningServer, occupied: Occupied) -> None:
    held = occupied.take()
    queued = [occupied.send(TOKEN) for _ in range(QUEUE)]
    occupied.until(lambda: occupied.waiting == QUEUE)
    heard = talk(small, TOKEN)
    assert (heard.status, heard.header("retry-after"), heard.closed) == (503, b"1", False)
    assert heard.seconds < 0.25
    assert b"temporarily_unavailable" in heard.data
    page = talk(small, AUTHORIZE)
    assert (page.status, page.header("content-type")) == (503, b"text/html; charset=utf-8")
    occupied.release()
    assert {read(peer)[0][9:12] for peer in held} == {b"200"}
    assert {read(peer)[0][9:12] for peer in queued} == {b"401"}


@pytest.mark.parametrize(
    "path", ["/.well-known/jwks.json", "/.well-known/openid-configuration?a=b", "/healthz", "/readyz"]
)
def test_public_documents_and_health_are_never_refused(small: RunningServer, occupied: Occupied, path: str) -> None:
    occupied.take()
    for _ in range(QUEUE):
        occupied.send(TOKEN)
    occupied.until(lambda: occupied.waiting == QUEUE)
    assert talk(small, request("GET", path)).status == 200


def test_a_sign_in_has_a_place_of_its_own(small: RunningServer, occupied: Occupied) -> None:
    occupied.take()
    assert talk(small, form("/login", b"t=x&username=a&password=b")).status in (400, 403)


def test_a_waiting_request_gets_the_place_that_comes_free(small: RunningServer, occupied: Occupied) -> None:
    occupied.take()
    waiting = occupied.send(TOKEN)
    occupied.until(lambda: occupied.waiting == 1)
    started = time.monotonic()
    occupied.release()
    assert waiting.recv(65_536)[9:12] == b"401"
    assert time.monotonic() - started < 0.15, "not at the end of its patience"


def test_patience_ends_with_a_refusal_and_the_connection_goes_on(small: RunningServer, occupied: Occupied) -> None:
    occupied.take()
    started = time.monotonic()
    peer = occupied.send(TOKEN)
    assert peer.recv(65_536)[9:12] == b"503"
    assert 0.25 < time.monotonic() - started < 0.5
    occupied.release()
    occupied.until(lambda: len(occupied.server.application.admission.waiting) == 0)
    peer.sendall(TOKEN)
    assert read(peer)[0][9:12] == b"401"


def test_a_request_that_has_come_in_part_is_refused_with_its_connection(
    small: RunningServer, occupied: Occupied
) -> None:
    """What follows would else be taken for a request of its own."""
    occupied.take()
    heard = talk(small, TOKEN[:-10])
    assert (heard.statuses, heard.closed) == ([503], True)


def test_waiting_peers_that_go_away_take_no_place_along(small: RunningServer, occupied: Occupied) -> None:
    held = occupied.take()
    for _ in range(QUEUE):
        occupied.send(TOKEN).close()
    occupied.until(lambda: occupied.waiting == QUEUE)
    occupied.release()
    for peer in held:
        read(peer)
    for _ in range(2 * PLACES):
        assert talk(small, TOKEN).status == 401
    admission = small.application.admission
    assert (admission.arriving, admission.signing_in, len(admission.waiting)) == (0, 0, 0)


def test_slow_bodies_hold_no_place(small: RunningServer, occupied: Occupied) -> None:
    """As many senders that never finish as there are places would otherwise be all it takes."""
    admission = small.application.admission
    slow = [occupied.send(form("/token", b"grant_type", Content_Length="100")) for _ in range(4 * PLACES)]
    occupied.until(lambda: admission.arriving == 4 * PLACES)
    assert talk(small, TOKEN).status == 401
    for peer in slow:
        peer.close()
    occupied.until(lambda: admission.arriving == 0)


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab", False),
    ],
)
def test_only_what_is_surely_one_request_is_answered_unread_on_an_open_connection(data: bytes, whole: bool) -> None:
    assert is_whole(data) is whole


def test_sign_ins_past_their_own_bound_wait_too() -> None:
    full = Admission(places=1, hashing=2, sign_ins=frozenset({b"/login"}), signing_in=2)
    assert full.turns_away(b"POST /login?a=b HTTP/1.1\r\n", 2)
    assert not full.turns_away(b"GET /login HTTP/1.1\r\n", 2)
    assert full.turns_away(b"GET /login HTTP/1.1\r\n", 3)
