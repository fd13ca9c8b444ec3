"""Values that count once (decision 6): one INSERT decides, whoever comes second is told so."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from sqlalchemy import Connection

_INSERT = sa.text(
    "INSERT INTO spent_values (purpose, hash, expires_at) VALUES (:purpose, :hash, :expires_at) ON CONFLICT DO NOTHING"
)


def spend(connection: Connection, purpose: str, value: str, expires_at: float) -> bool:
    """True for the first caller with this value and purpose, False for every other until ``expires_at`` is swept."""
    row = {"purpose": purpose, "hash": hashlib.sha256(value.encode()).digest(), "expires_at": expires_at}
    return connection.execute(_INSERT, row).rowcount == 1
