"""A person who makes an account, and is signed in with it: one transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.audit import Journal
from idp.store.sessions import SignIn, begin

_INSERT = sa.text(
    "INSERT INTO accounts (id, username, password_hash, claims, updated_at)"
    " VALUES (:id, :username, :password_hash, :claims, :updated_at) ON CONFLICT (username) DO NOTHING"
).bindparams(sa.bindparam("claims", b"{}", type_=sa.LargeBinary))


def sign_up(
    connection: Connection, journal: Journal, sign_in: SignIn, username: str, password_hash: str
) -> str | None:
    """The session of the new account ``sign_in.account_id``, or None where the name is somebody's."""
    person = {
        "id": sign_in.account_id,
        "username": username,
        "password_hash": password_hash,
        "updated_at": sign_in.now,
    }
    if connection.execute(_INSERT, person).rowcount != 1:
        return None
    journal.record(
        connection,
        sign_in.now,
        "account.created",
        account_id=sign_in.account_id,
        username=username,
        network=sign_in.network,
    )
    return begin(connection, journal, sign_in)
