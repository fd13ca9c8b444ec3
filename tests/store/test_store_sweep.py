"""Sweeping deletes only what nobody could use or prove any more: two databases, one swept all the time, must agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from store_values import DAY, House, follow

from idp.protocol.errors import Refused
from idp.store import codes, marks, refresh, sessions, tokens
from idp.store.schema import metadata
from idp.store.spent import spend
from idp.store.sweep import START, Place, sweep

WHICH = st.sampled_from([0, 0, 0, 1, 2])  # mostly the newest
WAITS = st.sampled_from([0.0, 1.0, 59.0, 60.0, 3600.0, DAY - 1, DAY, 3 * DAY, 3 * DAY, 31 * DAY])
IDLES = st.sampled_from([60.0, DAY, 30 * DAY])
ACTIONS = st.one_of(
    st.tuples(st.just("sign in"), st.sampled_from([DAY, 30 * DAY])),
    st.tuples(st.just("sign out"), WHICH),
    st.tuples(st.just("code"), WHICH, st.booleans(), st.sampled_from([60.0, 600.0])),
    st.tuples(st.just("redeem"), WHICH, IDLES),
    st.tuples(st.just("refresh"), WHICH, st.integers(0, 2), IDLES),
    st.tuples(st.just("token"), WHICH, st.sampled_from([300.0, 7200.0, DAY]), IDLES),
    st.tuples(st.just("revoke"), WHICH),
    st.tuples(st.just("spend"), WHICH, st.sampled_from([30.0, 630.0, 3600.0])),
)
STEPS = st.lists(st.one_of(st.tuples(st.just("wait"), WAITS), ACTIONS), min_size=3, max_size=25)


@dataclass
class World:
    """One house and what was handed out in it."""

    house: House
    cookies: list[str] = field(default_factory=list)
    new: list[Any] = field(default_factory=list)
    families: list[tuple[str, list[bytes]]] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    access: list[tuple[str, str, float]] = field(default_factory=list)
    values: dict[int, float] = field(default_factory=dict)

    def do(self, step: tuple[Any, ...]) -> Any:
        kind, *rest = step
        return getattr(self, "do_" + kind.replace(" ", "_"))(*rest)

    def do_wait(self, seconds: float) -> None:
        self.house.now += seconds

    def do_sign_in(self, lifetime: float) -> None:
        self.cookies.append(self.house.sign_in(lifetime))

    def do_sign_out(self, index: int) -> Any:
        known = self._known(index)
        if known is None:
            return None
        return self.house.write(sessions.end, self.house.journal, known.session.id, self.house.now, reason="test")

    def do_code(self, index: int, offline: bool, lifetime: float) -> Any:
        if self._known(index) is None:
            return None
        new = self.house.code(self.cookies[-1 - index], offline=offline, lifetime=lifetime)
        assert new is not None
        self.new.append(new)
        return True

    def do_redeem(self, index: int, idle: float) -> Any:
        if index >= len(self.new):
            return None
        new = self.new[-1 - index]
        if self.house.now > new.now + new.code_lifetime + DAY:
            return None  # a replay is looked for during the day after the code's end, and no longer
        handle, secret = self.house.name("handle"), self.house.name("secret").encode()
        ask = self.house.redemption(new.code, handle, secret, idle=idle)
        answer = self.house.write(codes.redeem, self.house.journal, ask)
        if not isinstance(answer, Refused):
            self.families.append((handle, [secret]))
            self.grants.append(answer.id)
        return _told(answer)

    def do_refresh(self, index: int, age: int, idle: float) -> Any:
        if index >= len(self.families):
            return None
        handle, secrets = self.families[-1 - index]
        if age >= len(secrets):
            return None
        ask = self.house.use(handle, secrets[-1 - age], idle=idle)
        answer = self.house.write(refresh.refresh, self.house.journal, ask)
        if not isinstance(answer, Refused) and age == 0:
            secrets.append(follow(secrets[-1]))
        return _told(answer)

    def do_token(self, index: int, lifetime: float, idle: float = DAY) -> Any:
        """What issuing does: an access token of a grant that was alive when it was redeemed or refreshed just now."""
        if index >= len(self.families):
            return None
        handle, secrets = self.families[-1 - index]
        ask = self.house.use(handle, secrets[-1], idle=idle)
        answer = self.house.write(refresh.refresh, self.house.journal, ask)
        if isinstance(answer, Refused):
            return _told(answer)
        secrets.append(follow(secrets[-1]))
        self.access.append((answer.id, self.house.name("jti"), self.house.now + lifetime))
        return True

    def do_revoke(self, index: int) -> None:
        live = self._live()
        if index < len(live):
            _, jti, expires = live[-1 - index]
            self.house.write(tokens.revoke_token, self.house.journal, jti, "app", expires, self.house.now)

    def do_spend(self, index: int, lifetime: float) -> Any:
        expires = self.values.setdefault(index, self.house.now + lifetime)
        if self.house.now > expires:
            return None  # whoever asks looks at the time first
        return self.house.write(spend, "kind", f"value-{index}", expires)

    def seen(self) -> Any:
        """Everything a client could notice: sessions, and the standing of every token in its time."""
        sessions_now = [self.house.known(cookie) is not None for cookie in self.cookies]
        standing = [self.house.read(tokens.standing, grant, jti) is not None for grant, jti, _ in self._live()]
        return sessions_now, standing

    def _live(self) -> list[tuple[str, str, float]]:
        return [token for token in self.access if token[2] > self.house.now]

    def _known(self, index: int) -> Any:
        return self.house.known(self.cookies[-1 - index]) if index < len(self.cookies) else None


def _told(answer: Any) -> str:
    return answer.error if isinstance(answer, Refused) else "granted"


def a_pass(house: House, stretch: int = 200) -> int:
    """How many rows a whole pass deleted."""
    total, place = 0, START
    while place is not None:
        gone, place = house.write(sweep, house.now, place, stretch)
        total += gone
    return total


@pytest.fixture(scope="session")
def examples(kind: str) -> Any:
    """A hundred tales in a process, a dozen over a socket: the statements are the same."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=100 if kind == "sqlite" else 12, deadline=None, suppress_health_check=slow)


def test_nobody_can_tell_whether_it_was_swept(houses: Any, examples: Any) -> None:
    examples(given(STEPS)(lambda steps: same_with_and_without(houses, steps)))()


def same_with_and_without(houses: Any, steps: list[tuple[Any, ...]]) -> None:
    with houses() as one, houses() as other:
        plain, swept = World(one), World(other)
        for step in [("sign in", 30 * DAY), ("code", 0, True, 60.0), ("redeem", 0, 30 * DAY), *steps]:
            assert plain.do(step) == swept.do(step), step
            a_pass(swept.house, stretch=3)
            assert plain.seen() == swept.seen(), step


# -- one by one, at the edges


@pytest.fixture
def world(house: House) -> World:
    found = World(house)
    for step in (("sign in", 30 * DAY), ("code", 0, True, 60.0), ("redeem", 0, DAY)):
        found.do(step)
    return found


def swept(world: World) -> int:
    return a_pass(world.house)


def test_a_token_outlives_its_refresh_token(world: World) -> None:
    """An app that lets refresh tokens idle for a minute and access tokens live a day."""
    world.do(("wait", 3600.0))
    for _ in range(60):
        world.do(("refresh", 0, 0, DAY))
        world.do(("wait", 3600.0))
    assert world.do(("token", 0, DAY, 60.0)) is True
    for wait in (61.0, 3600.0, DAY - 3662.0):
        world.do(("wait", wait))
        swept(world)
        assert world.seen()[1] == [True]


def test_a_code_can_be_redeemed_to_its_last_moment(world: World) -> None:
    world.do(("code", 0, True, 600.0))
    for _ in range(6):
        world.do(("wait", 99.9))
        swept(world)
    assert world.do(("redeem", 0, DAY)) == "granted"


def test_a_grant_without_refresh_token_lives_with_its_access_token(world: World) -> None:
    new = world.house.code(world.cookies[0])
    ask = replace(world.house.redemption(new.code, "none", b"s"), earns_refresh=lambda grant: False)
    answer = world.house.write(codes.redeem, world.house.journal, ask)
    world.access.append((answer.id, "jti", world.house.now + DAY))
    for wait in (1.0, 3600.0, DAY - 3602.0):
        world.do(("wait", wait))
        swept(world)
        assert world.seen()[1] == [True]


def test_a_late_replay_still_finds_what_to_revoke(world: World) -> None:
    world.do(("token", 0, DAY))
    world.do(("wait", DAY - 1))
    swept(world)
    assert world.seen()[1] == [True]
    assert world.do(("redeem", 0, DAY)) == "invalid_grant"
    assert world.seen()[1] == [False]


def test_a_spent_value_stays_spent_to_the_last_moment(world: World) -> None:
    assert world.do(("spend", 0, 30.0)) is True
    world.house.now = world.values[0]
    swept(world)
    assert world.do(("spend", 0, 30.0)) is False


def test_a_revoked_token_stays_revoked_to_the_last_moment(world: World) -> None:
    world.do(("token", 0, 300.0))
    world.do(("revoke", 0))
    world.do(("wait", 299.9))
    swept(world)
    assert world.seen()[1] == [False]


def test_in_the_end_everything_is_gone_but_the_record(world: World) -> None:
    world.do(("token", 0, DAY))
    world.do(("revoke", 0))
    world.do(("spend", 0, 30.0))
    world.do(("sign out", 0))
    world.do(("sign in", DAY))
    world.do(("wait", 31 * DAY))
    world.do(("wait", 3 * DAY))
    assert swept(world) > 0
    counts = {
        table.name: world.house.read(lambda c, t=table: c.execute(sa.select(sa.func.count()).select_from(t)).scalar())
        for table in metadata.sorted_tables
    }
    expiring = ("codes", "grants", "refresh_tokens", "revoked_tokens", "sessions", "session_clients", "spent_values")
    assert {name: counts[name] for name in expiring} == dict.fromkeys(expiring, 0)
    assert counts["audit"] > 0
    assert counts["accounts"] == 1


def test_one_call_is_bounded(world: World) -> None:
    for number in range(25):
        world.house.write(spend, "kind", f"v{number}", world.house.now + 1)
    world.do(("wait", 2.0))
    gone, place = [], Place(1)  # spent values
    while place is not None and place.table == 1:
        count, place = world.house.write(sweep, world.house.now, place, 10)
        gone.append(count)
    assert gone == [10, 10, 5]


def test_a_pass_is_one_nodes_turn(house: House) -> None:
    turns = [house.write(marks.claim, "sweep", house.now + later, 60.0) for later in (0.0, 0.1, 59.9, 60.0, 60.1)]
    assert turns == [True, False, False, True, False]
