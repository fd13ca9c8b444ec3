"""What has to change in a ring of signing keys, as a tuple of steps that are written together or not at all.

Each function answers from a ring and a time; the store applies the steps by compare-and-swap, so of two nodes
with the same idea one succeeds and the other finds the work done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from idp.protocol.key_plan import (
    KeyLife,
    KeyPlan,
    Ring,
    candidates,
    forgotten_at,
    is_published,
    promotable_at,
    signing,
    waiting,
)


@dataclass(frozen=True, slots=True)
class Make:
    """A new key. ``(alg, generation)`` exists once: whoever comes second has lost."""

    alg: str
    generation: int
    published_from: float
    signs_from: float
    signs_until: float


@dataclass(frozen=True, slots=True)
class Begin:
    """A waiting key signs from another time than was written, if that is still ``expected``."""

    kid: str
    expected: float
    signs_from: float
    signs_until: float
    instead_of: str | None


@dataclass(frozen=True, slots=True)
class End:
    """The time a key stops signing is known, or another than was planned."""

    kid: str
    signs_until: float


@dataclass(frozen=True, slots=True)
class Revoke:
    """A key is withdrawn from everything at once, unless it already was."""

    kid: str


@dataclass(frozen=True, slots=True)
class DropPrivate:
    """The private half is destroyed: this key will not sign again."""

    kid: str


@dataclass(frozen=True, slots=True)
class Delete:
    """The record is deleted."""

    kid: str


Step: TypeAlias = Make | Begin | End | Revoke | DropPrivate | Delete


@dataclass(frozen=True, slots=True)
class NotYet:
    """The waiting key may still be missing from some cache; it may sign from ``may_at``."""

    kid: str
    may_at: float


def due(ring: Ring, now: float, plan: KeyPlan) -> tuple[Step, ...]:
    """What the clock asks for: a next key where the newest has begun, private halves and records past their end."""
    steps: list[Step] = []
    for alg in ring.algorithms:
        steps += _supply(ring, alg, now, plan)
    for life in ring.lives:
        if is_published(ring, life, now, plan):
            continue
        if now >= forgotten_at(ring, life, plan):
            steps.append(Delete(life.kid))
        elif life.has_private:
            steps.append(DropPrivate(life.kid))
    return tuple(steps)


def _supply(ring: Ring, alg: str, now: float, plan: KeyPlan) -> Sequence[Step]:
    able = candidates(ring, alg, now, plan)
    if able and able[-1].signs_from > now:
        return ()
    if able:
        newest = able[-1]
        begins = max(newest.signs_until, now + plan.lead)
        return _successor(ring, newest, Make(alg, _generation(ring, alg), now, begins, begins + plan.signs))
    if ring.lives:
        # An algorithm taken into use beside others: caches of the JWKS exist that lack it.
        begins = now + plan.lead
        return (Make(alg, _generation(ring, alg), now, begins, begins + plan.signs),)
    # The very first start: nobody can have cached anything yet.
    second = now + max(plan.signs, plan.lead)
    return (Make(alg, 1, now, now, second), Make(alg, 2, now, second, second + plan.signs))


def rotation(
    ring: Ring, alg: str, now: float, plan: KeyPlan, *, emergency: bool = False, fresh: bool = False
) -> tuple[Step, ...] | NotYet:
    """The operator's wish that another key signs ``alg``.

    The waiting key takes over if no cache can lack it; ``emergency`` does not ask. ``fresh`` withdraws the
    waiting key and makes another, which takes over by itself when its lead has passed, in an emergency at
    once.
    """
    current, next_one = signing(ring, alg, now, plan), waiting(ring, alg, now, plan)
    if fresh or next_one is None:
        begins = now if emergency else now + plan.lead
        withdrawn = () if next_one is None else (Revoke(next_one.kid),)
        made = Make(alg, _generation(ring, alg), now, begins, begins + plan.signs)
        return (*withdrawn, *_successor(ring, current, made))
    if not emergency and now < promotable_at(next_one, plan):
        return NotYet(next_one.kid, promotable_at(next_one, plan))
    return _takes_over(next_one, current, now, plan)


def revocation(ring: Ring, life: KeyLife, now: float, plan: KeyPlan) -> tuple[Step, ...]:
    """A key is withdrawn at once; if it is the one that signs, the waiting key takes over at once."""
    current, next_one = signing(ring, life.alg, now, plan), waiting(ring, life.alg, now, plan)
    if life.revoked_at is not None:
        return ()
    if life != current or life.alg not in ring.algorithms:
        return (Revoke(life.kid),)
    if next_one is None or next_one == life:
        return (Revoke(life.kid), *replacement(ring, life.alg, now, plan))
    return (Revoke(life.kid), *_takes_over(next_one, None, now, plan))


def renewal(ring: Ring, alg: str, now: float, plan: KeyPlan) -> tuple[Step, ...]:
    """Every private half is lost: who waits never signs, who signs stops, and two new keys take their places."""
    able = candidates(ring, alg, now, plan)
    withdrawn = tuple(Revoke(life.kid) for life in able if life.signs_from > now)
    ended = tuple(End(life.kid, now) for life in able if life.signs_from <= now < life.signs_until)
    return (*withdrawn, *ended, *replacement(ring, alg, now, plan))


def replacement(ring: Ring, alg: str, now: float, plan: KeyPlan) -> tuple[Step, ...]:
    """A key that signs at once and one that waits, where none of the others can sign any more."""
    generation, second = _generation(ring, alg), now + max(plan.signs, plan.lead)
    return (
        Make(alg, generation, now, now, second),
        Make(alg, generation + 1, now, second, second + plan.signs),
    )


def _takes_over(life: KeyLife, current: KeyLife | None, now: float, plan: KeyPlan) -> tuple[Step, ...]:
    begin = Begin(life.kid, life.signs_from, now, now + plan.signs, current.kid if current else None)
    return (begin,) if current is None else (begin, End(current.kid, now))


def _successor(ring: Ring, predecessor: KeyLife | None, made: Make) -> tuple[Step, ...]:
    if predecessor is None or predecessor.signs_until == made.signs_from:
        return (made,)
    return (made, End(predecessor.kid, made.signs_from))


def _generation(ring: Ring, alg: str) -> int:
    return 1 + max((life.generation for life in ring.of(alg)), default=0)
