"""What a node that asks whether it is ready wants to know of the database, in one visit."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store import migrate

_CLOCK = sa.text("SELECT extract(epoch FROM clock_timestamp())")


@dataclass(frozen=True, slots=True)
class Health:
    """``clock`` is the database's, in Unix seconds; None where it is this machine's own (SQLite)."""

    schema_serves: bool
    clock: float | None


def health(connection: Connection) -> Health:
    own = connection.dialect.name == "sqlite"
    clock = None if own else float(connection.execute(_CLOCK).scalar_one())
    return Health(migrate.serves(migrate.current(connection)), clock)
