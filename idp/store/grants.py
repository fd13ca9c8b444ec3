"""Grants that begin without a browser: an operator's token for a person, the deprecated password exchange."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.audit import Journal
from idp.store.schema import grants, refresh_tokens


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant of ``lifetime`` seconds outside any session; ``handle`` and ``secret_hash`` for a refresh token."""

    grant_id: str
    client_id: str
    account_id: str
    scope: str
    now: float
    lifetime: float
    resources: str = ""
    amr: str = "pwd"
    handle: str | None = None
    secret_hash: bytes = b""
    idle: float = 0.0
    event: str = "authorization.granted"


def begin(connection: Connection, journal: Journal, new: NewGrant) -> None:
    """Write the grant, its refresh family if any, and the audit line."""
    connection.execute(
        sa.insert(grants).values(
            id=new.grant_id,
            client_id=new.client_id,
            account_id=new.account_id,
            session_id=None,
            sid=None,
            scope=new.scope,
            resources=new.resources,
            offline=True,
            amr=new.amr,
            auth_time=new.now,
            created_at=new.now,
            expires_at=new.now + new.lifetime,
            revoked_at=None,
        )
    )
    if new.handle is not None:
        connection.execute(
            sa.insert(refresh_tokens).values(
                handle=new.handle,
                grant_id=new.grant_id,
                client_id=new.client_id,
                secret_hash=new.secret_hash,
                previous_hash=None,
                generation=0,
                rotated_at=new.now,
                used_at=new.now,
                expires_at=new.now + min(new.idle, new.lifetime),
            )
        )
    journal.record(
        connection,
        new.now,
        new.event,
        client_id=new.client_id,
        account_id=new.account_id,
        grant=new.grant_id,
        scope=new.scope,
    )
