"""What UserInfo, introspection and revocation ask of the database: is this token's grant alive (decision 18)?"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.claims_request import Wanted, wanted_of
from idp.protocol.client import Account
from idp.protocol.prompts import may_act
from idp.store.accounts import ACCOUNT, account_of
from idp.store.audit import Journal
from idp.store.codes import revoke_grant
from idp.store.schema import accounts, grants, refresh_tokens, revoked_tokens
from idp.store.statements import Prepared

_GRANT = Prepared(
    sa.select(
        grants.c.revoked_at,
        grants.c.expires_at,
        grants.c.claims,
        *ACCOUNT,
        revoked_tokens.c.jti.label("revoked_jti"),
    )
    .join(accounts, accounts.c.id == grants.c.account_id)
    .outerjoin(revoked_tokens, revoked_tokens.c.jti == sa.bindparam("jti_"))
    .where(grants.c.id == sa.bindparam("grant"))
)
_REVOKE_TOKEN = sa.text(
    "INSERT INTO revoked_tokens (jti, expires_at) VALUES (:jti, :expires_at) ON CONFLICT DO NOTHING"
)
_REVOKED = Prepared(sa.select(revoked_tokens.c.jti).where(revoked_tokens.c.jti == sa.bindparam("jti_")))
_FAMILY = Prepared(
    sa.select(
        refresh_tokens,
        grants.c.scope,
        grants.c.resources,
        grants.c.revoked_at,
        grants.c.account_id,
        grants.c.created_at,
        accounts.c.username,
        accounts.c.disabled_at,
    )
    .join(grants, grants.c.id == refresh_tokens.c.grant_id)
    .join(accounts, accounts.c.id == grants.c.account_id)
    .where(refresh_tokens.c.handle == sa.bindparam("handle_"))
)


class Standing(msgspec.Struct, frozen=True):
    """A token that may still act; ``account`` is None for a client acting for itself."""

    account: Account | None
    claims: Wanted | None = None  # asked for one by one, beside the scopes


def standing(connection: Connection, grant_id: str | None, jti: str) -> Standing | None:
    """None once the token, its grant or its person is out."""
    if grant_id is None:
        revoked = _REVOKED.first(connection, {"jti_": jti})
        return None if revoked else Standing(None)
    row = _GRANT.first(connection, {"grant": grant_id, "jti_": jti})
    if row is None or row["revoked_at"] is not None or row["revoked_jti"] is not None:
        return None
    account = account_of(row, "account_")
    return None if may_act(account, client_disabled=False) else Standing(account, wanted_of(row["claims"]))


def family(connection: Connection, handle: str) -> Any | None:
    """The refresh family's row with its grant, for introspection and revocation."""
    return _FAMILY.first(connection, {"handle_": handle})


def whose_family(connection: Connection, handle: str) -> str | None:
    row = _FAMILY.first(connection, {"handle_": handle})
    return None if row is None else row["account_id"]


def revoke_family(connection: Connection, journal: Journal, grant_id: str, client_id: str, now: float) -> None:
    """RFC 7009 2.1: revoking a refresh token ends the grant, so its access tokens too."""
    if revoke_grant(connection, grant_id, now):
        journal.record(connection, now, "grant.revoked", client_id=client_id, grant=grant_id)


def revoke_token(
    connection: Connection, journal: Journal, jti: str, client_id: str, expires_at: float, now: float
) -> None:
    """One access token alone; its row may go once the token has expired."""
    if connection.execute(_REVOKE_TOKEN, {"jti": jti, "expires_at": expires_at}).rowcount == 1:
        journal.record(connection, now, "token.revoked", client_id=client_id, jti=jti)
