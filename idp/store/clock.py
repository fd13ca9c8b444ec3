"""The database's own time, which all nodes share."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection


def database_time(connection: Connection) -> float | None:
    """Unix seconds; None for SQLite, which has no clock but this machine's."""
    if connection.dialect.name != "postgresql":
        return None
    return float(connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
