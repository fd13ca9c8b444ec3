"""PostgreSQL that is there and will not do it (FT-02, FT-04, FT-05): locked, slow, read-only, full, at odds, restarted.

Every request is done or refused with 503 and Retry-After within two seconds, whatever the server's reason was; what
was refused is as it was; JWKS and discovery do not notice; and it is over a moment after its cause.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from fault_house import COOKIE, MANIFEST, OFFLINE, Somebody, code, redemption, refreshing, session
from fault_installation import Installation, Serving, unused_port
from fault_proxy import Proxy
from fault_stubborn import Crowd
from fault_wire import Wire, get, together
from support import Page, Visitor

pytestmark = [pytest.mark.long, pytest.mark.postgres, pytest.mark.timeout(120), pytest.mark.anyio]

OPTIONS = {"lifetimes_code": "600", "lifetimes_refresh_grace": "0"}
SECONDS = 2.5  # that a cause lasts
DOCUMENT_SECONDS = 0.5  # a busy machine's; the database is asked for none of them


@pytest.fixture(scope="module")
def one_for_all(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Serving]]:
    installation = Installation(tmp_path_factory.mktemp("refuses"), unused_port(), cluster.new(), OPTIONS)
    installation.make(MANIFEST)
    with installation.serving() as serving:
        yield installation, serving


@pytest.fixture
def installation(one_for_all: tuple[Installation, Serving]) -> Iterator[Installation]:
    """One server sees all of it, one thing after the other; none may leave a fault in its log."""
    found, serving = one_for_all
    before = len(serving.said())
    yield found
    assert not re.findall("Traceback|fault ", serving.said()[before:]), serving.said()[before:][-3000:]


@asynccontextmanager
async def crowd_at(installation: Installation) -> AsyncIterator[Crowd]:
    """At work before, during and after what the block does; everything this page promises is asserted at the end."""
    crowd = Crowd(installation.port, await session(installation))
    async with crowd.at_work():
        await crowd.progress(30, 10)
        yield crowd
        took = await crowd.progress(30, 5)
    print(f"back after {took:.2f} s; {crowd.told()}")
    assert crowd.wrong == [], crowd.told()
    assert crowd.slowest_refusal < 2, crowd.told()
    assert crowd.slowest_document < DOCUMENT_SECONDS, crowd.told()


@asynccontextmanager
async def operator(installation: Installation) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(installation.database)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_table_is_locked(installation: Installation) -> None:
    async with operator(installation) as sql, crowd_at(installation) as crowd, sql.transaction():
        await sql.execute("LOCK TABLE grants IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(SECONDS)
    assert crowd.statuses[503] > 0, crowd.told()
    assert crowd.unclear == 0, crowd.told()


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$
"""


async def test_the_disk_is_full(installation: Installation) -> None:
    """By the state PostgreSQL gives for it; the trigger raises it where a real one would: when a row is written."""
    tables = ("codes", "refresh_tokens", "grants")
    async with operator(installation) as sql, crowd_at(installation) as crowd:
        await sql.execute(FULL)
        for table in tables:
            await sql.execute(f"CREATE TRIGGER t BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION full_disk()")
        await crowd.refused(30)
        for table in tables:
            await sql.execute(f"DROP TRIGGER t ON {table}")
    assert crowd.unclear == 0, crowd.told()


async def test_it_only_reads(installation: Installation) -> None:
    """A standby that was not promoted, or an operator's switch."""
    async with operator(installation) as sql, crowd_at(installation) as crowd:
        await sql.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            await sql.execute("SELECT pg_reload_conf()")
            await crowd.refused(30)
        finally:
            await sql.execute("SET default_transaction_read_only = off")
            await sql.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await sql.execute("SELECT pg_reload_conf()")
    assert crowd.unclear == 0, crowd.told()


async def test_transactions_at_odds(installation: Installation) -> None:
    """Serializable, where PostgreSQL fails whom it cannot put in order: tried again or refused, never 500."""
    cookie, wire = await session(installation), Wire(installation.port)
    bought = [await wire.ask(redemption(await code(wire, cookie))) for _ in range(10)]
    wires = [Wire(installation.port) for _ in range(24)]
    async with operator(installation) as sql, crowd_at(installation) as crowd:
        await sql.execute("ALTER SYSTEM SET default_transaction_isolation = 'serializable'")
        try:
            await sql.execute("SELECT pg_reload_conf()")
            before = await _conflicts(sql)
            for answer in bought:
                tries = await together(wires, refreshing(answer.json()["refresh_token"]))
                statuses = Counter(each.status for each in tries)
                assert statuses[200] == 1, statuses
                assert statuses.keys() <= {200, 400, 503}
            async with asyncio.timeout(10):  # or nobody was at odds, and the test shows nothing
                while await _conflicts(sql) <= before:  # each connection tells its count once a second at most
                    await asyncio.sleep(0.2)
        finally:
            await sql.execute("ALTER SYSTEM RESET default_transaction_isolation")
            await sql.execute("SELECT pg_reload_conf()")
    assert crowd.unclear == 0, crowd.told()


async def _conflicts(sql: Any) -> int:
    await sql.execute("SELECT pg_stat_clear_snapshot()")
    return int(await sql.fetchval("SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"))


async def test_a_deadlock(installation: Installation) -> None:
    """Signing out takes the session, then its grants; somebody else has the grants and wants the session."""
    visitor = Visitor(Somebody(installation.issuer))  # type: ignore[arg-type]
    await visitor.sign_on({**OFFLINE, "scope": "openid"})
    page = await visitor.open("/logout")
    async with operator(installation) as sql, operator(installation) as looking:
        theirs = await sql.fetchval("SELECT id FROM sessions ORDER BY created_at DESC LIMIT 1")
        await _deadlocked(installation, sql, looking, theirs, visitor, page)
    answer = await Wire(installation.port).ask(_silently(visitor))
    assert answer.query["error"] == "login_required"
    await visitor.aclose()


async def _deadlocked(
    installation: Installation, sql: Any, looking: Any, session_id: str, visitor: Visitor, page: Any
) -> None:
    async with crowd_at(installation):
        deadlocks = await _deadlocks(sql)
        transaction = sql.transaction()
        await transaction.start()
        await sql.execute("SELECT 1 FROM grants FOR UPDATE")
        leaving = asyncio.create_task(visitor.submit(page))
        # The crowd waits for grants too: it is this session that must be held by now.
        free = "SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE SKIP LOCKED"
        while await looking.fetchval(free, session_id) is not None:
            await asyncio.sleep(0.01)
        await sql.execute("SET LOCAL deadlock_timeout = '10s'")  # it is the server's transaction that has to give way
        await sql.execute("SELECT 1 FROM sessions FOR UPDATE")
        await transaction.rollback()
        stop = await leaving
        assert isinstance(stop, Page)
        assert stop.id in ("logged-out", "busy"), stop.text
        if stop.id == "busy":
            await visitor.submit(page)
        assert await _deadlocks(sql, deadlocks) == deadlocks + 1


async def _deadlocks(sql: Any, more_than: int = -1) -> int:
    """As counted so far; waits until it is ``more_than`` that, as the count comes a moment late."""
    deadline = time.monotonic() + 5
    while True:
        await sql.execute("SELECT pg_stat_clear_snapshot()")
        found = int(await sql.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
        if found > more_than or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.02)


def _silently(visitor: Visitor) -> bytes:
    return get("/authorize", {**OFFLINE, "prompt": "none"}, Cookie=f"{COOKIE}={visitor.http.cookies.get(COOKIE, '')}")


async def test_it_is_slow(tmp_path: Path, database: str) -> None:
    """Five seconds for every word from the database: no request waits for it longer than two."""
    parts = urlsplit(database)
    proxy = Proxy(parts.port or 5432)
    await proxy.start()
    url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()
    installation = Installation(tmp_path, unused_port(), url, OPTIONS)
    try:
        await asyncio.to_thread(installation.make, MANIFEST)
        serving = await asyncio.to_thread(installation.start)
        try:
            async with crowd_at(installation) as crowd:
                proxy.delay = 5.0
                await asyncio.sleep(2 * SECONDS)
                proxy.delay = 0.0
            assert crowd.statuses[503] >= crowd.lanes, crowd.told()
            assert not re.findall("Traceback|fault ", serving.said()), serving.said()[-3000:]
        finally:
            serving.kill()
    finally:
        await proxy.stop()


async def test_it_is_restarted_under_load(installation: Installation, cluster: Any) -> None:
    """Statements under way are cut off in the middle; a COMMIT among them may have happened, which nobody can tell."""
    async with crowd_at(installation) as crowd:
        for _ in range(3):
            await asyncio.to_thread(cluster.control, "-m", "fast", "restart")
            await crowd.progress(20, 5)
    assert crowd.statuses[503] > 0, crowd.told()
    assert crowd.unclear <= 3 * crowd.lanes
