"""What the address of a PostgreSQL database looks like."""

from __future__ import annotations

from urllib.parse import urlsplit

from .problems import Problem


def database_url_problem(text: str) -> Problem | None:
    """None for ``postgresql://user:password@host:port/name``. The text is never said back: it may hold a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme in ("postgresql", "postgres") and parts.hostname and len(parts.path) > 1:
        return None
    return Problem(
        rule="the database is named by a URL",
        received="a text of another form",
        expected="postgresql://user:password@host:port/name",
        mend="write the URL, or take the line out to use SQLite in data_dir",
    )
