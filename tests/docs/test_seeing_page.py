"""docs/seeing.md: its commands are typed beside a running ``idp dev`` and answer so, and its tables are complete."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks, missing
from test_first_lesson import Terminal, shell

from idp.diagnosis.catalogue import ROWS

PAGE = (ROOT / "docs" / "seeing.md").read_text(encoding="utf-8")


@pytest.mark.timeout(90)
def test_the_commands_answer_as_shown(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = str(free_port())
    options = shell(int(port))
    server = subprocess.Popen(["idp", "dev"], cwd=tmp_path, **options)
    shell_ = subprocess.Popen(["sh"], cwd=tmp_path, stdin=subprocess.PIPE, **options)
    try:
        first, second = Terminal(server), Terminal(shell_)
        while not first.lines.get(timeout=30).startswith("idp dev  http"):
            pass
        said: list[str] = []
        for block in blocks(PAGE):
            if block.lines == ("idp watch",):
                continue  # it wants a terminal: tests/seeing/test_watch.py
            if block.language == "sh":
                said = [line for command in block.lines for line in second.type(command.replace("8000", port))]
            if block.language == "text":
                shown = [line.replace("8000", port) for line in block.lines]
                assert missing(shown, said, {}) is None, f"line {block.line} did not answer so, but {said}"
    finally:
        for process in (shell_, server):
            process.terminate()
            process.wait(30)


def test_the_table_of_rows_is_the_catalogue() -> None:
    table = PAGE.partition("| row | is |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9-]+)`", table)) == set(ROWS)
