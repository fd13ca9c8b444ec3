"""What operators register: clients, resources, scopes. Every change bumps the epoch that caches watch (decision 17)."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client, Resource, Scope
from idp.store.audit import Journal
from idp.store.schema import clients, epoch, resources, scopes

_EPOCH = sa.select(epoch.c.value).where(epoch.c.id == 1)
_BUMP = sa.update(epoch).where(epoch.c.id == 1).values(value=epoch.c.value + 1)

S = TypeVar("S", Client, Resource, Scope)


def current_epoch(connection: Connection) -> int:
    return int(connection.execute(_EPOCH).scalar_one())


def bump_epoch(connection: Connection) -> None:
    connection.execute(_BUMP)


def load_clients(connection: Connection) -> dict[str, Client]:
    rows = connection.execute(sa.select(clients.c.data)).scalars()
    return {client.client_id: client for client in (msgspec.json.decode(data, type=Client) for data in rows)}


def load_resources(connection: Connection) -> dict[str, Resource]:
    rows = connection.execute(sa.select(resources.c.data)).scalars()
    return {found.uri: found for found in (msgspec.json.decode(data, type=Resource) for data in rows)}


def load_scopes(connection: Connection) -> dict[str, Scope]:
    rows = connection.execute(sa.select(scopes.c.data)).scalars()
    return {found.name: found for found in (msgspec.json.decode(data, type=Scope) for data in rows)}


def put_client(connection: Connection, journal: Journal, client: Client, now: float) -> str:
    """Store a client; answers ``created``, ``changed`` or ``unchanged``. Only a change is written and journalled."""
    data = msgspec.json.encode(client)
    outcome = _put(connection, clients, clients.c.client_id, client.client_id, {"data": data, "updated_at": now})
    if outcome != "unchanged":
        journal.record(connection, now, f"client.{outcome}", client_id=client.client_id)
    return outcome


def put_resource(connection: Connection, journal: Journal, resource: Resource, now: float) -> str:
    outcome = _put(connection, resources, resources.c.uri, resource.uri, {"data": msgspec.json.encode(resource)})
    if outcome != "unchanged":
        journal.record(connection, now, "resource.changed", resource=resource.uri)
    return outcome


def put_scope(connection: Connection, journal: Journal, scope: Scope, now: float) -> str:
    outcome = _put(connection, scopes, scopes.c.name, scope.name, {"data": msgspec.json.encode(scope)})
    if outcome != "unchanged":
        journal.record(connection, now, "scope.changed", scope=scope.name)
    return outcome


def _put(connection: Connection, table: sa.Table, key: sa.Column[str], value: str, row: dict[str, object]) -> str:
    stored = connection.execute(sa.select(table.c.data).where(key == value)).scalar()
    if stored == row["data"]:
        return "unchanged"
    bump_epoch(connection)
    if stored is None:
        connection.execute(sa.insert(table).values({key.name: value, **row}))
        return "created"
    connection.execute(sa.update(table).where(key == value).values(row))
    return "changed"
