"""docs/sign-up.md: its command, typed beside a server where anybody may sign up; its numbers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from doc_blocks import ROOT, blocks, missing

from idp.settings_sign_up import SignUp
from idp.testing import running_server

PAGE = (ROOT / "docs" / "sign-up.md").read_text(encoding="utf-8")


def test_its_command_answers_as_it_says(tmp_path: Path) -> None:
    first, asking, answer = list(blocks(PAGE))
    assert first.lines == ("# first terminal", "IDP_SIGN_UP_OPEN=true idp dev")
    with running_server(sign_up__open=True) as server:
        port = server.issuer.rpartition(":")[2]
        script = "\n".join(asking.lines).replace("8000", port)
        ran = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert missing(list(answer.lines), ran.stdout.splitlines(), {}) is None, ran.stdout + ran.stderr


def test_its_numbers_are_the_defaults() -> None:
    assert f"({SignUp().network} an hour)" in PAGE
    assert SignUp().network_window == 3600
    assert SignUp().open is False
