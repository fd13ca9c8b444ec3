"""docs/jwt-bearer.md: its file with a partner's key, its commands with what that partner signs."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks, missing
from joserfc import jwt
from joserfc.jwk import ECKey
from test_first_lesson import Terminal, shell

PAGE = list(blocks((ROOT / "docs" / "jwt-bearer.md").read_text(encoding="utf-8")))


@pytest.mark.timeout(90)
def test_the_example_runs_as_printed(tmp_path: Path, free_port: Callable[[], int]) -> None:
    key, port = ECKey.generate_key("P-256", parameters={"kid": "partner-1"}), str(free_port())
    file = "\n".join(next(block.lines for block in PAGE if block.language == "toml"))
    for name, value in key.as_dict(private=False).items():
        file = re.sub(rf'^{name} = "[^"]*"$', f"{name} = {json.dumps(value)}", file, flags=re.MULTILINE)
    (tmp_path / "example.toml").write_text(file, encoding="utf-8")
    now = int(time.time())
    claims = {"iss": "https://partner.example", "sub": "alice", "aud": f"http://localhost:{port}", "jti": "1"}
    signed = jwt.encode({"alg": "ES256", "kid": "partner-1"}, {**claims, "iat": now, "exp": now + 300}, key)
    (tmp_path / "assertion").write_text(signed, encoding="utf-8")
    options = shell(int(port))
    server = subprocess.Popen(["idp", "dev", "--apply", "example.toml"], cwd=tmp_path, **options)
    typed = subprocess.Popen(["sh"], cwd=tmp_path, stdin=subprocess.PIPE, **options)
    try:
        first, second = Terminal(server), Terminal(typed)
        while not first.lines.get(timeout=30).startswith("idp dev  http"):
            pass
        commands = next(block.lines for block in PAGE if block.language == "sh")
        said = [line for command in commands for line in second.type(command.replace("8000", port))]
        shown = next(block.lines for block in PAGE if block.language == "text")
        assert missing(shown, said, {}) is None, said
    finally:
        for process in (typed, server):
            process.terminate()
            process.wait(30)
