"""When something last happened to the installation: nothing at first, then the latest time."""

from __future__ import annotations

from store_values import House

from idp.store.marks import BACKUP, mark, marked


def test_a_mark_keeps_the_latest_time_of_its_name(house: House) -> None:
    assert house.read(marked, BACKUP) is None
    for at in (100.5, 300.25, 200.0):  # the last one began earlier and ended later
        house.write(mark, BACKUP, at)
    house.write(mark, "another", 400.0)
    assert house.read(marked, BACKUP) == 300.25
