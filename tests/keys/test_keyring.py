"""The keyring over a real SQLite file: who signs, what is published, what outlives a kill, who wins."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from key_support import BOTH, PLAN, Clock, header, keyring, kid_of, published, states, token

from idp.jose import JoseError
from idp.keyring import KeyNotReady, Keyring, UnknownKey
from idp.protocol.key_plan import DAY, KeyPlan
from idp.store import keys as store
from idp.store.audit import tail
from idp.store.database import Database, Unavailable

pytestmark = pytest.mark.anyio

RESERVE = PLAN.reserve_ahead


def rows(database: Database) -> dict[str, store.StoredKey]:
    return {row.life.kid: row for row in database.read_now(store.load_keys)}


async def test_a_new_installation_signs_at_once_and_has_the_next_key_published(
    database: Database, clock: Clock
) -> None:
    ring = keyring(database, clock)
    await ring.start()
    for alg in BOTH:
        compact = await token(ring, clock, alg)
        assert header(compact) == {"alg": alg, "kid": ring.signing_kid(alg), "typ": "at+jwt"}
        assert ring.verify(compact, typ=["at+jwt"]).claims["sub"] == "alice"
        assert states(ring, alg) == ["signing", "waiting"]
    assert published(ring) == set(rows(database))
    assert len(published(ring)) == 4


async def test_a_second_start_makes_nothing(database: Database, clock: Clock) -> None:
    first = keyring(database, clock)
    await first.start()
    compact = await token(first, clock)
    second = keyring(database, clock)
    await second.start()
    assert second.jwks == first.jwks
    assert second.signing_kid("RS256") == first.signing_kid("RS256")
    assert second.verify(compact, typ=["at+jwt"]).claims["sub"] == "alice"


async def test_nodes_switch_by_the_clock_without_a_word(database: Database, clock: Clock) -> None:
    """No tick, no write, no read: the time alone changes who signs, on both nodes in the same moment."""
    nodes = [keyring(database, clock) for _ in range(2)]
    for node in nodes:
        await node.start()
    old = nodes[0].signing_kid("ES256")
    clock.move(PLAN.signs - 0.001)
    assert [node.signing_kid("ES256") for node in nodes] == [old, old]
    clock.move(0.001)
    new = nodes[0].signing_kid("ES256")
    assert new != old
    assert nodes[1].signing_kid("ES256") == new
    assert kid_of(await token(nodes[1], clock)) == new
    assert nodes[0].jwks == nodes[1].jwks


async def test_the_jwks_drops_a_key_exactly_when_its_time_is_over(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    old = ring.signing_kid("ES256")
    await token(ring, clock)
    clock.move(PLAN.signs)
    await ring.tick()
    clock.move(PLAN.margin)
    await ring.tick()  # a reading after the switch: nobody has moved the mark since
    [entry] = [entry for entry in ring.timeline() if entry.kid == old]
    body, etag = ring.jwks, ring.jwks_etag
    clock.now = entry.published_until - 0.001
    assert (ring.jwks, ring.jwks_etag) == (body, etag)
    clock.now = entry.published_until
    assert published(ring) == {kid for kid in rows(database) if kid != old and kid in body.decode()} - {
        entry.kid for entry in ring.timeline() if entry.state == "retired"
    }
    assert old not in published(ring)
    assert ring.jwks_etag != etag


async def test_prebuilt_bytes_are_the_same_object_until_something_changes(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    assert ring.jwks is ring.jwks
    assert ring.jwks_etag.startswith('"')
    clock.move(-10)  # a clock that is set back
    assert ring.jwks == keyring_bytes(ring.jwks)


def keyring_bytes(body: bytes) -> bytes:
    """The document as any node would build it: sorted by kid, members sorted, no blanks."""
    keys = sorted(json.loads(body)["keys"], key=lambda key: key["kid"])
    return json.dumps({"keys": keys}, sort_keys=True, separators=(",", ":")).encode()


async def test_jw13_the_jwks_holds_public_members_only(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock, algorithms=("RS256", "PS256", "ES256", "EdDSA"))
    await ring.start()
    keys = json.loads(ring.jwks)["keys"]
    allowed = {
        "RSA": {"kty", "n", "e", "kid", "alg", "use"},
        "EC": {"kty", "crv", "x", "y", "kid", "alg", "use"},
        "OKP": {"kty", "crv", "x", "kid", "alg", "use"},
    }
    for key in keys:
        assert set(key) == allowed[key["kty"]]
        assert key["use"] == "sig"
        assert key["kty"] != "RSA" or len(key["n"]) >= 342  # 2048 bits
    assert len({key["kid"] for key in keys}) == len(keys) == 8
    assert {key["alg"] for key in keys} == {"RS256", "PS256", "ES256", "EdDSA"}


async def test_private_halves_are_nowhere_in_the_clear(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    for row in rows(database).values():
        assert row.sealed is not None
        assert b"\x30\x82" not in row.sealed[:24]  # the start of a DER structure
    for thing in (ring, ring.timeline(), ring.key_set):
        assert "private" not in repr(thing).lower()


async def test_signing_writes_once_for_many_tokens(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    writes = count_writes(database)
    for _ in range(200):
        await token(ring, clock)
        clock.move(1)
    assert writes() == 1
    clock.move(RESERVE)
    await asyncio.gather(*(token(ring, clock) for _ in range(50)))
    assert writes() == 2


def count_writes(database: Database) -> Callable[[], int]:
    changes = database.read_now(lambda connection: connection.exec_driver_sql("SELECT total_changes()").scalar_one())

    def since() -> int:
        now = database.read_now(lambda connection: connection.exec_driver_sql("SELECT total_changes()").scalar_one())
        return int(now - changes)

    return since


async def test_the_mark_is_never_below_a_token_that_left(database: Database, clock: Clock) -> None:
    """Read back from the file after every token, as a process killed at that moment would leave it."""
    ring = keyring(database, clock)
    await ring.start()
    for lives in (300, 1, 900, 30, 5000, 0.5):
        for _ in range(3):
            expires = clock() + lives
            kid = kid_of(await token(ring, clock, lives=lives))
            assert rows(database)[kid].life.mark >= expires
            clock.move(250)


async def test_no_token_leaves_when_the_mark_cannot_be_stored(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    kid = kid_of(await token(ring, clock))
    known = ring.jwks
    lock = lock_file(database)
    next(lock)
    clock.move(RESERVE + 1)
    with pytest.raises(Unavailable):
        await token(ring, clock)
    assert ring.jwks == known
    assert await token(ring, clock, lives=-RESERVE)  # inside the mark no database is asked
    lock.close()
    assert kid_of(await token(ring, clock)) == kid


def lock_file(database: Database) -> Iterator[None]:
    import sqlite3

    other = sqlite3.connect(str(database.engine.url.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_a_killed_process_leaves_a_ring_that_goes_on(database: Database, clock: Clock) -> None:
    """Another process takes over at every point of a rotation, also before the next key exists."""
    ring = keyring(database, clock)
    await ring.start()
    tokens: list[tuple[str, float]] = []
    for round_ in range(12):
        tokens.append((await token(ring, clock, BOTH[round_ % 2]), clock() + 300))
        clock.move(PLAN.signs / 3 if round_ % 3 else PLAN.signs)
        ring = keyring(database, clock)  # the old one is gone without a goodbye
        if round_ % 2:
            # killed half way through its start: bound and loaded, nothing made yet
            await ring._keeper.bind()
            await ring._keeper.load()
            ring = keyring(database, clock)
        await ring.start()
        for alg in BOTH:
            assert states(ring, alg).count("signing") == states(ring, alg).count("waiting") == 1
    live = [compact for compact, expires in tokens if expires > clock()]
    assert all(ring.verify(compact, typ=["at+jwt"]) for compact in live)


async def test_two_keyrings_over_one_database_make_exactly_one_next_key(database: Database, clock: Clock) -> None:
    nodes = [keyring(database, clock) for _ in range(3)]
    await asyncio.gather(*(node.start() for node in nodes))
    assert len(rows(database)) == 4
    clock.move(PLAN.signs)
    await asyncio.gather(*(node.tick() for node in nodes))
    assert sorted((row.life.alg, row.life.generation) for row in rows(database).values()) == [
        (alg, generation) for alg in ("ES256", "RS256") for generation in (1, 2, 3)
    ]
    assert len({node.jwks for node in nodes}) == 1
    clock.move(PLAN.lead)
    reports = await asyncio.gather(*(node.rotate() for node in nodes))
    assert all(report.done for report in reports)
    assert len(rows(database)) == 8
    assert len({node.signing_kid("RS256") for node in nodes}) == 1


async def test_two_emergencies_at_once_are_one(database: Database, clock: Clock) -> None:
    nodes = [keyring(database, clock) for _ in range(2)]
    for node in nodes:
        await node.start()
    await asyncio.gather(*(node.rotate(emergency=True, fresh=True) for node in nodes))
    for alg in BOTH:
        signing = [
            row.life for row in rows(database).values() if row.life.alg == alg and row.life.signs_from <= clock()
        ]
        assert len(signing) == 2
        assert nodes[0].signing_kid(alg) == nodes[1].signing_kid(alg)


async def test_tk08_rotations_leave_every_clients_algorithm_alone(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    clients = {"default": "RS256", "modern": "ES256"}
    seen: dict[str, list[str]] = {name: [] for name in clients}
    for _ in range(6):
        for name, alg in clients.items():
            found = header(await token(ring, clock, alg))
            assert found["alg"] == alg
            seen[name].append(found["kid"])
        clock.move(PLAN.signs)
        await ring.tick()
    assert all(len(set(kids)) == 6 for kids in seen.values())


async def test_seconds_long_lives(database: Database, clock: Clock) -> None:
    """20 rotations of one second each, a token a tenth of a second, each checked to its end."""
    plan = KeyPlan(signs=1, longest_cache=1, session_absolute=1, hint_grace=1)
    ring = keyring(database, clock, plan)
    await ring.start()
    live: list[tuple[float, str]] = []
    kids = set()
    begun = clock()
    while clock() < begun + 24:
        await ring.tick()
        for alg in BOTH:
            compact = await token(ring, clock, alg, lives=1)
            kids.add((alg, kid_of(compact)))
            live.append((clock() + 1, compact))
        live = [(expires, compact) for expires, compact in live if expires > clock()]
        for _, compact in live:
            assert ring.verify(compact, typ=["at+jwt"])
        clock.move(0.1)
    assert len(kids) >= 2 * 20
    assert len(rows(database)) < 20  # and those that are over are forgotten as fast


async def test_a_retired_key_still_proves_an_old_hint_and_then_is_forgotten(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    hint = await token(ring, clock)
    kid = kid_of(hint)
    clock.move(PLAN.signs)
    await ring.tick()
    clock.move(10 * DAY)
    await ring.tick()
    assert kid not in published(ring)
    with pytest.raises(JoseError, match="no key is known"):
        ring.verify(hint, typ=["at+jwt"])
    assert ring.verify(hint, typ=["at+jwt"], allow_retired=True).claims["sub"] == "alice"
    assert rows(database)[kid].sealed is None
    clock.now = rows(database)[kid].life.signs_until + PLAN.session_absolute + PLAN.hint_grace - 1
    await ring.tick()
    assert ring.verify(hint, typ=["at+jwt"], allow_retired=True)
    clock.move(2)
    await ring.tick()
    assert kid not in rows(database)
    with pytest.raises(JoseError, match="no key is known"):
        ring.verify(hint, typ=["at+jwt"], allow_retired=True)
    assert {"key.created", "key.deleted"} <= {line["event"] for line in database.read_now(tail, 100)}


async def test_an_algorithm_taken_into_use_later_is_published_first(database: Database, clock: Clock) -> None:
    before = keyring(database, clock, algorithms=("RS256",))
    await before.start()
    ring = keyring(database, clock)
    await ring.start()
    with pytest.raises(KeyNotReady, match="signs only when no cached JWKS can lack it"):
        await token(ring, clock, "ES256")
    assert states(ring, "ES256") == ["waiting"]
    clock.move(PLAN.lead)
    assert header(await token(ring, clock, "ES256"))["alg"] == "ES256"


async def test_ready_means_that_what_has_to_sign_can(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock, algorithms=("RS256",))
    assert not ring.ready
    await ring.start()
    assert ring.ready
    more = keyring(database, clock)
    await more.start()
    assert more.ready  # ES256 is in its first lead: a node must not leave service for that
    change = sa.update(store.keys).where(store.keys.c.kid == ring.signing_kid("RS256")).values(sealed=b"")
    database.write_now(lambda connection: connection.execute(change).rowcount)
    damaged = keyring(database, clock)
    await damaged.start(repair=True)
    assert not damaged.ready
    assert damaged.poll == PLAN.poll


async def test_an_algorithm_not_in_use_is_refused_never_replaced(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    with pytest.raises(UnknownKey, match="RS256, ES256"):
        await token(ring, clock, "PS256")


async def test_a_token_without_an_end_is_refused(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    with pytest.raises(KeyError, match="exp"):
        await ring.sign("ES256", "at+jwt", {"sub": "alice"})


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
async def test_tk09_the_machines_time_zone_changes_nothing(
    database: Database, clock: Clock, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across the end of summer time in New York, 2026-11-01 06:00 UTC, and in zones far off."""
    monkeypatch.setitem(os.environ, "TZ", zone)
    time.tzset()
    try:
        clock.now = 1_793_512_800.0 - PLAN.lead
        ring = keyring(database, clock)
        await ring.start()
        report = await ring.rotate()
        assert {entry.at for entry in report.rotated} == {1_793_512_800.0}
        assert all("2026-11-01 06:00:00 UTC" in line for line in report.lines())
        clock.move(PLAN.lead - 0.5)
        assert not (await ring.rotate()).done
        clock.move(0.5)
        assert (await ring.rotate()).done
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_reading_that_was_overtaken_does_not_come_back(database: Database, clock: Clock) -> None:
    """A slow reading that began before a revocation must not bring the key back when it ends after it."""
    ring = keyring(database, clock)
    await ring.start()
    keeper, gate = ring._keeper, asyncio.Event()
    slow = Delayed(database, gate)
    keeper.database = slow  # type: ignore[assignment]
    late = asyncio.create_task(keeper.load())
    await asyncio.sleep(0)
    keeper.database = database
    kid = ring.signing_kid("ES256")
    await ring.revoke(kid)
    gate.set()
    await late
    assert kid not in published(ring)


class Delayed:
    """A database whose answer is ready long before it arrives."""

    def __init__(self, database: Database, gate: asyncio.Event) -> None:
        self._database = database
        self._gate = gate

    async def read(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        answer = self._database.read_now(operation, *arguments)
        await self._gate.wait()
        return answer


async def test_a_reservation_survives_a_reading_under_way(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    keeper, gate = ring._keeper, asyncio.Event()
    keeper.database = Delayed(database, gate)  # type: ignore[assignment]
    late = asyncio.create_task(keeper.load())
    await asyncio.sleep(0)
    keeper.database = database
    kid = kid_of(await token(ring, clock))
    gate.set()
    await late
    held = ring._keeper.held.ring.find(kid)
    assert held is not None
    assert held == replace(rows(database)[kid].life)
    assert held.mark >= clock() + 300


class Overtaken:
    """The database of a node that is slow: between its first look at it and the next, another one makes everything."""

    def __init__(self, database: Database, other: Keyring) -> None:
        self._database = database
        self._other: Keyring | None = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def read(self, function: Callable[..., Any], *arguments: Any) -> Any:
        found = await self._database.read(function, *arguments)
        if function is store.load_proof and self._other is not None:
            other, self._other = self._other, None
            await other.start()
        return found


async def test_a_node_overtaken_at_its_first_start_is_no_damaged_installation(database: Database, clock: Clock) -> None:
    other = keyring(database, clock)
    slow = keyring(Overtaken(database, other), clock)  # type: ignore[arg-type]
    await slow.start()
    assert slow.jwks == other.jwks
    assert slow.signing_kid("ES256") == other.signing_kid("ES256")
