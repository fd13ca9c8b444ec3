"""The plan alone: rings and times in, steps and states out; then random histories against the real tables."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from key_support import PLAN, START, open_database

from idp.protocol.key_changes import (
    Begin,
    Delete,
    DropPrivate,
    End,
    Make,
    NotYet,
    Revoke,
    Step,
    due,
    renewal,
    revocation,
    rotation,
)
from idp.protocol.key_plan import (
    DAY,
    KeyLife,
    KeyPlan,
    Ring,
    is_published,
    next_change,
    promotable_at,
    signing,
    state,
    timeline,
    unpublished_at,
    waiting,
)
from idp.store import keys as store
from idp.store.audit import Journal

NOW = START
FIRST = KeyLife("k1", "ES256", 1, NOW, NOW, NOW + PLAN.signs)
SECOND = KeyLife("k2", "ES256", 2, NOW, NOW + PLAN.signs, NOW + 2 * PLAN.signs)


def ring(*lives: KeyLife, read_at: float = NOW, algorithms: tuple[str, ...] = ("ES256",)) -> Ring:
    return Ring(lives, algorithms, read_at)


def test_the_very_first_keys_are_one_that_signs_at_once_and_one_that_waits() -> None:
    assert due(ring(), NOW, PLAN) == (
        Make("ES256", 1, NOW, NOW, NOW + PLAN.signs),
        Make("ES256", 2, NOW, NOW + PLAN.signs, NOW + 2 * PLAN.signs),
    )


def test_the_very_first_keys_of_all_algorithms_are_made_together() -> None:
    steps = due(ring(algorithms=("RS256", "ES256")), NOW, PLAN)
    assert [(step.alg, step.generation) for step in steps if isinstance(step, Make)] == [
        ("RS256", 1),
        ("RS256", 2),
        ("ES256", 1),
        ("ES256", 2),
    ]


def test_an_algorithm_added_later_waits_its_lead() -> None:
    steps = due(ring(FIRST, SECOND, algorithms=("ES256", "RS256")), NOW, PLAN)
    begins = NOW + PLAN.lead
    assert steps == (Make("RS256", 1, NOW, begins, begins + PLAN.signs),)


def test_nothing_is_due_while_one_signs_and_one_waits() -> None:
    assert due(ring(FIRST, SECOND), NOW, PLAN) == ()
    assert due(ring(FIRST, SECOND), NOW + PLAN.signs - 0.001, PLAN) == ()


def test_the_next_key_is_made_when_its_predecessor_begins() -> None:
    now = NOW + PLAN.signs
    made = Make("ES256", 3, now, NOW + 2 * PLAN.signs, NOW + 3 * PLAN.signs)
    assert due(ring(FIRST, SECOND, read_at=now), now, PLAN) == (made,)


def test_a_key_made_late_still_waits_its_lead_and_its_predecessor_signs_on() -> None:
    now = NOW + 3 * PLAN.signs
    begins = now + PLAN.lead
    assert due(ring(FIRST, SECOND, read_at=NOW), now, PLAN) == (
        Make("ES256", 3, now, begins, begins + PLAN.signs),
        End("k2", begins),
    )
    assert signing(ring(FIRST, SECOND), "ES256", now, PLAN) == SECOND


@pytest.mark.parametrize(
    ("offset", "kid"),
    [(0, "k1"), (PLAN.signs - 0.001, "k1"), (PLAN.signs, "k2"), (50 * PLAN.signs, "k2"), (-1, "k1")],
)
def test_who_signs(offset: float, kid: str) -> None:
    found = signing(ring(FIRST, SECOND), "ES256", NOW + offset, PLAN)
    assert found is not None
    assert found.kid == kid


def test_nobody_signs_long_before_the_first_key_may() -> None:
    assert signing(ring(FIRST), "ES256", NOW - PLAN.skew - 0.001, PLAN) is None
    assert signing(ring(), "ES256", NOW, PLAN) is None


def test_a_key_leaves_after_its_last_token_and_the_longest_cache() -> None:
    last = NOW + PLAN.signs + 200
    lives = replace(FIRST, mark=last), SECOND
    leaves = last + PLAN.longest_cache + PLAN.margin
    assert unpublished_at(ring(*lives), lives[0], PLAN) == leaves
    known = ring(*lives, read_at=leaves)
    assert is_published(known, lives[0], leaves - 0.001, PLAN)
    assert not is_published(known, lives[0], leaves, PLAN)
    assert state(known, lives[0], leaves, PLAN) == "retired"
    assert state(known, lives[0], leaves - 1, PLAN) == "retiring"


def test_a_node_that_could_not_read_the_ring_keeps_the_key() -> None:
    leaves = unpublished_at(ring(FIRST, SECOND), FIRST, PLAN)
    assert is_published(ring(FIRST, SECOND, read_at=NOW + PLAN.signs), FIRST, leaves + DAY, PLAN)


def test_a_key_without_successor_never_leaves() -> None:
    assert unpublished_at(ring(FIRST), FIRST, PLAN) == math.inf
    assert next_change(ring(FIRST), NOW, PLAN) == math.inf


def test_a_key_of_an_algorithm_no_longer_in_use_leaves_at_its_planned_end() -> None:
    unused = ring(FIRST, algorithms=("RS256",), read_at=math.inf)
    leaves = FIRST.signs_until + PLAN.longest_cache + PLAN.margin
    assert unpublished_at(unused, FIRST, PLAN) == leaves
    assert not is_published(unused, FIRST, leaves, PLAN)


def test_private_half_and_record_go_at_their_times() -> None:
    lives = replace(FIRST, mark=NOW + PLAN.signs + 300), replace(SECOND, signs_until=NOW + 1000 * DAY)
    third = KeyLife("k3", "ES256", 3, NOW, NOW + 1000 * DAY, NOW + 2000 * DAY)
    leaves = unpublished_at(ring(*lives, third), lives[0], PLAN)
    assert due(ring(*lives, third, read_at=leaves), leaves, PLAN) == (DropPrivate("k1"),)
    dropped = replace(lives[0], has_private=False)
    forgotten = lives[0].mark + PLAN.session_absolute + PLAN.hint_grace
    assert due(ring(dropped, *lives[1:], third, read_at=forgotten), forgotten - 0.001, PLAN) == ()
    assert due(ring(dropped, *lives[1:], third, read_at=forgotten), forgotten, PLAN) == (Delete("k1"),)


def test_rotation_says_when_it_may() -> None:
    may_at = NOW + PLAN.lead
    assert rotation(ring(FIRST, SECOND), "ES256", may_at - 0.001, PLAN) == NotYet("k2", may_at)
    assert promotable_at(SECOND, PLAN) == may_at


def test_rotation_promotes_once_the_lead_has_passed() -> None:
    now = NOW + PLAN.lead
    assert rotation(ring(FIRST, SECOND), "ES256", now, PLAN) == (
        Begin("k2", SECOND.signs_from, now, now + PLAN.signs, "k1"),
        End("k1", now),
    )


def test_emergency_does_not_wait() -> None:
    assert rotation(ring(FIRST, SECOND), "ES256", NOW + 1, PLAN, emergency=True) == (
        Begin("k2", SECOND.signs_from, NOW + 1, NOW + 1 + PLAN.signs, "k1"),
        End("k1", NOW + 1),
    )


@pytest.mark.parametrize(("emergency", "begins"), [(True, NOW + 1), (False, NOW + 1 + PLAN.lead)])
def test_fresh_withdraws_the_waiting_key(emergency: bool, begins: float) -> None:
    assert rotation(ring(FIRST, SECOND), "ES256", NOW + 1, PLAN, emergency=emergency, fresh=True) == (
        Revoke("k2"),
        Make("ES256", 3, NOW + 1, begins, begins + PLAN.signs),
        End("k1", begins),
    )


def test_revoking_the_signing_key_lets_the_waiting_one_take_over() -> None:
    assert revocation(ring(FIRST, SECOND), FIRST, NOW + 1, PLAN) == (
        Revoke("k1"),
        Begin("k2", SECOND.signs_from, NOW + 1, NOW + 1 + PLAN.signs, None),
    )


def test_revoking_the_only_key_makes_another_at_once() -> None:
    assert revocation(ring(FIRST), FIRST, NOW + 1, PLAN)[:2] == (
        Revoke("k1"),
        Make("ES256", 2, NOW + 1, NOW + 1, NOW + 1 + PLAN.signs),
    )


def test_revoking_a_key_that_waits_or_has_gone_changes_nobody_elses_time() -> None:
    assert revocation(ring(FIRST, SECOND), SECOND, NOW + 1, PLAN) == (Revoke("k2"),)
    later = NOW + PLAN.signs + 1
    third = KeyLife("k3", "ES256", 3, later, later + PLAN.signs, later + 2 * PLAN.signs)
    assert revocation(ring(FIRST, SECOND, third), FIRST, later, PLAN) == (Revoke("k1"),)
    assert revocation(ring(FIRST, SECOND), replace(FIRST, revoked_at=NOW), later, PLAN) == ()


def test_a_missing_private_half_is_not_covered_by_another_key() -> None:
    """Else a damaged row would silently change who signs."""
    later = NOW + PLAN.signs + 1
    damaged = replace(SECOND, has_private=False)
    assert signing(ring(FIRST, damaged), "ES256", later, PLAN) == damaged
    assert waiting(ring(FIRST, damaged), "ES256", NOW, PLAN) == damaged


def test_an_algorithm_taken_up_again_waits_its_lead() -> None:
    old = replace(FIRST, has_private=False)
    now = NOW + 3 * PLAN.signs
    assert [step for step in due(ring(old, read_at=now), now, PLAN) if isinstance(step, Make)] == [
        Make("ES256", 2, now, now + PLAN.lead, now + PLAN.lead + PLAN.signs)
    ]
    assert signing(ring(old, read_at=now), "ES256", now, PLAN) is None


def test_renewal_leaves_no_key_that_nobody_can_open() -> None:
    assert renewal(ring(FIRST, SECOND), "ES256", NOW + 1, PLAN) == (
        Revoke("k2"),
        End("k1", NOW + 1),
        Make("ES256", 3, NOW + 1, NOW + 1, NOW + 1 + PLAN.signs),
        Make("ES256", 4, NOW + 1, NOW + 1 + PLAN.signs, NOW + 1 + 2 * PLAN.signs),
    )


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"signs": 0.0}, "signs"),
        ({"signs": math.inf}, "signs"),
        ({"longest_cache": -1.0}, "longest_cache"),
        ({"session_absolute": math.nan}, "session_absolute"),
        ({"hint_grace": -0.1}, "hint_grace"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused(values: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        KeyPlan(**values)


def test_everything_scales_down_to_a_second() -> None:
    plan = KeyPlan(signs=1, longest_cache=1, session_absolute=1, hint_grace=1)
    assert plan.lead == pytest.approx(1.1)
    assert plan.reserve_ahead == pytest.approx(0.1)
    assert plan.poll <= plan.margin
    assert (PLAN.margin, PLAN.reserve_ahead, PLAN.poll) == (60, 600, 0.5)


@pytest.mark.parametrize("now", [0.0, 2**31 - 1.0, 2**31 + 1.0, 4_102_444_800.0, 253_402_300_799.0])
def test_no_year_is_special(now: float) -> None:
    """TK-09: the epoch, the end of 32 bit seconds, a century, the last year with four digits."""
    first, second = (step for step in due(ring(), now, PLAN) if isinstance(step, Make))
    assert second.signs_from - first.signs_from == pytest.approx(PLAN.signs)


Action = tuple[str, float]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["tick", "tick", "sign", "sign", "rotate", "fresh", "emergency", "revoke"]),
        st.one_of(st.floats(0, 2), st.floats(0, 30)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(plan=st.sampled_from([KeyPlan(10, 2, 3, 3), KeyPlan(1, 1, 1, 1), KeyPlan(2, 7, 5, 5)]), actions=ACTIONS)
def test_random_histories_keep_the_promises(plan: KeyPlan, actions: list[Action]) -> None:
    """Signed only by keys every cache has (but for --emergency), and verifiable to the end."""
    history = _History(plan)
    try:
        for action, seconds in actions:
            history.clock += seconds
            history.do(action)
            history.check()
    finally:
        history.database.close()


class _History:
    """A ring in the real tables, with names in place of keys."""

    def __init__(self, plan: KeyPlan) -> None:
        self.plan = plan
        self.clock = NOW
        self.database = open_database(":memory:")  # type: ignore[arg-type]
        self.names = count()
        self.journal = Journal("history")
        self.hasty: set[str] = set()
        self.tokens: dict[str, float] = {}
        self.database.write_now(store.first_proof, store.Proof("kek", b"proof"))
        self.settle()
        self.hasty |= {life.kid for life in self.ring.lives}  # nobody had cached anything

    @property
    def ring(self) -> Ring:
        rows = self.database.read_now(store.load_keys)
        return Ring(tuple(row.life for row in rows), ("ES256",), self.clock)

    def apply(self, steps: tuple[Step, ...]) -> None:
        material = {
            (step.alg, step.generation): store.Material(f"k{next(self.names)}", b"{}", b"sealed")
            for step in steps
            if isinstance(step, Make)
        }
        self.database.write_now(store.apply_steps, self.journal, self.clock, "kek", steps, material, "test")

    def settle(self) -> None:
        while steps := due(self.ring, self.clock, self.plan):
            self.apply(steps)

    def do(self, action: str) -> None:
        self.settle()
        current = signing(self.ring, "ES256", self.clock, self.plan)
        assert current is not None
        if action == "sign":
            self.tokens[current.kid] = max(self.tokens.get(current.kid, 0), self.clock + 1)
            self.database.write_now(store.reserve, current.kid, self.clock + 1 + self.plan.reserve_ahead)
        elif action == "revoke":
            self.apply(revocation(self.ring, current, self.clock, self.plan))
            self.tokens.pop(current.kid, None)
        elif action != "tick":
            options = {"emergency": action == "emergency", "fresh": action == "fresh"}
            steps = rotation(self.ring, "ES256", self.clock, self.plan, **options)
            if not isinstance(steps, NotYet):
                self.apply(steps)
        self.settle()
        if action in ("emergency", "revoke"):
            hasty = signing(self.ring, "ES256", self.clock, self.plan)
            assert hasty is not None
            self.hasty.add(hasty.kid)

    def check(self) -> None:
        known, now = self.ring, self.clock
        current, next_one = (role(known, "ES256", now, self.plan) for role in (signing, waiting))
        assert current is not None
        assert next_one is not None
        assert current.kid in self.hasty or now >= current.published_from + self.plan.longest_cache
        assert len({life.generation for life in known.lives}) == len(known.lives)
        assert [entry.state for entry in timeline(known, now, self.plan)].count("signing") == 1
        for life in known.lives:
            if life.kid in self.tokens and life.revoked_at is None:
                assert life.mark >= self.tokens[life.kid]
        for kid, expires in self.tokens.items():
            if now < expires + self.plan.longest_cache:
                life = known.find(kid)
                assert life is not None
                assert is_published(known, life, now, self.plan)
