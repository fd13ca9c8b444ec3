"""docs/client-keys.md and docs/signed-answers.md: their apps run as they stand, their numbers are the code's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_blocks import ROOT, Block, blocks

from idp import outbound
from idp.jose.jwks_rules import CacheLimits
from idp.jose.keyset import MAX_KEYS
from idp.jose.shared_secret import MAC_ALGORITHMS, MOST_OCTETS, least_octets
from idp.protocol.client import Client
from idp.testing import RunningServer, running_server

KEYS = (ROOT / "docs" / "client-keys.md").read_text(encoding="utf-8")
SIGNED = (ROOT / "docs" / "signed-answers.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def parts(page: str) -> tuple[Block, Block, str]:
    """The first table, the app, and what the page says that it prints."""
    found = list(blocks(page))
    table, app = (next(block for block in found if block.language == kind) for kind in ("toml", "python"))
    said = re.search(r"^It prints `(.+)`\.$", page, re.MULTILINE)
    assert said is not None
    return table, app, said[1]


@pytest.mark.parametrize("page", [KEYS, SIGNED], ids=["client-keys", "signed-answers"])
def test_the_app_of_the_page_prints_what_it_says(
    server: RunningServer, tmp_path: Path, free_port: object, page: str
) -> None:
    table, app, said = parts(page)
    port = str(free_port()) if callable(free_port) else ""

    def here(block: Block) -> str:
        return "\n".join(block.lines).replace("http://localhost:8000", server.issuer).replace("8003", port)

    server.apply(here(table))
    program = tmp_path / "app.py"
    program.write_text(here(app))
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == said


def test_the_till_of_the_page_applies(server: RunningServer) -> None:
    till = next(block for block in blocks(KEYS) if block.language == "toml" and "till" in "".join(block.lines))
    (server.data_dir / "till-secret").write_text("s" * 40)
    assert server.apply("\n".join(till.lines))["changed"] == 1


def test_the_numbers_are_the_code_s() -> None:
    text, limits = " ".join(KEYS.split()), CacheLimits()
    assert f"none for such reasons for {limits.cooldown:g} seconds" in text
    assert limits.most_age == 86_400
    assert "at most a day" in text
    assert f"{limits.default_age / 60:g} minutes where it says nothing" in text
    assert f"serve on for {limits.stale / 3600:g} hours" in text
    assert f"between {limits.least_stale / 3600:g} and {limits.most_stale / 3600:g}" in text
    assert f"{outbound.SECONDS:g} seconds and {outbound.MAX_BODY // 1024} KB" in text
    assert f"at most {MAX_KEYS} keys" in text
    least = [least_octets(alg) for alg in MAC_ALGORITHMS]
    assert "has {} to {} characters for HS256, {} for HS384, {} for HS512".format(
        least[0], MOST_OCTETS, *least[1:]
    ) in text


def test_the_defaults_are_the_client_s() -> None:
    client = Client(client_id="x")
    for member, default in re.findall(r"\| `(\w+_signed_response_alg)` \| (\S+)", KEYS):
        assert str(getattr(client, member)).lower() == default.strip("`:").lower()
