"""Tries at guessing, counted in leaky buckets by one statement, before anything is hashed (decision 16).

A row says how full a bucket was (``level``, 1 is full) at ``at``; it is empty at ``expires_at``. Every bucket may have
its own size and window: what a try fills travels as the new row's ``level``, the window as ``expires_at - at``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.limits import ROOM, Limit
from idp.store.audit import Journal
from idp.store.schema import attempts

# A try taken this recently may still be hashing; if it succeeds, it gives its place back.
IN_FLIGHT = 0.5


class Bucket(msgspec.Struct, frozen=True):
    """``key`` is a keyed hash of what is limited; ``kind`` a word for the operator."""

    key: bytes
    kind: str
    limit: Limit


class Full(Exception):
    """``bucket`` has no room for ``wait`` seconds. ``in_flight``: one of its tries may yet give its place back."""

    def __init__(self, bucket: Bucket, wait: float, *, in_flight: bool) -> None:
        super().__init__(bucket.kind)
        self.bucket = bucket
        self.wait = wait
        self.in_flight = in_flight


# How full the stored bucket is at this try, the try itself added or, given back, taken off again.
_LEAKED = (
    "attempts.level - CASE WHEN excluded.at > attempts.at"
    " THEN (excluded.at - attempts.at) / (excluded.expires_at - excluded.at) ELSE 0.0 END"
)
_AFTER = f"(CASE WHEN {_LEAKED} > 0.0 THEN {_LEAKED} ELSE 0.0 END + excluded.level)"
_LEVEL = f"CASE WHEN {_AFTER} > 0.0 THEN {_AFTER} ELSE 0.0 END"


@cache
def _change(count: int) -> sa.TextClause:
    """Fill or empty ``count`` buckets; answers those it changed. Rows go in the order of their keys, everywhere the
    same, so that two transactions never wait for each other. What is given back makes no new row."""
    wanted = " UNION ALL ".join(
        f"SELECT :key{n} AS bucket, :level{n} AS level, :now AS at, :end{n} AS expires_at" for n in range(count)
    )
    return sa.text(
        "INSERT INTO attempts (bucket, level, at, expires_at)"  # noqa: S608 - only names and numbers of ours
        f" SELECT bucket, level, at, expires_at FROM ({wanted}) AS wanted"
        " WHERE level > 0.0 OR EXISTS (SELECT 1 FROM attempts AS known WHERE known.bucket = wanted.bucket)"
        " ORDER BY bucket ON CONFLICT (bucket) DO UPDATE SET"
        f" level = {_LEVEL}, at = excluded.at,"
        f" expires_at = excluded.at + ({_LEVEL}) * (excluded.expires_at - excluded.at)"
        f" WHERE {_AFTER} <= {ROOM} RETURNING bucket"
    ).bindparams(
        sa.bindparam("now", type_=sa.Double),
        *(sa.bindparam(f"key{n}", type_=sa.LargeBinary) for n in range(count)),
        *(sa.bindparam(f"{name}{n}", type_=sa.Double) for name in ("level", "end") for n in range(count)),
    )


def take(connection: Connection, buckets: Sequence[Bucket], now: float) -> None:
    """A place in every bucket, or in none: raises Full, which undoes what the others gave."""
    taken = _run(connection, buckets, now, 1.0)
    refused = [bucket for bucket in buckets if bucket.key not in taken]
    if refused:
        raise _fullest(connection, refused, now)


def give_back(connection: Connection, buckets: Sequence[Bucket], now: float) -> None:
    """The places a try took, because it succeeded."""
    _run(connection, buckets, now, -1.0)


def used(connection: Connection, bucket: Bucket, now: float) -> int:
    """How many tries are in the bucket now."""
    return round(_levels(connection, [bucket], now)[0][0] * bucket.limit.capacity)


def unlock(connection: Connection, journal: Journal, bucket: Bucket, account_id: str, now: float) -> int:
    """Empty an account's bucket on an operator's word; answers how many tries were in it."""
    found = used(connection, bucket, now)
    connection.execute(sa.delete(attempts).where(attempts.c.bucket == bucket.key))
    journal.record(connection, now, "account.unlocked", account_id=account_id, tries=found)
    return found


def _run(connection: Connection, buckets: Sequence[Bucket], now: float, tries: float) -> set[bytes]:
    values: dict[str, object] = {"now": now}
    for n, bucket in enumerate(buckets):
        limit = bucket.limit
        values |= {f"key{n}": bucket.key, f"level{n}": tries * limit.cost, f"end{n}": now + limit.window}
    return {bytes(key) for key in connection.execute(_change(len(buckets)), values).scalars()}


def _levels(connection: Connection, buckets: Sequence[Bucket], now: float) -> list[tuple[float, float]]:
    """Of each bucket how full it is, and when it last changed (0: never)."""
    keys = [bucket.key for bucket in buckets]
    rows = connection.execute(sa.select(attempts).where(attempts.c.bucket.in_(keys))).all()
    found = {bytes(row.bucket): (row.level, row.at) for row in rows}
    states = [(bucket, *found.get(bucket.key, (0.0, 0.0))) for bucket in buckets]
    return [(bucket.limit.level(level, at, now), at) for bucket, level, at in states]


def _fullest(connection: Connection, refused: Sequence[Bucket], now: float) -> Full:
    """The one to wait for longest. On PostgreSQL it may have got room since: then there is nothing to wait for."""
    levels = _levels(connection, refused, now)
    waits = [bucket.limit.wait(level) for bucket, (level, _) in zip(refused, levels, strict=True)]
    longest = max(range(len(refused)), key=lambda n: waits[n])
    return Full(refused[longest], waits[longest], in_flight=all(now - at < IN_FLIGHT for _, at in levels))
