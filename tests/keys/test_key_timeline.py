"""The drawn time line: every part visible, in place, within its width, with and without colour."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace

import pytest
from key_support import PLAN, START

from idp.cli.key_timeline import draw_timeline
from idp.protocol.key_plan import DAY, KeyLife, KeyPlan, Ring, TimelineEntry, timeline

KID = "k" * 40


def lives(plan: KeyPlan = PLAN, now: float = START) -> tuple[TimelineEntry, ...]:
    """A ring in the middle of its life: one retiring, one signing, one waiting."""
    signs = plan.signs
    first = KeyLife(KID + "001", "ES256", 1, START - 1.2 * signs, START - 1.2 * signs, START - 0.2 * signs)
    first = replace(first, mark=START + 300)  # its last token is still valid
    second = KeyLife(KID + "002", "ES256", 2, first.signs_from, START - 0.2 * signs, START + 0.8 * signs)
    third = KeyLife(KID + "003", "ES256", 3, START - 0.2 * signs, START + 0.8 * signs, START + 1.8 * signs)
    return timeline(Ring((first, second, third), ("ES256",), START - signs), now, plan)


def bars(drawn: str) -> list[str]:
    return [line for line in drawn.splitlines() if re.fullmatch(r"[ ░█▒✕┃]+", line) and line.strip()]


def test_each_key_shows_its_parts_around_now() -> None:
    drawn = draw_timeline(lives(), START)
    retiring, signing, waiting = bars(drawn)
    assert re.fullmatch(r" +█+▒+┃[▒ ]*", retiring)
    assert re.fullmatch(r" +░+█+┃█+▒", signing)
    assert re.fullmatch(r" +░+┃░+█+▒", waiting)
    columns = {bar.index("┃") for bar in (retiring, signing, waiting)}
    assert columns == {drawn.splitlines()[1].index("▼")}
    assert all(life.kid in drawn for life in lives())
    assert "signing, 72 d left" in drawn
    assert "waiting, signs in 72 d" in drawn
    assert "signs 2026-12-28 to 2027-03-28" in drawn


@pytest.mark.parametrize("width", [40, 60, 78, 120, 200])
def test_bars_keep_the_width(width: int) -> None:
    drawn = draw_timeline(lives(), START, width)
    assert all(len(bar) <= width for bar in bars(drawn))
    assert max(len(bar) for bar in bars(drawn)) == width


def test_a_part_shorter_than_a_column_is_still_drawn() -> None:
    for bar in bars(draw_timeline(lives(PLAN), START, 40)):
        assert "▒" in bar


def test_seconds_are_shown_where_lives_are_short() -> None:
    plan = KeyPlan(signs=3, longest_cache=1)
    drawn = draw_timeline(lives(plan), START)
    assert "now 08:00:00" in drawn
    assert "signs 07:59:59 to 08:00:02" in drawn
    assert "signing, 2 s left" in drawn


@pytest.mark.parametrize(
    ("signed", "shown"),
    [
        (125, "signs 2027-01-15 07:57:55 to 08:00:00, gone 2027-01-16 08:06:00"),
        (5 * 3600, "signs 2027-01-15 03:00 to 08:00, gone 2027-01-16 08:06"),
        (3 * DAY, "signs 2027-01-12 to 2027-01-15"),
    ],
)
def test_a_key_of_less_than_a_day_shows_times_beside_long_lives(signed: float, shown: str) -> None:
    short = replace(lives()[0], kid="short", signs_from=START - signed, signs_until=START)
    drawn = draw_timeline((short, *lives()), START)
    assert shown in drawn
    assert "signs 2026-12-28 to 2027-03-28" in drawn


def test_a_key_withdrawn_within_a_day_shows_times() -> None:
    key = replace(lives()[2], state="revoked", signs_from=START, signs_until=START, published_from=START - 60)
    drawn = draw_timeline((replace(key, revoked_at=START, published_until=START), lives()[1]), START)
    assert "published 2027-01-15 07:59:00, revoked 08:00:00" in drawn


def test_a_revoked_key_ends_with_a_cross_even_now() -> None:
    revoked = replace(lives()[1], state="revoked", revoked_at=START, published_until=START, signs_until=START)
    drawn = draw_timeline((revoked,), START)
    assert "✕" in bars(drawn)[0]
    assert "revoked 0 s ago" in drawn


def test_a_key_revoked_before_it_signed_shows_only_its_wait() -> None:
    revoked = replace(lives()[2], state="revoked", revoked_at=START, published_until=START, signs_until=START)
    [bar] = bars(draw_timeline((revoked,), START + DAY))
    assert re.fullmatch(r" *░+✕ *┃?", bar)


def test_retired_keys_do_not_stretch_the_axis() -> None:
    old = replace(
        lives()[0],
        kid="old",
        state="retired",
        published_from=0.0,
        signs_from=0.0,
        signs_until=9.0,
        published_until=10.0,
    )
    drawn = draw_timeline((old, *lives()), START)
    assert bars(drawn) == bars(draw_timeline(lives(), START))
    assert "old  retired" in drawn


def test_colour_only_adds_sequences() -> None:
    plain, painted = draw_timeline(lives(), START), draw_timeline(lives(), START, colour=True)
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == plain


def test_no_keys_is_a_sentence() -> None:
    assert "first start" in draw_timeline((), START)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_tk09_dates_are_utc_on_any_machine(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = draw_timeline(lives(), START)
    monkeypatch.setitem(os.environ, "TZ", zone)
    time.tzset()
    try:
        assert draw_timeline(lives(), START) == expected
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("shift", [2**31, 2**33, 2**45])
def test_tk09_far_futures_are_drawn(shift: float) -> None:
    moved = tuple(
        replace(
            life,
            published_from=life.published_from + shift,
            signs_from=life.signs_from + shift,
            signs_until=life.signs_until + shift,
            published_until=life.published_until + shift,
        )
        for life in lives()
    )
    assert len(bars(draw_timeline(moved, START + shift))) == 3
