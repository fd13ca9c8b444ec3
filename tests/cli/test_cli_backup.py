"""``idp backup``, ``idp restore``, ``idp migrate`` as typed: with a server and without, and what they refuse."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cli_support import Idp

from idp.testing import RunningServer, running_server

ISSUER = "https://id.example.com"


@pytest.fixture
def installed(idp: Idp, here: Path) -> Path:
    assert idp("init", "--issuer", ISSUER).status == 0
    assert idp("migrate").status == 0
    (here / "pw").write_text("long enough to pass\n")
    assert idp("user", "add", "carol", "--password-file", "pw").status == 0
    return here


def test_there_and_back(idp: Idp, installed: Path) -> None:
    said = idp("backup", "one.backup")
    assert said.status == 0
    assert "one.backup" in said.out
    assert "key-encryption key" in said.out
    assert idp("user", "add", "dave", "--password-file", "pw").status == 0
    assert "overwrites nothing" in idp("backup", "one.backup").err
    refused = idp("restore", "one.backup")
    assert (refused.status, "--replace" in refused.err) == (1, True)
    done = idp("restore", "one.backup", "--replace")
    assert done.status == 0, done.err
    assert "everybody signs in anew" in done.out
    assert "signing" in done.out
    assert "idp keys revoke KID" in done.err
    people = idp("user", "list").out
    assert "carol" in people
    assert "dave" not in people
    tail = idp("audit", "tail", "-n", "50").out
    assert "backup.restored" in tail


def test_restored_elsewhere_with_the_key_and_never_without(idp: Idp, installed: Path, tmp_path: Path) -> None:
    assert idp("backup", "one.backup").status == 0
    (installed / "data" / "idp.sqlite3").unlink()
    key = installed / "keys" / "key-encryption-key"
    kept = key.read_text()
    key.unlink()
    lost = idp("restore", "one.backup")
    assert (lost.status, "idp init" in lost.err) == (1, True)
    key.write_text(kept)
    assert idp("migrate").status == 0, "tables without a row are empty too"
    assert "sessions  kept" in idp("restore", "one.backup", "--keep-sessions").out
    assert "carol" in idp("user", "list").out


def test_a_running_server_writes_the_backup_itself(idp: Idp, here: Path) -> None:
    """Over the control socket: nobody else opens its file (decision 5)."""
    with dev_server(here) as server:
        server.apply('[[people]]\nusername = "erin"\n')
        said = idp("--dev", "backup", "dev.backup")
        assert said.status == 0, said.err
        assert (here / "dev.backup").stat().st_size > 1000
        assert "backup.made" in idp("--dev", "audit", "tail").out
        assert "may write" in idp("--dev", "backup", "nowhere/dev.backup").err


@contextmanager
def dev_server(here: Path) -> Iterator[RunningServer]:
    with running_server(data_dir=here / ".idp") as server:
        yield server


def test_a_newer_schema_is_said_to_be_newer(idp: Idp, installed: Path) -> None:
    with closing(sqlite3.connect(installed / "data" / "idp.sqlite3", isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in (("migrate",), ("serve",), ("user", "list"), ("backup", "x.backup")):
        said = idp(*command)
        assert (said.status, "run the newer idp" in said.err) == (1, True), command


def test_a_locked_database_is_not_migrated_and_says_so(idp: Idp, installed: Path) -> None:
    with closing(sqlite3.connect(installed / "data" / "idp.sqlite3", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        said = idp("migrate")
        assert said.status == 1
        assert "nothing was changed" in said.err
