"""Clients vanish (FT-10): a thousand connections reset in the middle of their body, their answer, their redemption.

Nothing of them stays, no task and no database connection, and each code they had sent is spent or not, never half.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from fault_house import MANIFEST, codes, redemption
from fault_wire import Wire, get
from support import WEB, Visitor

from idp.testing import RunningServer, running_server

pytestmark = [pytest.mark.long, pytest.mark.timeout(120), pytest.mark.anyio]

CONNECTIONS, REDEEMING = 1000, 200
HALF = b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HALF += b"Content-Length: 500\r\n\r\ngrant_type=client_credentials"
ANSWERS = get("/.well-known/openid-configuration") * 20


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[RunningServer, str | None]]:
    url = request.getfixturevalue("database") if request.param == "postgres" else None
    options = {} if url is None else {"database": url}
    with running_server(lifetimes__refresh_grace=0, lifetimes__code=600, **options) as started:
        started.apply(MANIFEST)
        yield started, url


async def test_nothing_stays_of_those_who_went(
    server: tuple[RunningServer, str | None], caplog: pytest.LogCaptureFixture
) -> None:
    running, url = server
    port = urlsplit(running.issuer).port or 80
    visitor = Visitor(running)
    await visitor.sign_on(WEB.request(scope="openid offline_access"))
    cookie = visitor.http.cookies["idp"]
    await visitor.aclose()
    sent = await codes([port], cookie, REDEEMING)
    before = await settled(running, 0, 0)
    await asyncio.to_thread(vanish, port, sent)
    after = await settled(running, *before)
    assert after[0] <= before[0], f"tasks: {before[0]} before, {after[0]} after"
    assert after[1] <= before[1] + 2, f"descriptors: {before[1]} before, {after[1]} after"
    print("codes sent by those who went:", dict(await twice(port, sent)))
    faults = [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
    assert not faults, faults[0].getMessage()
    if url is not None:
        assert (await connections(url)).keys() <= {"idle", "active"}, "a transaction was left open"
        assert (await connections(url)).total() <= 8


def vanish(port: int, sent: list[str]) -> None:
    requests = [redemption(code) for code in sent]
    requests += [HALF if number % 2 else ANSWERS for number in range(CONNECTIONS - len(requests))]
    random.Random(1).shuffle(requests)
    for request in requests:
        peer = socket.create_connection(("127.0.0.1", port), 5)
        # Linger 0: the close is a reset.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sendall(request)
        peer.close()


async def settled(running: RunningServer, tasks: int, descriptors: int) -> tuple[int, int]:
    """Tasks of the server's loop and descriptors of the process, once they are as few as given or after 5 s."""
    deadline = time.monotonic() + 5
    while True:
        found = len(asyncio.all_tasks(running.loop)), len(os.listdir("/proc/self/fd"))
        if (found[0] <= tasks and found[1] <= descriptors + 2) or time.monotonic() > deadline:
            return found
        if not tasks and time.monotonic() > deadline - 4.5:
            return found
        await asyncio.sleep(0.05)


async def twice(port: int, sent: list[str]) -> Counter[tuple[int, int]]:
    """How each code fares when it is brought again, and once more."""
    wire, found = Wire(port), Counter[tuple[int, int]]()
    for code in sent:
        first, second = await wire.ask(redemption(code)), await wire.ask(redemption(code))
        found[first.status, second.status] += 1
    wire.close()
    assert found.keys() <= {(200, 400), (400, 400)}, found
    return found


async def connections(url: str) -> Counter[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return Counter(row["state"] for row in rows)
    finally:
        await connection.close()
