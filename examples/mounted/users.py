"""The app's own users table, as an app has one: SQLite, ordinary functions, passwords hashed as Django does."""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from idp.hooks import Person

_ITERATIONS = 600_000


class Users:
    """Each call opens the file: they run in several threads at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open()) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, login TEXT UNIQUE, name TEXT, email TEXT,"
                " password TEXT, active BOOLEAN DEFAULT 1)"
            )

    def add(self, login: str, name: str, email: str, password: str) -> None:
        row = (login, name, email, _hashed(password))
        with closing(self._open()) as database, database:
            database.execute("INSERT OR IGNORE INTO users (login, name, email, password) VALUES (?, ?, ?, ?)", row)

    def by_login(self, login: str) -> Person | None:
        return self._one("SELECT * FROM users WHERE login = ? OR email = ?", login, login)

    def by_sub(self, sub: str) -> Person | None:
        return self._one("SELECT * FROM users WHERE id = ?", sub)

    def _one(self, query: str, *values: str) -> Person | None:
        with closing(self._open()) as database:
            row = database.execute(query, values).fetchone()
        if row is None:
            return None
        return Person(
            sub=str(row["id"]),
            username=row["login"],
            claims={"name": row["name"], "email": row["email"], "email_verified": True},
            disabled=not row["active"],
            password_hash=row["password"],
        )

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path)
        database.row_factory = sqlite3.Row
        return database


def _hashed(password: str) -> str:
    salt = os.urandom(12).hex()
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _ITERATIONS)
    return f"pbkdf2_sha256${_ITERATIONS}${salt}${base64.b64encode(key).decode()}"
