"""The end of an authorization request: grant, code, consent and sid in one transaction."""

from __future__ import annotations

import hashlib

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.request import AuthorizationRequest, Once
from idp.store.audit import Journal
from idp.store.pushed import spend_once
from idp.store.schema import codes, consents, grants, session_clients
from idp.store.sessions import Known, touch
from idp.store.spent import spend
from idp.store.statements import Prepared

_INSERT_GRANT = Prepared(sa.insert(grants))
_INSERT_CODE = Prepared(sa.insert(codes))
_JOIN = sa.text(
    "INSERT INTO session_clients (session_id, client_id, sid) VALUES (:session_id, :client_id, :sid)"
    " ON CONFLICT (session_id, client_id) DO NOTHING"
)
_REMEMBER = sa.text(
    "INSERT INTO consents (account_id, client_id, scope, resources, updated_at, created_at)"
    " VALUES (:account_id, :client_id, '', '', :now, :now)"
    " ON CONFLICT (account_id, client_id) DO UPDATE SET updated_at = excluded.updated_at"
)


class NewCode(msgspec.Struct, frozen=True):
    """What to write when the decision is Issue. ``code``, ``grant_id`` and ``sid`` are fresh random values; no ``code``
    where the answer holds none."""

    request: AuthorizationRequest
    known: Known
    code: str | None
    grant_id: str
    sid: str
    now: float
    code_lifetime: float
    grant_lifetime: float
    transaction: str | None = None  # of the page the person just answered: it counts once
    transaction_expires_at: float = 0.0
    consented: bool = False
    remember: bool = False
    acr: str | None = None


def code_hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


def issue_code(connection: Connection, journal: Journal, new: NewCode) -> str | None:
    """The session's ``sid`` at this client; None where the answered page, or what gives one answer, was used before:
    nothing is granted then.

    A session that ends at this very moment needs no check here: redeeming the code asks for it (store.codes).
    """
    request, known, now = new.request, new.known, new.now
    if new.transaction is not None and not spend_transaction(connection, new.transaction, new.transaction_expires_at):
        return None
    if not spend_once(connection, request.once, now):
        return None
    client_id = request.client.client_id
    sid = known.sid or join_session(connection, known.session.id, client_id, new.sid)
    if known.stale:
        touch(connection, known.session.id, now)
    if new.consented:
        _write_consent(connection, journal, new)
    offline = "offline_access" in request.scope and request.client.refresh == "offline"
    _INSERT_GRANT.run(
        connection,
        {
            "id": new.grant_id,
            "client_id": client_id,
            "account_id": known.account.id,
            "session_id": known.session.id,
            "sid": sid,
            "scope": " ".join(request.scope),
            "resources": " ".join(request.resources),
            "offline": offline,
            "amr": " ".join(known.session.amr),
            "auth_time": known.session.auth_time,
            "created_at": now,
            "expires_at": now + new.grant_lifetime if offline else known.session.expires_at,
            "revoked_at": None,
            "claims": request.claims.wanted.stored() if request.claims is not None else None,
            "acr": new.acr,
        },
    )
    if new.code is not None:
        _INSERT_CODE.run(
            connection,
            {
                "hash": code_hash(new.code),
                "grant_id": new.grant_id,
                "client_id": client_id,
                "redirect_uri": request.target.redirect_uri,
                "code_challenge": request.code_challenge,
                "nonce": request.nonce,
                "expires_at": now + new.code_lifetime,
                "spent_at": None,
                "dpop_jkt": request.dpop_jkt,
            },
        )
    journal.record(
        connection,
        now,
        "authorization.granted",
        client_id=client_id,
        account_id=known.account.id,
        grant=new.grant_id,
        scope=" ".join(request.scope),
    )
    return sid


def spend_transaction(connection: Connection, transaction: str, expires_at: float) -> bool:
    return spend(connection, "interaction", transaction, expires_at)


def deny(
    connection: Connection,
    journal: Journal,
    transaction: str,
    expires_at: float,
    client_id: str,
    now: float,
    account_id: str | None = None,
    once: Once | None = None,
) -> bool:
    """A person said no: their page is used up, and a request of ``once``; what they allowed earlier stays."""
    if not spend_transaction(connection, transaction, expires_at) or not spend_once(connection, once, now):
        return False
    journal.record(connection, now, "consent.denied", client_id=client_id, account_id=account_id)
    return True


def join_session(connection: Connection, session_id: str, client_id: str, sid: str) -> str:
    """``sid``, unless another tab joined since the facts were read: one session has one ``sid`` at a client."""
    if connection.execute(_JOIN, {"session_id": session_id, "client_id": client_id, "sid": sid}).rowcount == 1:
        return sid
    key = (session_clients.c.session_id == session_id) & (session_clients.c.client_id == client_id)
    return str(connection.execute(sa.select(session_clients.c.sid).where(key)).scalar_one())


def _write_consent(connection: Connection, journal: Journal, new: NewCode) -> None:
    """Remembered consents grow: what was allowed before stays allowed."""
    request, account_id = new.request, new.known.account.id
    client_id = request.client.client_id
    journal.record(
        connection,
        new.now,
        "consent.granted",
        client_id=client_id,
        account_id=account_id,
        scope=" ".join(request.scope),
        remembered=new.remember,
        **({"claims": " ".join(beyond)} if (beyond := _beyond(request)) else {}),
    )
    if not new.remember:
        return
    key = (consents.c.account_id == account_id) & (consents.c.client_id == client_id)
    fresh = {"account_id": account_id, "client_id": client_id, "now": new.now}
    # Read here and not from the facts, and after a write, which holds the row: another tab may have allowed something
    # else, or be about to, or be taking it away.
    connection.execute(_REMEMBER, fresh)
    before = connection.execute(sa.select(consents).where(key)).one()
    scope = {*request.scope, *before.scope.split()}
    resources = {*request.resources, *before.resources.split()}
    claims = {*_beyond(request), *(before.claims or "").split()}
    values = {"scope": " ".join(sorted(scope)), "resources": " ".join(sorted(resources)), "updated_at": new.now}
    values["claims"] = " ".join(sorted(claims)) or None
    connection.execute(sa.update(consents).where(key).values(values))


def _beyond(request: AuthorizationRequest) -> list[str]:
    """Claims the person was asked for beside the scopes."""
    return sorted(request.claims.beyond) if request.claims is not None else []
