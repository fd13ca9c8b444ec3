"""From nothing to a person who signs in at ``idp serve``, and back in after a lock-out: as docs/operate.md says it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from cli_support import Idp, sign_in_by_form, unused_port

from idp.jose import read_unverified

IDP = [sys.executable, "-c", "from idp.cli import main; main()"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}


@contextmanager
def serve(folder: Path, issuer: str) -> Iterator[None]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*IDP, "serve"], cwd=folder, stderr=log, env=CLEAN)
    try:
        deadline = time.monotonic() + 30
        while not is_ready(issuer):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def is_ready(issuer: str) -> bool:
    try:
        return httpx2.get(f"{issuer}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def subject_after_login(folder: Path, password: str) -> str:
    """Whom ``idp login`` signs in with this password."""
    command = [*IDP, "login", "--client", "cli", "--no-browser", "--timeout", "20"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN
    ) as login:
        assert login.stderr is not None
        login.stderr.readline()
        sign_in_by_form(login.stderr.readline().strip(), "root", password)
        out, _ = login.communicate(timeout=20)
    return str(read_unverified(out.strip()).claims["sub"])


def test_the_first_sign_in_and_the_way_back(idp: Idp, here: Path) -> None:
    port = unused_port()
    issuer = f"http://localhost:{port}"
    said = idp("init", "--issuer", issuer, "--port", str(port))
    for command in ("idp migrate", "idp user add NAME", "idp check --deploy", "idp serve"):
        assert command in said.err
    assert idp("migrate").status == 0
    (here / "password").write_text("a first long password\n")
    added = idp("user", "add", "root", "--password-file", "password")
    sub = added.out.split("sub ")[1].strip()
    command = next(line for line in added.err.splitlines() if "idp client add" in line)
    assert idp(*command.split("idp ")[1].split("  #")[0].split()).status == 0
    with serve(here, issuer):
        assert f"open {issuer}/account" in added.err
        assert 'id="account"' in sign_in_by_form(f"{issuer}/account", "root", "a first long password").text
        assert subject_after_login(here, "a first long password") == sub
        assert idp("user", "disable", "root").status == 0
        began = time.monotonic()
        (here / "password").write_text("a second long password\n")
        assert idp("user", "passwd", "root", "--password-file", "password").status == 0
        assert idp("user", "enable", "root").status == 0
        assert subject_after_login(here, "a second long password") == sub
        assert time.monotonic() - began < 60
        told = idp("audit", "tail").out
    assert [told.count(event) for event in ("account.created", "account.disabled", "session.started")] == [1, 1, 3]
