"""Pushed authorization requests (RFC 9126): kept under the hash of their handle, spent with the answer they give."""

from __future__ import annotations

import hashlib

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.request import Once
from idp.store.schema_protocols import pushed_requests
from idp.store.spent import spend
from idp.store.statements import Prepared

KEPT = 7200.0  # seconds past its own end: a person who opened it in time may take an hour over the pages

_INSERT = Prepared(sa.insert(pushed_requests))
_FIND = Prepared(sa.select(pushed_requests).where(pushed_requests.c.hash == sa.bindparam("hash")))
_SPEND = sa.text("UPDATE pushed_requests SET spent_at = :now WHERE hash = :hash AND spent_at IS NULL")


class _Data(msgspec.Struct, frozen=True):
    pairs: tuple[tuple[str, str], ...]
    via: tuple[str, ...]


class Pushed(msgspec.Struct, frozen=True):
    """``pairs`` are the parameters, ``via`` the sources they were read from. It may be opened until ``expires_at``."""

    client_id: str
    pairs: tuple[tuple[str, str], ...]
    via: tuple[str, ...]
    created_at: float
    expires_at: float
    spent: bool = False


def push(connection: Connection, handle: str, new: Pushed) -> None:
    _INSERT.run(
        connection,
        {
            "hash": _hash(handle),
            "client_id": new.client_id,
            "data": msgspec.json.encode(_Data(new.pairs, new.via)),
            "created_at": new.created_at,
            "expires_at": new.expires_at,
            "spent_at": None,
        },
    )


def find_pushed(connection: Connection, handle: str) -> Pushed | None:
    """What stands behind ``handle``, used and expired requests too, until they are swept."""
    row = _FIND.first(connection, {"hash": _hash(handle)})
    if row is None:
        return None
    data = msgspec.json.decode(row["data"], type=_Data)
    return Pushed(
        row["client_id"], data.pairs, data.via, row["created_at"], row["expires_at"], row["spent_at"] is not None
    )


def spend_once(connection: Connection, once: Once | None, now: float) -> bool:
    """False where this request has had its answer; one statement decides. Nothing that counts once: True."""
    if once is None:
        return True
    if once.kind == "pushed request":
        return connection.execute(_SPEND, {"hash": _hash(once.value), "now": now}).rowcount == 1
    return spend(connection, once.kind, once.value, once.expires_at)


def _hash(handle: str) -> bytes:
    return hashlib.sha256(handle.encode()).digest()
