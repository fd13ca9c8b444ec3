"""A provider on a loopback port, and commands run beside it as an operator would."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from seeing_support import Idp, Said

from idp.cli.group import run
from idp.testing import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(keys__longest_cache=1, keys__jwks_max_age=1) as started:
        yield started


@pytest.fixture
def idp(server: RunningServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Idp:
    """``idp("why", token)``, with the running provider's data folder."""
    for name in [name for name in os.environ if name.startswith("IDP_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(server.data_dir)
    monkeypatch.setenv("IDP_DATA_DIR", str(server.data_dir))
    monkeypatch.setenv("IDP_KEYS_LONGEST_CACHE", "1")
    monkeypatch.setenv("IDP_KEYS_JWKS_MAX_AGE", "1")

    def command(*arguments: str) -> Said:
        capfd.readouterr()
        status = run(arguments)
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return command
