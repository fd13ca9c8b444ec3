"""What operators command: rotate, revoke, rewrap, start over. Each is one transaction an algorithm, and a report."""

from __future__ import annotations

from collections.abc import Sequence

from idp.keyring.errors import KeyEncryptionKeyKnown, KeyringError, KeyUnreadable, RingBusy, UnknownKey
from idp.keyring.keeper import Decide, Keeper
from idp.keyring.reports import (
    RevocationReport,
    RewrapReport,
    Rotated,
    RotationReport,
    broken_by_haste,
    ended_by_loss,
    ended_by_revocation,
    left_by_rotation,
)
from idp.protocol.key_changes import NotYet, Step, renewal, revocation, rotation
from idp.protocol.key_plan import KeyLife, Ring, signing, state, waiting
from idp.store import keys as store

_ATTEMPTS = 5


async def rotate(keeper: Keeper, *, emergency: bool = False, fresh: bool = False) -> RotationReport:
    """Let the waiting key of each algorithm take over, or say when it may.

    ``emergency`` does not wait for its lead and reports what breaks. ``fresh`` withdraws the waiting key,
    which may have leaked too, and makes another in its place.
    """
    await keeper.settle()
    ring, now = keeper.held.ring, keeper.clock()
    before = {alg: signing(ring, alg, now, keeper.plan) for alg in ring.algorithms}
    entries = [await _rotate_one(keeper, alg, before[alg], emergency, fresh) for alg in ring.algorithms]
    await keeper.settle()
    return RotationReport(tuple(entries))


async def _rotate_one(keeper: Keeper, alg: str, before: KeyLife | None, emergency: bool, fresh: bool) -> Rotated:
    plan = keeper.plan

    def decide(ring: Ring, now: float) -> Sequence[Step]:
        current = signing(ring, alg, now, plan)
        if before is not None and (current is None or current.kid != before.kid):
            return ()  # another command or node has rotated since this one was given: that was the wish
        steps = rotation(ring, alg, now, plan, emergency=emergency, fresh=fresh)
        return () if isinstance(steps, NotYet) else steps

    why = " ".join(("rotate", *(["--emergency"] if emergency else ()), *(["--fresh"] if fresh else ())))
    await _insist(keeper, decide, why)
    return _rotated(keeper, alg, before, emergency)


def _rotated(keeper: Keeper, alg: str, before: KeyLife | None, emergency: bool) -> Rotated:
    ring, now, plan = keeper.held.ring, keeper.clock(), keeper.plan
    current, next_one = signing(ring, alg, now, plan), waiting(ring, alg, now, plan)
    old = None if before is None else before.kid
    if current is not None and current.kid != old:
        left = ring.find(old) if old else None
        haste = (*broken_by_haste(current, now, plan), *left_by_rotation(left, now)) if emergency else ()
        return Rotated(alg, old, current.kid, True, current.signs_from, True, haste)
    if next_one is None:
        raise RingBusy(f"one {alg} key signs and one waits", "no key that waits", "a waiting key", "try again")
    may_at = next_one.published_from + plan.lead
    by_itself = next_one.signs_from <= may_at
    return Rotated(alg, old, next_one.kid, False, next_one.signs_from if by_itself else may_at, by_itself)


async def revoke(keeper: Keeper, kid: str) -> RevocationReport:
    """Withdraw a key at once; if it signs, the waiting one takes over whether its lead has passed or not."""
    await keeper.load()
    life = keeper.held.ring.find(kid)
    if life is None:
        known = ", ".join(other.kid for other in keeper.held.ring.lives)
        raise UnknownKey("a key that is revoked exists", kid, known, "copy the kid from: idp keys list")
    now, plan = keeper.clock(), keeper.plan
    was = state(keeper.held.ring, life, now, plan)

    def decide(ring: Ring, now: float) -> Sequence[Step]:
        found = ring.find(kid)
        return () if found is None else revocation(ring, found, now, plan)

    await _insist(keeper, decide, "revoke")
    await keeper.settle()
    new = _successor(keeper, life.alg, was)
    haste = broken_by_haste(new, keeper.clock(), plan) if new is not None and was == "signing" else ()
    # The mark may have moved until the very moment.
    last = keeper.held.ring.find(kid) or life
    broken = () if was == "revoked" else ended_by_revocation(last, now, plan)
    return RevocationReport(kid, life.alg, was, new.kid if new else None, (*broken, *haste))


def _successor(keeper: Keeper, alg: str, was: str) -> KeyLife | None:
    ring, now = keeper.held.ring, keeper.clock()
    if was == "signing":
        return signing(ring, alg, now, keeper.plan)
    return waiting(ring, alg, now, keeper.plan) if was == "waiting" else None


async def rewrap(keeper: Keeper) -> RewrapReport:
    """Seal everything under the first key of the file, in one transaction."""
    await keeper.bind()
    old, new = keeper.kek, keeper.kek_ring.current
    if old.key_id == new.key_id:
        return RewrapReport(old.key_id, new.key_id, 0, 0)

    def reseal(purpose: str, sealed: bytes) -> bytes:
        value = keeper.kek_ring.open(purpose, sealed)
        if value is None:
            raise KeyUnreadable(
                "everything sealed can be opened before it is sealed anew",
                purpose,
                "a value the old key opens",
                "give an unreadable key up with idp keys revoke, or restore the database",
            )
        return new.seal(purpose, value, keeper.randomness)

    proof = store.Proof(new.key_id, new.proof())
    keys, secrets = await keeper.database.write(
        store.rewrap, keeper.journal, keeper.clock(), old.key_id, proof, reseal
    )
    await keeper.bind()
    return RewrapReport(old.key_id, new.key_id, keys, secrets)


async def start_over(keeper: Keeper, *, emergency: bool, fresh: bool) -> RotationReport:
    """The key-encryption key is lost for good: new keys sign at once, and what only it opened is forgotten.

    Refused unless asked for in full, and while the old key is still at hand.
    """
    if not (emergency and fresh):
        raise KeyringError(
            "a lost key-encryption key ends things, so it is said in full",
            "--new-kek alone",
            "--emergency --fresh --new-kek",
            "idp keys rotate --emergency --fresh --new-kek",
        )
    proof = await keeper.database.read(store.load_proof)
    if proof is not None and keeper.kek_ring.proving(proof.value) is not None:
        raise KeyEncryptionKeyKnown(
            "starting over is for a key that is lost",
            f"{keeper.kek_ring.source} opens this database",
            "a new key alone in the file",
            "idp keys rewrap changes the key and loses nothing; for leaked signing keys leave --new-kek away",
        )
    await keeper.load()
    plan, algorithms = keeper.plan, keeper.held.ring.algorithms
    before = {alg: signing(keeper.held.ring, alg, keeper.clock(), plan) for alg in algorithms}

    def decide(ring: Ring, now: float) -> Sequence[Step]:
        return [step for alg in algorithms for step in renewal(ring, alg, now, plan)]

    await keeper.start_over(decide, "rotate --emergency --fresh --new-kek")
    await keeper.settle()
    return RotationReport(
        tuple(_rotated(keeper, alg, before[alg], emergency=True) for alg in algorithms), ended_by_loss()
    )


async def _insist(keeper: Keeper, decide: Decide, why: str) -> None:
    for _ in range(_ATTEMPTS):
        done = await keeper.change(decide, why)
        await keeper.load()
        if done is not None:
            return
    raise RingBusy(
        "the ring is changed by one node at a time",
        "another change before each attempt",
        "a quiet moment",
        "try again",
    )
