"""``idp serve --workers N`` as real processes on PostgreSQL: shared socket, replaced workers, one end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.postgres


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


def idp(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _MAIN, *words], cwd=folder, capture_output=True, text=True, timeout=60)


_MAIN = "from idp.cli import main; main()"


@pytest.fixture
def installed(tmp_path: Path, database: str, port: int) -> Path:
    issuer = f"http://localhost:{port}"
    assert idp(tmp_path, "init", "--issuer", issuer, "--port", str(port)).returncode == 0
    file = tmp_path / "idp.toml"
    text = re.sub(r"(?m)^# database = .*$", f'database = "{database}"', file.read_text())
    assert database in text
    file.write_text(text)
    return tmp_path


@pytest.fixture
def serving(installed: Path) -> Iterator[subprocess.Popen[str]]:
    assert idp(installed, "migrate").returncode == 0
    command = [sys.executable, "-c", _MAIN, "serve", "--workers", "2"]
    with (installed / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=installed, stderr=log, text=True)
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(15)


def children(process: subprocess.Popen[str]) -> set[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {int(pid) for pid in found}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_killed_worker_is_replaced_and_the_end_is_clean(serving: subprocess.Popen[str], port: int) -> None:
    until(lambda: answers(port) and len(children(serving)) == 2)
    before = children(serving)
    # A worker that dies in its first two seconds is taken for one that cannot start.
    until(lambda: time.time() - max(Path(f"/proc/{pid}").stat().st_mtime for pid in before) > 2.1)
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(children(serving)) == 2 and children(serving) != before)
    until(lambda: answers(port))
    serving.terminate()
    assert serving.wait(15) == 0
    assert not answers(port)


def test_a_command_is_in_effect_at_every_worker_within_a_second(
    serving: subprocess.Popen[str], installed: Path, port: int
) -> None:
    until(lambda: answers(port))
    file = installed / "apply.toml"
    file.write_text(
        '[[clients]]\nclient_id = "late"\nclient_secret = "late-secret-0123456789"\nscope = ""\n'
        'grant_types = ["client_credentials"]\ntoken_endpoint_auth_method = "client_secret_post"\n'
    )
    assert idp(installed, "apply", str(file)).returncode == 0
    applied = time.monotonic()
    in_a_row = 0
    while in_a_row < 20:  # each on a connection of its own, so both workers answer
        in_a_row = in_a_row + 1 if gets_a_token(port) else 0
        assert in_a_row or time.monotonic() - applied < 1


def gets_a_token(port: int) -> bool:
    form = b"grant_type=client_credentials&client_id=late&client_secret=late-secret-0123456789"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://localhost:{port}/token", form), timeout=5
        ) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def test_an_empty_database_is_told_once_and_ends_it(installed: Path) -> None:
    said = idp(installed, "serve", "--workers", "2")
    assert said.returncode == 1
    assert "idp migrate" in said.stderr


def test_sqlite_means_one_process(tmp_path: Path, port: int) -> None:
    issuer = f"http://localhost:{port}"
    assert idp(tmp_path, "init", "--issuer", issuer, "--port", str(port)).returncode == 0
    said = idp(tmp_path, "serve", "--workers", "2")
    assert said.returncode == 2
    assert "SQLite means one process" in said.stderr
