"""DS over a real socket: bodies that lie, heads without end, peers that never finish."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attack_raw import form, port_of, read, request, talk

from idp.serving import BoundedProtocol
from idp.testing import RunningServer

KIND = b"Content-Type: application/x-www-form-urlencoded\r\n"
ALIVE = request("GET", "/healthz")


def resident() -> int:
    """MB of this process, which is the server's too."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024


def chunked(total: int) -> Iterator[bytes]:
    yield b"POST /token HTTP/1.1\r\nHost: localhost\r\n" + KIND + b"Transfer-Encoding: chunked\r\n\r\n"
    for _ in range(total // 65_536):
        yield b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    yield b"0\r\n\r\n"


def announced(total: int) -> Iterator[bytes]:
    yield form("/token", b"", Content_Length=str(total))
    for _ in range(total // 65_536):
        yield b"a" * 65_536


@pytest.mark.parametrize("kind", [chunked, announced])
def test_ds_01_hundred_megabytes(socket_server: RunningServer, kind: object) -> None:
    before = resident()
    heard = talk(socket_server, kind(100_000_000))  # type: ignore[operator]
    assert heard.status == 413
    assert resident() - before < 20
    assert talk(socket_server, ALIVE).status == 200


@pytest.mark.parametrize("path", ["/token", "/login", "/introspect", "/authorize", "/api/token/"])
def test_ds_01_a_length_that_lies(socket_server: RunningServer, path: str) -> None:
    """Promised far more than sent: refused by the promise. Promised less: the rest is not taken for a body."""
    heard = talk(socket_server, form(path, b"a=b", Content_Length="100000000"))
    assert heard.status == 413
    assert heard.seconds < 1
    heard = talk(socket_server, form(path, b"a=bcdefgh", Content_Length="3"))
    assert heard.statuses[-1] == 400
    assert heard.closed


def test_ds_01_a_promise_that_is_not_kept(socket_server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    """Peers that leave in the middle of a body are an everyday thing: no fault in the log, nothing left over."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port_of(socket_server)), 2) as peer:
            peer.sendall(form("/token", b"a=b", Content_Length="1000"))
    assert talk(socket_server, ALIVE).status == 200
    faults = [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
    assert not faults, faults[0].getMessage()


HEADS: dict[str, bytes] = {
    "300 headers": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    + b"".join(b"X-%d: y\r\n" % n for n in range(300))
    + b"\r\n",
    "100,000 headers": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    "64 kB cookie": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 65_536 + b"\r\n\r\n",
    "8 MB header": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 8_000_000 + b"\r\n\r\n",
    "a header without end": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 8_000_000,
    "a name without end": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"a" * 200_000,
    "a target without end": b"GET /" + b"a" * 200_000,
    "10 MB token": b"GET /userinfo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
    + b"a" * 10_000_000
    + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_ds_08_header_bombs(socket_server: RunningServer, name: str) -> None:
    before = resident()
    heard = talk(socket_server, HEADS[name])
    # A peer that is still sending may see the connection reset before it sees the answer.
    assert heard.status in (400, 414, 431, 0)
    assert heard.closed
    assert resident() - before < 40
    assert talk(socket_server, ALIVE).status == 200


def test_ds_08_what_a_browser_may_send(socket_server: RunningServer) -> None:
    cookies = "; ".join(f"name{number}=value" for number in range(500))
    assert talk(socket_server, request("GET", "/healthz", {"Cookie": cookies})).status == 200
    assert talk(socket_server, request("GET", "/authorize?" + "a" * 32_768)).status == 400
    assert talk(socket_server, request("GET", "/healthz", {"X": "y" * 30_000})).status == 200


def test_ds_08_a_bomb_behind_an_honest_request(socket_server: RunningServer) -> None:
    for bomb in (HEADS["64 kB cookie"], HEADS["300 headers"], HEADS["a header without end"]):
        heard = talk(socket_server, ALIVE + bomb)
        assert heard.statuses in ([200, 400], [200, 431], [200], [400], [431], [])
        assert heard.closed


def ends(peer: socket.socket) -> bool:
    """Whether the server hangs up within the peer's timeout, whatever it says before."""
    peer.settimeout(1.5)
    try:
        while peer.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "arrival_seconds", 0.6)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"G",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y",
        form("/token", b"grant_type=", Content_Length="100"),
        ALIVE + b"GET /",
        next(chunked(0)) + b"5\r\nab",
    ],
    ids=["silent", "one byte", "head", "body", "second request", "chunk"],
)
def test_ds_12_slow_peers_are_cut(socket_server: RunningServer, beginning: bytes) -> None:
    """A byte now and then keeps nothing alive; others are served meanwhile."""
    peers = [socket.create_connection(("127.0.0.1", port_of(socket_server)), 2) for _ in range(20)]
    started = time.monotonic()
    try:
        for peer in peers:
            peer.sendall(beginning)
        while time.monotonic() - started < 0.4:
            assert talk(socket_server, ALIVE, seconds=1).status == 200
            for peer in peers[:3]:
                with contextlib.suppress(OSError):  # a letter may be one too many, and the end
                    peer.sendall(b"a" if beginning else b"")
        assert all(ends(peer) for peer in peers)
        assert time.monotonic() - started < 2
    finally:
        for peer in peers:
            peer.close()
    assert talk(socket_server, ALIVE).status == 200


@pytest.mark.usefixtures("impatient")
def test_ds_12_an_idle_connection_that_has_asked_is_kept(socket_server: RunningServer) -> None:
    """The limit is on arriving, not on being there: between requests keep-alive has its own."""
    with socket.create_connection(("127.0.0.1", port_of(socket_server)), 2) as peer:
        peer.sendall(ALIVE)
        read(peer)
        assert read(peer, 0.9) == (b"", False)
        peer.sendall(ALIVE)
        assert b"200 OK" in read(peer)[0]
