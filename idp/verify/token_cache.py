"""Memories of judged tokens: bounded, by hash, and never longer than a token lives."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from idp.jose.compact import MAX_TOKEN, Token
from idp.jose.public import PublicKey

V = TypeVar("V")


class Bounded(Generic[V]):
    """At most ``most`` values by name, the oldest forgotten first; safe for threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[bytes, V] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, name: bytes) -> V | None:
        return self._held.get(name)

    def put(self, name: bytes, value: V) -> None:
        with self._lock:
            self._held.pop(name, None)  # so that it stands last again
            if len(self._held) >= self._most:
                del self._held[next(iter(self._held))]
            self._held[name] = value

    def drop(self, name: bytes) -> None:
        with self._lock:
            self._held.pop(name, None)


def token_name(token: str) -> bytes | None:
    """The SHA-256 of a token, None for what is none: found by this, neither memory nor timing tells a token."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN or not token.isascii():
        return None
    return hashlib.sha256(token.encode("ascii")).digest()


def copied(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same claims as a value of the caller's own: what one request changes in them no other one sees."""
    own = dict(values)
    for name, value in values.items():
        if isinstance(value, _NESTED):
            own[name] = _copied(value)
    return own


_NESTED = (dict, list)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return copied(value)
    return [_copied(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Proved:
    """A token that was judged good at ``since`` and whose ``key`` proved it; it counts until ``until``."""

    token: Token
    key: PublicKey
    since: float
    until: float
    nested: bool

    def own(self) -> Token:
        """The token as a value of the caller's own."""
        copy = copied if self.nested else dict
        return Token(copy(self.token.header), copy(self.token.claims))


class TokenCache:
    """Verified tokens. Whoever finds one here must still ask whether its key is one of the issuer's."""

    def __init__(self, most: int) -> None:
        self._held: Bounded[Proved] = Bounded(most)

    def __len__(self) -> int:
        return len(self._held)

    def get(self, name: bytes, now: float) -> Proved | None:
        held = self._held.get(name)
        # A clock that was set back makes the times unknown: they are judged anew.
        if held is None or held.since <= now < held.until:
            return held
        self._held.drop(name)
        return None

    def put(self, name: bytes, token: Token, key: PublicKey, now: float, until: float) -> None:
        kept = Token(copied(token.header), copied(token.claims))
        nested = any(isinstance(value, _NESTED) for value in (*kept.header.values(), *kept.claims.values()))
        self._held.put(name, Proved(kept, key, now, until, nested))
