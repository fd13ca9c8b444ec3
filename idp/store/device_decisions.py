"""What a person decides about a device (RFC 8628 3.3): one statement decides, whoever comes second is told so."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.audit import Journal
from idp.store.authorization import join_session
from idp.store.device import Waiting
from idp.store.schema import grants
from idp.store.schema_protocols import device_codes
from idp.store.sessions import Known, touch
from idp.store.statements import Prepared

_DECIDE = Prepared(
    sa.update(device_codes)
    .where(
        device_codes.c.hash == sa.bindparam("hash_"),
        device_codes.c.decided_at.is_(None),
        device_codes.c.expires_at > sa.bindparam("now"),
    )
    .values(decided_at=sa.bindparam("now"), grant_id=sa.bindparam("grant"))
)
_INSERT_GRANT = Prepared(sa.insert(grants))


class Approval(msgspec.Struct, frozen=True):
    """A person's yes. ``grant_id`` and ``sid`` are fresh random values; ``offline`` outlives the session."""

    device: Waiting
    known: Known
    grant_id: str
    sid: str
    offline: bool
    now: float
    lifetime: float  # of an offline grant


def approve(connection: Connection, journal: Journal, new: Approval) -> bool:
    """Grant it; False, and nothing written, where the device was answered before, or too late.

    Nothing is remembered: the next device asks again, and an app in a browser asks for itself.
    """
    device, known, now = new.device, new.known, new.now
    if _DECIDE.run(connection, {"hash_": device.hash, "now": now, "grant": new.grant_id}) != 1:
        return False
    client_id, session = device.client_id, known.session
    if known.stale:
        touch(connection, session.id, now)
    # A device whose access outlives the session has no part in it: signing out does not concern it.
    sid = None if new.offline else join_session(connection, session.id, client_id, new.sid)
    row = {
        "id": new.grant_id,
        "client_id": client_id,
        "account_id": known.account.id,
        "session_id": session.id,
        "sid": sid,
        "scope": " ".join(device.scope),
        "resources": " ".join(device.resources),
        "offline": new.offline,
        "amr": " ".join(session.amr),
        "auth_time": session.auth_time,
        "created_at": now,
        "expires_at": now + new.lifetime if new.offline else session.expires_at,
    }
    _INSERT_GRANT.run(connection, row)
    who = {"client_id": client_id, "account_id": known.account.id}
    scope = " ".join(device.scope)
    journal.record(connection, now, "consent.granted", **who, scope=scope, remembered=False, device=device.network)
    journal.record(connection, now, "authorization.granted", **who, grant=new.grant_id, scope=scope)
    return True


def deny(connection: Connection, journal: Journal, device: Waiting, account_id: str, now: float) -> bool:
    """A person's no; False where the device was answered before, or too late."""
    if _DECIDE.run(connection, {"hash_": device.hash, "now": now, "grant": None}) != 1:
        return False
    journal.record(
        connection, now, "consent.denied", client_id=device.client_id, account_id=account_id, device=device.network
    )
    return True
