"""The ring's way between the database and memory: reading it, changing it, opening what is sealed in it.

Nothing here is on the way of a request; the ``Keyring`` answers those from what the keeper holds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from idp.jose import Signer
from idp.keyring.errors import KeyEncryptionKeyMismatch, KeyringError, KeyUnreadable
from idp.keyring.held import HeldKey, HeldRing, empty_ring
from idp.keyring.key_encryption import KeyEncryptionKey, KeyEncryptionRing, Randomness
from idp.keyring.material import NewKey, new_key, open_key
from idp.protocol.key_changes import Make, Step, due
from idp.protocol.key_plan import KeyLife, KeyPlan, Ring, candidates, ends_at
from idp.store import keys as store
from idp.store.audit import Journal
from idp.store.database import Store

_ROUNDS = 5
_SECRET_SIZE = 32

Decide = Callable[[Ring, float], Sequence[Step]]


class Keeper:
    """Holds the ring as last read in ``held``. Changes are made by one caller at a time: the ``Keyring`` sees to it."""

    def __init__(
        self,
        database: Store,
        kek_ring: KeyEncryptionRing,
        plan: KeyPlan,
        clock: Callable[[], float],
        algorithms: tuple[str, ...],
        journal: Journal,
        randomness: Randomness,
    ) -> None:
        self.database = database
        self.kek_ring = kek_ring
        self.plan = plan
        self.clock = clock
        self.journal = journal
        self.randomness = randomness
        self.held = empty_ring(algorithms, plan)
        self._kek: KeyEncryptionKey | None = None
        self._spare: dict[str, list[NewKey]] = {alg: [] for alg in algorithms}
        self._signers: dict[str, Signer] = {}
        self._readings = 0
        self._adopted = 0

    @property
    def kek(self) -> KeyEncryptionKey:
        """The key everything in the database is sealed under. Raises KeyringError before ``bind``."""
        if self._kek is None:
            raise KeyringError(
                "the keyring is started before it is used",
                "a keyring not started",
                "await start()",
                "start it",
            )
        return self._kek

    def take_over(self, other: Keeper) -> None:
        """The signers of another keeper: a ``kid`` is its key's thumbprint, so under one name there is one key."""
        self._signers |= other._signers

    async def bind(self) -> None:
        """Compare the stored check value; a new database takes the current key's. Raises KeyEncryptionKeyMismatch."""
        proof = await self.database.read(store.load_proof)
        if proof is None:
            proof = await self._first_proof()
        self._kek = self.kek_ring.proving(proof.value) if isinstance(proof.value, bytes) else None
        if self._kek is None:
            raise KeyEncryptionKeyMismatch(
                "the key-encryption key is the one this database is sealed under",
                f"{self.kek_ring.source} with key {', '.join(key.key_id for key in self.kek_ring.keys)}",
                f"key {proof.key_id}",
                f"put the file that holds {proof.key_id} back; if it is lost for good, go on with "
                "idp keys rotate --emergency --fresh --new-kek",
            )

    async def _first_proof(self) -> store.Proof:
        keys, secrets = (
            await self.database.read(store.load_keys),
            await self.database.read(store.load_secrets),
        )
        if keys or secrets:
            # They come after it: another node may have made all of them since we looked.
            if (proof := await self.database.read(store.load_proof)) is not None:
                return proof
            raise KeyUnreadable(
                "a database with keys holds the check value of its key-encryption key",
                "keys without a check value",
                "the row key_encryption.id = 1",
                "restore the database from its backup",
            )
        current = self.kek_ring.current
        proof = store.Proof(current.key_id, current.proof())
        try:
            await self.database.write(store.first_proof, proof)
        except store.Lost:
            # Another node was first: its key counts, and ours is compared with it.
            return await self.database.read(store.load_proof) or proof
        return proof

    async def secrets(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """The server's secrets; those of ``names`` that do not exist are made, once for all nodes."""
        sealed = await self.database.read(store.load_secrets)
        for name in names:
            if name not in sealed:
                value = self.kek.seal(store.secret_purpose(name), self.randomness(_SECRET_SIZE), self.randomness)
                try:
                    await self.database.write(store.create_secret, self.kek.key_id, name, value)
                except store.Lost:
                    continue
        sealed = await self.database.read(store.load_secrets)
        return MappingProxyType({name: self._open_secret(name, value) for name, value in sealed.items()})

    def _open_secret(self, name: str, sealed: bytes) -> bytes:
        secret = self.kek_ring.open(store.secret_purpose(name), bytes(sealed))
        if secret is None or len(secret) != _SECRET_SIZE:
            raise KeyUnreadable(
                "every secret of the server can be opened",
                f'the secret "{name}" does not open with {self.kek_ring.source}',
                "the row as it was written when the secret was made",
                "restore the database from its backup",
            )
        return secret

    async def load(self) -> None:
        """Read the ring. A damaged key does not stop this: it is held with its fault."""
        self._readings += 1
        reading, read_at = self._readings, self.clock()
        rows = await self.database.read(store.load_keys)
        ring = Ring(tuple(row.life for row in rows), self.held.ring.algorithms, read_at)
        held = {row.life.kid: await self._open(row, life, ring) for row, life in zip(rows, ring.lives, strict=True)}
        if reading < self._adopted:
            return  # a later reading was quicker
        self._adopted = reading
        # Reservations made while this reading was under way must not be forgotten.
        ring = replace(ring, lives=tuple(self._newest_mark(life) for life in ring.lives))
        held = {life.kid: replace(held[life.kid], life=life) for life in ring.lives}
        self.held = HeldRing(ring, MappingProxyType(held), self.plan)
        self._signers = {kid: key.signer for kid, key in held.items() if key.signer is not None}
        for alg, spare in self._spare.items():
            self._spare[alg] = [new for new in spare if new.kid not in held]

    def _newest_mark(self, life: KeyLife) -> KeyLife:
        known = self.held.keys.get(life.kid)
        return life if known is None or known.life.mark <= life.mark else replace(life, mark=known.life.mark)

    async def _open(self, row: store.StoredKey, life: KeyLife, ring: Ring) -> HeldKey:
        needed = life in candidates(ring, life.alg, ring.read_at, self.plan) and ends_at(ring, life) > ring.read_at
        known = self.held.keys.get(life.kid)
        ready = self._signers.get(life.kid) if needed else None
        if known is not None and known.fault is None and (ready is not None or not needed):
            return replace(known, life=life, signer=ready)
        if ready is not None or not needed:
            return open_key(row, self.kek_ring, needed, ready)
        # Opening an RSA key checks its arithmetic for some 25 ms: too long for the loop.
        return await asyncio.to_thread(open_key, row, self.kek_ring, needed, None)

    async def change(self, decide: Decide, why: str) -> tuple[Step, ...] | None:
        """Do what ``decide`` says about the ring held, whole or not at all; None if another node changed it first."""
        now, steps = await self._decided(decide)
        if not steps:
            return ()
        chosen = self._choose(steps)
        material = {place: new.sealed(self.kek, self.randomness) for place, new in chosen.items()}
        try:
            await self.database.write(store.apply_steps, self.journal, now, self.kek.key_id, steps, material, why)
        except store.Lost:
            return None
        except store.KeyEncryptionChanged:
            await self.bind()
            return None
        self._signers |= {new.kid: new.signer for new in chosen.values()}
        return steps

    async def _decided(self, decide: Decide) -> tuple[float, tuple[Step, ...]]:
        while True:
            # Decided anew once the keys are made: the times written are those of the writing, and making takes long.
            now = self.clock()
            steps = tuple(decide(self.held.ring, now))
            wanted = Counter(step.alg for step in steps if isinstance(step, Make))
            short = [alg for alg, count in wanted.items() for _ in range(count - len(self._spare[alg]))]
            if not short:
                return now, steps
            # Side by side: a new installation waits for the slowest of its keys and not for their sum.
            for new in await asyncio.gather(*(asyncio.to_thread(new_key, alg) for alg in short)):
                self._spare[new.alg].append(new)

    def _choose(self, steps: Sequence[Step]) -> dict[tuple[str, int], NewKey]:
        spare = {alg: iter(keys) for alg, keys in self._spare.items()}
        return {(step.alg, step.generation): next(spare[step.alg]) for step in steps if isinstance(step, Make)}

    async def settle(self) -> None:
        """Read the ring and do what the clock asks for, until nothing is left to do."""
        for _ in range(_ROUNDS):
            await self.load()
            if await self.change(lambda ring, now: due(ring, now, self.plan), "clock") == ():
                return

    async def start_over(self, decide: Decide, why: str) -> None:
        """The key-encryption key is lost: forget what it sealed, and seal what ``decide`` makes under the
        current one.

        Raises store.Lost or store.KeyEncryptionChanged if another node changed the ring meanwhile.
        """
        lost = await self.database.read(store.load_proof)
        self._kek = self.kek_ring.current
        now, steps = await self._decided(decide)
        chosen = self._choose(steps)
        material = {place: new.sealed(self._kek, self.randomness) for place, new in chosen.items()}
        proof = store.Proof(self._kek.key_id, self._kek.proof())
        await self.database.write(
            store.start_over, self.journal, now, lost.key_id if lost else "", proof, steps, material, why
        )
        self._signers = {new.kid: new.signer for new in chosen.values()}
