"""The client's side of a crash: what was asked, what was acknowledged, and what must therefore be so after the restart.

A thing asked and not answered may have happened or not; a thing answered has happened, whatever became of the server.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Family:
    """A code and what it bought. ``asked`` is what went out last and was not answered: redeem, refresh or revoke."""

    code: str
    access: str = ""
    tokens: list[str] = field(default_factory=list)  # refresh tokens in the order they came
    asked: str = ""
    revoked: bool = False


@dataclass(slots=True)
class Session:
    """A browser's sign-on. ``cookie`` is empty until the sign-in was answered."""

    person: str
    cookie: str = ""
    sid: str = ""
    consented: bool = False
    asked: str = ""  # consent or logout
    ended: bool = False


@dataclass(slots=True)
class Journal:
    """``new`` things are checked after the next start; ``dead`` ones are looked at again later: nothing may revive."""

    families: list[Family] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    clients: list[tuple[str, str]] = field(default_factory=list)
    machine_tokens: list[str] = field(default_factory=list)
    dead_families: list[Family] = field(default_factory=list)
    sids: set[str] = field(default_factory=set)
    acknowledged: int = 0
    checked: int = 0
    lost: list[str] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def must(self, kept: bool, what: str) -> None:
        self.checked += 1
        if not kept:
            self.lost.append(what)

    def must_not(self, alive: bool, what: str) -> None:
        self.checked += 1
        if alive:
            self.revived.append(what)
