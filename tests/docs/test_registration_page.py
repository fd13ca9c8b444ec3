"""docs/registration.md: its commands, typed in a shell beside a server that lets anybody register; its numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from doc_blocks import ROOT, blocks, missing

from idp.settings_described import describe
from idp.settings_registration import Registration
from idp.testing import running_server
from idp.web.json_body import MAX_DEPTH

PAGE = (ROOT / "docs" / "registration.md").read_text(encoding="utf-8")
DEFAULTS = Registration()


def test_the_commands_of_the_page_answer_as_it_says(tmp_path: Path) -> None:
    first, *others = list(blocks(PAGE))
    assert first.lines == ("# first terminal", "IDP_REGISTRATION_MODE=open idp dev")
    with running_server(registration__mode="open") as server:
        port = server.issuer.rpartition(":")[2]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        environ = {
            **plain,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{plain.get('PATH', '')}",
            "IDP_LISTEN_PORT": port,
            "IDP_DATA_DIR": str(server.data_dir),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        typed: list[str] = []
        for block, after in zip(others, [*others[1:], None], strict=True):
            if block.language != "sh":
                continue
            # A new line after each answer, as a prompt would begin one.
            lines = [line.replace("8000", port) for line in block.lines]
            script = "\n".join([*typed, *(f"{line}\necho" for line in lines)])
            typed += [line for line in lines if "() {" in line]
            ran = subprocess.run(["sh"], input=script, cwd=tmp_path, env=environ, capture_output=True, text=True)
            shown = [line.replace("8000", port) for line in after.lines] if after and after.language == "text" else []
            lacking = missing(shown, ran.stdout.splitlines(), {})
            assert lacking is None, f"line {block.line}: {lacking!r} is not in\n{ran.stdout}{ran.stderr}"


def test_its_numbers_are_the_defaults() -> None:
    text = " ".join(PAGE.split())
    assert f"{DEFAULTS.network} registrations an hour" in text
    assert DEFAULTS.network_window == 3600
    assert f"first {DEFAULTS.unused_lifetime // 86_400} days" in text
    assert f"by default `{' '.join(DEFAULTS.scopes)}`" in text
    assert all(f"`{grant}`" in text for grant in DEFAULTS.grant_types)
    assert f"{MAX_DEPTH} levels" in text
    row = next(row for row in describe() if row.name == "registration.mode")
    assert all(f"| `{mode}`" in PAGE for mode in re.findall('"([a-z]+)"', row.type))
