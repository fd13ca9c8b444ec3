"""What operators register: clients, resources, scopes. Every change bumps the epoch that caches watch (decision 17)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client, Resource, Scope
from idp.store.audit import Journal
from idp.store.schema import client_origins, clients, epoch, resources, scopes
from idp.store.statements import Prepared

_EPOCH = sa.select(epoch.c.value).where(epoch.c.id == 1)
_CLIENT = Prepared(sa.select(clients.c.data).where(clients.c.client_id == sa.bindparam("client_id")))
_BUMP = sa.update(epoch).where(epoch.c.id == 1).values(value=epoch.c.value + 1)
_PAGE = sa.select(clients.c.data).order_by(clients.c.client_id)

S = TypeVar("S", Client, Resource, Scope)


def current_epoch(connection: Connection) -> int:
    return int(connection.execute(_EPOCH).scalar_one())


def bump_epoch(connection: Connection) -> None:
    connection.execute(_BUMP)


def find_client(connection: Connection, client_id: str) -> Client | None:
    data = _CLIENT.first(connection, {"client_id": client_id})
    return msgspec.json.decode(data["data"], type=Client) if data is not None else None


def has_origin(connection: Connection, origin: str) -> bool:
    """Whether any client's browser part is registered there."""
    query = sa.select(client_origins.c.origin).where(client_origins.c.origin == origin).limit(1)
    return connection.execute(query).first() is not None


def write_origins(connection: Connection, client: Client) -> None:
    """Whoever stores a client stores its origins with it."""
    forget_origins(connection, client.client_id)
    for origin in sorted(client.origins):
        connection.execute(sa.insert(client_origins).values(origin=origin, client_id=client.client_id))


def forget_origins(connection: Connection, client_id: str) -> None:
    connection.execute(sa.delete(client_origins).where(client_origins.c.client_id == client_id))


def load_resources(connection: Connection) -> dict[str, Resource]:
    rows = connection.execute(sa.select(resources.c.data)).scalars()
    return {found.uri: found for found in (msgspec.json.decode(data, type=Resource) for data in rows)}


def load_scopes(connection: Connection) -> dict[str, Scope]:
    rows = connection.execute(sa.select(scopes.c.data)).scalars()
    return {found.name: found for found in (msgspec.json.decode(data, type=Scope) for data in rows)}


def client_page(connection: Connection, after: str, limit: int) -> list[Client]:
    """The next ``limit`` clients by client_id."""
    rows = connection.execute(_PAGE.where(clients.c.client_id > after).limit(limit)).scalars()
    return [msgspec.json.decode(data, type=Client) for data in rows]


def change_client(
    connection: Connection,
    journal: Journal,
    client_id: str,
    change: Callable[[Client], Client],
    now: float,
    event: str,
    detail: Mapping[str, Any],
) -> Client | None:
    """The client after ``change``, which sees it as it is now; None for an unknown one. What ``change`` raises, leaves.

    Only a change is written and journalled.
    """
    mine = clients.c.client_id == client_id
    stored = connection.execute(sa.select(clients.c.data).where(mine).with_for_update()).scalar()
    if stored is None:
        return None
    before = msgspec.json.decode(stored, type=Client)
    after = change(before)
    if after != before:
        bump_epoch(connection)
        data = msgspec.json.encode(after)
        connection.execute(sa.update(clients).where(mine).values(data=data, updated_at=now))
        journal.record(connection, now, event, client_id=client_id, **detail)
    return after


def remove_resource(connection: Connection, journal: Journal, uri: str, now: float) -> bool:
    removed = connection.execute(sa.delete(resources).where(resources.c.uri == uri)).rowcount == 1
    if removed:
        bump_epoch(connection)
        journal.record(connection, now, "resource.removed", resource=uri)
    return removed


def put_client(connection: Connection, journal: Journal, client: Client, now: float) -> str:
    """Store a client; answers ``created``, ``changed`` or ``unchanged``. Only a change is written and journalled."""
    data = msgspec.json.encode(client)
    outcome = _put(connection, clients, clients.c.client_id, client.client_id, {"data": data, "updated_at": now})
    if outcome != "unchanged":
        write_origins(connection, client)
        journal.record(connection, now, f"client.{outcome}", client_id=client.client_id)
    return outcome


def put_resource(connection: Connection, journal: Journal, resource: Resource, now: float) -> str:
    outcome = _put(connection, resources, resources.c.uri, resource.uri, {"data": msgspec.json.encode(resource)})
    if outcome != "unchanged":
        journal.record(connection, now, "resource.changed", resource=resource.uri)
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
