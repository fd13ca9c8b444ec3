"""One transaction for a whole apply file: every entry as the plan saw it before, or nothing at all is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from idp.protocol.client import Client, Resource, Scope
from idp.store.accounts import account_of
from idp.store.audit import Journal
from idp.store.registry import bump_epoch, write_origins
from idp.store.schema import accounts, clients, resources, scopes
from idp.store.schema_protocols import registrations
from idp.store.sessions import disable, end_all
from idp.store.statements import Prepared

CHUNK = 200


class Stale(Exception):
    """An entry is no longer as the plan saw it. Raised, so that what was written before it is rolled back."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A person as found: ``claims`` as the bytes they are kept as, so that a change in between is seen."""

    id: str
    username: str
    password_hash: str | None
    claims: bytes
    disabled: bool


@dataclass(frozen=True, slots=True)
class PutEntry:
    """A client, resource or scope to write; ``before`` None makes it. ``detail`` goes to the audit."""

    before: bytes | None
    after: Client | Resource | Scope
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PutPerson:
    """A person to write; ``before`` None makes them. ``password_hash`` and ``disabled`` None leave what is there."""

    before: Stored | None
    id: str
    username: str
    claims: dict[str, Any]
    password_hash: str | None
    disabled: bool | None


_INSERT_ACCOUNT = Prepared(sa.insert(accounts))
_TABLES: dict[type, tuple[sa.Table, sa.Column[Any], str]] = {
    Client: (clients, clients.c.client_id, "client_id"),
    Resource: (resources, resources.c.uri, "uri"),
    Scope: (scopes, scopes.c.name, "name"),
}


def find_entries(connection: Connection, kind: type, keys: Sequence[str]) -> dict[str, bytes]:
    """Those of ``keys`` that are there, as stored."""
    table, key, _ = _TABLES[kind]
    rows = connection.execute(sa.select(key, table.c.data).where(key.in_(keys)))
    return {str(name): bytes(data) for name, data in rows}


def find_people(connection: Connection, usernames: Sequence[str]) -> dict[str, Stored]:
    rows = connection.execute(sa.select(accounts).where(accounts.c.username.in_(usernames))).mappings()
    return {row["username"]: _stored(row) for row in rows}


def find_subjects(connection: Connection, subs: Collection[str]) -> dict[str, str]:
    """User names by ``sub``, of those that are there."""
    rows = connection.execute(sa.select(accounts.c.id, accounts.c.username).where(accounts.c.id.in_(subs)))
    return {str(sub): str(username) for sub, username in rows}


def write_all(
    connection: Connection, journal: Journal, entries: Sequence[PutEntry], people: Sequence[PutPerson], now: float
) -> None:
    """Every change and its audit line. Raises Stale, and then nothing is written."""
    for entry in entries:
        _put_entry(connection, journal, entry, now)
    if entries:
        bump_epoch(connection)
    for person in people:
        if person.before is None:
            _create_person(connection, journal, person, now)
        else:
            _change_person(connection, journal, person.before, person, now)


def _stored(row: Any) -> Stored:
    account = account_of(row)
    return Stored(account.id, account.username, row["password_hash"], bytes(row["claims"]), account.disabled)


def _put_entry(connection: Connection, journal: Journal, entry: PutEntry, now: float) -> None:
    table, key, member = _TABLES[type(entry.after)]
    name = getattr(entry.after, member)
    values: dict[str, Any] = {"data": msgspec.json.encode(entry.after)}
    if table is clients:
        values["updated_at"] = now
        # One that registered itself is the operator's from now on: its owner's token counts no longer.
        connection.execute(sa.delete(registrations).where(registrations.c.client_id == name))
    if entry.before is None:
        try:
            connection.execute(sa.insert(table).values({key.name: name, **values}))
        except IntegrityError:
            raise Stale(name) from None
    else:
        as_seen = sa.update(table).where(key == name, table.c.data == entry.before)
        if connection.execute(as_seen.values(values)).rowcount != 1:
            raise Stale(name)
    if isinstance(entry.after, Client):
        write_origins(connection, entry.after)
        event = "client.created" if entry.before is None else "client.changed"
        journal.record(connection, now, event, client_id=name, **entry.detail)
    else:
        kind = "resource" if table is resources else "scope"
        journal.record(connection, now, f"{kind}.changed", **{kind: name}, **entry.detail)


def _create_person(connection: Connection, journal: Journal, person: PutPerson, now: float) -> None:
    try:
        _INSERT_ACCOUNT.run(
            connection,
            {
                "id": person.id,
                "username": person.username,
                "password_hash": person.password_hash,
                "claims": msgspec.json.encode(person.claims),
                "disabled_at": now if person.disabled else None,
                "updated_at": now,
            },
        )
    except (IntegrityError, sqlite3.IntegrityError):
        raise Stale(person.username) from None
    journal.record(connection, now, "account.created", account_id=person.id, username=person.username)


def _change_person(connection: Connection, journal: Journal, before: Stored, person: PutPerson, now: float) -> None:
    claims = msgspec.json.encode(person.claims)
    other = msgspec.json.decode(before.claims) != person.claims
    values: dict[str, Any] = {"claims": claims, "updated_at": now} if other else {}
    if person.password_hash is not None:
        values["password_hash"] = person.password_hash
    if person.disabled is False and before.disabled:
        values["disabled_at"] = None
    as_seen = sa.update(accounts).where(
        accounts.c.id == before.id,
        accounts.c.claims == before.claims,
        accounts.c.password_hash.is_not_distinct_from(before.password_hash),
    )
    if connection.execute(as_seen.values(values or {"username": person.username})).rowcount != 1:
        raise Stale(person.username)
    if values:
        changed = sorted("disabled" if name == "disabled_at" else name for name in values if name != "updated_at")
        journal.record(connection, now, "account.changed", account_id=before.id, changed=changed)
    if person.disabled and not before.disabled:
        disable(connection, journal, before.id, now)
    elif person.password_hash is not None:
        end_all(connection, journal, before.id, now, reason="the password was changed")
