"""An assertion becomes a grant: spent, looked up and written in one transaction (RFC 7523 2.1)."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Account
from idp.protocol.errors import Refused, invalid_grant
from idp.protocol.prompts import may_act
from idp.store.accounts import account_of
from idp.store.audit import Journal
from idp.store.grants import NewGrant, begin
from idp.store.schema import accounts
from idp.store.spent import spend


@dataclass(frozen=True, slots=True)
class Assertion:
    """``subject`` is a ``sub`` of ours, or a user name; ``lifetime`` bounds the grant, whose tokens are shorter."""

    issuer: str
    jti: str
    expires_at: float
    subject: str
    by_username: bool
    grant_id: str
    client_id: str
    scope: str
    resources: str
    now: float
    lifetime: float


def whose_word(connection: Connection, assertion: Assertion) -> str | None:
    """The account an assertion speaks of."""
    column = accounts.c.username if assertion.by_username else accounts.c.id
    return connection.execute(sa.select(accounts.c.id).where(column == assertion.subject)).scalar()


def accept(connection: Connection, journal: Journal, assertion: Assertion) -> Account | Refused:
    """The person, or a refusal, returned so that a spent assertion stays spent."""
    if not spend(connection, "jwt-bearer", f"{assertion.issuer} {assertion.jti}", assertion.expires_at):
        return _refused("an assertion used before", "a fresh assertion for each request")
    column = accounts.c.username if assertion.by_username else accounts.c.id
    row = connection.execute(sa.select(accounts).where(column == assertion.subject)).mappings().first()
    account = None if row is None else account_of(row)
    reason = "nobody by that name" if account is None else may_act(account, client_disabled=False)
    if account is None or reason is not None:
        return _refused(reason or "", "an enabled person of this server")
    new = NewGrant(
        assertion.grant_id,
        assertion.client_id,
        account.id,
        assertion.scope,
        assertion.now,
        assertion.lifetime,
        resources=assertion.resources,
        amr="",
        event="authorization.asserted",
    )
    begin(connection, journal, new)
    return account


def _refused(received: str, expected: str) -> Refused:
    return invalid_grant(
        "The assertion was not accepted.",
        received=received,
        expected=expected,
        mend="Have the other issuer sign a new assertion for every request, about a person who is known here.",
        rule="RFC 7523 3",
    )
