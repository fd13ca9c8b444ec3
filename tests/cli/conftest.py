"""Commands run in this process, in a folder of their own, with an environment of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_support import Idp, Issuer, Said

from idp.cli.group import run
from idp.jose import LocalSigner, generate_private_key


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the working directory, and no IDP_* variable."""
    for name in [name for name in os.environ if name.startswith("IDP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def idp(here: Path, capfd: pytest.CaptureFixture[str]) -> Idp:
    """``idp("decode", token)`` -> exit status and both outputs."""

    def command(*arguments: str) -> Said:
        capfd.readouterr()
        status = run(arguments)
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return command


@pytest.fixture(scope="session")
def issuers() -> Callable[[str], Issuer]:
    made: dict[str, Issuer] = {}

    def issuer(alg: str = "ES256") -> Issuer:
        if alg not in made:
            made[alg] = Issuer(LocalSigner(generate_private_key(alg), f"key-{alg}", alg))
        return made[alg]

    return issuer


@pytest.fixture
def issuer(issuers: Callable[[str], Issuer]) -> Issuer:
    return issuers("ES256")
