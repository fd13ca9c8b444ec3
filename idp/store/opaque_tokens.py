"""Access tokens kept here instead of signed: one row each until they expire, found by the token's hash alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.audit import Journal
from idp.store.schema_protocols import opaque_tokens
from idp.store.statements import Prepared

_KEEP = Prepared(sa.insert(opaque_tokens))
_FIND = Prepared(sa.select(opaque_tokens.c.claims).where(opaque_tokens.c.hash == sa.bindparam("hash_")))


def keep_token(connection: Connection, hashed: bytes, claims: Mapping[str, Any]) -> None:
    row = {
        "hash": hashed,
        "client_id": claims["client_id"],
        "claims": msgspec.json.encode(claims),
        "expires_at": float(claims["exp"]),
    }
    _KEEP.run(connection, row)


def find_token(connection: Connection, hashed: bytes) -> dict[str, Any] | None:
    """Its claims, expired or not, as a signed token's would be read; None for one we do not have."""
    row = _FIND.first(connection, {"hash_": hashed})
    return msgspec.json.decode(row["claims"], type=dict[str, Any]) if row is not None else None


def revoke_kept(connection: Connection, journal: Journal, hashed: bytes, client_id: str, now: float) -> None:
    """RFC 7009 2.1: by the client it was issued to; the row is the token, so it goes."""
    mine = opaque_tokens.c.hash == hashed, opaque_tokens.c.client_id == client_id, opaque_tokens.c.expires_at > now
    gone = connection.execute(sa.delete(opaque_tokens).where(*mine).returning(opaque_tokens.c.claims)).scalar()
    if gone is not None:
        jti = msgspec.json.decode(gone, type=dict[str, Any])["jti"]
        journal.record(connection, now, "token.revoked", client_id=client_id, jti=jti)
