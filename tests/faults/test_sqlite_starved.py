"""SQLite without room, and SQLite held by somebody else (FT-03, FT-05): refused in words, nothing half done, and back.

Two ways to a full disk. A limit on the size of files needs no rights: every append fails with EFBIG, which SQLite tells
as an I/O error. A small tmpfs gives the real ENOSPC, and needs the right to mount; where it is missing only that case
is skipped, the first one always runs.
"""

from __future__ import annotations

import asyncio
import re
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_house import (
    MANIFEST,
    OFFLINE,
    PROOF,
    SERVICE_PROOF,
    Somebody,
    code,
    introspection,
    redemption,
    refreshing,
    session,
)
from fault_installation import Installation, Serving, unused_port
from fault_stubborn import DISCOVERY, JWKS, Crowd
from fault_traffic import settings_of
from fault_wire import Answer, Wire, get, post
from support import Page, Visitor, granted

from idp.control.calling import call

pytestmark = [pytest.mark.long, pytest.mark.timeout(120), pytest.mark.anyio]

OPTIONS = {"lifetimes_code": "600", "lifetimes_refresh_grace": "0", "lifetimes_access_token": "600"}
MACHINES = 20
MACHINE = post("/token", {"grant_type": "client_credentials"}, SERVICE_PROOF)


@dataclass
class House:
    installation: Installation
    serving: Serving
    starve: Callable[[], None]
    feed: Callable[[], None]


def of_limited_files(installation: Installation, serving: Serving) -> House:
    pid, wal = serving.process.pid, installation.data_dir / "idp.sqlite3-wal"
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def starve() -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal.stat().st_size, before[1]))

    return House(installation, serving, starve, lambda: _set(pid, before))


def _set(pid: int, limits: tuple[int, int]) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def of_small_disk(installation: Installation, serving: Serving) -> House:
    ballast = installation.folder / "ballast"

    def starve() -> None:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 4096):
                pass

    return House(installation, serving, starve, ballast.unlink)


@pytest.fixture(params=[of_limited_files, of_small_disk], ids=["limited files", "small disk"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    mounted = request.param is of_small_disk
    if mounted:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", tmp_path], capture_output=True)
        if done.returncode:
            pytest.skip("this user may not mount a tmpfs; the case of limited files shows the same")
    try:
        installation = Installation(tmp_path, unused_port(), None, OPTIONS)
        installation.make(MANIFEST)
        with installation.serving() as serving:
            yield request.param(installation, serving)
    finally:
        if mounted:
            subprocess.run(["umount", tmp_path], check=True)


async def test_a_full_disk(house: House) -> None:
    installation, port = house.installation, house.installation.port
    cookie, wire = await session(installation), Wire(port)
    codes = [await code(wire, cookie) for _ in range(3)]
    tokens = (await wire.ask(redemption(codes.pop()))).json()
    revoked = (await wire.ask(redemption(codes.pop()))).json()
    visitor = Visitor(Somebody(installation.issuer))  # type: ignore[arg-type]
    login = await visitor.authorize({**OFFLINE, "prompt": "login"})
    changing = {
        "a code": redemption(codes[0]),
        "a refresh token": refreshing(tokens["refresh_token"]),
        "a revocation": post("/revoke", {"token": revoked["refresh_token"]}, PROOF),
    }
    async with Crowd(port, cookie).at_work() as crowd:
        await crowd.progress(50, 5)
        house.starve()
        for _ in range(MACHINES):
            assert (await wire.ask(MACHINE)).status == 200, "a machine token leaves no row but its count"
        await crowd.refused(30)
        await asyncio.sleep(0.5)  # five tries to write the counts; on the small disk no log can tell of them
        for what, request in changing.items():
            assert _told_to_wait(await wire.ask(request)), what
        assert isinstance(page := await visitor.log_in(login), Page)
        assert (page.status, page.id) == (503, "busy")
        assert "retry-after" in page.headers
        for request in (JWKS, DISCOVERY, get("/healthz"), get("/userinfo", **_bearer(tokens))):
            assert (await wire.ask(request)).status == 200
        assert (await wire.ask(introspection(revoked["access_token"]))).json()["active"], "nothing was half revoked"
        house.feed()
        took = await crowd.progress(50, 5)
    print(f"back after {took:.2f} s; {crowd.told()}")
    assert (crowd.wrong, crowd.unclear) == ([], 0), crowd.told()
    assert crowd.slowest_refusal < 2
    for what, request in changing.items():
        assert (await wire.ask(request)).status == 200, f"{what} after all"
    assert (await wire.ask(changing["a code"])).status == 400, "and once"
    assert granted(await visitor.log_in(login)), "the login page is still good"
    await visitor.aclose()
    wire.close()
    await _every_machine_token_is_counted(installation)
    assert not re.findall("Traceback|fault ", house.serving.said()), house.serving.said()[-3000:]
    house.serving.kill()
    with closing(sqlite3.connect(installation.data_dir / "idp.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def _every_machine_token_is_counted(installation: Installation) -> None:
    """What was issued while it could not be written down is written down once there is room."""
    told = await asyncio.to_thread(call, settings_of(installation), "audit.tail", limit=100_000)
    lines = [line for line in told["events"] if line["event"] == "tokens.issued" and line["client_id"] == "service"]
    assert sum(line["detail"]["client_credentials"] for line in lines) == MACHINES


HOLDER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
time.sleep(3)
connection.execute("ROLLBACK")
"""


async def test_held_by_another_process(tmp_path: Path) -> None:
    """Three seconds: every write is refused within two, the documents wait for one busy timeout at most."""
    installation = Installation(tmp_path, unused_port(), None, OPTIONS)
    installation.make(MANIFEST)
    with installation.serving() as serving:
        cookie = await session(installation)
        async with Crowd(installation.port, cookie).at_work() as crowd:
            await crowd.progress(50, 5)
            crowd.slowest_document = 0.0
            holder = subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(installation.data_dir / "idp.sqlite3")], stdout=subprocess.PIPE
            )
            try:
                while holder.poll() is None:
                    await asyncio.sleep(0.05)
                ended = time.monotonic()
                await crowd.progress(20, 5)
            finally:
                holder.kill()
                holder.communicate()
        print(f"back after {time.monotonic() - ended:.2f} s; {crowd.told()}")
        assert crowd.statuses[503] > 10, crowd.told()
        assert (crowd.wrong, crowd.unclear) == ([], 0), crowd.told()
        assert crowd.slowest_refusal < 2, crowd.told()
        assert crowd.slowest_document < 0.2 + 0.3, "the loop was blocked for longer than the busy timeout"
        assert not re.findall("Traceback|fault ", serving.said())


def _bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def _told_to_wait(answer: Answer) -> bool:
    return answer.status == 503 and int(answer.headers["retry-after"]) >= 1
