"""docs/keys.md and keys/README.md: the days on which an operator does something about keys, as commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from doc_blocks import ROOT

from idp.cli.group import run
from idp.keyring import generate_key_encryption_key
from idp.protocol.key_plan import KeyPlan
from idp.settings import load

PAGE = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new installation in its own folder, its keys made; answers the key-encryption file."""
    monkeypatch.chdir(tmp_path)
    for name in ("IDP_SETTINGS", "IDP_ISSUER", "IDP_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert run(["init", "--issuer", "https://id.example.com"]) == 0
    assert run(["migrate"]) == 0
    assert run(["keys", "list"]) == 0
    return tmp_path / "keys" / "key-encryption-key"


def fresh_key(folder: Path) -> str:
    generate_key_encryption_key(folder / "another")
    return (folder / "another").read_text(encoding="utf-8")


def test_a_lost_key_encryption_key_is_answered_by_the_command_said_in_full(
    installation: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    installation.write_text(fresh_key(tmp_path), encoding="utf-8")
    assert run(["keys", "list"]) == 1
    command = "idp keys rotate --emergency --fresh --new-kek"
    assert command in PAGE
    assert command in capfd.readouterr().err, "the refusal names the way on"
    assert run(["keys", "rotate", "--new-kek"]) == 1
    assert run(command.split()[1:]) == 0
    assert "Sign-ins under way end" in capfd.readouterr().out
    assert run(["keys", "list"]) == 0


def test_it_is_refused_while_nothing_is_lost(installation: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "rotate", "--emergency", "--fresh", "--new-kek"]) == 1
    assert "rewrap" in capfd.readouterr().err


def test_the_key_encryption_key_is_changed_in_the_three_steps_of_the_page(
    installation: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old, new = installation.read_text(encoding="utf-8"), fresh_key(tmp_path)
    installation.write_text(new + old, encoding="utf-8")
    assert "`idp keys rewrap`" in PAGE
    assert run(["keys", "rewrap"]) == 0
    assert "4 private keys and 4 secrets are sealed under" in capfd.readouterr().out
    installation.write_text(new, encoding="utf-8")
    assert run(["keys", "list"]) == 0
    shutil.copy(tmp_path / "another", installation)
    installation.write_text(old, encoding="utf-8")
    assert run(["keys", "list"]) == 1


def test_the_numbers_of_the_page_are_the_settings() -> None:
    dev = load(None, {}, "dev").keys
    served = KeyPlan()
    assert (served.signs, served.lead, served.longest_cache) == (90 * 86_400, 86_400 + 60, 86_400)
    assert "| a key waits at least | 24 h and 1 min | 11 s |" in PAGE
    assert KeyPlan(longest_cache=dev.longest_cache).lead == 11
    assert "| verifiers are told to keep the set for | 5 min | 5 s |" in PAGE
    assert dev.jwks_max_age == 5
