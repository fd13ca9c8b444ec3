"""The keyring: signs, publishes, verifies and seals for the rest of the server, and does what operators command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from idp.jose import PublicKey, Token, sign_compact, verify_compact
from idp.keyring import operating
from idp.keyring.errors import KeyNotReady, KeyringError, RingBusy, UnknownKey
from idp.keyring.held import HeldRing, PublicKeySet, Slot
from idp.keyring.keeper import Keeper
from idp.keyring.key_encryption import KeyEncryptionKey, KeyEncryptionRing, Randomness
from idp.keyring.proved import ProvedTokens
from idp.keyring.reports import RevocationReport, RewrapReport, RotationReport
from idp.keyring.sealed_values import seal_value, unseal_value
from idp.protocol.key_plan import KeyPlan, TimelineEntry, timeline
from idp.store import keys as store
from idp.store.audit import Journal
from idp.store.database import Store

_ATTEMPTS = 5


class Keyring:
    """The signing keys and secrets of one issuer, as one process holds them.

    ``start`` has to have returned before anything else; ``tick`` has to be called every ``plan.poll``
    seconds. In between, and without a database, signing and JWKS follow the clock. ``clock`` gives Unix
    seconds.
    """

    def __init__(
        self,
        database: Store,
        kek_ring: KeyEncryptionRing,
        plan: KeyPlan,
        clock: Callable[[], float],
        algorithms: Sequence[str] = ("RS256", "ES256"),
        *,
        secrets: Sequence[str] = ("refresh", "seal", "pairwise", "dpop-nonce"),
        journal: Journal | None = None,
        randomness: Randomness = os.urandom,
    ) -> None:
        journal = journal or Journal(f"keys-{randomness(4).hex()}")
        self._keeper = Keeper(database, kek_ring, plan, clock, tuple(algorithms), journal, randomness)
        self._clock = clock
        self._names = tuple(secrets)
        self._secrets: Mapping[str, bytes] = MappingProxyType({})
        self._changing = asyncio.Lock()
        self._reserving: dict[str, asyncio.Task[None]] = {}
        self._seen: HeldRing | None = None
        self._slots: dict[str, Slot] = {}
        self._key_set: PublicKeySet | None = None
        self._proved = ProvedTokens()

    async def start(self, *, repair: bool = False) -> None:
        """Compare the key-encryption key, open secrets and keys, make what a new installation lacks.

        Raises KeyEncryptionKeyMismatch, and KeyUnreadable if a key that signs or will sign cannot be opened:
        nothing is made in its place. ``repair`` lets commands go on with such a key, so that they can revoke
        it.
        """
        async with self._changing:
            await self._keeper.bind()
            self._secrets = await self._keeper.secrets(self._names)
            await self._keeper.load()
            if not repair:
                self._refuse_faults()
            await self._keeper.settle()

    def take_over(self, other: Keyring) -> None:
        """Before ``start``: have open what ``other`` has open. Opening an RSA key costs 25 ms.

        For a database that is a copy of the other's. A key this one does not hold is forgotten.
        """
        self._keeper.take_over(other._keeper)

    async def tick(self) -> None:
        """Read the ring, do what the clock asks for. Raises KeyUnreadable if a key that will sign cannot be opened."""
        async with self._changing:
            await self._keeper.settle()
            self._refuse_faults()

    def _refuse_faults(self) -> None:
        for fault in self._keeper.held.faults():
            raise fault

    async def sign(self, alg: str, typ: str, claims: Mapping[str, Any], *, until: float | None = None) -> str:
        """The compact JWS of ``claims`` under the key that signs ``alg`` now.

        Its public key stays published until ``claims["exp"]``; without ``exp``, until ``until``.

        The database is touched only when ``exp`` lies past the key's mark (decision 10). Raises UnknownKey,
        KeyNotReady or KeyUnreadable for the key, Unavailable for the database.
        """
        expires = float(claims["exp"] if until is None else until)
        for _ in range(_ATTEMPTS):
            slot = self._slot(alg)
            if expires <= slot.mark:
                return await sign_compact(slot.signer, typ, claims)
            await self._reserve(slot.kid, expires)
        raise RingBusy(
            "a key's expiry mark is stored before it signs",
            "a ring that keeps changing",
            "a quiet moment",
            "try again; if it stays, look for nodes with wrong clocks",
        )

    def _slot(self, alg: str) -> Slot:
        held, now = self._current(), self._clock()
        slot = self._slots.get(alg)
        if slot is None or not slot.span.covers(now):
            slot = self._slots[alg] = held.slot(alg, now)
        return slot

    def _current(self) -> HeldRing:
        held = self._keeper.held
        if held is not self._seen:
            self._seen, self._slots, self._key_set = held, {}, None
        return held

    async def _reserve(self, kid: str, expires: float) -> None:
        # One write serves everybody who waits for it, and if it fails everybody hears so at once.
        task = self._reserving.get(kid)
        if task is None:
            task = asyncio.create_task(self._store_mark(kid, expires + self._keeper.plan.reserve_ahead))
            self._reserving[kid] = task
            task.add_done_callback(lambda done: self._reserved(kid, done))
        await asyncio.shield(task)

    def _reserved(self, kid: str, done: asyncio.Task[None]) -> None:
        del self._reserving[kid]
        if not done.cancelled():
            done.exception()  # seen here too: everybody who waited may have been cancelled

    async def _store_mark(self, kid: str, until: float) -> None:
        mark = await self._keeper.database.write(store.reserve, kid, until)
        if mark is None:
            await self._keeper.load()  # withdrawn by another node a moment ago
        elif kid in self._keeper.held.keys:
            self._keeper.held = self._keeper.held.marked(kid, mark)

    def verify(self, token: str, *, typ: Sequence[str], allow_retired: bool = False) -> Token:
        """The token, if one of our published keys signed it; times and audience are the caller's to check.

        ``allow_retired`` also takes keys that have left the JWKS (for ``id_token_hint``), never revoked ones.
        Raises JoseError.
        """
        held, published = self._current(), self.key_set.kids

        def signer(header: Mapping[str, Any]) -> PublicKey | None:
            kid = header.get("kid")
            counts = isinstance(kid, str) and (allow_retired or kid in published)
            return held.unrevoked(str(kid)) if counts else None

        key = self._proved.key(token, typ)
        known = self._proved.get(key)
        if known and signer(known.header):
            return known
        algorithms = {*held.ring.algorithms, *(life.alg for life in held.ring.lives)}
        proved = verify_compact(token, signer, algorithms=sorted(algorithms), typ=typ)
        self._proved.put(key, proved)
        return proved

    @property
    def key_set(self) -> PublicKeySet:
        """The JWKS and its ETag as of now: built once, and again when the clock or the ring changes what it holds."""
        held, now = self._current(), self._clock()
        key_set = self._key_set
        if key_set is None or not key_set.span.covers(now):
            key_set = self._key_set = held.key_set(now)
        return key_set

    @property
    def jwks(self) -> bytes:
        """The JWKS document (RFC 7517 section 5)."""
        return self.key_set.body

    @property
    def jwks_etag(self) -> str:
        """The value of its ETag header, quotes included (RFC 9110 section 8.8.3)."""
        return self.key_set.etag

    @property
    def kek(self) -> KeyEncryptionKey:
        """The key-encryption key that everything in the database is sealed under. Raises KeyringError before start."""
        return self._keeper.kek

    @property
    def poll(self) -> float:
        """How many seconds may pass between two calls of ``tick``."""
        return self._keeper.plan.poll

    @property
    def ready(self) -> bool:
        """Whether every key that has to sign now can; an algorithm still in its first lead is no fault."""
        for alg in self._current().ring.algorithms:
            try:
                self._slot(alg)
            except KeyNotReady:
                continue
            except KeyringError:
                return False
        return bool(self._secrets)

    @property
    def taken_out(self) -> frozenset[str]:
        """Algorithms that have keys here and are no longer in use."""
        ring = self._current().ring
        return frozenset(life.alg for life in ring.lives) - frozenset(ring.algorithms)

    def signing_kid(self, alg: str) -> str:
        """The key that signs ``alg`` now. Raises as ``sign`` does."""
        return self._slot(alg).kid

    def timeline(self) -> tuple[TimelineEntry, ...]:
        """Every key's life, by algorithm and age."""
        return timeline(self._current().ring, self._clock(), self._keeper.plan)

    def secret(self, name: str) -> bytes:
        """32 bytes that every node of this installation knows. Raises UnknownKey for a name not given at the start."""
        try:
            return self._secrets[name]
        except KeyError:
            known = ", ".join(sorted(self._secrets)) or "none: the keyring is not started"
            raise UnknownKey("secrets are named when the keyring is made", name, known, "name it there") from None

    def seal(self, purpose: str, data: bytes) -> str:
        """``data`` as URL-safe text that only this installation can read or make, for ``purpose`` only."""
        return seal_value(self.secret("seal"), purpose, data, self._keeper.randomness)

    def unseal(self, purpose: str, token: str) -> bytes | None:
        """What was sealed for ``purpose``, or None."""
        return unseal_value(self.secret("seal"), purpose, token)

    async def rotate(self, *, emergency: bool = False, fresh: bool = False, new_kek: bool = False) -> RotationReport:
        """Let the waiting keys take over, or say when they may. See ``operating.rotate``."""
        async with self._changing:
            if new_kek:
                report = await operating.start_over(self._keeper, emergency=emergency, fresh=fresh)
                self._secrets = await self._keeper.secrets(self._names)
                return report
            return await operating.rotate(self._keeper, emergency=emergency, fresh=fresh)

    async def revoke(self, kid: str) -> RevocationReport:
        """Withdraw a key from JWKS, UserInfo and introspection at once. Raises UnknownKey."""
        async with self._changing:
            return await operating.revoke(self._keeper, kid)

    async def rewrap(self) -> RewrapReport:
        """Seal everything under the first key of the file. Raises KeyUnreadable, and then nothing has changed."""
        async with self._changing:
            return await operating.rewrap(self._keeper)
