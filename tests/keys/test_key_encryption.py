"""The key-encryption key: its file, what it seals, and every way it can be wrong at a start."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from key_support import BOTH, PLAN, Clock, kek, keyring, kid_of, published, states, token

from idp.jose import JoseError
from idp.keyring import (
    KeyEncryptionKey,
    KeyEncryptionKeyExists,
    KeyEncryptionKeyKnown,
    KeyEncryptionKeyMalformed,
    KeyEncryptionKeyMismatch,
    KeyEncryptionKeyMissing,
    KeyringError,
    KeyUnreadable,
    UnknownKey,
    generate_key_encryption_key,
    open_to_others,
    parse_key_encryption_ring,
    read_key_encryption_ring,
)
from idp.keyring.material import new_key
from idp.store import keys as store
from idp.store.audit import tail
from idp.store.database import Database

pytestmark = pytest.mark.anyio

WORD = "idp-kek-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
OTHER = "idp-kek-1:HxscHRobGBkWFxQVEhMQEQ4PDA0KCwgJBgcEBQIDAAE"


def test_a_generated_key_is_private_whole_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "kek"
    made = generate_key_encryption_key(path)
    assert read_key_encryption_ring(path).keys == made.keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not open_to_others(path)
    assert os.listdir(path.parent) == ["kek"]
    path.chmod(0o644)
    assert open_to_others(path)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    made = generate_key_encryption_key(path)
    with pytest.raises(KeyEncryptionKeyExists, match="never overwritten"):
        generate_key_encryption_key(path)
    assert read_key_encryption_ring(path).keys == made.keys
    assert os.listdir(tmp_path) == ["kek"]


def test_of_several_makers_exactly_one_makes_it(tmp_path: Path) -> None:
    made: list[object] = []

    def make() -> None:
        try:
            made.append(generate_key_encryption_key(tmp_path / "kek"))
        except KeyEncryptionKeyExists as error:
            made.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(not isinstance(each, Exception) for each in made) == 1


def test_the_first_key_is_the_current_one() -> None:
    ring = parse_key_encryption_ring(f"# new\n{WORD}  # made today\n\n{OTHER}\n", "file")
    assert [key.secret[0] for key in ring.keys] == [0, 31]
    assert ring.current.secret == bytes(range(32))
    assert parse_key_encryption_ring(f"{WORD} {OTHER}", "variable").keys == ring.keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key at all"),
        ("# only a comment\n", "no key at all"),
        (WORD.replace("-1:", "-2:"), "word 1 does not start"),
        (WORD[:-1], "word 1"),
        (WORD + "AA", "word 1"),
        (f"{WORD}\n{WORD[:-3]}!!!", "word 2 is not base64url"),
        (f"{WORD}\n{WORD}", "the same key twice"),
        ("idp-kek-1:" + "A" * 43, "all zeros"),
        ("hunter2-is-the-password", "word 1 does not start"),
    ],
)
def test_a_damaged_file_is_refused_without_repeating_it(text: str, said: str) -> None:
    with pytest.raises(KeyEncryptionKeyMalformed, match=said) as caught:
        parse_key_encryption_ring(text, "/etc/idp/kek")
    message = str(caught.value)
    assert "/etc/idp/kek" in message
    assert "restore" in caught.value.mend
    assert "hunter2" not in message
    assert WORD[12:30] not in message


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyEncryptionKeyMissing, match="idp init"):
        read_key_encryption_ring(tmp_path / "nothing")
    with pytest.raises(KeyEncryptionKeyMissing):
        read_key_encryption_ring(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe" * 16)
    with pytest.raises(KeyEncryptionKeyMalformed, match="UTF-8"):
        read_key_encryption_ring(tmp_path / "binary")
    (tmp_path / "large").write_bytes(b"#" * 70_000)
    with pytest.raises(KeyEncryptionKeyMalformed, match="more than"):
        read_key_encryption_ring(tmp_path / "large")


def test_nothing_prints_the_key() -> None:
    ring = kek("a")
    for shown in (repr(ring), str(ring), repr(ring.current)):
        assert ring.current.secret.hex() not in shown
        assert repr(ring.current.secret) not in shown
        assert ring.current.key_id in shown


def test_sealing_binds_purpose_and_key() -> None:
    key, other = kek("a", "b").keys
    sealed = key.seal("one", b"data", os.urandom)
    assert key.open("one", sealed) == b"data"
    assert key.open("two", sealed) is None
    assert other.open("one", sealed) is None
    assert sealed != key.seal("one", b"data", os.urandom)
    for place in range(8, len(sealed)):
        assert key.open("one", sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]) is None
    for size in range(len(sealed)):
        assert kek("a").open("one", sealed[:size]) is None
    assert kek("b", "a").open("one", sealed) == b"data"


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        KeyEncryptionKey(bytes(16))


async def test_another_key_refuses_the_start_and_changes_nothing(database: Database, clock: Clock) -> None:
    await keyring(database, clock).start()
    before = dump(database)
    with pytest.raises(KeyEncryptionKeyMismatch) as caught:
        await keyring(database, clock, ring=kek("b")).start()
    assert kek("a").current.key_id in caught.value.expected
    assert kek("b").current.key_id in caught.value.received
    assert "--new-kek" in caught.value.mend
    with pytest.raises(KeyEncryptionKeyMismatch):
        await keyring(database, clock, ring=kek("b")).start(repair=True)
    assert dump(database) == before


async def test_two_nodes_with_different_keys_cannot_both_start(database: Database, clock: Clock) -> None:
    await keyring(database, clock, ring=kek("a")).start()
    with pytest.raises(KeyEncryptionKeyMismatch):
        await keyring(database, clock, ring=kek("b", "c")).start()


async def test_a_ring_that_still_holds_the_old_key_starts(database: Database, clock: Clock) -> None:
    await keyring(database, clock, ring=kek("a")).start()
    ring = keyring(database, clock, ring=kek("b", "a"))
    await ring.start()
    clock.move(PLAN.signs)
    await ring.tick()  # what it makes before a rewrap, nodes with the old file can open
    other = keyring(database, clock, ring=kek("a"))
    await other.start()
    assert other.jwks == ring.jwks


def dump(database: Database) -> list[object]:
    tables = (store.keys, store.server_secrets, store.key_encryption)
    return [database.read_now(lambda c, t=table: c.execute(sa.select(t)).all()) for table in tables]  # type: ignore[misc]


def damage(database: Database, kid: str, **values: object) -> None:
    change = sa.update(store.keys).where(store.keys.c.kid == kid).values(values)
    database.write_now(lambda connection: connection.execute(change).rowcount)


def _flip(row: store.StoredKey) -> dict[str, object]:
    assert row.sealed is not None
    return {"sealed": row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])}


DAMAGE: dict[str, Callable[[store.StoredKey], dict[str, object]]] = {
    "private half flipped": _flip,
    "private half cut": lambda row: {"sealed": (row.sealed or b"")[:20]},
    "private half empty": lambda row: {"sealed": b""},
    "private half gone": lambda row: {"sealed": None},
    "private half of another purpose": lambda row: {"sealed": kek("a").current.seal("other", b"x" * 100, os.urandom)},
    "private half no key": lambda row: {
        "sealed": kek("a").current.seal(store.key_purpose(row.life.alg, row.life.kid), b"x" * 100, os.urandom)
    },
    "private half of another key": lambda row: {
        "sealed": kek("a").current.seal(
            store.key_purpose(row.life.alg, row.life.kid), new_key(row.life.alg).private, os.urandom
        )
    },
    "public half no JSON": lambda row: {"jwk": b"\xff{"},
    "public half a list": lambda row: {"jwk": b"[]"},
    "public half of another key": lambda row: {"jwk": new_key(row.life.alg).jwk},
    "public half of another key under this name": lambda row: {
        "jwk": json.dumps({**json.loads(new_key(row.life.alg).jwk), "kid": row.life.kid}).encode()
    },
    "public half under another name": lambda row: {"jwk": new_key(row.life.alg).jwk.replace(b'"kid":"', b'"kid":"x')},
}


@pytest.mark.parametrize("role", ["signing", "waiting"])
@pytest.mark.parametrize("what", DAMAGE)
async def test_tk07_a_damaged_key_refuses_the_start(database: Database, clock: Clock, what: str, role: str) -> None:
    """Neither another key nor another algorithm steps in, and nothing is made; revoking the key mends it."""
    first = keyring(database, clock)
    await first.start()
    kid = next(entry.kid for entry in first.timeline() if entry.alg == "ES256" and entry.state == role)
    [row] = [row for row in database.read_now(store.load_keys) if row.life.kid == kid]
    damage(database, kid, **DAMAGE[what](row))
    before = dump(database)
    with pytest.raises(KeyUnreadable) as caught:
        await keyring(database, clock).start()
    assert kid in caught.value.received
    assert f"idp keys revoke {kid}" in caught.value.mend
    assert dump(database) == before

    command = keyring(database, clock)
    await command.start(repair=True)
    await command.revoke(kid)
    mended = keyring(database, clock)
    await mended.start()
    assert states(mended, "ES256").count("signing") == states(mended, "ES256").count("waiting") == 1
    assert kid not in published(mended)
    assert kid_of(await token(mended, clock)) != kid


async def test_a_running_node_reports_a_damaged_key_and_goes_on(database: Database, clock: Clock) -> None:
    node = keyring(database, clock)
    await node.start()
    clock.move(PLAN.signs)
    other = keyring(database, clock)
    await other.start()
    [new] = {entry.kid for entry in other.timeline() if entry.alg == "ES256"} - {entry.kid for entry in node.timeline()}
    damage(database, new, sealed=b"")
    with pytest.raises(KeyUnreadable):
        await node.tick()
    assert await token(node, clock)
    clock.now = next(entry.signs_from for entry in node.timeline() if entry.kid == new)
    with pytest.raises(KeyUnreadable):
        await token(node, clock)
    assert await token(node, clock, "RS256")


async def test_a_missing_check_value_is_not_made_up(database: Database, clock: Clock) -> None:
    await keyring(database, clock).start()
    database.write_now(lambda connection: connection.execute(sa.delete(store.key_encryption)).rowcount)
    with pytest.raises(KeyUnreadable, match="check value"):
        await keyring(database, clock).start()


async def test_a_damaged_secret_refuses_the_start(database: Database, clock: Clock) -> None:
    await keyring(database, clock).start()
    change = sa.update(store.server_secrets).where(store.server_secrets.c.name == "seal").values(sealed=b"x" * 60)
    database.write_now(lambda connection: connection.execute(change).rowcount)
    with pytest.raises(KeyUnreadable, match='"seal"'):
        await keyring(database, clock).start()


async def test_secrets_are_the_same_on_every_node_and_differ_by_name(database: Database, clock: Clock) -> None:
    nodes = [keyring(database, clock) for _ in range(2)]
    for node in nodes:
        await node.start()
    assert nodes[0].secret("refresh") == nodes[1].secret("refresh")
    assert nodes[0].secret("refresh") != nodes[0].secret("seal")
    assert len(nodes[0].secret("seal")) == 32
    with pytest.raises(UnknownKey, match="refresh, seal"):
        nodes[0].secret("other")
    with pytest.raises(UnknownKey, match="not started"):
        keyring(database, clock).secret("seal")


async def test_sealed_values(database: Database, clock: Clock) -> None:
    nodes = [keyring(database, clock) for _ in range(2)]
    for node in nodes:
        await node.start()
    sealed = nodes[0].seal("login", b"state")
    assert nodes[1].unseal("login", sealed) == b"state"
    assert nodes[1].unseal("consent", sealed) is None
    assert set(sealed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert nodes[0].seal("login", b"state") != sealed
    for place in range(0, len(sealed) - 1):  # the last character may hold loose bits
        other = "A" if sealed[place] != "A" else "B"
        assert nodes[0].unseal("login", sealed[:place] + other + sealed[place + 1 :]) is None
    for wrong in (
        "",
        "A",
        "=",
        "é" * 60,
        "A" * 70_000,
        sealed[:-4],
        sealed + "AAAA",
        sealed + "\n",
        "\ud800",
    ):
        assert nodes[0].unseal("login", wrong) is None
    assert nodes[0].unseal("login", nodes[0].seal("login", b"")) == b""


async def test_rewrap_moves_everything_to_the_first_key(database: Database, clock: Clock) -> None:
    node = keyring(database, clock, ring=kek("a"))
    await node.start()
    secret, compact = node.secret("refresh"), await token(node, clock)
    command = keyring(database, clock, ring=kek("b", "a"))
    await command.start()
    report = await command.rewrap()
    assert (report.old, report.new) == (kek("a").current.key_id, kek("b").current.key_id)
    assert (report.keys, report.secrets) == (4, 4)
    (told,) = [row for row in database.read_now(tail, 100) if row["event"] == "key.rewrapped"]
    assert told["detail"] == {"before": report.old, "after": report.new}
    with pytest.raises(KeyEncryptionKeyMismatch):
        await keyring(database, clock, ring=kek("a")).start()
    new = keyring(database, clock, ring=kek("b"))
    await new.start()
    assert new.secret("refresh") == secret
    assert new.verify(compact, typ=["at+jwt"])
    assert await token(new, clock, "RS256")
    again = await new.rewrap()
    assert again.keys == 0
    assert "already" in again.lines()[0]


async def test_a_node_that_was_running_during_a_rewrap_goes_on(database: Database, clock: Clock) -> None:
    node = keyring(database, clock, ring=kek("a", "b"))
    await node.start()
    command = keyring(database, clock, ring=kek("b", "a"))
    await command.start()
    await command.rewrap()
    clock.move(PLAN.signs)
    await node.tick()  # it makes the next key: under the key the database is sealed under now
    only_new = keyring(database, clock, ring=kek("b"))
    await only_new.start()
    assert only_new.jwks == node.jwks


async def test_a_rewrap_that_cannot_open_everything_changes_nothing(database: Database, clock: Clock) -> None:
    node = keyring(database, clock, ring=kek("b", "a"))
    await keyring(database, clock, ring=kek("a")).start()
    await node.start()
    damage(database, node.signing_kid("RS256"), sealed=b"junk")
    before = dump(database)
    with pytest.raises(KeyUnreadable, match="RS256"):
        await node.rewrap()
    assert dump(database) == before


async def test_starting_over_after_a_lost_key(database: Database, clock: Clock) -> None:
    lost = keyring(database, clock, ring=kek("a"))
    await lost.start()
    compact = {alg: await token(lost, clock, alg) for alg in BOTH}
    sealed = lost.seal("login", b"state")
    clock.move(10)
    command = keyring(database, clock, ring=kek("b"))
    report = await command.rotate(emergency=True, fresh=True, new_kek=True)
    assert report.done
    assert any("Sign-ins under way end" in line for line in report.lines())
    assert any("do not know" in line for line in report.lines())
    assert command.unseal("login", sealed) is None
    node = keyring(database, clock, ring=kek("b"))
    await node.start()
    for alg in BOTH:
        assert node.verify(compact[alg], typ=["at+jwt"])  # the public half is nobody's secret
        assert kid_of(await token(node, clock, alg)) != kid_of(compact[alg])
        assert states(node, alg).count("signing") == states(node, alg).count("waiting") == 1
    clock.move(PLAN.signs)
    await node.tick()
    assert kid_of(await token(node, clock)) in published(node)


async def test_starting_over_is_refused_while_nothing_is_lost(database: Database, clock: Clock) -> None:
    await keyring(database, clock, ring=kek("a")).start()
    before = dump(database)
    with pytest.raises(KeyEncryptionKeyKnown, match="rewrap"):
        await keyring(database, clock, ring=kek("b", "a")).rotate(emergency=True, fresh=True, new_kek=True)
    with pytest.raises(KeyringError, match="said in full"):
        await keyring(database, clock, ring=kek("b")).rotate(new_kek=True)
    assert dump(database) == before


async def test_a_keyring_not_started_signs_nothing(database: Database, clock: Clock) -> None:
    ring = keyring(database, clock)
    with pytest.raises(KeyringError):
        await token(ring, clock)
    with pytest.raises(JoseError):
        ring.verify("a.b.c", typ=["at+jwt"])
