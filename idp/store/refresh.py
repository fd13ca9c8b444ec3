"""Refreshing (decision 7): rotation any node can repeat, grace for the predecessor, death of the family on replay."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client
from idp.protocol.errors import Refused, invalid_grant
from idp.protocol.holder import Holder, same_key
from idp.store.accounts import ACCOUNT
from idp.store.audit import Journal
from idp.store.codes import Grant, dead_grant, family_key, grant_of, revoke_grant
from idp.store.schema import accounts, grants, refresh_tokens, sessions
from idp.store.statements import Prepared

# Hashing forward costs 2 us a step; a family of a month of five-minute refreshes has 8,640.
_MAX_AGE = 10_000

_FAMILY = Prepared(
    sa.select(
        refresh_tokens,
        grants.c.scope,
        grants.c.resources,
        grants.c.amr,
        grants.c.auth_time,
        grants.c.sid,
        grants.c.claims,
        grants.c.acr,
        grants.c.revoked_at,
        grants.c.expires_at.label("grant_expires_at"),
        sa.case((grants.c.offline.is_(True), None), else_=sessions.c.ended_at).label("ended_at"),
        *ACCOUNT,
    )
    .join(grants, grants.c.id == refresh_tokens.c.grant_id)
    .join(accounts, accounts.c.id == grants.c.account_id)
    .outerjoin(sessions, sessions.c.id == grants.c.session_id)
    .where(refresh_tokens.c.handle == sa.bindparam("handle_"))
)
_ROTATE = Prepared(
    sa.update(refresh_tokens)
    .where(
        refresh_tokens.c.handle == sa.bindparam("handle_"), refresh_tokens.c.secret_hash == sa.bindparam("presented")
    )
    .values(
        previous_hash=sa.bindparam("presented"),
        secret_hash=sa.bindparam("successor"),
        generation=refresh_tokens.c.generation + 1,
        rotated_at=sa.bindparam("now"),
        used_at=sa.bindparam("now"),
        expires_at=sa.bindparam("until"),
        # A family that began without a key is bound to the first one shown (RFC 9449 5), and stays so.
        dpop_jkt=sa.func.coalesce(refresh_tokens.c.dpop_jkt, sa.bindparam("jkt", type_=sa.String(64))),
    )
)
_KEEP = Prepared(
    sa.update(refresh_tokens)
    .where(
        refresh_tokens.c.handle == sa.bindparam("handle_"), refresh_tokens.c.secret_hash == sa.bindparam("presented")
    )
    .values(
        used_at=sa.bindparam("now"),
        expires_at=sa.bindparam("until"),
        dpop_jkt=sa.func.coalesce(refresh_tokens.c.dpop_jkt, sa.bindparam("jkt", type_=sa.String(64))),
    )
)


class Refresh(msgspec.Struct, frozen=True):
    """A presented refresh token. ``follow`` gives the successor of a secret; ``grace`` is in seconds."""

    handle: str
    secret: bytes
    client: Client
    narrow: Callable[[Grant], Refused | None]
    follow: Callable[[bytes], bytes]
    grace: float
    idle: float
    now: float
    holder: Holder | None = None


def refresh(connection: Connection, journal: Journal, ask: Refresh) -> Grant | Refused:
    """The grant, its family moved on to ``follow(secret)``, or kept where its client does not rotate; or a refusal,
    returned so that a family's death commits."""
    row = _FAMILY.first(connection, {"handle_": ask.handle})
    if row is None or row["client_id"] != ask.client.client_id:
        return _unknown()
    if not same_key(row["dpop_jkt"], ask.holder):
        return _other_key(ask.holder)
    grant = grant_of(row)
    presented = hashlib.sha256(ask.secret).digest()
    live = hmac.compare_digest(presented, row["secret_hash"])
    if not live and not _in_grace(row, presented, ask):
        return _not_live(connection, journal, row, ask)
    refused = dead_grant(row) or _expired(row, ask.now) or ask.narrow(grant)
    if refused is not None:
        return refused
    rotates = ask.client.refresh_rotation or not live
    following = ask.follow(ask.secret) if rotates else ask.secret
    if live:
        values = {
            "handle_": ask.handle,
            "presented": presented,
            "now": ask.now,
            "until": min(ask.now + ask.idle, row["grant_expires_at"]),
            "jkt": family_key(ask.client, ask.holder),
        }
        if rotates:
            changed = _ROTATE.run(connection, {**values, "successor": hashlib.sha256(following).digest()})
        else:
            changed = _KEEP.run(connection, values)
        if changed != 1:
            # Another node rotated between our read and write: judge again by the row as it is now (grace, or replay).
            return refresh(connection, journal, ask)
    return msgspec.structs.replace(grant, refresh_secret=following)


def _in_grace(row: Any, presented: bytes, ask: Refresh) -> bool:
    """Two tabs, a lost answer, a sleeping phone: the direct predecessor gets the same successor again."""
    previous = row["previous_hash"]
    if previous is None or not hmac.compare_digest(presented, previous):
        return False
    # The distance: a clock that was set back, or another node's, must not hold the window open.
    return abs(ask.now - float(row["rotated_at"])) < ask.grace


def _not_live(connection: Connection, journal: Journal, row: Any, ask: Refresh) -> Refused:
    """An older secret that hashes forward to the live one is genuine, so someone replays: the family dies.

    What cannot be proved changes nothing, or anyone who saw a handle could end the family.
    """
    secret = ask.secret
    for age in range(1, min(row["generation"], _MAX_AGE) + 1):
        secret = ask.follow(secret)
        if hmac.compare_digest(hashlib.sha256(secret).digest(), row["secret_hash"]):
            if revoke_grant(connection, row["grant_id"], ask.now):
                journal.record(
                    connection,
                    ask.now,
                    "refresh.replayed",
                    client_id=row["client_id"],
                    account_id=row["account_id"],
                    grant=row["grant_id"],
                    generations_old=age,
                    rotated_seconds_ago=round(ask.now - row["rotated_at"], 3),
                    grace=ask.grace,
                )
            return invalid_grant(
                "The refresh token was used before; its whole family is revoked.",
                received=f"a token {age} generation(s) old, rotated {ask.now - row['rotated_at']:.1f} s ago",
                expected=f"the newest token of the family, or its predecessor within {ask.grace:g} s",
                mend="Sign in again. Store each new refresh token before using the old one's answer.",
                rule="RFC 9700 4.14.2",
            )
    return _unknown()


def _other_key(holder: Holder | None) -> Refused:
    """Changes nothing, whatever was presented: a thief without the key must not be able to end the family either."""
    return invalid_grant(
        "The refresh token is bound to another key.",
        received="no DPoP proof" if holder is None else "a proof of another key",
        expected="a proof of the key the refresh token was issued to",
        mend="Keep key and refresh token together; without the key, sign in again.",
        rule="RFC 9449 5",
    )


def _expired(row: Any, now: float) -> Refused | None:
    if now < row["expires_at"]:
        return None
    return invalid_grant(
        f"The refresh token expired {int(now - row['expires_at'])} seconds ago.",
        received=f"a refresh token {now - row['expires_at']:.0f} s late",
        expected=f"use before {row['expires_at']:.0f}, lifetimes.refresh_idle after the last",
        mend="Send the person through a new authorization request.",
    )


def _unknown() -> Refused:
    return invalid_grant(
        "The refresh token is unknown, or was issued to another client.",
        received="a refresh token this client was not given",
        expected="this client's newest refresh token, unchanged",
        mend="Sign in again.",
    )
