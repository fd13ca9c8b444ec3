"""examples/mounted under uvicorn: its people sign in, are out once its own table says so, and it ends properly."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from support import App, Visitor, userinfo

from idp.verify import Verifier

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "mounted"
SHOP = App("shop", "http://localhost:8000/signed-in", "the-shops-secret-for-this-example")


@pytest.fixture
def running(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    issuer = f"http://localhost:{port}/auth"
    environ = {**os.environ, "APP_DATA": str(tmp_path), "APP_ISSUER": issuer, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=FOLDER, env=environ)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"{issuer}/readyz").status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield issuer, process
    finally:
        process.kill()
        process.wait(10)


async def test_it_does_what_it_says(running: tuple[str, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    issuer, process = running
    served: Any = SimpleNamespace(issuer=issuer)
    async with httpx2.AsyncClient(base_url=issuer) as http:
        browser = Visitor(served)
        answer = await browser.sign_on(SHOP.request(scope="openid profile"), "ada@example.com", "analytical engine")
        tokens = (await SHOP.redeem(http, answer.code)).raise_for_status().json()
        verified = await Verifier(issuer, issuer).verify(tokens["access_token"])
        assert (verified.subject, verified.claims["roles"]) == ("1", ["founder"])
        assert (await userinfo(http, tokens["access_token"])).json()["name"] == "Ada Lovelace"
        root = issuer.removesuffix("/auth")
        assert (await http.get(f"{root}/.well-known/oauth-authorization-server/auth")).json()["issuer"] == issuer
        assert "own page" in (await http.get(root)).text
        with closing(sqlite3.connect(tmp_path / "app.sqlite3")) as database, database:
            database.execute("UPDATE users SET active = 0")
        assert (await userinfo(http, tokens["access_token"])).status_code == 401
        await browser.aclose()
    process.send_signal(signal.SIGTERM)
    process.wait(15)
    assert not (tmp_path / "control.sock").exists()  # its lifespan came to the end


def test_the_mounting_is_at_most_ten_lines() -> None:
    lines = (FOLDER / "app.py").read_text(encoding="utf-8").splitlines()
    assert len(lines[lines.index("provider = asgi(") :]) <= 10
