"""A pushed request's row: what it holds, that it is spent once with the answer, and how long it stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from store_values import House

from idp.protocol.request import Once
from idp.store import authorization
from idp.store.pushed import KEPT, Pushed, find_pushed, push, spend_once
from idp.store.schema import codes
from idp.store.schema_protocols import pushed_requests
from idp.store.sweep import START, sweep

pytestmark = pytest.mark.anyio

PAIRS = (("client_id", "app"), ("state", "s"))


def pushing(house: House) -> Once:
    handle = house.name("handle")
    house.write(push, handle, Pushed("app", PAIRS, ("pushed",), house.now, house.now + 60))
    return Once("pushed request", handle, house.now + 60)


def test_what_was_pushed_is_found_as_it_was(house: House) -> None:
    once = pushing(house)
    assert house.read(find_pushed, once.value) == Pushed("app", PAIRS, ("pushed",), house.now, house.now + 60)
    assert house.read(find_pushed, "another") is None
    assert house.write(spend_once, once, house.now) is True
    assert house.read(find_pushed, once.value).spent is True
    assert house.write(spend_once, once, house.now) is False
    assert house.write(spend_once, Once("pushed request", "another", 0.0), house.now) is False


async def test_of_32_tries_one_gives_a_code(house: House) -> None:
    known = house.known(house.sign_in())
    assert known is not None
    for once in (pushing(house), Once("request object", "app jti", house.now + 60)):
        before = house.read(count, codes)
        tries = []
        for _ in range(32):
            new = house.new_code(known)
            tries.append(replace(new, request=replace(new.request, once=once)))
        work = [house.database.write(authorization.issue_code, house.journal, new) for new in tries]
        assert (await asyncio.gather(*work)).count(None) == 31
        assert house.read(count, codes) == before + 1


async def test_yes_in_one_tab_and_no_in_another_are_one_answer(house: House) -> None:
    known = house.known(house.sign_in())
    assert known is not None
    for number in range(4):
        once = pushing(house)

        def deny(name: str, once: Once = once) -> Awaitable[bool]:
            return house.database.write(
                authorization.deny, house.journal, name, house.now + 60, "app", house.now, "alice", once=once
            )

        def agree(name: str, once: Once = once) -> Awaitable[str | None]:
            new = house.new_code(known)
            new = replace(new, request=replace(new.request, once=once), transaction=name, transaction_expires_at=9e9)
            return house.database.write(authorization.issue_code, house.journal, new)

        work = [(deny, agree)[turn % 2](f"{number}-{turn}") for turn in range(16)]
        assert sum(bool(answer) for answer in await asyncio.gather(*work)) == 1


def test_it_stays_as_long_as_a_person_may_take(house: House) -> None:
    once = pushing(house)
    for wait, left in ((KEPT + 60, 1), (0.1, 0)):
        house.now += wait
        place = START
        while place is not None:
            _, place = house.write(sweep, house.now, place)
        assert house.read(count, pushed_requests) == left
    assert house.read(find_pushed, once.value) is None


def count(connection: sa.Connection, table: sa.Table) -> Any:
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
