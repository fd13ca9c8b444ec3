"""A person's own page: what it shows, and what it ends. Every statement here is bound to one account."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.claims_request import wanted_of
from idp.store import sessions as store_sessions
from idp.store.audit import Journal
from idp.store.schema import accounts, audit, consents, grants, refresh_tokens, sessions
from idp.store.sessions import SignIn

_MOST_SESSIONS = 100
REASON = "ended on the account page"
# Newest events of the account that are looked through: however long its history, the page costs the same.
_LOOKED_THROUGH = 500


class OpenSession(msgspec.Struct, frozen=True):
    """``reference`` names it in a form; the id itself never leaves. Times are Unix seconds."""

    reference: str
    user_agent: str | None
    network: str | None
    auth_time: float
    last_seen: float
    here: bool


class Access(msgspec.Struct, frozen=True):
    """What one app holds: a remembered consent, live grants, or both. Unknown times are None."""

    client_id: str
    scope: frozenset[str]
    resources: frozenset[str]
    claims: frozenset[str]  # allowed one by one
    first_allowed: float | None
    last_used: float | None


class Happened(msgspec.Struct, frozen=True):
    """One audit line of this account; ``detail`` is JSON, read only where the line is shown."""

    at: float
    event: str
    client_id: str | None
    detail: bytes


class Overview(msgspec.Struct, frozen=True):
    """``sessions`` with the one looked from first, ``events`` newest first."""

    sessions: tuple[OpenSession, ...]
    apps: tuple[Access, ...]
    events: tuple[Happened, ...]


_OPEN = (
    sa.select(sessions)
    .where(
        sessions.c.account_id == sa.bindparam("account"),
        sessions.c.ended_at.is_(None),
        sessions.c.expires_at > sa.bindparam("now_"),
        sessions.c.last_seen > sa.bindparam("idle_since"),
    )
    .order_by(sessions.c.last_seen.desc())
    .limit(_MOST_SESSIONS)
)
_LIVE = (grants.c.revoked_at.is_(None)) & (grants.c.expires_at > sa.bindparam("now_"))
_HELD = (
    sa.select(
        grants.c.client_id,
        grants.c.scope,
        grants.c.resources,
        grants.c.claims,
        sa.func.sum(sa.case((_LIVE, 1), else_=0)).label("live"),
        sa.func.min(grants.c.created_at).label("first"),
        sa.func.max(grants.c.created_at).label("last"),
        sa.func.max(refresh_tokens.c.used_at).label("refreshed"),
    )
    .outerjoin(refresh_tokens, refresh_tokens.c.grant_id == grants.c.id)
    .where(grants.c.account_id == sa.bindparam("account"))
    .group_by(grants.c.client_id, grants.c.scope, grants.c.resources, grants.c.claims)
)
_ALLOWED = sa.select(consents).where(consents.c.account_id == sa.bindparam("account"))
_NEWEST = (
    sa.select(audit.c.at, audit.c.seq, audit.c.event, audit.c.client_id, audit.c.detail)
    .where(audit.c.account_id == sa.bindparam("account"))
    .order_by(audit.c.at.desc())
    .limit(_LOOKED_THROUGH)
    .subquery()
)
# When each app last got a code: grants without a refresh token are swept after two days, the audit stays.
_SIGNED_ON = (
    sa.select(_NEWEST.c.client_id, sa.func.max(_NEWEST.c.at))
    .where(_NEWEST.c.event == "authorization.granted")
    .group_by(_NEWEST.c.client_id)
)
_TOLD = (
    sa.select(_NEWEST.c.at, _NEWEST.c.event, _NEWEST.c.client_id, _NEWEST.c.detail)
    .where(_NEWEST.c.event.in_(sa.bindparam("told", expanding=True)))
    .order_by(_NEWEST.c.at.desc(), _NEWEST.c.seq.desc())
)


def reference_of(session_id: str) -> str:
    return hashlib.sha256(f"session {session_id}".encode()).hexdigest()[:32]


def overview(
    connection: Connection, account_id: str, session_id: str, now: float, idle: float, told: Sequence[str]
) -> Overview:
    """Everything the page shows; ``told`` are the events worth telling, ``session_id`` is where it is shown."""
    return Overview(
        _sessions(connection, account_id, session_id, now, idle),
        _apps(connection, account_id, now),
        _events(connection, account_id, told),
    )


def end_one(connection: Connection, journal: Journal, account_id: str, reference: str, now: float) -> str | None:
    """End the person's session of that reference; answers its id, None where they have no such session open."""
    for session_id in store_sessions.open_ids(connection, account_id):
        if reference_of(session_id) == reference:
            store_sessions.end(connection, journal, session_id, now, reason=REASON)
            return session_id
    return None


def end_others(connection: Connection, journal: Journal, account_id: str, kept: str, now: float) -> int:
    """End every session but ``kept`` and revoke every grant not given in it, offline ones too; answers how many."""
    others = [session_id for session_id in store_sessions.open_ids(connection, account_id) if session_id != kept]
    for session_id in others:
        store_sessions.end(connection, journal, session_id, now, reason=REASON)
    elsewhere = sa.or_(grants.c.session_id.is_(None), grants.c.session_id != kept)
    _revoke(connection, (grants.c.account_id == account_id) & elsewhere, now)
    return len(others)


def withdraw(connection: Connection, journal: Journal, account_id: str, client_id: str, now: float) -> bool:
    """Forget the consent and revoke every grant, and so every refresh family; False where there was neither."""
    key = (consents.c.account_id == account_id) & (consents.c.client_id == client_id)
    forgotten = connection.execute(sa.delete(consents).where(key)).rowcount
    revoked = _revoke(connection, (grants.c.account_id == account_id) & (grants.c.client_id == client_id), now)
    if not forgotten and not revoked:
        return False
    journal.record(
        connection, now, "consent.withdrawn", client_id=client_id, account_id=account_id, grants_revoked=revoked
    )
    return True


def change_own_password(connection: Connection, journal: Journal, session_id: str, sign_in: SignIn, fresh: str) -> bool:
    """End everything the old password began and begin one new session; False for whoever was put out meanwhile."""
    still = (
        sa.select(sessions.c.id)
        .join(accounts, accounts.c.id == sessions.c.account_id)
        .where(
            sessions.c.id == session_id,
            sessions.c.account_id == sign_in.account_id,
            sessions.c.ended_at.is_(None),
            accounts.c.disabled_at.is_(None),
        )
    )
    if connection.execute(still).first() is None:
        return False
    store_sessions.change_password(connection, journal, sign_in.account_id, fresh, sign_in.now, by="person")
    store_sessions.begin(connection, journal, sign_in)
    return True


def _revoke(connection: Connection, chosen: sa.ColumnElement[bool], now: float) -> int:
    alive = (grants.c.revoked_at.is_(None), grants.c.expires_at > now)
    return connection.execute(sa.update(grants).where(chosen, *alive).values(revoked_at=now)).rowcount


def _sessions(
    connection: Connection, account_id: str, session_id: str, now: float, idle: float
) -> tuple[OpenSession, ...]:
    rows = connection.execute(_OPEN, {"account": account_id, "now_": now, "idle_since": now - idle}).mappings()
    found = [
        OpenSession(
            reference_of(row["id"]),
            row["user_agent"],
            row["network"],
            row["auth_time"],
            row["last_seen"],
            row["id"] == session_id,
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda session: not session.here))


def _apps(connection: Connection, account_id: str, now: float) -> tuple[Access, ...]:
    """By client: its consent, its live grants, and the last trace of use the database still has."""
    groups = connection.execute(_HELD, {"account": account_id, "now_": now}).mappings().all()
    allowed = {row["client_id"]: row for row in connection.execute(_ALLOWED, {"account": account_id}).mappings()}
    signed_on = {str(client_id): at for client_id, at in connection.execute(_SIGNED_ON, {"account": account_id})}
    found = []
    for client_id in sorted({*allowed, *(row["client_id"] for row in groups if row["live"])}):
        consent = allowed.get(client_id)
        mine = [row for row in groups if row["client_id"] == client_id]
        live = [row for row in mine if row["live"]]
        holding = live + ([consent] if consent else [])
        used = [row[name] for row in mine for name in ("last", "refreshed")] + [signed_on.get(client_id)]
        found.append(
            Access(
                client_id,
                frozenset(word for row in holding for word in row["scope"].split()),
                frozenset(uri for row in holding for uri in row["resources"].split()),
                frozenset((consent["claims"] or "").split() if consent else ()).union(
                    *(wanted.names for row in live if (wanted := wanted_of(row["claims"])))
                ),
                consent["created_at"] if consent else min(row["first"] for row in holding),
                max((at for at in used if at is not None), default=None),
            )
        )
    return tuple(found)


def _events(connection: Connection, account_id: str, told: Sequence[str]) -> tuple[Happened, ...]:
    rows = connection.execute(_TOLD, {"account": account_id, "told": list(told)})
    return tuple(Happened(*row) for row in rows)
