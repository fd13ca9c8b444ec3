"""docs/limits.md: its numbers are the defaults, and its arithmetic comes out."""

from __future__ import annotations

import re

from doc_blocks import ROOT

from idp.protocol.device import CODES, INTERVAL, LONGEST_INTERVAL
from idp.settings_limits import Limits

PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
LIMITS = Limits()


def test_the_table_holds_the_defaults() -> None:
    windows = {"1 day": 86_400, "1 hour": 3600, "15 minutes": 900}
    rows = re.findall(r"`limits\.(\w+)`\) \| (\d+) \| ([\w ]+) \| (\d+) (s|minutes) \|", PAGE)
    assert [name for name, *_ in rows] == ["account", "network", "overall", "device"]
    for name, holds, window, slot, unit in rows:
        group = "account" if name == "device" else name
        assert int(holds) == getattr(LIMITS, name)
        assert windows[window] == getattr(LIMITS, f"{group}_window")
        assert int(slot) * (60 if unit == "minutes" else 1) == windows[window] // int(holds)


def test_the_arithmetic_comes_out() -> None:
    day = 86_400
    names = ("account", "network", "overall")
    slots = {name: getattr(LIMITS, f"{name}_window") / getattr(LIMITS, name) for name in names}
    assert f"{LIMITS.account + day / slots['account']:.0f} on the first day" in PAGE
    assert f"{LIMITS.network + day / slots['network']:.0f} on the first day" in PAGE
    assert f"{1000 / slots['network'] + 0.05:.1f} tries a second (one network) or {1000 / slots['overall']:.1f}" in PAGE
    for name in ("network", "overall"):
        late = int(540 / slots[name])
        assert f"= {late} of 9,000" in PAGE
        assert late <= 9


def test_the_numbers_for_clients_are_the_defaults() -> None:
    text = " ".join(PAGE.split())
    assert f"{LIMITS.client} (`limits.client`)" in text
    assert f"{LIMITS.client_network:,} (`limits.client_network`)" in text
    assert LIMITS.client_window == 60


def test_the_numbers_for_devices_are_the_defaults_and_come_out() -> None:
    text = " ".join(PAGE.split())
    for name in ("user_codes", "user_codes_network", "user_codes_overall"):
        assert re.search(rf"`limits\.{name}`[^|]*\) \| {getattr(LIMITS, name)} \|", PAGE)
    assert f"{LIMITS.device_codes} for one network" in text
    assert f"{LIMITS.device_codes_overall:,} for all" in text
    guesses, codes = 2 * LIMITS.user_codes_overall, 2 * LIMITS.device_codes_overall
    assert f"{guesses:,} x {codes:,} / {CODES:,} = {guesses * codes / CODES:.5f}" in text
    assert f"{2 * LIMITS.user_codes} x {codes:,} / {CODES:,} = {2 * LIMITS.user_codes * codes / CODES:.7f}" in text
    polls = (LONGEST_INTERVAL - INTERVAL) // INTERVAL + 1
    assert {12: "twelve"}[polls] in text
