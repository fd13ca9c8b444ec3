"""docs/first-lesson.md as a beginner types it: every command runs in a shell, every answer shown must come."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from doc_blocks import ROOT, Block, blocks, missing

LESSON = ROOT / "docs" / "first-lesson.md"
END = "--- the end of a command ---"
_SECONDS = 30.0  # a start on a machine that is busy with the rest of the suite


@dataclass
class Terminal:
    """A shell whose lines come back through a queue, standard error among them."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line.rstrip("\n"))

    def type(self, command: str) -> list[str]:
        """Run one line; an answer without a line break at its end does not swallow the mark."""
        if self.process.stdin is None:
            raise ValueError("this terminal takes no commands")
        self.process.stdin.write(f"{command}\necho\necho '{END}'\n")
        self.process.stdin.flush()
        return list(iter(lambda: self.lines.get(timeout=_SECONDS), END))


@dataclass
class Lesson:
    """Both terminals, in one folder, with a port of their own in place of 8000."""

    folder: Path
    port: int
    second: Terminal
    server: subprocess.Popen[str] | None = None
    names: dict[str, str] = field(default_factory=dict)

    def run(self, block: Block, expected: tuple[str, ...]) -> None:
        lines = [line.replace("8000", str(self.port)) for line in block.lines]
        shown = tuple(line.replace("8000", str(self.port)) for line in expected)
        if lines[0].startswith("# first terminal"):
            self._in_first_terminal(lines, shown)
            return
        output = self._typed(lines)
        # What the lesson says of a server that is too young: try again.
        for _ in range(40):
            if missing(shown, output, dict(self.names)) is None or not any(": not yet." in line for line in output):
                break
            output = self._typed(lines)
        lacking = missing(shown, output, self.names)
        assert lacking is None, f"line {block.line}: {lines} did not answer {lacking!r} but\n" + "\n".join(output)

    def _typed(self, lines: list[str]) -> list[str]:
        return [line for command in lines for line in self.second.type(command)]

    def _in_first_terminal(self, lines: list[str], expected: tuple[str, ...]) -> None:
        if lines == ["# first terminal: press Ctrl+C"]:
            self.stop()
            return
        assert lines[1:] == ["idp dev"]
        assert self.server is None, "the lesson starts a second server beside the first"
        self.server = subprocess.Popen(lines[1].split(), cwd=self.folder, **shell(self.port))
        terminal, output = Terminal(self.server), list[str]()
        while missing(expected or ("idp dev  http...",), output, {}) is not None:
            output.append(terminal.lines.get(timeout=_SECONDS))

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            assert self.server.wait(_SECONDS) in (0, 130, -signal.SIGINT)
            self.server = None


def shell(port: int) -> dict[str, object]:
    """A beginner's terminal that finds ``idp``; keys wait four seconds instead of ten before they may sign."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("IDP_") and name != "FORCE_COLOR"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{plain.get('PATH', '')}"
    environ = {**plain, "PATH": path, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    environ |= {"IDP_LISTEN_PORT": str(port), "IDP_KEYS_LONGEST_CACHE": "4"}
    return {"env": environ, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


@contextmanager
def lesson(folder: Path, port: int) -> Iterator[Lesson]:
    process = subprocess.Popen(["sh"], cwd=folder, stdin=subprocess.PIPE, **shell(port))
    found = Lesson(folder, port, Terminal(process))
    try:
        yield found
    finally:
        process.terminate()
        process.wait(_SECONDS)
        found.stop()


def steps() -> Iterator[tuple[Block, tuple[str, ...]]]:
    """Each block of commands with the answer shown after it, if one is."""
    found = list(blocks(LESSON.read_text(encoding="utf-8")))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.language == "sh":
            yield block, after.lines if after and after.language == "text" else ()


@pytest.mark.timeout(180)
def test_every_command_of_the_lesson_answers_as_shown(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with lesson(tmp_path, free_port()) as typed:
        for block, expected in steps():
            typed.run(block, expected)
    assert '"d"' not in (tmp_path / "keys.json").read_text(encoding="utf-8"), "keys.json holds a private key"


def test_every_shown_answer_belongs_to_a_command() -> None:
    found = list(blocks(LESSON.read_text(encoding="utf-8")))
    assert {block.language for block in found} == {"sh", "text"}
    assert all(before.language == "sh" for before, after in pairwise(found) if after.language == "text")
    assert sum(bool(expected) for _, expected in steps()) >= 15


@pytest.mark.parametrize(
    ("expected", "output", "lacking"),
    [
        (("a...c",), ["abc"], None),
        (("a", "b"), ["a", "x", "b"], None),
        (("b", "a"), ["a", "b"], "a"),
        (("a",), ["ab"], "a"),
        (("valid",), ["not valid"], "valid"),
        (("k  v",), ["k     v "], None),
        (("<old> a", "<new> a"), ["k1 a", "k2 a"], None),
        (("<old> a", "<new> a"), ["k1 a", "k1 a"], "<new> a"),
        (("<old> a", "<old> b"), ["k1 a", "k2 b"], "<old> b"),
    ],
)
def test_an_answer_that_differs_is_seen(expected: tuple[str, ...], output: list[str], lacking: str | None) -> None:
    assert missing(expected, output, {}) == lacking
