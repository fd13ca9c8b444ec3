"""Somebody's users table: ordinary functions over a dictionary; each call is noted with the thread it ran in."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from support.hashes import django_hash

from idp.hooks import Person

PASSWORD = "the ferry leaves at nine"


class Users:
    def __init__(self, iterations: int = 1000) -> None:
        self.calls: list[tuple[str, str]] = []
        self.broken = False
        stored = django_hash(PASSWORD, iterations)
        claims = {"name": "Carol Jones", "email": "carol@example.com", "email_verified": True}
        self.people = {"7": Person(sub="7", username="carol", claims=claims, password_hash=stored)}

    def change(self, sub: str = "7", **changes: Any) -> None:
        self.people[sub] = replace(self.people[sub], **changes)

    def by_login(self, login: str) -> Person | None:
        self._note("by_login")
        found = (each for each in self.people.values() if login in (each.username, each.claims.get("email")))
        return next(found, None)

    def by_sub(self, sub: str) -> Person | None:
        self._note("by_sub")
        return self.people.get(sub)

    def _note(self, name: str) -> None:
        self.calls.append((name, threading.current_thread().name))
        if self.broken:
            raise ConnectionError("the app's database is away")
