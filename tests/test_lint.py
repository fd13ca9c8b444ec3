"""Style and strict types are part of the suite: what ``scripts/check`` finds fails here, in its own words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECKS = {
    "ruff": ["ruff", "check", "--quiet", "--output-format=concise", "."],
    "mypy": ["mypy", "--strict", "--no-error-summary", "idp", "examples/sso", "examples/bff"],
}


@pytest.mark.timeout(600)  # strict types from a cold cache, with the other workers busy
@pytest.mark.parametrize("name", CHECKS)
def test_the_source_is_clean(name: str) -> None:
    found = subprocess.run([sys.executable, "-m", *CHECKS[name]], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_scripts_check_runs_the_same() -> None:
    lines = (ROOT / "scripts/check").read_text(encoding="utf-8").splitlines()
    ran = [line.split() for line in lines if line.startswith(".venv/bin/")]
    said = [[word for word in words if word != "--output-format=concise"] for words in CHECKS.values()]
    assert [[Path(line[0]).name, *[w for w in line[1:] if w != '"$@"']] for line in ran] == said
