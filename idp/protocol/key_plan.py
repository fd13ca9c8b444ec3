"""The life of signing keys: published first, signing later, retired last; worked out from a ring and a time.

Every time in a life is written down when the key is made, so all nodes switch by the clock alone (decision 9). What has
to be changed in the ring, and when, stands in ``key_changes``. Times are Unix seconds, durations seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

DAY = 86_400.0
State = Literal["waiting", "signing", "retiring", "retired", "revoked"]

# Nodes further off the database's clock than this are not ready (decision 19).
_CLOCK_SKEW = 5.0


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """How long keys live. ``longest_cache`` is the longest any verifier keeps the JWKS.

    ``session_absolute`` and ``hint_grace`` say how long an ID token may still come back as ``id_token_hint``.
    """

    signs: float = 90 * DAY
    longest_cache: float = DAY
    session_absolute: float = 30 * DAY
    hint_grace: float = 30 * DAY

    def __post_init__(self) -> None:
        for name in ("signs", "longest_cache", "session_absolute", "hint_grace"):
            value = getattr(self, name)
            least = "more than 0" if name == "signs" else "0 or more"
            if not math.isfinite(value) or value < 0 or (name == "signs" and value == 0):
                raise ValueError(f"{name} is {value!r} seconds; {least} is expected")

    @property
    def margin(self) -> float:
        """What the clock cannot promise: a fetch under way, a node that reads the ring a moment later, clock skew."""
        return min(60.0, self.longest_cache / 10)

    @property
    def lead(self) -> float:
        """How long a key stands in the JWKS before it signs: until no cache can lack it."""
        return self.longest_cache + self.margin

    @property
    def reserve_ahead(self) -> float:
        """How far past the newest token a key's expiry mark is stored: one write for so many seconds (decision 10)."""
        return min(600.0, self.signs / 10)

    @property
    def poll(self) -> float:
        """How often a node has to look at the ring, so that ``margin`` holds what it is there for."""
        return max(0.05, min(0.5, self.margin / 2))

    @property
    def skew(self) -> float:
        """How much too early a key may sign on a slow node where nothing else can."""
        return min(_CLOCK_SKEW, self.margin)


@dataclass(frozen=True, slots=True)
class KeyLife:
    """One key as it was written down. ``mark`` is at or past the last expiry of a token it signed, 0.0 before
    the first.

    ``has_private`` is False once its private half has been destroyed.
    """

    kid: str
    alg: str
    generation: int
    published_from: float
    signs_from: float
    signs_until: float
    mark: float = 0.0
    revoked_at: float | None = None
    has_private: bool = True


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys as they were read at ``read_at``; ``algorithms`` are those in use, others only live to their end."""

    lives: tuple[KeyLife, ...]
    algorithms: tuple[str, ...]
    read_at: float

    def of(self, alg: str) -> tuple[KeyLife, ...]:
        """Every key of one algorithm, oldest first, revoked ones too."""
        return tuple(sorted((life for life in self.lives if life.alg == alg), key=lambda life: life.generation))

    def find(self, kid: str) -> KeyLife | None:
        return next((life for life in self.lives if life.kid == kid), None)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A key's life for people: what is, and what is planned if nobody interferes."""

    kid: str
    alg: str
    generation: int
    state: State
    published_from: float
    signs_from: float
    signs_until: float
    tokens_until: float
    published_until: float
    forgotten_at: float
    revoked_at: float | None


def candidates(ring: Ring, alg: str, now: float, plan: KeyPlan) -> tuple[KeyLife, ...]:
    """The keys that sign, will sign or have signed, oldest first.

    A key whose private half was destroyed at the end of its life is out. One that lacks it earlier stays in:
    the loss has to be noticed, not covered by another key.
    """
    return tuple(
        life
        for life in ring.of(alg)
        if life.revoked_at is None and (life.has_private or now < _leaves(life.signs_until, life.mark, plan))
    )


def signing(ring: Ring, alg: str, now: float, plan: KeyPlan) -> KeyLife | None:
    """The key that signs ``alg`` at ``now``: the youngest that has begun. It goes on until its successor begins."""
    able = candidates(ring, alg, now, plan)
    begun = [life for life in able if life.signs_from <= now]
    if begun:
        return begun[-1]
    # A node whose clock is behind the one that made the first key: nobody can lack the key, it was published first.
    return able[0] if able and able[0].signs_from <= now + plan.skew else None


def waiting(ring: Ring, alg: str, now: float, plan: KeyPlan) -> KeyLife | None:
    """The key that will sign next."""
    return next((life for life in candidates(ring, alg, now, plan) if life.signs_from > now), None)


def promotable_at(life: KeyLife, plan: KeyPlan) -> float:
    """From when on no cache can lack this key."""
    return life.published_from + plan.lead


def ends_at(ring: Ring, life: KeyLife) -> float:
    """When the key's successor begins; infinite as long as there is none, because somebody has to sign."""
    for other in ring.of(life.alg):
        if other.generation > life.generation and other.revoked_at is None:
            return other.signs_from
    return math.inf if life.alg in ring.algorithms and life.has_private else life.signs_until


def unpublished_at(ring: Ring, life: KeyLife, plan: KeyPlan) -> float:
    """When the key leaves the JWKS: its last token has expired, and so has any cache that can hold it."""
    if life.revoked_at is not None:
        return life.revoked_at
    return _leaves(ends_at(ring, life), life.mark, plan)


def is_published(ring: Ring, life: KeyLife, now: float, plan: KeyPlan) -> bool:
    """Whether the key stands in the JWKS."""
    if life.revoked_at is not None:
        return False
    # Another node may have moved the mark until the very end. Who has not read the ring since then cannot
    # know the last expiry, and keeps the key.
    ignorant = ring.read_at < ends_at(ring, life) + plan.margin
    return now < unpublished_at(ring, life, plan) or ignorant


def forgotten_at(ring: Ring, life: KeyLife, plan: KeyPlan) -> float:
    """When nobody can come back with an ID token of this key: its record is deleted."""
    end = ends_at(ring, life) if life.revoked_at is None else life.revoked_at
    return max(end, life.mark) + plan.session_absolute + plan.hint_grace


def next_change(ring: Ring, now: float, plan: KeyPlan) -> float:
    """The first moment after ``now`` at which another key signs or the JWKS differs, as far as this ring knows."""
    moments = (
        moment for life in ring.lives for moment in (life.signs_from, unpublished_at(ring, life, plan)) if moment > now
    )
    return min(moments, default=math.inf)


def state(ring: Ring, life: KeyLife, now: float, plan: KeyPlan) -> State:
    if life.revoked_at is not None:
        return "revoked"
    if life == signing(ring, life.alg, now, plan):
        return "signing"
    if not is_published(ring, life, now, plan):
        return "retired"
    return "waiting" if life.signs_from > now else "retiring"


def timeline(ring: Ring, now: float, plan: KeyPlan) -> tuple[TimelineEntry, ...]:
    """Every key's life by algorithm and age, with planned times where the future is still open."""
    ordered = sorted(ring.lives, key=lambda life: (life.alg, life.generation))
    return tuple(_entry(ring, life, now, plan) for life in ordered)


def _entry(ring: Ring, life: KeyLife, now: float, plan: KeyPlan) -> TimelineEntry:
    end = ends_at(ring, life)
    if math.isinf(end):
        # Late, its successor has not been made: it signs on for at least as long as the next one has to wait.
        end = life.signs_until if life.signs_until > now else now + plan.lead
    leaves, last = _leaves(end, life.mark, plan), end
    if life.revoked_at is not None:
        end, leaves, last = min(end, life.revoked_at), life.revoked_at, life.revoked_at
    return TimelineEntry(
        kid=life.kid,
        alg=life.alg,
        generation=life.generation,
        state=state(ring, life, now, plan),
        published_from=life.published_from,
        signs_from=life.signs_from,
        signs_until=end,
        tokens_until=life.mark,
        published_until=leaves,
        forgotten_at=max(last, life.mark) + plan.session_absolute + plan.hint_grace,
        revoked_at=life.revoked_at,
    )


def _leaves(end: float, mark: float, plan: KeyPlan) -> float:
    return max(end, mark) + plan.longest_cache + plan.margin
