"""What is written of clients nobody registered: a line in the audit, and that an operator keeps one out."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Client
from idp.protocol.client_documents import DocumentClient
from idp.store.audit import Journal
from idp.store.registry import bump_epoch
from idp.store.schema import clients


def record_document(connection: Connection, journal: Journal, client: DocumentClient, now: float) -> None:
    journal.record(
        connection,
        now,
        "client.document",
        client_id=client.client_id,
        digest=client.digest,
        name=client.client_name,
        redirect_uris=client.redirect_uris,
        token_endpoint_auth_method=client.token_endpoint_auth_method,
    )


def kept_out(client_id: str) -> Client:
    """The row of an app that is kept out: registered clients come first, so its document is never asked for."""
    return Client(
        client_id=client_id, token_endpoint_auth_method="none", grant_types=("refresh_token",), scope="", disabled=True
    )


def keep_out(connection: Connection, journal: Journal, client_id: str, now: float) -> Client:
    """Disable an app that has no row. Where one came meanwhile, that one stands."""
    client = kept_out(client_id)
    row = {"client_id": client_id, "data": msgspec.json.encode(client), "updated_at": now}
    if connection.execute(_INSERT, row).rowcount == 1:
        bump_epoch(connection)
        journal.record(connection, now, "client.disabled", client_id=client_id, document=True)
    return client


def let_in(connection: Connection, journal: Journal, client_id: str, now: float) -> bool:
    """Take that row away again; False where the client is a registered one."""
    mine = (clients.c.client_id == client_id) & (clients.c.data == msgspec.json.encode(kept_out(client_id)))
    if connection.execute(sa.delete(clients).where(mine)).rowcount != 1:
        return False
    bump_epoch(connection)
    journal.record(connection, now, "client.changed", client_id=client_id, changed=["disabled"], document=True)
    return True


_INSERT = sa.text(
    "INSERT INTO clients (client_id, data, updated_at) VALUES (:client_id, :data, :updated_at) ON CONFLICT DO NOTHING"
)
