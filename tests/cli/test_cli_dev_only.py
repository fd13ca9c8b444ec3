"""``idp dev`` and ``idp serve`` as processes: what dev refuses to be, and that serve has nobody and nothing of dev's.

``tests/test_dev_only.py`` lists what dev may do and walks the settings; here is what only the commands decide.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from cli_support import Idp, unused_port

COMMAND = [sys.executable, "-c", "from idp.cli import main; main()"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}


@contextmanager
def started(folder: Path, base: str, *arguments: str) -> Iterator[None]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=CLEAN, stdout=log, stderr=log)
        try:
            _until_it_answers(process, base, folder / "log")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _until_it_answers(process: subprocess.Popen[bytes], base: str, log: Path) -> None:
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        try:
            if httpx2.get(f"{base}/readyz", trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--issuer", "https://id.example.com"], {}),
        (["--issuer", "http://localhost.evil.example"], {}),
        ([], {"IDP_ISSUER": "https://10.0.0.1"}),
        ([], {"IDP_LISTEN_HOST": "0.0.0.0"}),
        ([], {"IDP_LISTEN_HOST": "::"}),
        ([], {"IDP_LISTEN_HOST": "10.0.0.1"}),
    ],
)
def test_dev_refuses_to_be_seen_by_others(
    idp: Idp, here: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = idp("dev", *arguments)
    assert said.status == 2
    assert "idp dev" in said.err or "this machine only" in said.err
    assert list(here.iterdir()) == [], "refused before anything was made"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_is_told_before_anything_is_made(
    idp: Idp, here: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("IDP_LISTEN_HOST", host)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = idp("dev", "--port", str(port))
    assert said.status == 1
    assert f"{host}:{port}" in said.err
    assert "idp dev --port" in said.err
    assert list(here.iterdir()) == []


def test_a_data_dir_nobody_can_make_is_told(idp: Idp, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "file").touch()
    monkeypatch.setenv("IDP_DATA_DIR", str(here / "file" / "inside"))
    said = idp("dev", "--port", str(unused_port()))
    assert said.status == 1
    assert "data_dir is a folder this user may write" in said.err


def test_serve_begins_with_nobody_and_nothing(idp: Idp, here: Path) -> None:
    """As an operator goes about it: each step is refused until it is done, and no step is done for them."""
    port = unused_port()
    base = f"http://localhost:{port}"
    missing = idp("serve")
    assert missing.status == 2
    assert "issuer is required" in missing.err
    assert idp("init", "--issuer", base, "--port", str(port)).status == 0
    before = sorted(path.name for path in here.rglob("*") if path.is_file())
    unmade = idp("serve")
    assert unmade.status == 1
    assert "idp migrate" in unmade.err
    assert idp("migrate").status == 0
    key = here / "keys" / "key-encryption-key"
    key.rename(here / "away")
    assert idp("serve").status == 1
    assert not key.exists(), "serve made a key-encryption key"
    (here / "away").rename(key)
    with started(here, base, "serve"), httpx2.Client(base_url=base, trust_env=False) as http:
        assert http.get("/").status_code == http.get("/hello").status_code == 404
        for person in ("alice", "bob"):
            asked = http.post("/api/token/", json={"username": person, "password": person})
            assert asked.status_code == 404
            assert idp("token", person).status == 1
        assert http.get("/healthz", headers={"host": "id.example.com"}).status_code == 200
        assert "alice" not in idp("user", "list").out
        assert "sample" not in idp("client", "list").out
    made = {path.name for path in here.rglob("*") if path.is_file()} - set(before)
    assert made <= {"idp.sqlite3", "idp.sqlite3-wal", "idp.sqlite3-shm", "lock", "log"}


def test_dev_begins_with_alice_and_refuses_other_hosts_on_its_socket(idp: Idp, here: Path) -> None:
    port = unused_port()
    base = f"http://localhost:{port}"
    with started(here, base, "dev", "--port", str(port)), httpx2.Client(base_url=base, trust_env=False) as http:
        assert http.get("/hello").status_code == 401
        assert http.post("/api/token/", json={"username": "alice", "password": "alice"}).status_code == 200
        for path in ("/", "/.well-known/jwks.json", "/login"):
            assert http.get(path, headers={"host": "evil.example"}).status_code == 421
        listening = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
