"""README.md and the operator's pages, typed by an operator: every command as it is printed, in one folder.

Names of the example are put in place (NAME, ID, /var/backups); nothing else is changed. ``idp serve`` is started,
waited for, and ended like any service.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import httpx2
import pytest
from doc_blocks import ROOT, Block, blocks
from test_first_lesson import Terminal, shell

from idp.cli.group import run
from idp.testing import running_server
from idp.verify import Refused

PASSWORD = "a password nobody else has\n"


def page(name: str) -> list[Block]:
    return list(blocks((ROOT / name).read_text(encoding="utf-8")))


def block(name: str, first: str) -> str:
    """The one block of a page whose text begins so."""
    texts = ["\n".join(found.lines) for found in page(name)]
    (text,) = (text for text in texts if text.startswith(first))
    return text


class Operator:
    """Somebody at a shell in ``folder``; the server listens on ``port``."""

    def __init__(self, folder: Path, port: int) -> None:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{plain.get('PATH', '')}"
        self.environ = {**plain, "PATH": path, "NO_COLOR": "1", "COLUMNS": "200", "IDP_LISTEN_PORT": str(port)}
        self.environ["IDP_DRAIN_SECONDS"] = "0"
        self.folder, self.port = folder, port

    def types(self, text: str, *, fails: tuple[str, ...] = (), **names: str) -> str:
        """What the commands print, both streams; each must succeed, but for those that begin with one of ``fails``."""
        said = ""
        for name, value in names.items():
            text = text.replace(name, value)
        for line in text.replace("\\\n", " ").splitlines():
            if line.partition(" #")[0].strip().endswith("idp serve"):
                said += self.serves(line)
                continue
            asks = line.startswith(("idp user add", "idp user passwd")) and "--password-file" not in line
            status, told = self._in_shell(line) if asks or set(line) & set("$>") else self._here(line)
            said += told
            assert (status != 0) == line.startswith(fails), f"{line}: {told}"
        return said

    def _in_shell(self, line: str) -> tuple[int, str]:
        ended = subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env=self.environ, input=PASSWORD * 2, capture_output=True, text=True
        )
        return ended.returncode, ended.stdout + ended.stderr

    def _here(self, line: str) -> tuple[int, str]:
        """Without a process of its own, where the command needs no shell and asks for nothing: half a second less."""
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
            patch.chdir(self.folder)
            for name in os.environ.keys() - self.environ.keys():
                patch.delenv(name)
            for name, value in self.environ.items():
                patch.setenv(name, value)
            words = shlex.split(line, comments=True)
            assert words[0] == "idp"
            status = run(words[1:])
        return status, out.getvalue()

    def serves(self, line: str) -> str:
        """Start it, wait until it is ready, and end it."""
        log = self.folder / "log"
        with log.open("w") as out:
            process = subprocess.Popen(["sh", "-c", f"exec env {line}"], cwd=self.folder, env=self.environ, stderr=out)
        try:
            deadline = time.monotonic() + 30
            while not self._ready():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        finally:
            process.terminate()
            process.wait(30)
        return log.read_text()

    def _ready(self) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200
        except httpx2.TransportError:
            return False


@pytest.fixture
def operator(tmp_path: Path, free_port: Callable[[], int]) -> Operator:
    found = Operator(tmp_path, free_port())
    (tmp_path / "clients.toml").write_text(block("docs/operate.md", "[[resources]]"))
    (tmp_path / "shop-secret").write_text("a-secret-of-forty-characters-or-a-few-more")
    return found


@pytest.mark.timeout(120)
def test_to_production_as_the_readme_says(operator: Operator) -> None:
    said = operator.types(block("README.md", "idp init"), fails=("idp check",))
    assert "FAIL  backup" in said, "the one thing a fresh installation lacks"
    operator.types(block("docs/requests.md", "IDP_REQUIRE_PUSHED"))
    operator.types(block("docs/keys.md", "idp keys list"))
    operator.types(block("docs/opaque-tokens.md", "idp resource add"), **{"api.example.com": "other.example.com"})


@pytest.mark.timeout(120)
def test_the_days_of_the_operating_page_and_a_backup(operator: Operator, tmp_path_factory: Any) -> None:
    folder, days = operator.folder, "docs/operate.md"
    operator.types(block(days, "idp init"), fails=("idp check",), NAME="root")
    operator.types(block(days, "idp client add cli").splitlines()[0])
    (folder / "first").write_text(PASSWORD)
    files = {"/etc/idp/apply.toml": "clients.toml", "/run/secrets/first-person": "first"}
    operator.types(block(days, "idp migrate"), NAME="ada", **files)
    assert "account.changed" in operator.types(block(days, "idp user passwd"), NAME="ada")
    operator.types(block(days, "idp client secret add"), ID="shop")
    operator.types(block(days, "idp export"))
    assert 'username = "ada"' in (folder / "all.toml").read_text()
    operator.types(block(days, "idp audit export"), **{"2026-11-01": "2020-01-01"})
    # Lines are exported half a minute after they were written: here mostly none.
    assert all(json.loads(line)["event"] for line in (folder / "november.jsonl").read_text().splitlines())

    operator.types(block("docs/backup.md", "idp backup"), **{"/var/backups/": f"{folder}/"})
    (made,) = folder.glob("idp-*.backup")
    other = Operator(tmp_path_factory.mktemp("other"), operator.port)
    shutil.copy(folder / "idp.toml", other.folder)
    shutil.copytree(folder / "keys", other.folder / "keys")
    other.types(block("docs/backup.md", "idp restore"), **{"idp-2026-11-24.backup": str(made)})
    assert "ada" in other.types("idp user list")


@pytest.mark.timeout(90)
def test_the_first_minute_of_the_readme(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """``make dev`` is ``idp dev`` once the environment is there."""
    assert "\n".join(page("README.md")[0].lines).startswith("make dev ")
    port = free_port()
    options = shell(port)
    server = subprocess.Popen(["idp", "dev"], cwd=tmp_path, **options)
    typed = subprocess.Popen(["sh"], cwd=tmp_path, stdin=subprocess.PIPE, **options)
    try:
        first, second = Terminal(server), Terminal(typed)
        while not first.lines.get(timeout=30).startswith("idp dev  http"):
            pass
        lines = block("README.md", "curl -i").replace("8000", str(port)).splitlines()
        without, taken, hello, decoded = (second.type(line) for line in lines)
        assert any(line.startswith("HTTP/1.1 401") for line in without)
        assert any(line.startswith("access token for alice") for line in taken)
        assert '{"message":"Hello, alice"}' in hello
        assert any("the issuer" in line for line in decoded)
    finally:
        for process in (typed, server):
            process.terminate()
            process.wait(30)


@pytest.mark.anyio
async def test_the_resource_server_of_the_readme() -> None:
    with running_server() as server:
        server.apply('[[scopes]]\nname = "read"\n[[resources]]\nuri = "https://api.example.com"\nscopes = ["read"]\n')
        server.apply(
            '[[clients]]\nclient_id = "reader"\ngrant_types = ["client_credentials"]\nscope = "read"\n'
            'client_secret = "the-secret-of-the-reader-0123456789"\nresources = ["https://api.example.com"]\n'
        )
        names: dict[str, Any] = {}
        exec(block("README.md", "from idp.verify").replace("https://id.example.com", server.issuer), names)
        form = {"grant_type": "client_credentials", "resource": "https://api.example.com", "scope": "read"}
        auth = ("reader", "the-secret-of-the-reader-0123456789")
        token = httpx2.post(f"{server.issuer}/token", data=form, auth=auth).json()["access_token"]
        assert await names["who"](f"Bearer {token}") == "reader"
        with pytest.raises(Refused):
            await names["who"](None)
