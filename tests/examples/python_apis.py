"""An example's README followed as printed, in a copy of its folder in which only the ports differ."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from idp.testing import MovingClock, Provider

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MARK = "--- the end of a block ---"
_SECONDS = 30.0
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Answers a command with the words of the first time: four pages ask for the same tokens.
_REMEMBERING = """#!/bin/sh
known="{folder}/$(echo "$*" | tr -c 'a-z0-9\\n' _)"
[ -s "$known" ] || "{idp}" "$@" >"$known"
cat "$known"
"""


@dataclass(frozen=True)
class Ports:
    provider: int
    api: int

    @classmethod
    def free(cls) -> Ports:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            return cls(one.getsockname()[1], other.getsockname()[1])

    def put_into(self, text: str) -> str:
        return re.sub(r"\b800[01]\b", lambda found: str(self.api if found[0] == "8001" else self.provider), text)


@dataclass(frozen=True)
class Terminals:
    """What a reader's shells have in common."""

    folder: Path
    ports: Ports
    environ: Mapping[str, str]

    @classmethod
    def in_folder(cls, folder: Path, ports: Ports) -> Terminals:
        programs = folder / "bin"
        programs.mkdir()
        idp = programs / "idp"
        idp.write_text(_REMEMBERING.format(folder=folder, idp=Path(sys.executable).parent / "idp"), encoding="utf-8")
        idp.chmod(0o755)
        others = ("IDP_", "FLASK_", "DJANGO_")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        path = os.pathsep.join((str(programs), str(Path(sys.executable).parent), plain.get("PATH", "")))
        settings = {"IDP_LISTEN_PORT": str(ports.provider), "IDP_DATA_DIR": str(folder / "data")}
        words = {"PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        return cls(folder, ports, {**plain, **settings, **words})

    def remembered(self, words: str) -> str:
        """What ``idp`` answered when a page typed it with these words."""
        return (self.folder / re.sub("[^a-z0-9]", "_", words)).read_text(encoding="utf-8").strip()

    def example(self, name: str) -> Example:
        here = self.folder / name
        if not here.exists():
            here.mkdir()
            for file in (file for file in (EXAMPLES / name).iterdir() if file.suffix in (".md", ".py", ".toml")):
                text = self.ports.put_into(file.read_text(encoding="utf-8"))
                (here / file.name).write_text(text, encoding="utf-8")
        return Example(here, self)

    @contextmanager
    def running(self, command: str, here: Path, ready: Callable[[], bool]) -> Iterator[None]:
        """A terminal in which a program runs, until Ctrl+C is pressed there; the program's words, if it fails."""
        log = here / "said.log"
        with log.open("w") as said:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=here,
                env=dict(self.environ),
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            end = time.monotonic() + _SECONDS
            while not ready():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)  # what the keys do: to the reloader's child too
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


@dataclass(frozen=True)
class Example:
    here: Path
    terminals: Terminals

    @property
    def blocks(self) -> list[tuple[str, list[str]]]:
        page = (self.here / "README.md").read_text(encoding="utf-8")
        return [(language, text.splitlines()) for language, text in _BLOCK.findall(page)]

    def terminal(self, name: str) -> str:
        """The one command of a terminal that is neither its heading nor an installation."""
        lines = next(lines for _, lines in self.blocks if lines[0] == f"# {name} terminal")
        (command,) = [line for line in lines[1:] if not line.startswith("pip install ")]
        return command

    def typed(self) -> Iterator[tuple[list[str], list[str]]]:
        """The blocks of the third terminal in one shell: what the page shows, and what came."""
        blocks = self.blocks
        first = next(place for place, (_, lines) in enumerate(blocks) if lines[0] == "# third terminal")
        asked = [place for place in range(first, len(blocks)) if blocks[place][0] == "sh"]
        script = "".join(f"{line}\necho\n" for place in asked for line in [*blocks[place][1], f"echo '{MARK}'"])
        done = subprocess.run(
            ["sh"],
            input=script,
            cwd=self.here,
            env=dict(self.terminals.environ),
            capture_output=True,
            text=True,
            timeout=2 * _SECONDS,
        )
        came = done.stdout.split(MARK)
        assert len(came) == len(asked) + 1, done.stderr
        for place, text in zip(asked, came, strict=False):
            yield blocks[place + 1][1], text.splitlines()


def answers(url: str) -> Callable[[], bool]:
    def asked() -> bool:
        try:
            return httpx2.get(url, trust_env=False).status_code < 500
        except httpx2.TransportError:
            return False

    return asked


def token_of_old(terminals: Terminals, manifest: str) -> str:
    """A token that the same provider issued before it was started for the page, and that has expired since."""

    async def issued() -> str:
        issuer, before = f"http://localhost:{terminals.ports.provider}", MovingClock(time.time() - 400)
        data = terminals.folder / "data"
        data.mkdir()
        async with Provider(issuer=issuer, clock=before, data_dir=data) as provider:
            await provider.apply(manifest)
            api = f"http://localhost:{terminals.ports.api}"
            return await provider.token_for("alice", client="notes-cli", resource=[api])

    return asyncio.run(issued())
