"""When something last happened to the whole installation, by its name."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.schema import marks

BACKUP = "backup"

_SET = sa.text(
    "INSERT INTO marks (name, at) VALUES (:name, :at) ON CONFLICT (name) DO UPDATE SET at = excluded.at"
    " WHERE excluded.at > marks.at"
)


_CLAIM = sa.text(
    "INSERT INTO marks (name, at) VALUES (:name, :at) ON CONFLICT (name) DO UPDATE SET at = excluded.at"
    " WHERE excluded.at >= marks.at + :seconds"
)


def claim(connection: Connection, name: str, now: float, seconds: float) -> bool:
    """Whether it is this caller's turn: true for one of all nodes, and not again for ``seconds``."""
    return connection.execute(_CLAIM, {"name": name, "at": now, "seconds": seconds}).rowcount == 1


def mark(connection: Connection, name: str, now: float) -> None:
    """``name`` happened at ``now`` (Unix seconds); of two that cross, the later one stays."""
    connection.execute(_SET, {"name": name, "at": now})


def marked(connection: Connection, name: str) -> float | None:
    """When ``name`` last happened; None where it never did."""
    at = connection.execute(sa.select(marks.c.at).where(marks.c.name == name)).scalar_one_or_none()
    return None if at is None else float(at)
