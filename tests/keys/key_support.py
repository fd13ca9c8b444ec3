"""What the key tests share: a clock that moves when told, a database file, a keyring over it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from idp.keyring import KeyEncryptionKey, KeyEncryptionRing, Keyring
from idp.protocol.key_plan import DAY, KeyPlan
from idp.store import keys as store
from idp.store.database import Database
from idp.store.schema import metadata

START = 1_800_000_000.0
PLAN = KeyPlan(signs=90 * DAY, longest_cache=DAY)
BOTH = ("RS256", "ES256")


class Clock:
    """Unix seconds that stand still until moved."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> float:
        self.now += seconds
        return self.now


def kek(*names: str, source: str = "the test's file") -> KeyEncryptionRing:
    """A ring of keys made from their names."""
    keys = (KeyEncryptionKey(hashlib.sha256(name.encode()).digest()) for name in names)
    return KeyEncryptionRing(tuple(keys), source)


def open_database(path: Path) -> Database:
    database = Database(path, synchronous="NORMAL")
    metadata.create_all(database.engine)
    assert store.keys.name in metadata.tables
    return database


def keyring(
    database: Database,
    clock: Clock,
    plan: KeyPlan = PLAN,
    ring: KeyEncryptionRing | None = None,
    algorithms: Sequence[str] = BOTH,
) -> Keyring:
    return Keyring(database, ring or kek("a"), plan, clock, algorithms)


async def token(ring: Keyring, clock: Clock, alg: str = "ES256", lives: float = 300) -> str:
    return await ring.sign(alg, "at+jwt", {"sub": "alice", "iat": int(clock()), "exp": clock() + lives})


def header(compact: str) -> dict[str, Any]:
    part = compact.split(".")[0]
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return value


def kid_of(compact: str) -> str:
    return str(header(compact)["kid"])


def published(ring: Keyring) -> set[str]:
    return {key["kid"] for key in json.loads(ring.jwks)["keys"]}


def states(ring: Keyring, alg: str) -> list[str]:
    return [entry.state for entry in ring.timeline() if entry.alg == alg]
