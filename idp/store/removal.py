"""Removing people and clients with everything of theirs; the audit keeps its lines, by ``sub`` and client_id.

Nothing is indexed by client, which would cost each sign-on a write: what hangs on one is found in pages of the key, so
that no page keeps the others waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.audit import Journal
from idp.store.registry import bump_epoch, forget_origins
from idp.store.schema import (
    accounts,
    clients,
    consents,
    grants,
    redirect_uses,
    refresh_tokens,
    session_clients,
    sessions,
)
from idp.store.schema_protocols import device_codes, pushed_requests, registrations
from idp.store.sessions import end_all, held_by

PAGE = 1000

# The tables a client's rows stand in, each with the column that is paged by.
OF_A_CLIENT: Mapping[str, sa.Column[Any]] = {
    "grants": grants.c.id,
    "consents": consents.c.account_id,
    "session_clients": session_clients.c.session_id,
}


def remove_person(connection: Connection, journal: Journal, account_id: str, now: float) -> tuple[int, int] | None:
    """End everything, tell the apps, delete every row; answers how many sessions and grants ended, None if gone."""
    mine = accounts.c.id == account_id
    if connection.execute(sa.select(accounts.c.id).where(mine).with_for_update()).first() is None:
        return None
    held = held_by(connection, account_id, now)
    end_all(connection, journal, account_id, now, reason="the person was removed")
    their_sessions = sa.select(sessions.c.id).where(sessions.c.account_id == account_id)
    their_grants = sa.select(grants.c.id).where(grants.c.account_id == account_id)
    for table, theirs in (
        (session_clients, session_clients.c.session_id.in_(their_sessions)),
        (refresh_tokens, refresh_tokens.c.grant_id.in_(their_grants)),
        (sessions, sessions.c.account_id == account_id),
        (grants, grants.c.account_id == account_id),
        (consents, consents.c.account_id == account_id),
        (accounts, mine),
    ):
        connection.execute(sa.delete(table).where(theirs))
    journal.record(connection, now, "account.removed", account_id=account_id, sessions=held[0], grants=held[1])
    return held


def forget_page(
    connection: Connection, name: str, client_ids: Sequence[str], after: str, now: float
) -> tuple[str | None, int]:
    """One page of a table of ``OF_A_CLIENT``: grants revoked, other rows deleted.

    Answers where the next page begins, None at the end, and how many rows were the clients'.
    """
    key = OF_A_CLIENT[name]
    table = key.table
    keys = sa.select(key).where(key > after).order_by(key).limit(PAGE).subquery()
    last = connection.execute(sa.select(sa.func.max(keys.c[0]))).scalar()
    if last is None:
        return None, 0
    mine = (key > after) & (key <= last) & table.c.client_id.in_(client_ids)
    change: sa.Update | sa.Delete = sa.delete(table).where(mine)
    if table is grants:
        change = sa.update(grants).where(mine, grants.c.revoked_at.is_(None)).values(revoked_at=now)
    return str(last), connection.execute(change).rowcount


def remove_client(connection: Connection, journal: Journal, client_id: str, now: float, grants_revoked: int) -> bool:
    """The client's own rows, once ``forget_page`` has been through the rest."""
    connection.execute(sa.delete(registrations).where(registrations.c.client_id == client_id))
    if connection.execute(sa.delete(clients).where(clients.c.client_id == client_id)).rowcount != 1:
        return False
    for table in (redirect_uses, pushed_requests, device_codes):
        connection.execute(sa.delete(table).where(table.c.client_id == client_id))
    forget_origins(connection, client_id)
    bump_epoch(connection)
    journal.record(connection, now, "client.removed", client_id=client_id, grants=grants_revoked)
    return True
