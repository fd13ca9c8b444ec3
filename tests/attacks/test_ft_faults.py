"""FT: what breaks around the server is answered in kind, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import struct
import time

import pytest
from attack_raw import form, port_of, request, talk
from attack_support import Browser, World

from idp.testing import RunningServer

pytestmark = pytest.mark.anyio


async def test_ft_02_database_away(fresh: World, browser: Browser) -> None:
    """Held by somebody else: 503 with Retry-After within 2 s and no effect; documents go on; back by itself."""
    code = await browser.code()
    tokens = await browser.tokens()
    page = await browser.follow(await browser.ask(prompt="login"))
    other = sqlite3.connect(fresh.provider.data_dir / "idp.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        async with fresh.unchanged():
            for attempt in (
                lambda: fresh.redeem(code),
                lambda: fresh.refresh(tokens["refresh_token"]),
                lambda: fresh.post("/revoke", {"token": tokens["access_token"]}, "web"),
                lambda: browser.log_in(page, "alice"),
                lambda: browser.ask(scope="openid profile"),
            ):
                started = time.perf_counter()
                answer = await attempt()
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) >= 1
                assert time.perf_counter() - started < 2
            for path in ("/.well-known/jwks.json", "/.well-known/openid-configuration", "/healthz"):
                assert (await browser.http.get(path)).status_code == 200
            assert (await fresh.userinfo(tokens["access_token"])).status_code == 200
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert (await fresh.redeem(code)).status_code == 200
    assert (await fresh.refresh(tokens["refresh_token"])).status_code == 200


async def test_ft_05_lock_conflicts_have_no_double_effect(fresh: World, browser: Browser) -> None:
    """Refused while locked, asked again by the client: once redeemed is once redeemed."""
    codes = [await browser.code() for _ in range(4)]
    other = sqlite3.connect(fresh.provider.data_dir / "idp.sqlite3", isolation_level=None)
    bought = 0
    for code in codes:
        other.execute("BEGIN IMMEDIATE")
        refused = await asyncio.gather(*(fresh.redeem(code) for _ in range(3)))
        other.execute("ROLLBACK")
        assert {answer.status_code for answer in refused} == {503}
        bought += (await fresh.redeem(code)).status_code == 200
    other.close()
    assert bought == 4


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_ft_10_clients_vanish(socket_server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    """Reset in the middle of a body, and in the middle of an answer: nothing stays, nothing is logged as a fault."""
    whole = request("GET", "/.well-known/openid-configuration")
    half = form("/token", b"grant_type=client_credentials", Content_Length="500")
    assert talk(socket_server, whole).status == 200
    before = descriptors()
    for number in range(200):
        peer = socket.create_connection(("127.0.0.1", port_of(socket_server)), 2)
        # Linger 0: the close is a reset.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sendall(half if number % 2 else whole * 20)
        peer.close()
    deadline = time.monotonic() + 2
    while descriptors() > before + 2 and time.monotonic() < deadline:
        talk(socket_server, whole)
    assert descriptors() <= before + 2
    assert talk(socket_server, whole).status == 200
    faults = [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
    assert not faults, faults[0].getMessage()
