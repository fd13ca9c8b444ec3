"""The ring as a process holds it: lives, public keys and signers, and the answers that change by the clock alone.

A ``HeldRing`` never changes; a new reading of the database, or a moved expiry mark, makes another.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from idp.jose import JoseError, PublicKey, Signer, thumbprint
from idp.keyring.errors import KeyNotReady, KeyringError, KeyUnreadable, UnknownKey
from idp.protocol.key_plan import KeyLife, KeyPlan, Ring, is_published, next_change, signing, waiting
from idp.store.keys import StoredKey


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One key. A damaged half is None, and ``fault`` says why; a private half that was destroyed is no fault."""

    life: KeyLife
    public: PublicKey | None
    signer: Signer | None
    fault: KeyringError | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The time over which an answer holds: a clock that is set back leaves it too."""

    since: float
    until: float

    def covers(self, now: float) -> bool:
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True)
class Slot:
    """The key that signs one algorithm, as long as ``span`` lasts."""

    kid: str
    signer: Signer
    mark: float
    span: Span


@dataclass(frozen=True, slots=True)
class PublicKeySet:
    """The JWKS as bytes, equal on every node that holds the same keys, with the value of its ETag header."""

    body: bytes
    etag: str
    span: Span
    kids: frozenset[str]


@dataclass(frozen=True, slots=True)
class HeldRing:
    """The ring and the key objects that belong to it, by kid."""

    ring: Ring
    keys: Mapping[str, HeldKey]
    plan: KeyPlan

    def slot(self, alg: str, now: float) -> Slot:
        """Who signs at ``now``. Raises UnknownKey, KeyNotReady or KeyUnreadable; another algorithm never steps in."""
        if alg not in self.ring.algorithms:
            raise UnknownKey(
                "tokens are signed with the algorithms in use",
                alg,
                ", ".join(self.ring.algorithms),
                "add it to keys.algorithms, or choose another for this client",
            )
        life = signing(self.ring, alg, now, self.plan)
        if life is None:
            raise _not_ready(alg, waiting(self.ring, alg, now, self.plan), now)
        held = self.keys[life.kid]
        if held.signer is None:
            raise held.fault or unreadable(life, "its private half is gone")
        return Slot(life.kid, held.signer, life.mark, Span(now, next_change(self.ring, now, self.plan)))

    def key_set(self, now: float) -> PublicKeySet:
        """The JWKS at ``now`` (RFC 7517 section 5), sorted by kid."""
        kids = sorted(life.kid for life in self.ring.lives if is_published(self.ring, life, now, self.plan))
        found = (self.keys[kid].public for kid in kids)
        jwks = {"keys": [dict(public.jwk) for public in found if public is not None]}
        body = json.dumps(jwks, separators=(",", ":"), sort_keys=True).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return PublicKeySet(body, etag, Span(now, next_change(self.ring, now, self.plan)), frozenset(kids))

    def unrevoked(self, kid: str) -> PublicKey | None:
        """The key ``kid``, unless it was taken back."""
        held = self.keys.get(kid)
        return None if held is None or held.life.revoked_at is not None else held.public

    def marked(self, kid: str, mark: float) -> HeldRing:
        """The same ring after a reservation of this process."""
        held = self.keys[kid]
        life = replace(held.life, mark=max(held.life.mark, mark))
        lives = tuple(life if other.kid == kid else other for other in self.ring.lives)
        keys = {**self.keys, kid: replace(held, life=life)}
        return HeldRing(replace(self.ring, lives=lives), MappingProxyType(keys), self.plan)

    def faults(self) -> tuple[KeyringError, ...]:
        """Every key that should be able to sign, now or later, and cannot."""
        return tuple(held.fault for held in self.keys.values() if held.fault is not None)


def empty_ring(algorithms: tuple[str, ...], plan: KeyPlan) -> HeldRing:
    return HeldRing(Ring((), algorithms, -math.inf), MappingProxyType({}), plan)


def public_key(stored: StoredKey) -> PublicKey:
    """The public half of a row. Raises KeyUnreadable if it is not what the row says."""
    life = stored.life
    try:
        jwk = json.loads(stored.jwk)
        public = PublicKey.from_jwk(jwk)
        if public.kid != life.kid or public.alg != life.alg or thumbprint(public.jwk) != life.kid:
            raise unreadable(life, "its public half belongs to another key")
    except (ValueError, TypeError, AttributeError, JoseError) as error:
        raise unreadable(life, "its public half is damaged") from error
    return public


def unreadable(life: KeyLife, what: str) -> KeyUnreadable:
    """The refusal for a row that cannot be opened, or whose parts do not belong together."""
    return KeyUnreadable(
        "every key that signs or will sign can be opened",
        f"{life.alg} key {life.kid}: {what}",
        "the row as it was written when the key was made",
        f"restore the database from its backup, or give the key up: idp keys revoke {life.kid}",
    )


def _not_ready(alg: str, next_one: KeyLife | None, now: float) -> KeyNotReady:
    wait = "once its first key has been made" if next_one is None else f"in {next_one.signs_from - now:.0f} s"
    return KeyNotReady(
        "a key signs only when no cached JWKS can lack it",
        f"{alg}, taken into use a moment ago",
        f"{alg} signs {wait}",
        "wait, or make every verifier fetch the JWKS and run: idp keys rotate --emergency",
    )
