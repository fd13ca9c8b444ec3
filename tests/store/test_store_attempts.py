"""Buckets of tries: whatever is asked of them, they hold what the arithmetic says, and no try is charged by halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.protocol.limits import Limit
from idp.store import attempts, migrate
from idp.store.attempts import Bucket, Full
from idp.store.database import Database
from idp.store.sweep import START, Place, sweep

NOW = 1_800_000_000.0
ACCOUNT = Bucket(b"a" * 32, "account", Limit(5, 100))
NETWORK = Bucket(b"b" * 32, "network", Limit(3, 60))


@pytest.fixture
def database() -> Iterator[Database]:
    found = Database(":memory:")
    found.write_now(migrate.to_head)
    yield found
    found.close()


def takes(database: Database, *buckets: Bucket, now: float = NOW) -> bool:
    try:
        database.write_now(attempts.take, buckets, now)
    except Full:
        return False
    return True


def swept(database: Database, now: float) -> int:
    """A whole pass over all tables; answers how many rows went."""
    total = 0
    following: Place | None = START
    while following is not None:
        gone, following = database.write_now(sweep, now, following)
        total += gone
    return total


def left(database: Database, bucket: Bucket, now: float = NOW) -> int:
    return bucket.limit.capacity - database.read_now(attempts.used, bucket, now)


def test_a_try_that_one_bucket_refuses_leaves_the_others_alone(database: Database) -> None:
    for _ in range(3):
        assert takes(database, ACCOUNT, NETWORK)
    for _ in range(5):
        assert not takes(database, ACCOUNT, NETWORK)
    assert (left(database, ACCOUNT), left(database, NETWORK)) == (2, 0)
    assert takes(database, ACCOUNT)


def test_the_refusal_names_the_bucket_and_the_wait(database: Database) -> None:
    while takes(database, ACCOUNT, NETWORK):
        pass
    with pytest.raises(Full) as refused:
        database.write_now(attempts.take, [ACCOUNT, NETWORK], NOW + 5)
    assert refused.value.bucket is NETWORK
    assert refused.value.wait == pytest.approx(15)
    assert not refused.value.in_flight
    with pytest.raises(Full) as refused:
        database.write_now(attempts.take, [ACCOUNT, NETWORK], NOW + 0.1)
    assert refused.value.in_flight
    assert not takes(database, ACCOUNT, NETWORK, now=NOW + 19.9)
    assert takes(database, ACCOUNT, NETWORK, now=NOW + 20.1)


def test_success_gives_back_all_it_took(database: Database) -> None:
    for _ in range(50):
        assert takes(database, ACCOUNT, NETWORK)
        database.write_now(attempts.give_back, [ACCOUNT, NETWORK], NOW)
    assert (left(database, ACCOUNT), left(database, NETWORK)) == (5, 3)


def test_what_was_emptied_meanwhile_is_not_given_back_below_nothing(database: Database) -> None:
    assert takes(database, ACCOUNT)
    database.write_now(lambda c: c.execute(sa.text("DELETE FROM attempts")))
    database.write_now(attempts.give_back, [ACCOUNT], NOW)
    assert left(database, ACCOUNT) == 5
    assert database.read_now(lambda c: c.execute(sa.text("SELECT count(*) FROM attempts")).scalar()) == 0


def test_a_clock_that_goes_back_neither_empties_nor_locks(database: Database) -> None:
    for _ in range(4):
        assert takes(database, ACCOUNT)
    assert takes(database, ACCOUNT, now=NOW - 3600)
    assert not takes(database, ACCOUNT, now=NOW - 3600)
    assert takes(database, ACCOUNT, now=NOW - 3600 + 21)


def test_sweeping_takes_only_what_is_empty(database: Database) -> None:
    for _ in range(3):
        takes(database, NETWORK)
    assert swept(database, NOW + 19) == 0
    assert not takes(database, NETWORK, now=NOW + 19)
    assert swept(database, NOW + 61) == 1
    assert left(database, NETWORK, NOW + 61) == 3


STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "give back", "wait", "sweep"]), st.integers(0, 40)), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_it_is_the_bucket_of_the_arithmetic(steps: list[tuple[str, int]]) -> None:
    """The same steps on a number kept in memory."""
    database = Database(":memory:")
    database.write_now(migrate.to_head)
    now, level, limit, under_way = NOW, 0.0, ACCOUNT.limit, 0
    try:
        for step, seconds in steps:
            if step == "take":
                fits = limit.wait(level) == 0.0
                assert takes(database, ACCOUNT, now=now) is fits
                level, under_way = level + limit.cost * fits, under_way + fits
            elif step == "give back" and under_way:
                database.write_now(attempts.give_back, [ACCOUNT], now)
                level, under_way = max(0.0, level - limit.cost), under_way - 1
            elif step == "wait":
                now, level = now + seconds, limit.level(level, now, now + seconds)
            else:
                swept(database, now)
    finally:
        database.close()


@pytest.mark.parametrize("capacity", [1, 3, 7, 10, 49, 1_000])
def test_a_bucket_holds_exactly_its_capacity(database: Database, capacity: int) -> None:
    bucket = Bucket(b"c" * 32, "any", Limit(capacity, 60))
    fits: Callable[[], bool] = lambda: takes(database, bucket)  # noqa: E731
    assert sum(fits() for _ in range(capacity + 5)) == capacity
