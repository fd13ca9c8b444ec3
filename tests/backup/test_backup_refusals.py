"""What is not restored: another key's, another issuer's, a newer program's, a damaged file; and where nothing is put.

After each refusal the target is as it was.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from homes import Home, backup

from idp.control import ControlError
from idp.control.backup_file import Header, blocks, read_header, write
from idp.control.calling import only_opener
from idp.keyring import KeyEncryptionKeyMismatch, KeyringError, generate_key_encryption_key, read_key_encryption_ring

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Made once, because its keys cost 0.2 s: the backup is in its folder."""
    folder = tmp_path_factory.mktemp("backed-up")
    home = Home(folder / "home", None, folder / "kek")
    async with home.provider() as provider:
        await backup(provider, folder / "b")
    return home


@pytest.fixture
def made(backed_up: Home, tmp_path: Path) -> Path:
    """A backup, and beside it the key that every home of this test has."""
    shutil.copy(backed_up.kek, tmp_path / "kek")
    return shutil.copy(backed_up.folder.parent / "b", tmp_path / "b")


async def refusal(home: Home, file: Path, **options: Any) -> ControlError | KeyringError:
    before = await home.tables()
    with pytest.raises((ControlError, KeyringError)) as refused:
        await home.restore(file, **options)
    assert await home.tables() == before
    found: ControlError | KeyringError = refused.value
    assert found.rule
    assert found.mend
    return found


async def test_another_key_encryption_key_opens_nothing(kind: str, made, homes, tmp_path: Path) -> None:
    there = homes(kind)
    right = read_key_encryption_ring(there.kek).current.key_id
    there.kek = tmp_path / "other-kek"
    generate_key_encryption_key(there.kek)
    refused = await refusal(there, made)
    assert isinstance(refused, KeyEncryptionKeyMismatch)
    assert right in refused.expected, "the key that is needed is named"


async def test_another_issuers_backup_is_refused_unless_it_is_a_rehearsal(made, homes) -> None:
    there = homes("sqlite")
    refused = await refusal(there, made, issuer="http://127.0.0.1:9000")
    assert "--other-issuer" in refused.mend
    done = await there.restore(made, issuer="http://127.0.0.1:9000", other_issuer=True)
    assert done["issuer"] == "http://localhost:8000"


async def test_a_newer_schema_is_refused(made, homes, tmp_path: Path) -> None:
    there, newer = homes("sqlite"), tmp_path / "newer"
    ring = read_key_encryption_ring(there.kek)
    header = Header("http://localhost:8000", "9999", 0.0, "9.9")
    write(newer, header, ring.current, lambda size: b"r" * size, lambda put: None)
    refused = await refusal(there, newer)
    assert "9999, made by idp 9.9" in refused.received


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off in the header": lambda data: data[:40],
    "cut off in the sealed key": lambda data: data[:200],
    "cut off in the first piece": lambda data: data[:1000],
    "without its last byte": lambda data: data[:-1],
    "with one more": lambda data: data + b"\0",
    "twice": lambda data: data * 2,
    "empty": lambda data: b"",
    "of another kind": lambda data: b"PK" + data[2:],
    "a header that says another time": lambda data: data.replace(b'"made_at":18', b'"made_at":17', 1),
    "a byte of the key turned": lambda data: turned(data, data.index(b"}") + 40),
    "a byte of the rows turned": lambda data: turned(data, len(data) // 2),
    "a byte of the last tag turned": lambda data: turned(data, len(data) - 1),
}


def turned(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_file_that_is_not_what_was_written_is_refused_whole(made, homes, change, tmp_path: Path) -> None:
    there, damaged = homes("sqlite"), tmp_path / "damaged"
    damaged.write_bytes(change(made.read_bytes()))
    assert await refusal(there, damaged)


def test_a_piece_of_another_backup_or_another_place_does_not_fit(made: Path, tmp_path: Path) -> None:
    """Even with every piece genuine: one left out, two changed places, one of another file under the same key."""
    ring = read_key_encryption_ring(tmp_path / "kek")
    header = Header("http://localhost:8000", "0002", 0.0, "0.1.0")

    def fill(put: Any) -> None:
        put(random.Random(1).randbytes(900_000))  # what cannot be compressed: four pieces

    files = []
    for number in (1, 2):
        path = tmp_path / f"long-{number}"
        write(path, header, ring.current, lambda size, n=number: bytes([n]) * size, fill)
        files.append(split(path.read_bytes()))
    head, pieces = files[0]
    assert len(pieces) == 4
    for changed in (
        [pieces[0], *pieces[2:]],
        [pieces[1], pieces[0], *pieces[2:]],
        pieces[:-1],
        [*pieces, pieces[-1]],
        [files[1][1][0], *pieces[1:]],
    ):
        path = tmp_path / "changed"
        path.write_bytes(head + b"".join(changed))
        assert read_header(path, ring) == header
        with pytest.raises(KeyringError, match="whole or not at all"):
            list(blocks(path, ring))


def split(data: bytes) -> tuple[bytes, list[bytes]]:
    magic = data.index(b"\n") + 1
    start = magic + 4 + int.from_bytes(data[magic : magic + 4]) + 68
    head, pieces = data[:start], []
    while start < len(data):
        size = 4 + int.from_bytes(data[start : start + 4])
        pieces.append(data[start : start + size])
        start += size
    return head, pieces


async def test_a_full_database_is_never_filled(kind: str, made, homes) -> None:
    there = homes(kind)
    async with there.provider():
        pass
    before = await there.rows()
    assert "--replace" in (await refusal(there, made)).mend
    assert await there.rows() == before


async def test_tables_of_another_program_are_never_taken_away(kind: str, made, homes) -> None:
    there = homes(kind)
    await there.execute("CREATE TABLE clients (x INTEGER)")
    for options in ({}, {"replace": True}):
        assert "did not make" in (await refusal(there, made, **options)).received


async def test_a_database_of_a_newer_program_is_not_replaced(kind: str, made, homes) -> None:
    there = homes(kind)
    async with there.provider():
        pass
    await there.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer idp" in (await refusal(there, made, replace=True)).mend


async def test_while_a_server_runs_nothing_is_restored(kind: str, made, homes) -> None:
    there = homes(kind)
    async with there.provider() as provider:
        before = provider.server.keyring.jwks
        if kind == "sqlite":
            with only_opener(there.folder), pytest.raises(ControlError, match="one process opens the database"):
                await there.restore(made, replace=True)
        else:
            with pytest.raises(ControlError, match="every server is stopped"):
                await there.restore(made, replace=True)
        await provider.server.keyring.tick()
        assert provider.server.keyring.jwks == before
    assert (await there.restore(made, replace=True))["rows"]


async def test_rows_that_do_not_add_up_are_refused_and_undone(kind: str, made, homes, tmp_path: Path) -> None:
    """Genuine pieces of a program that went wrong: a missing end, a table unknown, a row too few."""
    there = homes(kind)
    ring = read_key_encryption_ring(there.kek)
    header = read_header(made, ring)
    row = ["epoch", ["id", "value"], [[1, 7]]]
    wrong = {
        "missing": [row],
        "does not have": [["nowhere", ["id"], [[1]]]],
        "columns of": [["epoch", ["id", "nothing"], [[1, 2]]]],
        "where": [row, ["", ["epoch"], [[2]]]],
        "follows": [["", ["epoch"], [[0]]], row],
        "does not fit": [["marks", ["name", "at"], [[None, 1.0]]]],
        "says nothing": [{}],
    }
    for number, (said, content) in enumerate(wrong.items()):
        path = tmp_path / f"wrong-{number}"

        def fill(put: Any, content: Any = content) -> None:
            for block in content:
                put(msgspec.msgpack.encode(block))

        write(path, header, ring.current, lambda size: b"r" * size, fill)
        assert said in (await refusal(there, path)).received


async def test_a_backup_that_fails_leaves_no_file(made, homes, tmp_path: Path) -> None:
    home, file = homes("sqlite"), made
    async with home.provider() as provider:
        for path, rule in ((file, "overwrites nothing"), (tmp_path / "nowhere" / "b", "may write")):
            with pytest.raises(ControlError, match=rule):
                await backup(provider, path)
        provider.server.database.path.rename(tmp_path / "away")
        with pytest.raises(ControlError, match="the database answers"):
            await backup(provider, tmp_path / "new")
        (tmp_path / "away").rename(provider.server.database.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "home-0", "kek"]
