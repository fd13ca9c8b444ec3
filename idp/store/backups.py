"""Telling of a backup; making a database from one, and ending what may have been ended after it was made.

One transaction: whoever looks finds the database as it was, or the backup whole. A backup is older than the last thing
that happened. What was revoked, signed out or rotated away meanwhile is alive in it, and nobody can know which: unless
the operator says that nothing has happened since, every session and grant ends, so that nothing dead is alive again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store import migrate
from idp.store.audit import Journal
from idp.store.copying import load
from idp.store.keys import keys
from idp.store.logout import queue_for_all
from idp.store.marks import BACKUP, mark
from idp.store.schema import codes, epoch, grants, metadata, sessions
from idp.store.schema_protocols import device_codes, initial_tokens, opaque_tokens, pushed_requests


class NotEmpty(Exception):
    """The database holds rows that the backup would replace."""


class InUse(Exception):
    """Other processes of this program have the database open."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What is restored: the schema and the time it was made at, and its blocks from the first one on."""

    schema: str
    made_at: float
    blocks: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """``keep_sessions``: nothing happened since. ``move``: the very same rows, codes too. Times in seconds."""

    now: float
    longest_token: float
    replace: bool = False
    keep_sessions: bool = False
    move: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """Rows by table as in the backup, what ended, and the keys that the database it replaced knew as revoked."""

    rows: dict[str, int]
    sessions_ended: int
    grants_revoked: int
    logouts_queued: int
    revoked_keys: tuple[str, ...]


def made(connection: Connection, journal: Journal, began: float, *, rows: int, size: int) -> None:
    """A backup of the state at ``began`` is on disk. ``size`` in bytes."""
    mark(connection, BACKUP, began)
    journal.record(connection, began, "backup.made", rows=rows, size=size)


def restore(connection: Connection, journal: Journal, backup: Backup, wanted: Wanted) -> Restored:
    """All of it or nothing. Raises NotEmpty, InUse, SchemaMismatch, copying.NotWhole, and what ``blocks`` raises."""
    migrate.lock(connection)
    refuse_company(connection)
    before, revoked_keys = _clear(connection, wanted.replace)
    migrate.create(connection, backup.schema)
    connection.execute(sa.delete(epoch))
    rows = load(connection, backup.blocks())
    migrate.to_head(connection)
    # Past what any process may have cached, of this database or of the one it replaces.
    highest = sa.case((epoch.c.value < before, before), else_=epoch.c.value)
    connection.execute(sa.update(epoch).values(value=highest + 1))
    ended, revoked, queued = (0, 0, 0) if wanted.move else _settle(connection, backup, wanted)
    journal.record(
        connection,
        wanted.now,
        "backup.restored",
        made_at=backup.made_at,
        moved=wanted.move,
        sessions_ended=ended,
        grants_revoked=revoked,
    )
    return Restored(rows, ended, revoked, queued, revoked_keys)


def refuse_company(connection: Connection) -> None:
    """Raises InUse on PostgreSQL while others have the database open; on SQLite the lock of the folder says so."""
    if connection.dialect.name == "postgresql":
        from idp.store.postgres import others

        if found := others(connection):
            raise InUse(f"{found} other connections")


def _clear(connection: Connection, replace: bool) -> tuple[int, tuple[str, ...]]:
    """Take our tables away; the epoch they were at, and the keys revoked in them. Raises NotEmpty."""
    there = set(sa.inspect(connection).get_table_names())
    ours = [table for table in reversed(metadata.sorted_tables) if table.name in there]
    version = migrate.current(connection)
    if version is not None and version not in migrate.known():
        raise migrate.SchemaMismatch(version)
    if version is None and ours:
        raise NotEmpty(f"tables that idp did not make: {', '.join(table.name for table in ours[:5])}")
    full = [table.name for table in ours if table is not epoch and _has_rows(connection, table)]
    if full and not replace:
        raise NotEmpty(f"rows in {', '.join(sorted(full)[:5])}")
    before = connection.execute(sa.select(epoch.c.value)).scalar() if epoch in ours else None
    revoked = sa.select(keys.c.kid).where(keys.c.revoked_at.is_not(None)).order_by(keys.c.kid)
    kids = tuple(connection.execute(revoked).scalars()) if keys in ours else ()
    for table in ours:
        table.drop(connection)
    if version is not None:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    return before or 0, kids


def _has_rows(connection: Connection, table: sa.Table) -> bool:
    return connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None


def _settle(connection: Connection, backup: Backup, wanted: Wanted) -> tuple[int, int, int]:
    mark(connection, BACKUP, backup.made_at)  # the newest one there is, as far as this database knows
    # What was redeemed or answered after the backup would be good for a second time, for a minute.
    connection.execute(sa.delete(codes))
    connection.execute(sa.delete(pushed_requests))
    connection.execute(sa.delete(device_codes))
    if wanted.keep_sessions:
        return 0, 0, 0
    # An initial access token would be good again for what it was used since.
    connection.execute(sa.delete(initial_tokens))
    connection.execute(sa.delete(opaque_tokens))  # one that was revoked had its row taken away
    _keep_published(connection, wanted)
    queued = queue_for_all(connection, wanted.now)
    open_sessions = sessions.c.ended_at.is_(None), sessions.c.expires_at > wanted.now
    ended = connection.execute(sa.update(sessions).where(*open_sessions).values(ended_at=wanted.now)).rowcount
    alive = grants.c.revoked_at.is_(None), grants.c.expires_at > wanted.now
    revoked = connection.execute(sa.update(grants).where(*alive).values(revoked_at=wanted.now)).rowcount
    return ended, revoked, queued


def _keep_published(connection: Connection, wanted: Wanted) -> None:
    """A key went on signing after the backup: its last token expires later than the mark stored with it says."""
    signed = sa.case((keys.c.signs_until < wanted.now, keys.c.signs_until), else_=sa.literal(wanted.now))
    last = signed + wanted.longest_token
    alive = keys.c.revoked_at.is_(None), keys.c.signs_from <= wanted.now, keys.c.mark < last
    connection.execute(sa.update(keys).where(*alive).values(mark=last))
