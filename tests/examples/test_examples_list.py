"""Every example can be found, says how it is run, and leaves nothing of a run in a commit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from following import ROOT

FOLDERS = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
EDGE = ("apache", "desktop", "device", "express", "mcp", "nginx", "service")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_it_is_listed(folder: Path) -> None:
    assert f"{folder.name}/" in (page := (ROOT / "examples" / "README.md").read_text()) or f"({folder.name})" in page


@pytest.mark.parametrize("name", EDGE)
def test_its_page_names_only_files_that_are_there(name: str) -> None:
    page = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    made = re.findall(r"> (examples/\S+?)\)?$", page, re.MULTILINE)
    for path in re.findall(r"examples/[\w./-]+\.\w+", page):
        assert path in made or (ROOT / path).exists(), path
    for link in re.findall(r"\]\((\.\.?/[^)#]+)", page):
        assert (ROOT / "examples" / name / link).exists(), link
    for file in re.findall(r"^\| `([\w.-]+)` \|", page, re.MULTILINE):
        here = (ROOT / "examples" / name / file).exists()
        assert here or f"examples/{name}/{file}" in made, f"{file} is described, and not there"
