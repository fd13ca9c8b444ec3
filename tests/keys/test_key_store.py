"""The tables alone: steps happen whole or not at all, and only to the ring they were planned for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from key_support import START, open_database

from idp.protocol.key_changes import Begin, Delete, DropPrivate, End, Make, Revoke, Step
from idp.protocol.key_plan import KeyLife
from idp.store import keys as store
from idp.store.audit import Journal, tail
from idp.store.database import Database

FIRST = Make("ES256", 1, START, START, START + 10)
SECOND = Make("ES256", 2, START, START + 10, START + 20)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "sqlite":
        found = open_database(tmp_path / "idp.db")
        yield found
        found.close()
        return
    from support.postgres import emptied

    with emptied(request.getfixturevalue("cluster")) as bridge:
        yield bridge


@pytest.fixture
def journal(database: Database) -> Journal:
    database.write_now(store.first_proof, store.Proof("kek", b"proof"))
    journal = Journal("test")
    apply(database, journal, FIRST, SECOND)
    return journal


def apply(database: Database, journal: Journal, *steps: Step, under: str = "kek") -> None:
    material = {
        (step.alg, step.generation): store.Material(f"k{step.generation}", b"{}", b"sealed")
        for step in steps
        if isinstance(step, Make)
    }
    database.write_now(store.apply_steps, journal, START + 1, under, steps, material, "test")


def lives(database: Database) -> dict[str, KeyLife]:
    return {row.life.kid: row.life for row in database.read_now(store.load_keys)}


def test_what_is_written_is_what_is_read(database: Database, journal: Journal) -> None:
    assert lives(database) == {
        "k1": KeyLife("k1", "ES256", 1, START, START, START + 10),
        "k2": KeyLife("k2", "ES256", 2, START, START + 10, START + 20),
    }


@pytest.mark.parametrize(
    "step",
    [
        SECOND,
        Begin("k2", START + 11, START + 1, START + 11, "k1"),
        Begin("nobody", START + 10, START + 1, START + 11, "k1"),
        Revoke("nobody"),
        Delete("nobody"),
    ],
)
def test_a_step_for_another_ring_undoes_its_companions(database: Database, journal: Journal, step: Step) -> None:
    before, lines = lives(database), database.read_now(tail, 100)
    with pytest.raises(store.Lost):
        apply(database, journal, End("k1", START + 5), Make("ES256", 3, START, START + 20, START + 30), step)
    assert lives(database) == before
    assert database.read_now(tail, 100) == lines


def test_a_step_that_was_done_is_not_done_again(database: Database, journal: Journal) -> None:
    begin = Begin("k2", START + 10, START + 1, START + 11, "k1")
    apply(database, journal, begin)
    with pytest.raises(store.Lost):
        apply(database, journal, begin)
    apply(database, journal, Revoke("k2"))
    for step in (Revoke("k2"), Begin("k2", START + 1, START + 2, START + 12, "k1")):
        with pytest.raises(store.Lost):
            apply(database, journal, step)


def test_another_key_encryption_key_may_change_nothing(database: Database, journal: Journal) -> None:
    before = lives(database)
    with pytest.raises(store.KeyEncryptionChanged):
        apply(database, journal, Revoke("k2"), under="other")
    with pytest.raises(store.KeyEncryptionChanged):
        database.write_now(store.create_secret, "other", "name", b"sealed")
    assert lives(database) == before
    assert database.read_now(store.load_secrets) == {}


def test_a_database_is_bound_once_and_a_secret_made_once(database: Database, journal: Journal) -> None:
    with pytest.raises(store.Lost):
        database.write_now(store.first_proof, store.Proof("other", b"proof"))
    database.write_now(store.create_secret, "kek", "name", b"one")
    with pytest.raises(store.Lost):
        database.write_now(store.create_secret, "kek", "name", b"two")
    assert database.read_now(store.load_proof) == store.Proof("kek", b"proof")
    assert database.read_now(store.load_secrets) == {"name": b"one"}


def test_the_mark_only_moves_forward_and_not_for_the_revoked(database: Database, journal: Journal) -> None:
    assert database.write_now(store.reserve, "k1", START + 900) == START + 900
    assert database.write_now(store.reserve, "k1", START + 600) == START + 900
    assert lives(database)["k1"].mark == START + 900
    assert database.write_now(store.reserve, "nobody", START) is None
    apply(database, journal, Revoke("k1"))
    assert database.write_now(store.reserve, "k1", START + 1200) is None


def test_ends_of_a_private_half(database: Database, journal: Journal) -> None:
    apply(database, journal, DropPrivate("k1"), Revoke("k2"))
    assert [(row.life.has_private, row.sealed) for row in database.read_now(store.load_keys)] == [(False, None)] * 2
    apply(database, journal, Delete("k1"))
    assert set(lives(database)) == {"k2"}
    events = [(line["event"], line["detail"]["kid"]) for line in database.read_now(tail, 100)]
    assert events == [
        ("key.created", "k1"),
        ("key.created", "k2"),
        ("key.revoked", "k2"),
        ("key.deleted", "k1"),
    ]
