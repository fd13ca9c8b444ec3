"""Registering clients in the database: an initial token counts exactly, and removing races with using."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from store_values import House

from idp.protocol.client import Client
from idp.store import initial_tokens, registrations
from idp.store.initial_tokens import InitialToken
from idp.store.registrations import NewClient, Registered
from idp.store.schema import clients
from idp.store.schema_protocols import registrations as table

HASH = hashlib.sha256(b"the initial token").digest()
RAT = hashlib.sha256(b"the registration access token").digest()


def client(number: int) -> Client:
    return Client(client_id=f"r{number}", redirect_uris=(f"https://r{number}.test/cb",), registered=True)


def new(house: House, number: int, initial: bytes | None = None) -> NewClient:
    return NewClient(client(number), RAT, initial, house.now)


def tried(house: House, work: list[Any]) -> list[Any]:
    """All at once: on SQLite in turn, as one process does; on PostgreSQL each on a connection of its own."""
    if house.database.__class__.__name__ == "Database":
        return [each() for each in work]
    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(lambda each: each(), work))


def count(connection: Connection) -> tuple[int, int]:
    numbers = [connection.execute(sa.select(sa.func.count()).select_from(one)).scalar_one() for one in (clients, table)]
    return numbers[0], numbers[1]


def test_of_32_at_once_a_token_registers_exactly_as_many_as_it_says(house: House) -> None:
    token = InitialToken("ci", 7, house.now, house.now + 60)
    assert house.write(initial_tokens.add_initial_token, house.journal, token, HASH)
    before = house.read(count)
    work = [lambda n=n: house.write(registrations.register, house.journal, new(house, n, HASH)) for n in range(32)]
    assert sorted(tried(house, work)) == [False] * 25 + [True] * 7
    assert house.read(count) == (before[0] + 7, before[1] + 7), "a refused one leaves nothing"
    [left] = house.read(initial_tokens.list_initial_tokens)
    assert left.uses_left == 0
    house.write(initial_tokens.remove_initial_token, house.journal, "ci", house.now)


@pytest.mark.parametrize("later", [0.0, 59.9, 60.0])
def test_a_token_is_good_to_its_last_moment(house: House, later: float) -> None:
    token = InitialToken("short", 1, house.now, house.now + 60)
    house.write(initial_tokens.add_initial_token, house.journal, token, HASH)
    assert house.read(initial_tokens.is_good, HASH, house.now + later) is (later < 60)
    assert not house.write(initial_tokens.add_initial_token, house.journal, token, RAT), "each name once"


def test_of_two_changes_of_one_entry_the_second_is_told(house: House) -> None:
    house.write(registrations.register, house.journal, new(house, 1))
    found = house.read(registrations.find_registered, "r1")
    assert isinstance(found, Registered)
    work = [
        lambda n=n: house.write(
            registrations.update_registered,
            house.journal,
            found,
            Client(client_id="r1", client_name=f"n{n}", registered=True),
            ["client_name"],
            house.now,
        )
        for n in range(8)
    ]
    assert sorted(tried(house, work)) == [False] * 7 + [True]


def test_of_many_removals_one_counts_and_a_change_after_it_finds_nothing(house: House) -> None:
    house.write(registrations.register, house.journal, new(house, 2))
    found = house.read(registrations.find_registered, "r2")
    assert found is not None
    work = [
        lambda: house.write(registrations.unregister, house.journal, "r2", house.now, "by its owner") for _ in range(8)
    ]
    assert sorted(tried(house, work)) == [False] * 7 + [True]
    changed = ["client_name"]
    assert not house.write(registrations.update_registered, house.journal, found, found.client, changed, house.now)
    assert house.read(registrations.find_registered, "r2") is None
    assert house.read(registrations.removed, house.now + 1, 10) == [("r2", False)]
    house.write(registrations.forgotten, ["r2"])
    assert house.read(registrations.removed, house.now + 1, 10) == []


def test_one_that_was_used_at_the_last_moment_stays(house: House) -> None:
    for number in (3, 4):
        house.write(registrations.register, house.journal, new(house, number))
    assert house.read(registrations.unused, house.now + 1, 10) == ["r3", "r4"]
    house.write(registrations.write_first_uses, [("r3", house.now)])
    gone = [
        house.write(registrations.unregister, house.journal, name, house.now, "unused", if_unused=True)
        for name in ("r3", "r4")
    ]
    assert gone == [False, True]
    assert house.read(registrations.unused, house.now + 1, 10) == []
