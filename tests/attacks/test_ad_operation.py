"""AD: nothing issued stands in a log, a file or an answer; no side door is open."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest
from attack_raw import request, talk
from attack_support import World
from attack_world import API, PASSWORDS, SECRETS, assertion, with_assertion

from idp.testing import Provider, RunningServer

pytestmark = pytest.mark.anyio


async def happy_path(world: World) -> set[str]:
    """Everything a day brings, once; answers every secret that was issued or typed."""
    browser = world.browser()
    tokens = await browser.tokens()
    code = await browser.code(prompt="consent", scope="openid email orders", resource=API)
    bought = (await world.redeem(code)).json()
    renewed = (await world.refresh(tokens["refresh_token"])).json()
    service = await world.post("/token", {"grant_type": "client_credentials"}, "svc")
    signed = assertion("pkj", world.now)
    machine = await world.post("/token", with_assertion(signed))
    secrets = {signed, code, browser.http.cookies["idp"], browser.http.cookies["idp-browser"], *SECRETS.values()}
    for answer in (tokens, bought, renewed, service.json(), machine.json()):
        secrets |= {answer[name] for name in ("access_token", "refresh_token", "id_token") if name in answer}
    for name in ("access_token", "refresh_token"):
        await world.active(renewed[name])
    await world.userinfo(renewed["access_token"])
    # Every way of being refused with a secret in hand.
    await world.redeem(code)
    await world.refresh(tokens["refresh_token"])
    await world.refresh(renewed["refresh_token"][:-3])
    await world.userinfo(renewed["access_token"][:-3])
    await world.userinfo(tokens["id_token"])
    await world.post("/token", with_assertion(signed))
    await world.api.http.post("/token", data={"grant_type": "x"}, auth=("web2", SECRETS["web"]))
    await world.api.http.post("/token", json={"client_secret": SECRETS["web"], "code": code})
    await world.api.http.post("/token", params={"client_secret": SECRETS["web"]})
    await browser.ask(redirect_uri=f"https://evil.example/?code={code}", id_token_hint=tokens["id_token"])
    exchange = await browser.http.post("/api/token/", json={"username": "bob", "password": PASSWORDS["bob"]})
    secrets |= set(exchange.json().values())
    await browser.http.post("/api/token/refresh/", json={"refresh": exchange.json()["refresh"] + "x"})
    page = await browser.follow(await browser.ask(prompt="login"))
    await browser.log_in(page, "mallory", "typed-by-mistake-password")
    await browser.log_in(page, "mallory")
    secrets |= {"typed-by-mistake-password", PASSWORDS["mallory"]}
    await world.post("/revoke", {"token": bought["access_token"]}, "web")
    await browser.http.get("/logout", params={"id_token_hint": tokens["id_token"]})
    await world.provider.control("keys.rotate", emergency=True)
    await world.provider.advance(1)
    return {secret for secret in secrets if len(secret) > 8}


def pieces(secret: str) -> list[str]:
    """The secret, and the parts of it that would do: a token's signature, a refresh token's secret."""
    parts = secret.split(".")
    return [secret, *(part for part in parts[-1:] if len(parts) > 1 and len(part) > 20)]


async def test_ad_01_no_secret_in_any_log(fresh: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = await happy_path(fresh)
    ours = [record for record in caplog.records if not record.name.startswith(("httpx2", "httpcore2"))]
    text = "\n".join(f"{record.getMessage()} {record.exc_text or ''} {record.args}" for record in ours)
    assert "refused POST /token" in text, "the search looked at something"
    found = [secret[:16] for secret in secrets for piece in pieces(secret) if piece in text]
    assert not found
    events = await fresh.provider.control("audit.tail", limit=500)
    assert not [secret[:16] for secret in secrets for piece in pieces(secret) if piece in str(events)]


async def test_ad_02_no_secret_at_rest(fresh: World) -> None:
    secrets = await happy_path(fresh)
    files = [
        path for path in fresh.provider.data_dir.rglob("*") if path.is_file() and "key-encryption" not in path.name
    ]
    assert any(path.name.endswith("-wal") for path in files)
    content = b"".join(path.read_bytes() for path in files)
    assert len(content) > 50_000
    found = [secret[:16] for secret in secrets for piece in pieces(secret) if piece.encode() in content]
    assert not found
    for mark in (b"PRIVATE KEY", b'"d":', b'"p":', b"alice\x00alice"):
        assert mark not in content
    assert b"$argon2id$" in content, "passwords stand there hashed"
    public = (await fresh.api.http.get("/.well-known/jwks.json")).json()["keys"]
    assert any(key["kid"].encode() in content for key in public), "the search looked at the right file"


SIDE_DOORS = [
    "/metrics",
    "/debug",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/admin",
    "/console",
    "/server-status",
    "/.env",
    "/.git/config",
]


async def test_ad_03_side_doors(world: World, production: World) -> None:
    for place in (world, production):
        for path in (
            *SIDE_DOORS,
            "/.idp",
            "/static/",
            "/templates/login.html",
            "/idp.sqlite3",
            "/trace",
            "/api/",
            "/control",
        ):
            assert (await place.api.http.get(path)).status_code in (404, 405), path
    for path in ("/", "/hello"):
        assert (await production.api.http.get(path)).status_code == 404, "the dev sample is not there under serve"
    for path in ("/healthz", "/readyz"):
        assert set((await production.api.http.get(path)).json()) == {"status"}


async def test_ad_03_the_developers_panel_is_dev_only(world: World, production: World) -> None:
    for changes in ({"redirect_uri": "https://evil.example/"}, {"client_id": "unknown"}):
        shown = (await world.browser().ask(**changes)).text
        hidden = (await production.browser().ask(**changes)).text
        assert "For the developer" in shown
        assert "For the developer" not in hidden
        assert "https://rp.test/cb" not in hidden
        assert "idp apply" not in hidden
        assert 'id="error-reference"' in hidden


async def test_ad_03_a_fault_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Should a fault of ours happen all the same: an id, and nothing else, leaves."""
    async with Provider() as provider:
        provider.server.registry.rules = None  # what no request can do
        transport = httpx2.ASGITransport(app=provider.application, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=provider.issuer) as http:
            query = {"client_id": "sample", "redirect_uri": "http://127.0.0.1/callback", "response_type": "code"}
            for accept in ("text/html", "application/json"):
                answer = await http.get("/authorize", params=query, headers={"Accept": accept})
                assert answer.status_code == 500
                assert "registry" not in answer.text
                assert "Traceback" not in answer.text
                assert ".py" not in answer.text
    assert "fault GET /authorize | id: " in caplog.text


async def test_ad_06_file_permissions(tmp_path: Path) -> None:
    """Started with umask 000: the folder and every file in it is the owner's alone."""
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom idp.testing import Provider, RunningServer\n"
        "async def main():\n"
        "    async with Provider(data_dir=Path(sys.argv[1])) as provider:\n"
        "        await provider.token_for('alice')\n"
        "        for path in sorted(Path(sys.argv[1]).rglob('*')):\n"
        "            print(oct(path.stat().st_mode & 0o777), path.name)\n"
        "asyncio.run(main())\n"
    )
    folder = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.umask(0),
    )
    modes = {line.partition(" ")[2]: int(line.partition(" ")[0], 8) for line in done.stdout.splitlines()}
    assert "idp.sqlite3" in modes
    assert "idp.sqlite3-wal" in modes
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


async def test_ad_06_a_folder_that_was_there_and_open(tmp_path: Path) -> None:
    """Whatever the folder lets others see, the database's own files are closed."""
    folder = tmp_path / "made-by-hand"
    folder.mkdir(mode=0o755)
    async with Provider(data_dir=folder) as provider:
        await provider.token_for("alice")
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in folder.glob("idp.sqlite3*")}
    assert len(modes) == 3
    assert set(modes.values()) == {"0o600"}


async def test_ad_07_floors_of_dependencies() -> None:
    floors = {"authlib": (1, 9, 1), "joserfc": (1, 8, 0), "starlette": (1, 3, 1), "uvicorn": (0, 54)}
    for name, floor in floors.items():
        numbers = tuple(int(part) for part in version(name).split(".")[:3])
        assert numbers >= floor, name


def test_ad_04_the_only_admin_interface_is_the_owners(socket_server: RunningServer) -> None:
    """Commands come over a socket of mode 0600 in a folder of mode 0700; nothing of it is on the network."""
    sockets = [path for path in Path(socket_server.data_dir).iterdir() if path.is_socket()]
    assert len(sockets) == 1
    assert sockets[0].stat().st_mode & 0o777 == 0o600
    assert Path(socket_server.data_dir).stat().st_mode & 0o077 == 0
    for path in ("/control", "/admin", "/users", "/clients", "/keys", "/audit"):
        assert talk(socket_server, request("GET", path)).status == 404
