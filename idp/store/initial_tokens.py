"""Initial access tokens (RFC 7591 3): who holds one may register so many clients, so long."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.audit import Journal
from idp.store.schema_protocols import initial_tokens


@dataclass(frozen=True, slots=True)
class InitialToken:
    """As operators see it: the token itself is kept as its hash alone."""

    name: str
    uses_left: int
    created_at: float
    expires_at: float


def add_initial_token(connection: Connection, journal: Journal, token: InitialToken, token_hash: bytes) -> bool:
    """False where the name is taken."""
    named = sa.select(initial_tokens.c.name).where(initial_tokens.c.name == token.name)
    if connection.execute(named).first() is not None:
        return False
    values = {
        "name": token.name,
        "hash": token_hash,
        "uses_left": token.uses_left,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
    connection.execute(sa.insert(initial_tokens).values(values))
    at = token.created_at
    journal.record(connection, at, "registration.token_added", name=token.name, uses=token.uses_left)
    return True


def list_initial_tokens(connection: Connection) -> list[InitialToken]:
    """All of them by name, spent ones until they expire."""
    names = InitialToken.__dataclass_fields__
    columns = [initial_tokens.c[name] for name in names]
    return [InitialToken(*row) for row in connection.execute(sa.select(*columns).order_by(initial_tokens.c.name))]


def remove_initial_token(connection: Connection, journal: Journal, name: str, now: float) -> bool:
    if connection.execute(sa.delete(initial_tokens).where(initial_tokens.c.name == name)).rowcount != 1:
        return False
    journal.record(connection, now, "registration.token_removed", name=name)
    return True


def is_good(connection: Connection, token_hash: bytes, now: float) -> bool:
    """Whether a use is left: a question without a write, before anything is worked on for it."""
    query = sa.select(initial_tokens.c.name).where(_usable(token_hash, now))
    return connection.execute(query).first() is not None


def use_initial_token(connection: Connection, journal: Journal, token_hash: bytes, now: float) -> str | None:
    """One use, by one statement whose row decides; the token's name, or None where no use is left."""
    left = initial_tokens.c.uses_left
    use = (
        sa.update(initial_tokens)
        .where(_usable(token_hash, now))
        .values(uses_left=left - 1)
        .returning(initial_tokens.c.name, left)
    )
    row = connection.execute(use).first()
    if row is None:
        return None
    if row.uses_left == 0:
        journal.record(connection, now, "registration.token_exhausted", name=row.name)
    return str(row.name)


def _usable(token_hash: bytes, now: float) -> sa.ColumnElement[bool]:
    return sa.and_(
        initial_tokens.c.hash == token_hash, initial_tokens.c.uses_left > 0, initial_tokens.c.expires_at > now
    )
