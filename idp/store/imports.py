"""Many people at once: a batch in one transaction, with few statements however many they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.audit import Journal
from idp.store.schema import accounts

_COLUMNS = (accounts.c.id, accounts.c.username, accounts.c.password_hash)
_NAMED = sa.select(*_COLUMNS).where(accounts.c.username.in_(sa.bindparam("names", expanding=True)))
_WITH_ID = sa.select(*_COLUMNS).where(accounts.c.id.in_(sa.bindparam("ids", expanding=True)))
_KNOWN = (
    sa.select(accounts.c.id, accounts.c.username, accounts.c.claims)
    .where(accounts.c.id > sa.bindparam("after"))
    .order_by(accounts.c.id)
    .limit(sa.bindparam("most"))
)
_REPLACE = (
    sa.update(accounts)
    .where(accounts.c.id == sa.bindparam("account"), accounts.c.password_hash == sa.bindparam("old"))
    .values(password_hash=sa.bindparam("new"))
)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """``asked_id`` None: ``id`` was made for this person, and somebody already here may have another."""

    id: str
    asked_id: str | None
    username: str
    password_hash: str | None
    claims: dict[str, Any]
    disabled: bool


def known_after(connection: Connection, after: str, most: int) -> list[tuple[str, str, str]]:
    """Id, user name and e-mail ("" for none) of people in the order of ids."""
    rows = connection.execute(_KNOWN, {"after": after, "most": most})
    return [(row[0], row[1], str(msgspec.json.decode(row[2]).get("email", ""))) for row in rows]


def hashes_of(connection: Connection, usernames: Collection[str]) -> dict[str, tuple[str, str | None]]:
    """Id and password hash of those of these who are here."""
    return {row[1]: (row[0], row[2]) for row in connection.execute(_NAMED, {"names": list(usernames)})}


def put_batch(
    connection: Connection,
    journal: Journal,
    people: Sequence[NewAccount],
    replaceable: Collection[str],
    now: float,
    source: str,
    *,
    write: bool,
) -> list[str]:
    """Add who is not here; answers created, changed, unchanged or taken for each, in their order.

    A person here is left alone, but for a hash out of ``replaceable``: one the other program made, never used here yet.
    """
    here = hashes_of(connection, [person.username for person in people])
    ids = {row[0]: row[1] for row in connection.execute(_WITH_ID, {"ids": [person.id for person in people]})}
    outcomes = [_outcome(person, here.get(person.username), ids, replaceable) for person in people]
    if not write:
        return outcomes
    created = [person for person, outcome in zip(people, outcomes, strict=True) if outcome == "created"]
    changed = [person for person, outcome in zip(people, outcomes, strict=True) if outcome == "changed"]
    if created:
        connection.execute(sa.insert(accounts), [_row(person, now) for person in created])
        journal.record_all(
            connection,
            now,
            "account.created",
            [(person.id, {"username": person.username, "source": source}) for person in created],
        )
    for person in changed:
        account_id, old = here[person.username]
        connection.execute(_REPLACE, {"account": account_id, "old": old, "new": person.password_hash})
        journal.record(connection, now, "account.changed", account_id=account_id, changed=["password_hash"])
    if created or changed:
        journal.record(connection, now, "accounts.imported", source=source, created=len(created), changed=len(changed))
    return outcomes


def _outcome(
    person: NewAccount, here: tuple[str, str | None] | None, ids: dict[str, str], replaceable: Collection[str]
) -> str:
    if here is None:
        return "taken" if person.id in ids else "created"
    account_id, stored = here
    if person.asked_id not in (None, account_id):
        return "taken"
    fresh = person.password_hash
    return "changed" if fresh and stored != fresh and stored in replaceable else "unchanged"


def _row(person: NewAccount, now: float) -> dict[str, Any]:
    return {
        "id": person.id,
        "username": person.username,
        "password_hash": person.password_hash,
        "claims": msgspec.json.encode(person.claims),
        "disabled_at": now if person.disabled else None,
        "updated_at": now,
    }
