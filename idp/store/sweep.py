"""Deletes what has expired, in bounded batches, never anything that could still be used or still prove a replay."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.schema import (
    codes,
    grants,
    logout_deliveries,
    refresh_tokens,
    revoked_tokens,
    session_clients,
    sessions,
    spent_values,
)

BATCH = 200
_DAY = 86_400.0


def sweep(connection: Connection, now: float, batch: int = BATCH) -> int:
    """Delete at most ``batch`` rows of each table; answers how many went, so that a full batch asks for another."""
    # A family's row stays a day past its end, because the last access token it bought may: so long its grant stays too.
    families = sa.select(refresh_tokens.c.grant_id)
    # A code's row outlives the code by a day: a late replay must still find what to revoke (RFC 6749 4.1.2).
    doomed = (
        (codes, codes.c.hash, codes.c.expires_at < now - _DAY),
        (spent_values, spent_values.c.hash, spent_values.c.expires_at < now),
        (revoked_tokens, revoked_tokens.c.jti, revoked_tokens.c.expires_at < now),
        (refresh_tokens, refresh_tokens.c.handle, refresh_tokens.c.expires_at < now - _DAY),
        # An access token may outlive a revoked or unrefreshable grant; a day covers the longest one allowed.
        (
            grants,
            grants.c.id,
            sa.or_(
                grants.c.expires_at < now - _DAY,
                grants.c.revoked_at < now - _DAY,
                sa.and_(grants.c.created_at < now - 2 * _DAY, grants.c.id.not_in(families)),
            ),
        ),
        (sessions, sessions.c.id, sa.or_(sessions.c.expires_at < now, sessions.c.ended_at < now - _DAY)),
        (logout_deliveries, logout_deliveries.c.jti, logout_deliveries.c.created_at < now - 30 * _DAY),
    )
    gone = 0
    for table, key, expired in doomed:
        chosen = sa.select(key).where(expired).limit(batch)
        gone += connection.execute(sa.delete(table).where(key.in_(chosen))).rowcount
    orphans = sa.select(session_clients.c.session_id).where(
        session_clients.c.session_id.not_in(sa.select(sessions.c.id))
    )
    gone += connection.execute(
        sa.delete(session_clients).where(session_clients.c.session_id.in_(orphans.limit(batch)))
    ).rowcount
    return gone
