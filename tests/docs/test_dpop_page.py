"""docs/dpop.md and docs/fapi2.md: their programs run as printed, and their numbers are those of the code."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import ROOT, Block, blocks, missing

from idp.jose.dpop import LEEWAY, MAX_AGE
from idp.protocol.dpop import NONCE_SECONDS
from idp.protocol.fapi2 import CODE_LIFETIME
from idp.testing import RunningServer, running_server
from idp.verify.proofs import _MOST

DPOP, FAPI2 = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("dpop.md", "fapi2.md"))


def found(page: str, language: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == language]


def run(server: RunningServer, folder: Path, name: str, program: Block, *words: str) -> list[str]:
    text = "\n".join(program.lines).replace("http://localhost:8000", server.issuer)
    (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, name, *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_robot_gets_a_token_only_it_can_use(tmp_path: Path) -> None:
    with running_server() as server:
        server.apply("\n".join(found(DPOP, "toml")[0].lines))
        said = run(server, tmp_path, "robot.py", found(DPOP, "python")[0])
    assert missing(found(DPOP, "text")[0].lines, said, {}) is None, said


def test_the_api_of_the_page_answers_as_it_says() -> None:
    class Request:
        method = "GET"

        class headers:
            raw: tuple[tuple[bytes, bytes], ...] = ()

    names: dict[str, Any] = {}
    exec(compile(ast.parse("\n".join(found(DPOP, "python")[1].lines)), "dpop.md", "exec"), names)
    status, headers = asyncio.run(names["notes"](Request))
    assert (status, headers["WWW-Authenticate"][:12]) == (401, 'DPoP algs="E')


def test_the_bank_registers_and_gets_its_token(tmp_path: Path) -> None:
    program = found(FAPI2, "python")[0]
    with running_server() as server:
        server.apply("\n".join(run(server, tmp_path, "bank.py", program, "entry")))
        said = run(server, tmp_path, "bank.py", program, "token")
    assert missing(found(FAPI2, "text")[0].lines, said, {}) is None, said


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (DPOP, f"at most {MAX_AGE:g} s old and at most {LEEWAY:g} s ahead"),
        (DPOP, f"({_MOST:,} proofs)"),
        (DPOP, f"windows of {['', 'one', 'two'][int(NONCE_SECONDS / 60)]} minutes"),
        (FAPI2, f"cut to {CODE_LIFETIME:g} s"),
    ],
)
def test_the_numbers_are_the_codes(page: str, words: str) -> None:
    assert words in " ".join(page.split())
