"""Ten rotations of RS256 and ES256 under a moved clock: no verifier of any kind refuses one valid token.

The keyring and its SQLite file are the real ones. Rotations come from the clock, from an operator who takes every
first moment allowed, and from ``--fresh``; the process is replaced by another after each. Just before each publication
new verifiers fill their caches: the worst moment there is. The control run differs by one number, the lead of 0.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from foreign_verifiers import (
    DayCache,
    ForEver,
    HourlyPoll,
    Jose,
    JwksServer,
    NodeProcess,
    PyJwt,
    StaticCopy,
    Verifier,
    tell_pyjwt_the_time,
)
from key_support import BOTH, Clock, keyring

from idp.protocol.key_plan import DAY, KeyPlan
from idp.store.database import Database

pytestmark = [pytest.mark.anyio, pytest.mark.node, pytest.mark.timeout(300)]

ROTATIONS = 10
TOKEN = 300.0
KINDS = {
    "PyJWKClient 300 s",
    "jose 600 s",
    "hourly poll",
    "24 h cache",
    "for ever, refetch on unknown kid",
    "static copy",
}


@dataclass
class World:
    """The issuer, its verifiers, and what became of every token."""

    database: Database
    clock: Clock
    plan: KeyPlan
    node: NodeProcess | None = None
    server: JwksServer | None = None
    verifiers: list[Verifier] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    _due: list[tuple[float, int, str]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _seen: set[str] = field(default_factory=set)

    async def open(self, node: Path) -> None:
        self.ring = keyring(self.database, self.clock, self.plan)
        await self.ring.start()
        self.node = NodeProcess(node, self.clock, self.fetch)
        self.server = JwksServer(self.fetch)
        self.standing = self.newcomers()
        self.standing += [StaticCopy(self.clock, self.fetch), StaticCopy(self.clock, self.fetch, late=DAY)]
        self.verifiers = self.standing
        self._seen = self.kids()

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
        if self.node is not None:
            self.node.close()

    def fetch(self) -> bytes:
        return self.ring.jwks

    def kids(self) -> set[str]:
        return {key["kid"] for key in json.loads(self.fetch())["keys"]}

    def newcomers(self) -> list[Verifier]:
        """Verifiers whose process starts now."""
        assert self.node is not None
        assert self.server is not None
        return [
            PyJwt(self.server.url),
            Jose(self.node, f"started at {self.clock()}"),
            HourlyPoll(self.clock, self.fetch),
            DayCache(self.clock, self.fetch),
            ForEver(self.clock, self.fetch),
        ]

    async def restart(self) -> None:
        """The process is gone; another opens the same file."""
        self.ring = keyring(self.database, self.clock, self.plan)
        await self.ring.start()
        self.look()

    def look(self) -> None:
        """Whoever waits for publications hears of new ones."""
        if new := self.kids() - self._seen:
            self._seen |= new
            for verifier in self.verifiers:
                verifier.published()

    def check(self, tokens: list[str]) -> None:
        for verifier in self.verifiers:
            for reason in verifier.refusals(tokens):
                self.checked[verifier.name] += 1
                if reason is not None:
                    self.refused[verifier.name] += 1
                    self.reasons.append(f"{verifier.name} at {self.clock() - 1_800_000_000:.1f}: {reason}")

    async def visit(self, moment: float, *, tick: bool = True) -> None:
        """Go to a moment, on the way checking every token and making every poll when it is due; then sign.

        A real process looks at the ring twice a second; without ``tick`` it has not done so since the last visit.
        """
        while (due := self._next(moment)) is not None:
            self.clock.now = due
            self._polls()
            expired_next = []
            while self._due and self._due[0][0] <= due:
                expired_next.append(heapq.heappop(self._due)[2])
            if expired_next:
                self.check(expired_next)
        self.clock.now = moment
        if tick:
            await self.tick()
        tokens = [await self.ring.sign(alg, "at+jwt", {"iat": int(moment), "exp": moment + TOKEN}) for alg in BOTH]
        self.check(tokens)
        for later in (TOKEN / 2, TOKEN - 0.001):
            for token in tokens:
                heapq.heappush(self._due, (moment + later, next(self._numbers), token))

    def _next(self, until: float) -> float | None:
        moments = [verifier.next_poll for verifier in self.verifiers if verifier.next_poll is not None]
        if self._due:
            moments.append(self._due[0][0])
        earliest = min(moments, default=until + 1)
        return earliest if earliest <= until else None

    def _polls(self) -> None:
        for verifier in self.verifiers:
            if verifier.next_poll is not None and verifier.next_poll <= self.clock():
                verifier.poll()

    async def tick(self) -> None:
        await self.ring.tick()
        self.look()

    async def closely(self, around: float, before: float, after: float, *, tick_after: bool = True) -> None:
        """Tokens every 30 s and at the moment itself, while the JWKS and the signing key change."""
        offsets = [-before + 30 * step for step in range(int((before + after) / 30))]
        for offset in sorted({*offsets, -0.001, 0.0, 0.001, 1.0}):
            if around + offset > self.clock():
                await self.visit(around + offset, tick=offset < 0 or tick_after)

    async def publication(self) -> None:
        """Newcomers fill their caches half a second after a switch, and right then the next key is published."""
        await self.visit(self.clock() + 0.4, tick=False)
        self.verifiers = [*self.standing, *self.newcomers()]
        await self.visit(self.clock() + 0.001, tick=False)
        await self.visit(self.clock() + 0.001)
        await self.closely(self.clock(), 0, 900)

    async def idle(self, until: float) -> None:
        """A token every two hours."""
        while self.clock() + 7200 < until:
            await self.visit(self.clock() + 7200)


async def rotate(world: World, rotations: int) -> None:
    """A third of the rotations each: by the clock, by the operator as soon as it is allowed, with a fresh key."""
    for number in range(rotations):
        signing = {alg: world.ring.signing_kid(alg) for alg in BOTH}
        if number % 3 == 1:
            await operator(world)
        else:
            if number % 3 == 2:
                await world.visit(world.clock() + 1000)
                world.verifiers = [*world.standing, *world.newcomers()]
                await world.visit(world.clock() + 0.001)
                await world.ring.rotate(fresh=True)
                world.look()
                await world.visit(world.clock() + 0.001)
            await by_itself(world)
        for alg in BOTH:
            assert world.ring.signing_kid(alg) != signing[alg]
        await world.restart() if number % 2 else await world.publication()


async def operator(world: World) -> None:
    """Tries every five minutes around the first moment the report names, and at that moment."""
    report = await world.ring.rotate()
    world.look()
    if report.done:
        return
    at = report.rotated[0].at
    await world.idle(at - 900)
    await world.closely(at, 900, 0)
    world.clock.now = at - 0.001
    assert not (await world.ring.rotate()).done
    await world.visit(at)
    assert (await world.ring.rotate()).done
    world.look()
    await world.closely(at, 0, 900)


async def by_itself(world: World) -> None:
    waiting = [entry.signs_from for entry in world.ring.timeline() if entry.state == "waiting"]
    if not waiting:
        return
    at = min(waiting)
    await world.idle(at - 900)
    await world.closely(at, 900, 20, tick_after=False)


async def run(world: World, node: Path, rotations: int = ROTATIONS) -> None:
    await world.open(node)
    try:
        await rotate(world, rotations)
        await world.visit(world.clock() + DAY + 600)
    finally:
        world.close()


async def test_no_valid_token_is_refused(
    database: Database, clock: Clock, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_pyjwt_the_time(clock, monkeypatch)
    world = World(database, clock, KeyPlan(signs=2 * DAY, longest_cache=DAY))
    await run(world, node)
    assert world.reasons == []
    assert set(world.checked) == KINDS
    assert min(world.checked.values()) > 4000
    signed = {entry.kid for entry in world.ring.timeline() if entry.tokens_until > 0}
    assert len(signed) >= 2 * ROTATIONS


async def test_control_a_lead_of_nothing_is_refused_by_those_who_cache(
    database: Database, clock: Clock, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same story with ``longest_cache`` 0: whoever caches and does not ask again refuses good tokens."""
    tell_pyjwt_the_time(clock, monkeypatch)
    world = World(database, clock, KeyPlan(signs=2 * DAY, longest_cache=0))
    await run(world, node, rotations=4)
    assert set(world.refused) >= {"PyJWKClient 300 s", "jose 600 s", "hourly poll", "24 h cache", "static copy"}
    assert world.refused["for ever, refetch on unknown kid"] == 0
