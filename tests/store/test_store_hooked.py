"""The rows of people whose table is somebody else's: made once, following, and out when they are out there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from store_values import NOW, House

from idp.protocol.client import Account
from idp.store import accounts, hooked, sessions
from idp.store.schema import accounts as table

pytestmark = pytest.mark.anyio


def said(sub: str = "7", username: str = "carol", **changes: Any) -> Account:
    return Account(id=sub, username=username, **{"claims": {"name": "Carol"}, **changes})


def put(house: House, account: Account, stamp: str = "one") -> None:
    mark = hooked.mark(stamp, disabled=account.disabled)
    house.write(hooked.put, house.journal, account, mark, house.now)


def row(house: House, sub: str = "7") -> hooked.Kept:
    found: hooked.Kept | None = house.read(hooked.kept, sub)
    assert found is not None
    return found


def begin(house: House, sub: str = "7") -> str:
    cookie = house.name("cookie")
    new = sessions.SignIn(sub, "pwd", cookie, house.name("session"), None, house.now, 1000.0)
    house.write(sessions.begin, house.journal, new)
    return cookie


def test_a_row_says_what_was_put(house: House) -> None:
    put(house, said())
    found = row(house)
    assert found.hooked
    assert found.says(said(), hooked.mark("one", disabled=False))
    for other, mark in (
        (said(claims={}), hooked.mark("one", disabled=False)),
        (said(username="c"), hooked.mark("one", disabled=False)),
        (said(), hooked.mark("two", disabled=False)),
        (said(disabled=True), hooked.mark("one", disabled=True)),
    ):
        assert not found.says(other, mark)


def test_a_password_of_nobody_fits_the_mark(house: House) -> None:
    from idp.accounts.passwords import check_hash

    put(house, said())
    stored = house.read(accounts.find_by_username, "carol").password_hash
    assert hooked.is_mark(stored)
    assert not check_hash(stored, stored)


def test_another_password_ends_the_sessions_and_a_claim_does_not(house: House) -> None:
    put(house, said())
    cookie = begin(house)
    put(house, said(claims={"name": "C"}, username="caro"))
    assert house.known(cookie) is not None
    put(house, said(), "two")
    assert house.known(cookie) is None


def test_disabled_there_and_back_again(house: House) -> None:
    put(house, said())
    cookie = begin(house)
    put(house, said(disabled=True))
    assert row(house).account.disabled
    assert row(house).gone
    assert house.known(cookie) is None
    put(house, said())
    assert not row(house).account.disabled


def test_an_operators_no_is_above_it(house: House) -> None:
    put(house, said())
    house.write(accounts.set_disabled, house.journal, "7", NOW, disabled=True)
    for disabled in (True, False, True, False):
        put(house, said(disabled=disabled))
        assert row(house).account.disabled
    house.write(accounts.set_disabled, house.journal, "7", NOW, disabled=False)
    put(house, said())
    assert not row(house).account.disabled


def test_an_operators_yes_does_not_bring_back_who_is_out_there(house: House) -> None:
    put(house, said())
    put(house, said(disabled=True))
    house.write(accounts.set_disabled, house.journal, "7", NOW, disabled=False)
    assert not row(house).says(said(disabled=True), hooked.mark("one", disabled=True))
    put(house, said(disabled=True))
    assert row(house).account.disabled


def test_who_left_is_out_and_a_person_of_ours_is_not(house: House) -> None:
    put(house, said())
    cookie = begin(house)
    for sub in ("7", "alice", "nobody"):
        house.write(hooked.leave, house.journal, sub, NOW)
        house.write(hooked.leave, house.journal, sub, NOW)
    assert house.known(cookie) is None
    assert house.events("account.disabled") == 1
    assert not row(house, "alice").account.disabled


def test_a_name_goes_to_who_has_it_there_and_ours_keep_theirs(house: House) -> None:
    put(house, said("7", "carol"))
    put(house, said("8", "carol"))
    put(house, said("9", "alice"))
    names = dict(house.read(lambda connection: connection.execute(sa.select(table.c.id, table.c.username)).all()))
    assert names == {"alice": "alice", "7": "carol~7", "8": "carol", "9": "alice~9"}
    assert row(house, "9").says(said("9", "alice"), hooked.mark("one", disabled=False))


def test_a_person_of_ours_with_their_sub_becomes_theirs(house: House) -> None:
    cookie = begin(house, "alice")
    put(house, said("alice", "alice"))
    assert row(house, "alice").hooked
    assert house.known(cookie) is not None


async def test_of_many_first_sign_ins_at_once_one_makes_the_row(house: House) -> None:
    mark = hooked.mark("one", disabled=False)
    tries = (house.database.write(hooked.put, house.journal, said(), mark, NOW) for _ in range(32))
    await asyncio.gather(*tries)
    assert house.events("account.created") == 2  # and the one the house began with
    assert row(house).says(said(), mark)
