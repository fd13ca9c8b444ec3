"""Rotate, emergency, fresh, revoke: what is done, what is said, what breaks and what does not."""

from __future__ import annotations

import json

import pytest
from key_support import BOTH, PLAN, START, Clock, keyring, kid_of, published, states, token

from idp.jose import JoseError
from idp.keyring import UnknownKey
from idp.protocol.key_plan import KeyPlan
from idp.store.audit import tail
from idp.store.database import Database

pytestmark = pytest.mark.anyio


async def test_rotate_says_when_it_may_and_changes_nothing(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    body = ring.jwks
    report = await ring.rotate()
    assert not report.done
    assert [(entry.alg, entry.at) for entry in report.rotated] == [(alg, START + PLAN.lead) for alg in BOTH]
    assert all("not yet" in line and "--emergency" in line for line in report.lines())
    assert ring.jwks == body


async def test_rotate_promotes_the_waiting_key_and_publishes_the_next(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    old = {alg: await token(ring, clock, alg, lives=PLAN.lead + 300) for alg in BOTH}
    waiting = {entry.alg: entry.kid for entry in ring.timeline() if entry.state == "waiting"}
    clock.move(PLAN.lead)
    report = await ring.rotate()
    assert report.done
    assert not any(entry.breaks for entry in report.rotated)
    for entry in report.rotated:
        assert (entry.old_kid, entry.new_kid) == (kid_of(old[entry.alg]), waiting[entry.alg])
        assert kid_of(await token(ring, clock, entry.alg)) == waiting[entry.alg]
        assert ring.verify(old[entry.alg], typ=["at+jwt"])
        assert states(ring, entry.alg) == ["retiring", "signing", "waiting"]
    assert not (await ring.rotate()).done
    events = [line["event"] for line in database.read_now(tail, 100)]
    assert events.count("key.rotated") == 2
    assert events.count("key.created") == 6


async def test_emergency_rotates_at_once_and_says_what_breaks(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    old = await token(ring, clock)
    clock.move(60)
    report = await ring.rotate(emergency=True)
    assert report.done
    [entry] = [entry for entry in report.rotated if entry.alg == "ES256"]
    said = " ".join(entry.breaks)
    assert "cached the JWKS before 2027-01-15 08:00:00 UTC" in said
    assert "the last by 2027-01-16 08:01:00 UTC" in said
    assert f"idp keys revoke {kid_of(old)}" in said
    assert kid_of(await token(ring, clock)) == entry.new_kid
    assert ring.verify(old, typ=["at+jwt"])


async def test_an_emergency_after_the_lead_breaks_nothing(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    clock.move(PLAN.lead)
    report = await ring.rotate(emergency=True)
    assert report.done
    assert not any(entry.breaks for entry in report.rotated)


async def test_fresh_in_an_emergency_uses_a_key_nobody_has_seen(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    seen = published(ring)
    clock.move(60)
    report = await ring.rotate(emergency=True, fresh=True)
    assert report.done
    for entry in report.rotated:
        assert entry.new_kid not in seen
        assert kid_of(await token(ring, clock, entry.alg)) == entry.new_kid
        assert states(ring, entry.alg) == ["retiring", "revoked", "signing", "waiting"]


async def test_fresh_without_haste_takes_over_by_itself(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    clock.move(60)
    report = await ring.rotate(fresh=True)
    assert not report.done
    [entry] = [entry for entry in report.rotated if entry.alg == "ES256"]
    assert entry.by_itself
    assert entry.at == clock() + PLAN.lead
    assert "takes over by itself" in report.lines()[1]
    clock.now = entry.at - 0.001
    assert ring.signing_kid("ES256") == entry.old_kid
    clock.now = entry.at
    assert ring.signing_kid("ES256") == entry.new_kid


async def test_revoke_is_effective_at_once_everywhere_here(database: Database, clock: Clock) -> None:
    ring, other = keyring(database, clock), keyring(database, clock)
    await ring.start()
    await other.start()
    compact = await token(ring, clock)
    await other.tick()
    kid = kid_of(compact)
    report = await ring.revoke(kid)
    assert (report.was, report.alg) == ("signing", "ES256")
    assert kid not in published(ring)
    for allow_retired in (False, True):
        with pytest.raises(JoseError, match="no key is known"):
            ring.verify(compact, typ=["at+jwt"], allow_retired=allow_retired)
    assert kid_of(await token(ring, clock)) == report.new_kid != kid
    assert "refused from now on at UserInfo and introspection" in " ".join(report.breaks)
    assert "do not know" in " ".join(report.breaks)
    assert states(ring, "ES256") == ["revoked", "signing", "waiting"]

    assert kid_of(await token(other, clock)) == kid  # it has not heard yet; it does with its next reading
    await other.tick()
    assert kid not in published(other)
    assert other.jwks == ring.jwks


async def test_a_node_that_has_not_heard_of_a_revocation_cannot_reserve(database: Database, clock: Clock) -> None:
    ring, other = keyring(database, clock), keyring(database, clock)
    await ring.start()
    await other.start()
    kid = ring.signing_kid("ES256")
    await ring.revoke(kid)
    compact = await token(other, clock)  # its first token needs a mark, and the row says no
    assert kid_of(compact) == ring.signing_kid("ES256")


async def test_revoking_the_waiting_key_publishes_another(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    signing = ring.signing_kid("RS256")
    [waiting] = [e.kid for e in ring.timeline() if e.alg == "RS256" and e.state == "waiting"]
    report = await ring.revoke(waiting)
    assert report.was == "waiting"
    assert report.new_kid not in (None, waiting)
    assert ring.signing_kid("RS256") == signing
    assert states(ring, "RS256") == ["signing", "revoked", "waiting"]


async def test_revoking_a_retired_key_only_ends_its_hints(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    compact = await token(ring, clock)
    clock.move(PLAN.signs + 3 * PLAN.lead)
    await ring.tick()
    assert ring.verify(compact, typ=["at+jwt"], allow_retired=True)
    report = await ring.revoke(kid_of(compact))
    assert (report.was, report.new_kid) == ("retired", None)
    with pytest.raises(JoseError):
        ring.verify(compact, typ=["at+jwt"], allow_retired=True)
    again = await ring.revoke(kid_of(compact))
    assert (again.was, again.breaks) == ("revoked", ())


async def test_revoking_an_unknown_key_names_those_that_exist(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    await ring.start()
    with pytest.raises(UnknownKey) as caught:
        await ring.revoke("nonsense")
    assert ring.signing_kid("RS256") in caught.value.expected


async def test_all_keys_revoked_one_after_another(database: Database, clock: Clock) -> None:
    """However fast: there is always one that signs and one that waits."""
    ring = keyring(database, clock, KeyPlan(signs=1, longest_cache=1))
    await ring.start()
    for _ in range(6):
        await ring.revoke(ring.signing_kid("ES256"))
        compact = await token(ring, clock)
        assert ring.verify(compact, typ=["at+jwt"])
        assert len(json.loads(ring.jwks)["keys"]) == 4
