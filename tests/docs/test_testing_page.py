"""docs/testing.md: its files, written down and run by pytest as its reader would, and what it says of names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from doc_blocks import ROOT, blocks

from idp.testing import Idp
from idp.testing.faults import PATHS

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "idp.testing.plugin")
# Of an editable install alone: pytest takes the demo's files, all that lies beside the link, for the whole package.
EDITABLE = "ignore:Module already imported so cannot be rewritten; __main__"


def test_the_files_of_the_page_run(tmp_path: Path) -> None:
    for block in blocks(PAGE):
        if block.language == "python":
            name, *rest = block.lines
            (tmp_path / name.removeprefix("# ")).write_text("\n".join(rest) + "\n", encoding="utf-8")
    tests = sum(len(re.findall(r"^def test_", file.read_text(), re.MULTILINE)) for file in tmp_path.glob("test_*.py"))
    done = subprocess.run(
        [*PYTEST, "--strict-markers", "-W", "error", "-W", EDITABLE, "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
    assert f"{tests} passed" in done.stdout
    assert tests >= 15


def test_every_name_of_the_page_is_there() -> None:
    used = set(re.findall(r"(?<![.\w])(?:live_)?idp\.([a-z_]+)\b(?!\.(?:md|toml))", PAGE)) - {"verify", "testing"}
    assert not [name for name in used if not hasattr(Idp, name) and name not in ("clock", "data_dir")]
    listed = re.search(r"Addresses are (.*?), or a path", PAGE)
    assert listed is not None
    assert set(re.findall("`([a-z]+)`", listed[1])) == {*PATHS, "everything"}
