"""The tables of single protocols, on the ``metadata`` of ``store.schema``."""

from __future__ import annotations

import sqlalchemy as sa

from idp.store.columns import sha256 as _hash
from idp.store.columns import time as _time
from idp.store.schema import metadata

# Pushed authorization requests (RFC 9126) by the hash of their handle; spent with the answer they gave.
pushed_requests = sa.Table(
    "pushed_requests",
    metadata,
    _hash("hash", primary_key=True),
    sa.Column("client_id", sa.String(255), nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    _time("created_at"),
    _time("expires_at"),
    _time("spent_at", nullable=True),
    sqlite_with_rowid=False,
)

# Clients that registered themselves (RFC 7591). A row outlives its client (`removed_at`) until all of it is forgotten.
_UNUSED = sa.text("used_at IS NULL AND removed_at IS NULL")

registrations = sa.Table(
    "registrations",
    metadata,
    sa.Column("client_id", sa.String(255), primary_key=True),
    _hash("token_hash"),  # of the registration access token (RFC 7592); null where none was given
    _time("created_at"),
    _time("used_at", nullable=True),  # the first token
    _time("removed_at", nullable=True),
    sa.Column("initial_token", sa.String(64)),  # its name, where one was used
    sa.Index("registrations_unused", "created_at", sqlite_where=_UNUSED, postgresql_where=_UNUSED),
    sa.Index(
        "registrations_removed",
        "removed_at",
        sqlite_where=sa.text("removed_at IS NOT NULL"),
        postgresql_where=sa.text("removed_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

# What an operator hands out so that others may register clients (RFC 7591 3): so many times, so long.
initial_tokens = sa.Table(
    "initial_tokens",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    _hash("hash", nullable=False, unique=True),
    sa.Column("uses_left", sa.Integer, nullable=False),
    _time("created_at"),
    _time("expires_at"),
    sqlite_with_rowid=False,
)

# Access tokens that say nothing by themselves: what a JWT would hold, by the hash of the token.
opaque_tokens = sa.Table(
    "opaque_tokens",
    metadata,
    _hash("hash", primary_key=True),
    sa.Column("client_id", sa.String(255), nullable=False),
    sa.Column("claims", sa.LargeBinary, nullable=False),
    _time("expires_at"),
    sqlite_with_rowid=False,
)

# Devices that wait for their person (RFC 8628). Decided without a grant means denied.
device_codes = sa.Table(
    "device_codes",
    metadata,
    _hash("hash", primary_key=True),
    _hash("user_code_hash", nullable=False, unique=True),  # keyed: what a person types has 34 bits
    sa.Column("client_id", sa.String(255), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("resources", sa.Text, nullable=False),
    sa.Column("network", sa.String(64), nullable=False),  # where the device asked from, as in `sessions`
    _time("created_at"),
    _time("expires_at"),
    sa.Column("poll_interval", sa.Integer, nullable=False),
    _time("polled_at", nullable=True),
    _time("decided_at", nullable=True),
    sa.Column("grant_id", sa.String(64)),
    _time("spent_at", nullable=True),
    sqlite_with_rowid=False,
)
