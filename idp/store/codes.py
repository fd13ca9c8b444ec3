"""Redeeming an authorization code: one function, one transaction, spent last (RFC 6749 4.1.3)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.claims_request import Wanted, wanted_of
from idp.protocol.client import Account, Client
from idp.protocol.errors import Refused, invalid_grant, visible
from idp.protocol.holder import Holder, same_key
from idp.protocol.prompts import may_act
from idp.store.accounts import ACCOUNT, account_of
from idp.store.audit import Journal
from idp.store.authorization import code_hash
from idp.store.schema import accounts, codes, grants, refresh_tokens, sessions
from idp.store.statements import Prepared

_CODE = Prepared(
    sa.select(
        codes,
        grants.c.scope,
        grants.c.resources,
        grants.c.amr,
        grants.c.auth_time,
        grants.c.sid,
        grants.c.claims,
        grants.c.acr,
        grants.c.revoked_at,
        grants.c.expires_at.label("grant_expires_at"),
        sessions.c.ended_at,
        *ACCOUNT,
    )
    .join(grants, grants.c.id == codes.c.grant_id)
    .join(accounts, accounts.c.id == grants.c.account_id)
    .outerjoin(sessions, sessions.c.id == grants.c.session_id)
    .where(codes.c.hash == sa.bindparam("hash_"))
)
_SPEND = Prepared(
    sa.update(codes)
    .where(codes.c.hash == sa.bindparam("hash_"), codes.c.spent_at.is_(None))
    .values(spent_at=sa.bindparam("now"))
)
_REVOKE_GRANT = Prepared(
    sa.update(grants)
    .where(grants.c.id == sa.bindparam("grant"), grants.c.revoked_at.is_(None))
    .values(revoked_at=sa.bindparam("now"))
)
_INSERT_FAMILY = Prepared(sa.insert(refresh_tokens))


class Grant(msgspec.Struct, frozen=True):
    """What a person granted a client, as both redemption and refresh read it."""

    id: str
    account: Account
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    amr: tuple[str, ...]
    auth_time: float
    sid: str | None
    nonce: str | None = None
    claims: Wanted | None = None
    acr: str | None = None
    refresh_secret: bytes | None = None  # of the family's live token, where one was used


class Redemption(msgspec.Struct, frozen=True):
    """A token request with a code. ``challenge`` is S256 of the verifier sent, or None; ``narrow`` refuses what the
    grant does not hold; ``family`` is what to store where the grant earns a refresh token: handle and secret hash."""

    code: str
    client: Client
    redirect_uri: str | None
    challenge: str | None
    narrow: Callable[[Grant], Refused | None]
    earns_refresh: Callable[[Grant], bool]
    handle: str
    secret_hash: bytes
    now: float
    idle: float
    holder: Holder | None = None


def redeem(connection: Connection, journal: Journal, ask: Redemption) -> Grant | Refused:
    """The grant, its refresh family stored where earned; or a refusal, returned so that a revocation commits."""
    row = _CODE.first(connection, {"hash_": code_hash(ask.code)})
    if row is None or row["client_id"] != ask.client.client_id:
        return invalid_grant(
            "The code is unknown, or was issued to another client.",
            received="a code this client was not given" if row else "an unknown code",
            expected="the code from this client's own redirect, once",
            mend="Start a new authorization request; codes live a minute and work once.",
            rule="RFC 6749 4.1.3",
        )
    if row["spent_at"] is not None:
        return _replayed(connection, journal, row, ask.now)
    grant = grant_of(row, nonce=row["nonce"])
    refused = _refusal(row, ask) or ask.narrow(grant)
    if refused is not None:
        return refused
    # The row count decides the race: of many at once exactly one sees 1.
    if _SPEND.run(connection, {"hash_": row["hash"], "now": ask.now}) != 1:
        return _replayed(connection, journal, row, ask.now)
    if ask.earns_refresh(grant):
        _INSERT_FAMILY.run(
            connection,
            {
                "handle": ask.handle,
                "grant_id": grant.id,
                "client_id": ask.client.client_id,
                "secret_hash": ask.secret_hash,
                "previous_hash": None,
                "generation": 0,
                "rotated_at": ask.now,
                "used_at": ask.now,
                "expires_at": min(ask.now + ask.idle, row["grant_expires_at"]),
                "dpop_jkt": family_key(ask.client, ask.holder),
            },
        )
    return grant


def whose_code(connection: Connection, code: str) -> str | None:
    row = _CODE.first(connection, {"hash_": code_hash(code)})
    return None if row is None else row["account_id"]


def family_key(client: Client, holder: Holder | None) -> str | None:
    """RFC 9449 5: a refresh token is bound to the key only where the client has no other way to prove itself."""
    return holder.jkt if client.public and holder is not None else None


def grant_of(row: Any, *, nonce: str | None = None) -> Grant:
    return Grant(
        id=row["grant_id"],
        account=account_of(row, "account_"),
        scope=tuple(row["scope"].split()),
        resources=tuple(row["resources"].split()),
        amr=tuple(row["amr"].split()),
        auth_time=row["auth_time"],
        sid=row["sid"],
        nonce=nonce,
        claims=wanted_of(row["claims"]),
        acr=row["acr"],
    )


def revoke_grant(connection: Connection, grant_id: str, now: float) -> bool:
    """End a grant and all it bought; False if it was ended before."""
    return _REVOKE_GRANT.run(connection, {"grant": grant_id, "now": now}) == 1


def _replayed(connection: Connection, journal: Journal, row: Any, now: float) -> Refused:
    """RFC 6749 4.1.2: a code used twice may have been stolen, so everything it bought ends."""
    if revoke_grant(connection, row["grant_id"], now):
        journal.record(
            connection,
            now,
            "code.replayed",
            client_id=row["client_id"],
            account_id=row["account_id"],
            grant=row["grant_id"],
        )
    return invalid_grant(
        "The code was used before; the tokens it bought are revoked.",
        received=f"a code first used at {row['spent_at']:.0f}" if row["spent_at"] else "a code used at the same moment",
        expected="each code once",
        mend="Send the token request once; on a lost answer start a new authorization request.",
        rule="RFC 6749 4.1.2",
    )


def _refusal(row: Any, ask: Redemption) -> Refused | None:
    if ask.now >= row["expires_at"]:
        return invalid_grant(
            f"The code expired {int(ask.now - row['expires_at'])} seconds ago.",
            received=f"a code {ask.now - row['expires_at']:.0f} s late",
            expected=f"redemption before {row['expires_at']:.0f}, lifetimes.code after it was issued",
            mend="Redeem the code as soon as the browser brings it.",
            rule="RFC 6749 4.1.2",
        )
    if ask.redirect_uri != row["redirect_uri"]:
        return invalid_grant(
            "redirect_uri differs from the one of the authorization request.",
            received=visible(ask.redirect_uri or "no redirect_uri", 400),
            expected=visible(row["redirect_uri"], 400),
            mend="Send the same redirect_uri, character for character, in both requests.",
            rule="RFC 6749 4.1.3",
        )
    stored = row["code_challenge"]
    if (stored is None) != (ask.challenge is None) or (
        stored is not None and not hmac.compare_digest(stored, ask.challenge or "")
    ):
        return invalid_grant(
            "code_verifier does not belong to the code_challenge of the authorization request.",
            received="no code_verifier" if ask.challenge is None else "a code_verifier",
            expected="no code_verifier, as no challenge was sent"
            if stored is None
            else "the verifier of that challenge",
            mend="Keep the verifier in the session that made the authorization request and send it once.",
            rule="RFC 7636 4.6",
        )
    return _other_key(row, ask.holder) or dead_grant(row)


def _other_key(row: Any, holder: Holder | None) -> Refused | None:
    if same_key(row["dpop_jkt"], holder):
        return None
    return invalid_grant(
        "The code is bound to another key.",
        received="no DPoP proof" if holder is None else "a proof of another key",
        expected="a proof of the key named with the authorization request (dpop_jkt)",
        mend="Sign the proof with the key of the authorization request, in the same client instance.",
        rule="RFC 9449 10",
    )


def dead_grant(row: Any) -> Refused | None:
    """Why this grant may buy nothing any more: the gate every token request passes."""
    account = account_of(row, "account_")
    reason = may_act(account, client_disabled=False)
    if row["revoked_at"] is not None:
        reason = "the grant was revoked"
    elif row["ended_at"] is not None:
        reason = "the person signed out"
    if reason is None:
        return None
    return invalid_grant(
        "The grant is no longer valid.",
        received=reason,
        expected="a live grant of an enabled person",
        mend="Send the person through a new authorization request.",
    )
