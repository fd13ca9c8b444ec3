"""With ``IDP_REQUIRE_ALL`` set, a browser or node test that skips has failed; without it, a skip is a skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
@pytest.mark.browser
def test_in_its_body():
    pytest.skip("no browser")
@pytest.mark.node
@pytest.mark.skipif(True, reason="no node")
def test_by_mark(): ...
@pytest.mark.browser
def test_by_fixture(browser): ...
@pytest.mark.browser
@pytest.mark.xfail
def test_known_fault(): raise ValueError
def test_not_marked():
    pytest.skip("allowed")
"""
MODULE = 'import pytest\npytest.skip("no browser", allow_module_level=True)\n@pytest.mark.browser\ndef test_x(): ...\n'
MARKERS = '[pytest]\nmarkers =\n  browser: x\n  node: x\nfilterwarnings =\n  ignore:Module already imported so cannot\n'


@pytest.mark.parametrize(
    ("required", "summary"),
    [("", "5 skipped, 1 xfailed"), ("0", "5 skipped, 1 xfailed"), ("1", "1 failed, 1 skipped, 1 xfailed, 3 errors")],
)
def test_a_skip_counts_as_it_must(required: str, summary: str, tmp_path: Path) -> None:
    conftest = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    conftest = conftest.replace('pytest_plugins = ("support.leaks",)', "")  # stands beside the real one
    for name, text in {
        "conftest.py": conftest,
        "pytest.ini": MARKERS,
        "test_marked.py": TESTS,
        "test_module.py": MODULE,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"IDP_REQUIRE_ALL": required, "IDP_CHROMIUM": str(tmp_path / "no-such-browser")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert summary in found.stdout.splitlines()[-1], found.stdout
    assert found.returncode == (1 if required == "1" else 0)
