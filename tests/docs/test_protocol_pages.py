"""The pages of single specifications: their file is applied, their commands are typed, and answer as shown."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks, missing
from test_first_lesson import Terminal, shell

PAGES = ("device", "logout", "pairwise", "responses", "step-up", "token-exchange", "verify")


@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", PAGES)
def test_the_example_runs_as_printed(name: str, tmp_path: Path, free_port: Callable[[], int]) -> None:
    found = list(blocks((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")))
    port = str(free_port())
    applied = tmp_path / "example.toml"
    applied.write_text("\n".join(next(b.lines for b in found if b.language == "toml")), encoding="utf-8")
    for block in found:
        if block.language == "python" and block.lines[0].startswith("# "):
            text = "\n".join(block.lines).replace("8000", port)
            (tmp_path / block.lines[0].removeprefix("# ")).write_text(text, encoding="utf-8")
    options = shell(int(port))
    server = subprocess.Popen(["idp", "dev", "--apply", str(applied)], cwd=tmp_path, **options)
    shell_ = subprocess.Popen(["sh"], cwd=tmp_path, stdin=subprocess.PIPE, **options)
    try:
        first, second = Terminal(server), Terminal(shell_)
        while not first.lines.get(timeout=30).startswith("idp dev  http"):
            pass
        said: list[str] = []
        for block in found:
            if block.language == "sh":
                said = [line for command in block.lines for line in second.type(command.replace("8000", port))]
            if block.language == "text":
                shown = [line.replace("8000", port) for line in block.lines]
                assert missing(shown, said, {}) is None, f"line {block.line} did not answer so, but {said}"
    finally:
        for process in (shell_, server):
            process.terminate()
            process.wait(30)
