"""Device codes (RFC 8628): asked for by a device, decided by a person elsewhere, polled, spent once.

A row is found by either secret: the device's by its SHA-256, the person's short one by a keyed hash (it has 34 bits: a
plain hash of it would be no secret to whoever reads the table).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client
from idp.protocol.device import INTERVAL, LONGEST_INTERVAL
from idp.protocol.errors import NotYet, Refused, invalid_grant
from idp.protocol.holder import Holder
from idp.store.accounts import ACCOUNT
from idp.store.attempts import Bucket, take
from idp.store.codes import Grant, dead_grant, family_key, grant_of
from idp.store.schema import accounts, grants, refresh_tokens, sessions
from idp.store.schema_protocols import device_codes
from idp.store.statements import Prepared

_INSERT = sa.text(
    "INSERT INTO device_codes (hash, user_code_hash, client_id, scope, resources, network, created_at, expires_at,"
    " poll_interval) VALUES (:hash, :user_code_hash, :client_id, :scope, :resources, :network, :created_at,"
    " :expires_at, :poll_interval) ON CONFLICT (user_code_hash) DO NOTHING"
).bindparams(sa.bindparam("hash", type_=sa.LargeBinary), sa.bindparam("user_code_hash", type_=sa.LargeBinary))
_CODE = Prepared(
    sa.select(
        device_codes,
        grants.c.scope.label("granted_scope"),
        grants.c.resources.label("granted_resources"),
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
    .outerjoin(grants, grants.c.id == device_codes.c.grant_id)
    .outerjoin(accounts, accounts.c.id == grants.c.account_id)
    .outerjoin(sessions, sessions.c.id == grants.c.session_id)
    .where(device_codes.c.hash == sa.bindparam("hash_"))
)
_SPEND = Prepared(
    sa.update(device_codes)
    .where(device_codes.c.hash == sa.bindparam("hash_"), device_codes.c.spent_at.is_(None))
    .values(spent_at=sa.bindparam("now"))
)
_POLLED = Prepared(
    sa.update(device_codes)
    .where(device_codes.c.hash == sa.bindparam("hash_"), device_codes.c.decided_at.is_(None))
    .values(polled_at=sa.bindparam("now"), poll_interval=sa.bindparam("seconds"))
)
_INSERT_FAMILY = Prepared(sa.insert(refresh_tokens))
_WAITING = sa.select(device_codes).where(
    device_codes.c.user_code_hash == sa.bindparam("user_code_hash"),
    device_codes.c.decided_at.is_(None),
    device_codes.c.expires_at > sa.bindparam("now"),
)
# Tolerated of a timer that goes off early, and of a poll that overtook the one before it.
_SLACK = 0.5


class NewDevice(msgspec.Struct, frozen=True):
    """What a device asked for. ``hash`` is the SHA-256 of its device code, ``network`` where it asked from."""

    hash: bytes
    user_code_hash: bytes
    client_id: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    network: str
    now: float
    lifetime: float


class Waiting(msgspec.Struct, frozen=True):
    """A device that waits for its person. Times in Unix seconds."""

    hash: bytes
    client_id: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    network: str
    created_at: float
    expires_at: float


class Poll(msgspec.Struct, frozen=True):
    """A token request with a device code; ``narrow`` and the rest as in ``store.codes.Redemption``."""

    device_code: str
    client: Client
    narrow: Callable[[Grant], Refused | None]
    earns_refresh: Callable[[Grant], bool]
    handle: str
    secret_hash: bytes
    now: float
    idle: float
    holder: Holder | None = None


def device_hash(device_code: str) -> bytes:
    return hashlib.sha256(device_code.encode()).digest()


def begin(connection: Connection, new: NewDevice, buckets: Sequence[Bucket]) -> bool:
    """A row, where ``buckets`` have room for it: raises ``attempts.Full``, and then nothing is written.

    False where another device holds that user code.
    """
    row = {
        "hash": new.hash,
        "user_code_hash": new.user_code_hash,
        "client_id": new.client_id,
        "scope": " ".join(new.scope),
        "resources": " ".join(new.resources),
        "network": new.network,
        "created_at": new.now,
        "expires_at": new.now + new.lifetime,
        "poll_interval": INTERVAL,
    }
    take(connection, buckets, new.now)
    return connection.execute(_INSERT, row).rowcount == 1


def waiting(connection: Connection, user_code_hash: bytes, now: float) -> Waiting | None:
    """The device that shows this code; None where it is unknown, expired or already answered."""
    row = connection.execute(_WAITING, {"user_code_hash": user_code_hash, "now": now}).mappings().first()
    if row is None:
        return None
    return Waiting(
        bytes(row["hash"]),
        row["client_id"],
        tuple(row["scope"].split()),
        tuple(row["resources"].split()),
        row["network"],
        row["created_at"],
        row["expires_at"],
    )


def poll(connection: Connection, ask: Poll) -> Grant | Refused:
    """The grant, its refresh family stored where earned; or why not (RFC 8628 3.5), returned: a poll leaves a trace."""
    row = _CODE.first(connection, {"hash_": device_hash(ask.device_code)})
    if row is None or row["client_id"] != ask.client.client_id:
        return _unknown(row is not None)
    if row["spent_at"] is not None:
        return _spent()
    if ask.now >= row["expires_at"]:
        return Refused(
            "expired_token",
            "The device code has expired.",
            rule="RFC 8628 3.5",
            received=f"a device code {ask.now - row['expires_at']:.0f} s late",
            expected=f"a poll before {row['expires_at']:.0f}, lifetimes.device_code after it was asked for",
            mend="Have the device ask for a new one and show its code.",
        )
    if row["decided_at"] is None:
        return _not_yet(connection, row, ask.now)
    if row["grant_id"] is None:
        return Refused("access_denied", "The person said no.", rule="RFC 8628 3.5", received="decision deny")
    if row["account_id"] is None:
        return _unknown(False)  # the person was removed, and the grant with them
    grant = grant_of({**row, "scope": row["granted_scope"], "resources": row["granted_resources"]})
    refused = dead_grant(row) or ask.narrow(grant)
    if refused is not None:
        return refused
    # The row count decides the race: of many at once exactly one sees 1.
    if _SPEND.run(connection, {"hash_": row["hash"], "now": ask.now}) != 1:
        return _spent()
    if ask.earns_refresh(grant):
        _INSERT_FAMILY.run(connection, _family(ask, grant, row["grant_expires_at"]))
    return grant


def whose_device(connection: Connection, device_code: str) -> str | None:
    """None until somebody has answered, too."""
    row = _CODE.first(connection, {"hash_": device_hash(device_code)})
    return None if row is None else row["account_id"]


def _not_yet(connection: Connection, row: Any, now: float) -> NotYet:
    """``authorization_pending``, or ``slow_down``, which makes the interval longer for good (RFC 8628 3.5)."""
    interval, polled_at = row["poll_interval"], row["polled_at"]
    fast = polled_at is not None and now - polled_at < interval - _SLACK
    if fast and interval >= LONGEST_INTERVAL:
        return NotYet("slow_down", f"Too fast: wait {interval} seconds between two polls.")  # a flood writes nothing
    if fast:
        interval = min(interval + INTERVAL, LONGEST_INTERVAL)
    _POLLED.run(connection, {"hash_": row["hash"], "now": now, "seconds": interval})
    if fast:
        return NotYet("slow_down", f"Too fast: wait {interval} seconds between two polls.")
    return NotYet("authorization_pending", "The person has not answered yet.")


def _family(ask: Poll, grant: Grant, until: float) -> dict[str, Any]:
    return {
        "handle": ask.handle,
        "grant_id": grant.id,
        "client_id": ask.client.client_id,
        "secret_hash": ask.secret_hash,
        "generation": 0,
        "rotated_at": ask.now,
        "used_at": ask.now,
        "expires_at": min(ask.now + ask.idle, until),
        "dpop_jkt": family_key(ask.client, ask.holder),
    }


def _unknown(others: bool) -> Refused:
    return invalid_grant(
        "The device code is unknown, or was issued to another client.",
        received="a device code this client was not given" if others else "an unknown device code",
        expected="the device_code of this client's own answer, once",
        mend="Have the device ask for a new one.",
        rule="RFC 8628 3.4",
    )


def _spent() -> Refused:
    """No theft is concluded: only the device ever had this value, and a poll whose answer was lost comes again."""
    return invalid_grant(
        "The device code was used before.",
        received="a device code that bought its tokens",
        expected="each device code once",
        mend="Use the tokens of that answer; if it was lost, have the device ask for a new code.",
        rule="RFC 8628 3.5",
    )
