"""Deletes what has expired, never anything that could still be used or still prove a replay.

A pass walks each table along its primary key, a bounded stretch at a time, with the loop free in between. So no index
on a time has to be kept by the statements everyone waits for, and a table of millions takes longer, not more at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.pushed import KEPT
from idp.store.schema import (
    attempts,
    codes,
    grants,
    logout_deliveries,
    refresh_tokens,
    revoked_tokens,
    session_clients,
    sessions,
    spent_values,
)
from idp.store.schema_protocols import device_codes, initial_tokens, opaque_tokens, pushed_requests

STRETCH = 200  # rows looked at in one transaction: two milliseconds
_DAY = 86_400.0
Condition = sa.ColumnElement[bool]


class Place(NamedTuple):
    """Where a pass stands: which table, and the key of the last row it looked at (none at a table's beginning)."""

    table: int = 0
    after: tuple[Any, ...] = ()


START = Place()


def sweep(connection: Connection, now: float, place: Place = START, stretch: int = STRETCH) -> tuple[int, Place | None]:
    """Look at the next ``stretch`` rows; answers how many went, and where to go on (None: the pass is over)."""
    table, expired = _EXPIRED[place.table]
    keys = tuple(table.primary_key.columns)
    end = _end_of_stretch(connection, keys, place.after, stretch)
    condition = expired(now)
    if place.after:
        condition &= _tuple(keys) > _row(place.after)
    if end is not None:
        condition &= _tuple(keys) <= _row(end)
    if table is sessions:
        gone_with_it = sa.select(sessions.c.id).where(condition)
        connection.execute(sa.delete(session_clients).where(session_clients.c.session_id.in_(gone_with_it)))
    gone = connection.execute(sa.delete(table).where(condition)).rowcount
    if end is not None:
        return gone, Place(place.table, end)
    return gone, Place(place.table + 1) if place.table + 1 < len(_EXPIRED) else None


def _end_of_stretch(
    connection: Connection, keys: tuple[sa.Column[Any], ...], after: tuple[Any, ...], stretch: int
) -> tuple[Any, ...] | None:
    """The key of the stretch's last row; None where fewer rows are left."""
    query = sa.select(*keys).order_by(*keys).limit(1).offset(stretch - 1)
    if after:
        query = query.where(_tuple(keys) > _row(after))
    row = connection.execute(query).first()
    return tuple(row) if row is not None else None


def _tuple(keys: tuple[sa.Column[Any], ...]) -> Any:
    return keys[0] if len(keys) == 1 else sa.tuple_(*keys)


def _row(values: tuple[Any, ...]) -> Any:
    return sa.literal(values[0]) if len(values) == 1 else sa.tuple_(*values)


def _codes(now: float) -> Condition:
    # A code's row outlives the code by a day: a late replay must still find what to revoke (RFC 6749 4.1.2).
    return codes.c.expires_at < now - _DAY


def _grants(now: float) -> Condition:
    # An access token may outlive a revoked or unrefreshable grant; a day covers the longest one allowed. A family's row
    # stays a day past its end, because the last access token it bought may: so long its grant stays too.
    family = sa.exists().where(refresh_tokens.c.grant_id == grants.c.id)
    return sa.or_(
        grants.c.expires_at < now - _DAY,
        grants.c.revoked_at < now - _DAY,
        sa.and_(grants.c.created_at < now - 2 * _DAY, ~family),
    )


def _sessions(now: float) -> Condition:
    return sa.or_(sessions.c.expires_at < now, sessions.c.ended_at < now - _DAY)


_EXPIRED: tuple[tuple[sa.Table, Callable[[float], Condition]], ...] = (
    (codes, _codes),
    (spent_values, lambda now: spent_values.c.expires_at < now),
    (attempts, lambda now: attempts.c.expires_at < now),  # empty by then, as if it had never been
    (revoked_tokens, lambda now: revoked_tokens.c.expires_at < now),
    (opaque_tokens, lambda now: opaque_tokens.c.expires_at < now),
    (refresh_tokens, lambda now: refresh_tokens.c.expires_at < now - _DAY),
    (grants, _grants),
    (sessions, _sessions),
    # Kept for another ten minutes, so that a device that comes late is told why.
    (device_codes, lambda now: device_codes.c.expires_at < now - 600.0),
    (initial_tokens, lambda now: initial_tokens.c.expires_at < now),
    (pushed_requests, lambda now: pushed_requests.c.expires_at < now - KEPT),
    (logout_deliveries, lambda now: logout_deliveries.c.created_at < now - 30 * _DAY),
)
