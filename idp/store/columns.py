"""The kinds of column there are: times are Unix seconds as doubles, what we generate is kept as its SHA-256."""

from __future__ import annotations

import sqlalchemy as sa


def time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=nullable)


def sha256(name: str, **options: bool) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(32), **options)  # type: ignore[arg-type]
