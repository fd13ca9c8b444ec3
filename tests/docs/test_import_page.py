"""docs/import.md: its commands, typed in a Django site's folder, and what it says of formats and columns."""

from __future__ import annotations

import re
import shlex
import sqlite3
from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks, missing

from idp import manifest_hashes
from idp.cli.group import run
from idp.manifest_import import COLUMNS

PAGE = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
BLOCKS = list(blocks(PAGE))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven people, two of them with one e-mail address."""
    monkeypatch.chdir(tmp_path)
    for name in ("IDP_SETTINGS", "IDP_ISSUER", "IDP_DATA_DIR", "IDP_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    with sqlite3.connect("db.sqlite3") as connection:
        columns = "username, password, email, first_name, last_name, is_active"
        connection.execute(f"CREATE TABLE auth_user (id integer PRIMARY KEY, {columns})")
        names = ("eve", "bob", "ada", "ada2", "kim", "lee", "zoe")
        mails = ("eve", "bob", "ada", "ada", "kim", "lee", "zoe")
        people = [(name, "!", f"{mail}@example.com", "", "", 1) for name, mail in zip(names, mails, strict=True)]
        connection.executemany(f"INSERT INTO auth_user ({columns}) VALUES (?, ?, ?, ?, ?, ?)", people)
    connection.close()
    csv = next(block for block in BLOCKS if block.language == "csv")
    (tmp_path / "people.csv").write_text("\n".join(csv.lines).replace("ada,", "ada3,").replace("ada@", "ada3@"))
    return tmp_path


def test_the_commands_of_the_page_do_what_it_shows(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    for number, block in enumerate(BLOCKS):
        for line in block.lines if block.language == "sh" else ():
            status = run(shlex.split(line)[1:])
            said = capfd.readouterr().out.splitlines()
            shown = BLOCKS[number + 1] if number + 1 < len(BLOCKS) else block
            assert status == (1 if shown.language == "text" else 0), line
            if shown.language == "text":
                assert missing(shown.lines, said, {}) is None
    run(["user", "list"])
    listed = capfd.readouterr().out
    assert "django:3" in listed
    assert len(listed.splitlines()) == 1 + 6 + 1


def test_its_formats_and_limits_are_the_code_s() -> None:
    table = PAGE[PAGE.index("## Formats") : PAGE.index("## At the first sign-in")]
    for accepted in manifest_hashes.ACCEPTED:
        for form in re.findall(r"[$a-z0-9_:=-]+[$:](?=[, ])|\$\S+\$", accepted):
            assert f"`{form}" in table, form
    assert f"{manifest_hashes.MOST_ITERATIONS:,} iterations" in table
    assert manifest_hashes.MOST_ARGON2_MEMORY == 256 * 1024
    assert f"{manifest_hashes.MOST_ARGON2_PASSES} passes" in table
    assert f"cost {manifest_hashes.MOST_BCRYPT_COST}" in table
    assert manifest_hashes.MOST_SCRYPT_MEMORY == 256 * 2**20
    assert manifest_hashes.MOST_SCRYPT_WORK == 512 * 2**20
    assert f"{manifest_hashes.LONGEST} characters" in table


def test_its_columns_exist() -> None:
    table = PAGE[PAGE.index("## From a CSV file") : PAGE.index("## Which rows are rejected")]
    named = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    for name in re.findall(r"`([a-z_.]+)`", " ".join(named)):
        assert name in COLUMNS
