"""Clients that registered themselves (RFC 7591, 7592): stored, changed, removed; and the first use of each.

Rows are touched in one order: initial token, registration, client, redirect uses, origins, epoch. A new client needs no
word to the caches: they hold only what they found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client
from idp.store.audit import Journal
from idp.store.initial_tokens import use_initial_token
from idp.store.registry import bump_epoch, forget_origins, write_origins
from idp.store.schema import clients, redirect_uses
from idp.store.schema_protocols import registrations

BATCH = 200
_KEPT = 50_000

_FIRST_USE = (
    sa.update(registrations)
    .where(registrations.c.client_id == sa.bindparam("id"), registrations.c.used_at.is_(None))
    .values(used_at=sa.bindparam("at"))
)


class FirstUses:
    """Which registered clients got a token in this process; the first of each goes to the database, by a job."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._pending: list[tuple[str, float]] = []

    def note(self, client_id: str, now: float) -> None:
        if client_id in self._seen:
            return
        if len(self._seen) >= _KEPT:
            self._seen.clear()  # writing a first use again changes nothing
        self._seen.add(client_id)
        self._pending.append((client_id, now))

    def take(self) -> list[tuple[str, float]]:
        """At most a batch; ``give_back`` what could not be written."""
        taken, self._pending = self._pending[:BATCH], self._pending[BATCH:]
        return taken

    def give_back(self, uses: Iterable[tuple[str, float]]) -> None:
        self._pending.extend(uses)


def write_first_uses(connection: Connection, uses: Sequence[tuple[str, float]]) -> None:
    # Sorted: two nodes that write the same rows take them in the same order.
    for client_id, at in sorted(uses):
        connection.execute(_FIRST_USE, {"id": client_id, "at": at})


@dataclass(frozen=True, slots=True)
class NewClient:
    """``token_hash`` of the registration access token, ``initial_hash`` of the token it is registered with."""

    client: Client
    token_hash: bytes | None
    initial_hash: bytes | None
    now: float


def register(connection: Connection, journal: Journal, new: NewClient) -> bool:
    """Store it, with one use of the initial token; False, and nothing written, where that has none left."""
    name = None
    if new.initial_hash is not None:
        name = use_initial_token(connection, journal, new.initial_hash, new.now)
        if name is None:
            return False
    client_id = new.client.client_id
    row = {
        "client_id": client_id,
        "token_hash": new.token_hash,
        "created_at": new.now,
        "used_at": None,
        "removed_at": None,
        "initial_token": name,
    }
    connection.execute(sa.insert(registrations).values(row))
    data = msgspec.json.encode(new.client)
    connection.execute(sa.insert(clients).values(client_id=client_id, data=data, updated_at=new.now))
    write_origins(connection, new.client)
    journal.record(connection, new.now, "client.registered", client_id=client_id, initial_token=name)
    return True


@dataclass(frozen=True, slots=True)
class Registered:
    """A client as it is now; ``data`` as stored, so that a change in between is seen."""

    client: Client
    data: bytes
    token_hash: bytes
    created_at: float


def find_registered(connection: Connection, client_id: str) -> Registered | None:
    """None where there is no such client, where an operator took it over, and where it may not be managed."""
    query = sa.select(registrations.c.token_hash, registrations.c.created_at, clients.c.data).where(
        registrations.c.client_id == client_id,
        registrations.c.removed_at.is_(None),
        clients.c.client_id == registrations.c.client_id,
    )
    row = connection.execute(query).first()
    if row is None or row.token_hash is None:
        return None
    client = msgspec.json.decode(row.data, type=Client)
    return Registered(client, bytes(row.data), bytes(row.token_hash), row.created_at) if client.registered else None


def update_registered(
    connection: Connection, journal: Journal, before: Registered, after: Client, changed: Sequence[str], now: float
) -> bool:
    """False, and nothing written, where somebody changed or removed it since ``before`` was read."""
    mine = (clients.c.client_id == after.client_id) & (clients.c.data == before.data)
    data = msgspec.json.encode(after)
    if connection.execute(sa.update(clients).where(mine).values(data=data, updated_at=now)).rowcount != 1:
        return False
    if changed:
        write_origins(connection, after)
        bump_epoch(connection)
        journal.record(connection, now, "client.updated", client_id=after.client_id, changed=list(changed))
    return True


def unregister(
    connection: Connection, journal: Journal, client_id: str, now: float, reason: str, *, if_unused: bool = False
) -> bool:
    """The client is gone; its registration waits for ``forgotten``. False where it went, or was used, meanwhile."""
    used = _used()
    mine = (registrations.c.client_id == client_id) & registrations.c.removed_at.is_(None)
    if if_unused:
        mine &= sa.not_(used)
    values: dict[str, Any] = {
        "removed_at": now,
        "used_at": sa.case((used, sa.func.coalesce(registrations.c.used_at, now)), else_=None),
    }
    if connection.execute(sa.update(registrations).where(mine).values(values)).rowcount != 1:
        return False
    connection.execute(sa.delete(clients).where(clients.c.client_id == client_id))
    connection.execute(sa.delete(redirect_uses).where(redirect_uses.c.client_id == client_id))
    forget_origins(connection, client_id)
    bump_epoch(connection)
    journal.record(connection, now, "client.unregistered", client_id=client_id, reason=reason)
    return True


def unused(connection: Connection, until: float, limit: int) -> list[str]:
    """Registered before ``until`` and never used."""
    query = sa.select(registrations.c.client_id).where(
        registrations.c.created_at < until,
        registrations.c.used_at.is_(None),
        registrations.c.removed_at.is_(None),
        sa.not_(_used()),
    )
    return [str(name) for name in connection.execute(query.order_by(registrations.c.created_at).limit(limit)).scalars()]


def removed(connection: Connection, until: float, limit: int) -> list[tuple[str, bool]]:
    """Clients that are gone since before ``until``, each with whether it was ever used."""
    query = sa.select(registrations.c.client_id, _used()).where(registrations.c.removed_at < until)
    return [(str(name), bool(used)) for name, used in connection.execute(query.limit(limit))]


def forgotten(connection: Connection, client_ids: Sequence[str]) -> None:
    """Nothing of these is left but the audit."""
    ids = sorted(client_ids)
    connection.execute(sa.delete(registrations).where(registrations.c.client_id.in_(ids)))
    connection.execute(sa.delete(redirect_uses).where(redirect_uses.c.client_id.in_(ids)))


def _used() -> sa.ColumnElement[bool]:
    """A token, or an answer at a redirect URI."""
    answered = sa.exists().where(redirect_uses.c.client_id == registrations.c.client_id)
    return sa.or_(registrations.c.used_at.is_not(None), answered)
