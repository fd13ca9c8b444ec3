"""What an operation may rely on, on both databases; and SQLite's group commit (decision 4): one turn, one transaction,
each unit its own savepoint, an answer after its commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.database import Database, Unavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    found = Database(tmp_path / "test.sqlite3")
    found.write_now(lambda c: c.execute(sa.text("CREATE TABLE t (n INTEGER PRIMARY KEY, note TEXT NOT NULL)")))
    yield found
    found.close()


@pytest.fixture
def both(store: Any) -> Any:
    """SQLite's store and PostgreSQL's in turn, with the same table."""
    store.write_now(lambda c: c.execute(sa.text("CREATE TABLE t (n INTEGER PRIMARY KEY, note TEXT NOT NULL)")) and None)
    return store


def put(connection: Connection, number: int, note: str | None = "x") -> int:
    connection.execute(sa.text("INSERT INTO t (n, note) VALUES (:n, :note)"), {"n": number, "note": note})
    return number


def put_and_raise(connection: Connection, number: int, error: type[BaseException] = ValueError) -> None:
    put(connection, number)
    raise error("after writing")


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(sa.text("SELECT n FROM t ORDER BY n")).scalars())


def committed(path: Path) -> list[int]:
    """What another reader of the file sees."""
    with closing(sqlite3.connect(path)) as other:
        return [row[0] for row in other.execute("SELECT n FROM t ORDER BY n")]


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Every statement SQLite runs meanwhile."""
    seen: list[str] = []
    with database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.set_trace_callback(seen.append)
        try:
            yield seen
        finally:
            raw.set_trace_callback(None)


def counted(seen: list[str], word: str) -> int:
    return sum(statement.upper().startswith(word) for statement in seen)


async def test_the_writes_of_one_turn_share_one_commit(database: Database) -> None:
    with statements(database) as seen:
        answers = await asyncio.gather(*(database.write(put, number) for number in range(50)))
    assert answers == list(range(50))
    assert (counted(seen, "BEGIN IMMEDIATE"), counted(seen, "COMMIT"), counted(seen, "SAVEPOINT")) == (1, 1, 50)
    assert database.read_now(numbers) == list(range(50))


async def test_the_answer_leaves_after_the_commit(database: Database, tmp_path: Path) -> None:
    async def write_and_look(number: int) -> bool:
        await database.write(put, number)
        return number in committed(tmp_path / "test.sqlite3")

    assert all(await asyncio.gather(*(write_and_look(number) for number in range(10))))


async def test_before_the_commit_nobody_sees_it(database: Database, tmp_path: Path) -> None:
    writing = asyncio.ensure_future(database.write(put, 1))
    await asyncio.sleep(0)
    assert not writing.done()
    assert committed(tmp_path / "test.sqlite3") == []
    assert await database.read(numbers) == []
    await writing
    assert committed(tmp_path / "test.sqlite3") == [1]


@pytest.mark.parametrize("position", [0, 3, 7])
@pytest.mark.parametrize(
    ("fail", "expected"),
    [
        (lambda d, n: d.write(put_and_raise, n), ValueError),
        (lambda d, n: d.write(put_and_raise, n, LookupError), LookupError),
        (lambda d, n: d.write(put, n, None), sa.exc.IntegrityError),
    ],
    ids=["raises", "raises another", "breaks a constraint"],
)
async def test_one_failing_unit_does_not_disturb_the_others(
    both: Any, fail: Callable[[Database, int], Any], expected: type[Exception], position: int
) -> None:
    units: list[Any] = [both.write(put, number) for number in range(7)]
    units.insert(position, fail(both, 100))
    answers = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(answers.pop(position), expected)
    assert answers == list(range(7))
    assert both.read_now(numbers) == list(range(7))


async def test_two_units_in_conflict_the_first_wins(database: Database) -> None:
    first, second = await asyncio.gather(database.write(put, 1), database.write(put, 1, "y"), return_exceptions=True)
    assert first == 1
    assert isinstance(second, sa.exc.IntegrityError)


async def test_many_units_in_conflict_one_wins(both: Any) -> None:
    answers = await asyncio.gather(*(both.write(put, 1) for _ in range(16)), return_exceptions=True)
    assert answers.count(1) == 1
    assert sum(isinstance(answer, sa.exc.IntegrityError) for answer in answers) == 15
    assert both.read_now(numbers) == [1]


async def test_a_snapshot_is_one_moment_and_writes_go_on_meanwhile(both: Any) -> None:
    """It holds what was answered before the call, and nothing that came after its first look."""
    await both.write(put, 1)
    looked, wrote = threading.Event(), threading.Event()

    def look_twice(connection: Connection) -> tuple[list[int], list[int]]:
        before = numbers(connection)
        looked.set()
        # Nobody waits for this thread but SQLite's own; PostgreSQL's runs in the loop, so its write came before.
        wrote.wait(0.5 if connection.dialect.name == "postgresql" else 10)
        return before, numbers(connection)

    looking = asyncio.ensure_future(both.snapshot(look_twice))
    await asyncio.to_thread(looked.wait, 10)
    await both.write(put, 2)
    wrote.set()
    assert await looking == ([1], [1])
    assert both.read_now(numbers) == [1, 2]


async def test_a_snapshot_may_only_read(both: Any) -> None:
    with pytest.raises((Unavailable, sa.exc.DBAPIError)):
        await both.snapshot(put, 1)
    assert both.read_now(numbers) == []


async def test_whoever_gives_a_snapshot_up_ends_it(database: Database) -> None:
    """A server that is told to stop does not wait for a backup of an hour."""
    await database.write(put, 1)
    started, ended = threading.Event(), threading.Event()

    def for_ever(connection: Connection) -> None:
        started.set()
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        try:
            connection.execute(sa.text(endless))
        finally:
            ended.set()

    looking = asyncio.ensure_future(database.snapshot(for_ever))
    await asyncio.to_thread(started.wait, 10)
    looking.cancel()
    assert await asyncio.to_thread(ended.wait, 10)


async def test_a_unit_alone_in_its_turn_is_rolled_back_too(database: Database) -> None:
    with statements(database) as seen, pytest.raises(ValueError, match="after writing"):
        await database.write(put_and_raise, 1)
    assert (counted(seen, "COMMIT"), counted(seen, "ROLLBACK")) == (0, 1)
    assert database.read_now(numbers) == []
    assert await database.write(put, 2) == 2


async def test_outside_a_loop_it_is_the_same(both: Any) -> None:
    assert both.write_now(put, 1) == 1
    with pytest.raises(ValueError, match="after writing"):
        both.write_now(put_and_raise, 2)
    assert both.read_now(numbers) == [1]


async def test_a_refusal_that_is_returned_is_committed(both: Any) -> None:
    """decision 4: what a refusal must change is kept, because it is a value and not an exception."""

    def refuse(connection: Connection) -> ValueError:
        put(connection, 1)
        return ValueError("refused")

    assert isinstance(await both.write(refuse), ValueError)
    assert both.read_now(numbers) == [1]


async def test_whoever_went_away_takes_nobody_along(database: Database) -> None:
    """A client that hangs up cancels its request; its unit was promised to the turn all the same."""
    units = [asyncio.ensure_future(database.write(put, number)) for number in range(3)]
    await asyncio.sleep(0)
    units[1].cancel()
    answers = await asyncio.gather(*units, return_exceptions=True)
    assert (answers[0], answers[2]) == (0, 2)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert database.read_now(numbers) == [0, 1, 2]


async def test_a_locked_database_is_unavailable_soon_and_for_all(database: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "test.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answers = await asyncio.gather(*(database.write(put, n) for n in range(5)), return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert time.monotonic() - began < 2, "decision 27: never a long wait in the loop"
        assert await database.read(numbers) == [], "reading goes on"
        other.execute("ROLLBACK")
    assert await database.write(put, 9) == 9
    assert database.read_now(numbers) == [9]


async def test_a_fault_of_the_database_in_one_unit_is_told_to_all_and_nothing_happened(database: Database) -> None:
    """After a full disk SQLite may have rolled back the whole turn by itself: nobody of it may believe otherwise."""

    def fault(connection: Connection) -> None:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (1)"))

    answers = await asyncio.gather(database.write(put, 1), database.write(fault), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert database.read_now(numbers) == []
    assert await database.write(put, 2) == 2


async def test_turn_after_turn(both: Any) -> None:
    async def writer(start: int) -> None:
        for number in range(start, start + 20):
            await both.write(put, number)

    await asyncio.gather(*(writer(start) for start in range(0, 200, 20)))
    assert both.read_now(numbers) == list(range(200))


@pytest.mark.parametrize(("synchronous", "value"), [("FULL", 2), ("NORMAL", 1)])
def test_durability_is_a_choice_of_two(tmp_path: Path, synchronous: str, value: int) -> None:
    database = Database(tmp_path / "test.sqlite3", synchronous=synchronous)
    assert database.read_now(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar()) == value
    assert database.read_now(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar()) == "wal"
    database.close()


def test_there_is_no_third(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="OFF"):
        Database(tmp_path / "test.sqlite3", synchronous="OFF")


async def test_only_the_owner_may_read_the_file(database: Database, tmp_path: Path) -> None:
    await database.write(put, 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_what_was_answered_is_there_after_reopening(tmp_path: Path) -> None:
    database = Database(tmp_path / "again.sqlite3")
    await database.write(lambda c: c.execute(sa.text("CREATE TABLE t (n INTEGER PRIMARY KEY, note TEXT)")))
    await database.write(put, 1)
    database.close()
    assert committed(tmp_path / "again.sqlite3") == [1]
