"""People: found by what they type, stored with their standard claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Account
from idp.store.audit import Journal
from idp.store.schema import accounts

_BY_NAME = sa.select(accounts).where(accounts.c.username == sa.bindparam("username"))
_REHASH = (
    sa.update(accounts)
    .where(accounts.c.id == sa.bindparam("account"), accounts.c.password_hash == sa.bindparam("old"))
    .values(password_hash=sa.bindparam("new"))
)
_LAST = "\U0010ffff"  # no name sorts after it: a prefix is a range, which the index answers


_HASHES = (
    sa.select(accounts.c.id, accounts.c.password_hash)
    .where(accounts.c.id > sa.bindparam("after"), accounts.c.password_hash.is_not(None))
    .order_by(accounts.c.id)
    .limit(sa.bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account with the hash its password is checked against (None: it has no password)."""

    account: Account
    password_hash: str | None


# What ``account_of`` reads with the prefix ``account_``, for statements that join the person.
ACCOUNT = tuple(
    accounts.c[name].label(f"account_{name}") for name in ("id", "username", "claims", "disabled_at", "updated_at")
)


def account_of(row: Any, prefix: str = "") -> Account:
    return Account(
        id=row[f"{prefix}id"],
        username=row[f"{prefix}username"],
        claims=msgspec.json.decode(row[f"{prefix}claims"]),
        disabled=row[f"{prefix}disabled_at"] is not None,
        updated_at=row[f"{prefix}updated_at"],
    )


def find_by_username(connection: Connection, username: str) -> Credentials | None:
    row = connection.execute(_BY_NAME, {"username": username}).mappings().first()
    return Credentials(account_of(row), row["password_hash"]) if row else None


def account_page(connection: Connection, after: str, limit: int, prefix: str = "") -> list[Credentials]:
    """The next ``limit`` people by user name, of those whose name begins with ``prefix``."""
    name = accounts.c.username
    page = sa.select(accounts).order_by(name).limit(limit)
    # One lower bound: of two, SQLite would seek the first and walk from there.
    page = page.where(name > after if after >= prefix else name >= prefix)
    if prefix:
        page = page.where(name < prefix + _LAST)
    rows = connection.execute(page).mappings()
    return [Credentials(account_of(row), row["password_hash"]) for row in rows]


def hashes_after(connection: Connection, after: str, most: int) -> list[tuple[str, str]]:
    """Ids and password hashes in the order of ids, those after one: for walking through all in small steps."""
    return [(row[0], row[1]) for row in connection.execute(_HASHES, {"after": after, "most": most})]


def put_account(
    connection: Connection,
    journal: Journal,
    *,
    new_id: str,
    username: str,
    password_hash: str | None,
    claims: dict[str, Any],
    now: float,
) -> str:
    """Create a person, or change claims and (where one is given) password; answers created, changed or unchanged."""
    data = msgspec.json.encode(claims)
    row = connection.execute(_BY_NAME, {"username": username}).mappings().first()
    if row is None:
        connection.execute(
            sa.insert(accounts).values(
                id=new_id, username=username, password_hash=password_hash, claims=data, updated_at=now
            )
        )
        journal.record(connection, now, "account.created", account_id=new_id, username=username)
        return "created"
    # An app reads updated_at as the time of the claims; when a password changed is not its business.
    changes: dict[str, Any] = {} if row["claims"] == data else {"claims": data, "updated_at": now}
    if password_hash is not None and row["password_hash"] != password_hash:
        changes["password_hash"] = password_hash
    if not changes:
        return "unchanged"
    connection.execute(sa.update(accounts).where(accounts.c.id == row["id"]).values(**changes))
    changed = sorted(changes.keys() - {"updated_at"})
    journal.record(connection, now, "account.changed", account_id=row["id"], changed=changed)
    return "changed"


def replace_hash(connection: Connection, account_id: str, old: str, new: str) -> None:
    """Store a stronger hash of the same password, unless the password was changed meanwhile."""
    connection.execute(_REHASH, {"account": account_id, "old": old, "new": new})


def set_disabled(connection: Connection, journal: Journal, account_id: str, now: float, *, disabled: bool) -> bool:
    change = sa.update(accounts).where(accounts.c.id == account_id).values(disabled_at=now if disabled else None)
    found = connection.execute(change).rowcount == 1
    if found:
        event = "account.disabled" if disabled else "account.changed"
        journal.record(connection, now, event, account_id=account_id)
    return found
