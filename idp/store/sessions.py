"""Sessions: begun at a sign-in, carried by a random cookie, ended with a logout row for every client that must hear."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Account
from idp.protocol.prompts import Consent, Policy, Session
from idp.store.accounts import account_of, set_disabled
from idp.store.audit import Journal
from idp.store.logout import queue_deliveries
from idp.store.schema import accounts, consents, grants, session_clients, sessions
from idp.store.statements import Prepared

_TOUCH_SECONDS = 300.0  # `last_seen` is written at most this often (decision 14)

_KNOWN = Prepared(
    sa.select(
        sessions,
        accounts.c.username.label("account_username"),
        accounts.c.claims.label("account_claims"),
        accounts.c.disabled_at.label("account_disabled_at"),
        accounts.c.updated_at.label("account_updated_at"),
        consents.c.scope.label("consent_scope"),
        consents.c.resources.label("consent_resources"),
        consents.c.claims.label("consent_claims"),
        session_clients.c.sid,
    )
    .join(accounts, accounts.c.id == sessions.c.account_id)
    .outerjoin(
        consents, (consents.c.account_id == sessions.c.account_id) & (consents.c.client_id == sa.bindparam("client_id"))
    )
    .outerjoin(
        session_clients,
        (session_clients.c.session_id == sessions.c.id) & (session_clients.c.client_id == sa.bindparam("client_id")),
    )
    .where(
        sessions.c.cookie_hash == sa.bindparam("cookie_hash"),
        sessions.c.ended_at.is_(None),
        sessions.c.expires_at > sa.bindparam("now"),
        sessions.c.last_seen > sa.bindparam("idle_since"),
    )
)
_TOUCH = Prepared(
    sa.update(sessions).where(sessions.c.id == sa.bindparam("session")).values(last_seen=sa.bindparam("now"))
)
_OPEN = sa.select(sessions).where(sessions.c.cookie_hash == sa.bindparam("cookie_hash"), sessions.c.ended_at.is_(None))


class Known(msgspec.Struct, frozen=True):
    """A signed-in browser and what is known of it at one client. ``sid`` is None until that client took part."""

    session: Session
    account: Account
    consent: Consent | None
    sid: str | None
    stale: bool  # `last_seen` is due to be written
    subject: str | None = None  # what that client knows the person by, where it is not the account's own id
    policy: Policy | None = None  # what the app around us says of consent


@dataclass(frozen=True, slots=True)
class SignIn:
    """A proved person at a browser. ``cookie`` and ``session_id`` are fresh random values."""

    account_id: str
    amr: str
    cookie: str
    session_id: str
    old_cookie: str | None
    now: float
    lifetime: float
    user_agent: str | None = None  # as the browser says; kept to 255 characters
    network: str | None = None


def cookie_hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def know(connection: Connection, cookie: str, client_id: str, now: float, idle: float) -> Known | None:
    """Session, account, consent and sid in one statement; None for an unknown, ended, idle or expired session."""
    values = {"cookie_hash": cookie_hash(cookie), "client_id": client_id, "now": now, "idle_since": now - idle}
    row = _KNOWN.first(connection, values)
    if row is None:
        return None
    consent = None
    if row["consent_scope"] is not None:
        consent = Consent(
            frozenset(row["consent_scope"].split()),
            frozenset(row["consent_resources"].split()),
            frozenset((row["consent_claims"] or "").split()),
        )
    account = account_of(row, "account_")
    amr = tuple(row["amr"].split())
    session = Session(row["id"], row["account_id"], row["auth_time"], amr, row["expires_at"])
    return Known(session, account, consent, row["sid"], now - row["last_seen"] > _TOUCH_SECONDS)


def touch(connection: Connection, session_id: str, now: float) -> None:
    _TOUCH.run(connection, {"session": session_id, "now": now})


def begin(connection: Connection, journal: Journal, sign_in: SignIn) -> str:
    """A new cookie value at every sign-in. The same person goes on in their session; another one ends it first."""
    previous = None
    if sign_in.old_cookie is not None:
        previous = connection.execute(_OPEN, {"cookie_hash": cookie_hash(sign_in.old_cookie)}).mappings().first()
    fresh = {
        "cookie_hash": cookie_hash(sign_in.cookie),
        "auth_time": sign_in.now,
        "amr": sign_in.amr,
        "last_seen": sign_in.now,
        "expires_at": sign_in.now + sign_in.lifetime,
        "user_agent": sign_in.user_agent[:255] if sign_in.user_agent else None,
        "network": sign_in.network,
    }
    if previous is not None and previous["account_id"] == sign_in.account_id:
        session_id = str(previous["id"])
        connection.execute(sa.update(sessions).where(sessions.c.id == session_id).values(fresh))
    else:
        if previous is not None:
            end(connection, journal, str(previous["id"]), sign_in.now, reason="another person signed in")
        session_id = sign_in.session_id
        connection.execute(
            sa.insert(sessions).values(
                id=session_id, account_id=sign_in.account_id, created_at=sign_in.now, ended_at=None, **fresh
            )
        )
    journal.record(
        connection,
        sign_in.now,
        "session.started",
        account_id=sign_in.account_id,
        session=session_id,
        amr=sign_in.amr,
        network=sign_in.network,
    )
    return session_id


def end(connection: Connection, journal: Journal, session_id: str, now: float, *, reason: str) -> int:
    """End a session, revoke what lives only in it, queue its logouts; answers how many clients will hear of it."""
    ended = connection.execute(
        sa.update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None)).values(ended_at=now)
    )
    if ended.rowcount != 1:
        return 0
    account_id = connection.execute(sa.select(sessions.c.account_id).where(sessions.c.id == session_id)).scalar_one()
    # By account first: that is the index a grant pays for when it is written.
    mine = (grants.c.account_id == account_id) & (grants.c.session_id == session_id)
    connection.execute(
        sa.update(grants).where(mine, grants.c.offline.is_(False), grants.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    told = queue_deliveries(connection, session_id, account_id, now)
    journal.record(
        connection, now, "session.ended", account_id=account_id, session=session_id, reason=reason, told=told
    )
    return told


def end_all(connection: Connection, journal: Journal, account_id: str, now: float, *, reason: str) -> int:
    """End every session of a person and revoke every grant, offline ones too."""
    found = open_ids(connection, account_id)
    for session_id in found:
        end(connection, journal, session_id, now, reason=reason)
    connection.execute(
        sa.update(grants).where(grants.c.account_id == account_id, grants.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return len(found)


def open_ids(connection: Connection, account_id: str) -> list[str]:
    """A person's sessions that were not ended, in the one order everybody touches them (two at once must not wait
    for each other)."""
    mine = sa.select(sessions.c.id).where(sessions.c.account_id == account_id, sessions.c.ended_at.is_(None))
    return [str(row) for row in connection.execute(mine.order_by(sessions.c.id)).scalars()]


def change_password(
    connection: Connection, journal: Journal, account_id: str, fresh: str, now: float, *, by: str = "operator"
) -> int:
    """Whoever knew the old password is out everywhere; answers how many sessions that ended."""
    connection.execute(sa.update(accounts).where(accounts.c.id == account_id).values(password_hash=fresh))
    journal.record(connection, now, "account.changed", account_id=account_id, changed=["password_hash"], by=by)
    return end_all(connection, journal, account_id, now, reason="the password was changed")


def disable(connection: Connection, journal: Journal, account_id: str, now: float) -> int:
    """A person may no longer act, and is out everywhere; answers how many sessions that ended."""
    set_disabled(connection, journal, account_id, now, disabled=True)
    return end_all(connection, journal, account_id, now, reason="the account was disabled")


def log_out(connection: Connection, journal: Journal, account_id: str, now: float) -> tuple[int, int]:
    """A person is out everywhere, and may come in again; answers how many sessions and grants that ended."""
    held = held_by(connection, account_id, now)
    end_all(connection, journal, account_id, now, reason="an operator ended it")
    journal.record(connection, now, "account.logged_out", account_id=account_id, sessions=held[0], grants=held[1])
    return held


def held_by(connection: Connection, account_id: str, now: float) -> tuple[int, int]:
    """How many sessions and grants of a person are alive."""
    open_sessions = sa.select(sa.func.count()).where(
        sessions.c.account_id == account_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now
    )
    live_grants = sa.select(sa.func.count()).where(
        grants.c.account_id == account_id, grants.c.revoked_at.is_(None), grants.c.expires_at > now
    )
    return connection.execute(open_sessions).scalar_one(), connection.execute(live_grants).scalar_one()


def has_sid(connection: Connection, session_id: str, client_id: str, sid: str) -> bool:
    """Whether this client knows this session by that ``sid``."""
    mine = sa.select(session_clients.c.sid).where(
        session_clients.c.session_id == session_id,
        session_clients.c.client_id == client_id,
        session_clients.c.sid == sid,
    )
    return connection.execute(mine).first() is not None


def joined_clients(connection: Connection, session_id: str) -> list[str]:
    """The clients that took part in a session."""
    return [client_id for client_id, _ in joined_sids(connection, session_id)]


def joined_sids(connection: Connection, session_id: str) -> list[tuple[str, str]]:
    """The same, each with the ``sid`` it knows the session by."""
    mine = sa.select(session_clients.c.client_id, session_clients.c.sid)
    found = connection.execute(mine.where(session_clients.c.session_id == session_id))
    return [(str(client_id), str(sid)) for client_id, sid in found]
