"""``idp watch`` beside a running provider: in a terminal, where r rotates and q ends, and without one."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from idp.cli.group import run as run_command
from idp.testing import RunningServer, running_server

IDP = [sys.executable, "-c", "from idp.cli import main; main()"]


def environ(server: RunningServer) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return {**kept, "IDP_DATA_DIR": str(server.data_dir), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, server: RunningServer, *arguments: str) -> None:
        self._leader, follower = pty.openpty()
        self._before = termios.tcgetattr(follower)
        self._follower = follower
        self.process = subprocess.Popen(
            [*IDP, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=environ(server),
            cwd=server.data_dir,
        )
        self.seen = ""

    def until(self, words: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not re.search(words, self.seen):
            if time.monotonic() > end:
                raise AssertionError(f"no {words!r} in {self.seen[-2000:]!r}")
            if select.select([self._leader], [], [], 0.1)[0]:
                self.seen += os.read(self._leader, 65_536).decode(errors="replace")

    def press(self, key: str) -> None:
        os.write(self._leader, key.encode())

    @property
    def as_before(self) -> bool:
        return termios.tcgetattr(self._follower)[3] == self._before[3]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._leader)
        os.close(self._follower)


@pytest.fixture
def quick() -> Iterator[RunningServer]:
    with running_server(keys__longest_cache=1, keys__jwks_max_age=1) as server:
        yield server


def test_r_rotates_and_nothing_fails(quick: RunningServer) -> None:
    """The lead of the waiting keys, 1.1 s, has passed by the time the first picture stands."""
    terminal = Terminal(quick, "watch")
    try:
        terminal.until(r"[1-9]\d\d verified")
        before = signing(quick)
        terminal.press("r")
        terminal.until(r"RS256: key \S+ signs now|ES256: key \S+ signs now")
        after = signing(quick)
        assert before != after
        terminal.until(re.escape(after["RS256"]) + r"  \d{2,}")
        terminal.press("q")
        terminal.until(r"requests verified with 2 keys, .*0 failures.*, [12] key changes")
        assert terminal.process.wait(10) == 0
        assert "\x1b[?1049h" in terminal.seen
        assert terminal.seen.rindex("\x1b[?1049l") > terminal.seen.rindex("\x1b[?1049h")
        assert terminal.as_before
    finally:
        terminal.close()


def signing(server: RunningServer) -> dict[str, str]:
    return {life["alg"]: life["kid"] for life in server.control("keys.list")["keys"] if life["state"] == "signing"}


def beside(server: RunningServer, seconds: float, operation: str, **arguments: object) -> tuple[int, str, str]:
    """``idp watch`` without a terminal, and an operation once requests go through: with its third token they do."""
    command = [*IDP, "watch", "--seconds", str(seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environ(server), cwd=server.data_dir,
    ) as process:  # fmt: skip
        end = time.monotonic() + 20
        while time.monotonic() < end:
            events = server.control("audit.tail", limit=50)["events"]
            if sum(event["event"] == "operator.token" for event in events) >= 3:
                break
            time.sleep(0.05)
        server.control(operation, **arguments)
        out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_without_a_terminal_it_counts_and_says_so(quick: RunningServer) -> None:
    status, out, err = beside(quick, 3, "keys.rotate")
    assert (status, err) == (0, "")
    found = re.search(r"^(\d+) requests verified with 2 keys, 0 failures, 2 key changes, [3-5] s$", out, re.MULTILINE)
    assert found, out
    assert 200 <= int(found[1]) <= 310
    assert len(re.findall(r"^[ER]S256: key \S+ signs now$", out, re.MULTILINE)) == 2
    assert "\x1b" not in out


def test_a_failure_is_counted_and_ends_in_a_status(quick: RunningServer) -> None:
    """A key that is withdrawn takes its tokens with it: that is no rotation."""
    status, out, err = beside(quick, 4, "keys.revoke", kid=signing(quick)["RS256"])
    assert status == 1
    assert re.search(r", [1-9]\d* failures, ", out), out
    assert "the keys known are" in err


def test_it_says_what_it_needs(
    quick: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDP_DATA_DIR", str(tmp_path / "none"))
    assert run_command(["watch"]) == 2
    assert "--seconds" in capfd.readouterr().err
    assert run_command(["watch", "--seconds", "1", "--person", "nobody"]) == 1
