"""docs/mounting.md and docs/hooks.md: each app there runs as printed, and does what the page says of it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from doc_blocks import ROOT, blocks
from starlette.applications import Starlette
from starlette.routing import Mount
from support import WEB, App, Visitor, claims_of
from support.hashes import django_hash

from idp.hooks import RESERVED, ChecksPasswords, Hooks
from idp.mounting import Mounted
from idp.settings import settable
from idp.testing.seed import apply_text

pytestmark = pytest.mark.anyio

ISSUER = "http://localhost:8000/auth"
APPS = ("app.py", "fastapi_app.py", "own_lifespan.py")


def programs(page: str) -> dict[str, str]:
    """The Python blocks of a page by the file name in their first line."""
    found = blocks((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    texts = ["\n".join(block.lines) for block in found if block.language == "python"]
    return {text.partition("\n")[0].removeprefix("# "): text for text in texts}


def run(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(text, "page", "exec"), names)
    return names


@pytest.mark.parametrize("name", APPS)
async def test_each_app_serves_the_provider(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = programs("mounting")[name]
    assert len(text.splitlines()) <= 26
    app = run(text)["app"]
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ISSUER)
    async with app.router.lifespan_context(app), http:
        assert (await http.get("/.well-known/openid-configuration")).json()["issuer"] == ISSUER
        root = "http://localhost:8000/.well-known/oauth-authorization-server/auth"
        assert (await http.get(root)).json()["issuer"] == ISSUER


class Served:
    """What a browser of the tests needs to know of a provider."""

    def __init__(self, app: Starlette) -> None:
        self.issuer = ISSUER
        self.app = app


async def test_the_hooks_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("app.sqlite3")) as database, database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, login, name, password, active)")
        row = ("ada", "Ada Lovelace", django_hash("analytical engine"), 1)
        database.execute("INSERT INTO users (login, name, password, active) VALUES (?, ?, ?, ?)", row)
    provider: Mounted = run(programs("hooks")["hooks.py"])["provider"]
    own = App("our-own-app", WEB.redirect_uri, WEB.secret)
    app = Starlette(routes=[*provider.well_known_routes, Mount("/auth", app=provider)])
    async with provider.lifespan():
        await apply_text(provider.application.server, f"{WEB.toml()}\n{own.toml()}", tmp_path)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
            visitor = Visitor(Served(app))  # type: ignore[arg-type]
            await visitor.http.aclose()
            visitor.http = httpx2.AsyncClient(transport=transport, base_url=ISSUER)
            page = await visitor.authorize(own.request())
            answer = await visitor.log_in(page, "ada", "analytical engine")  # and no page between
            tokens = (await own.redeem(http, answer.code)).json()  # type: ignore[union-attr]
            claims = await claims_of(http, tokens["access_token"])
            assert (claims["sub"], claims["roles"]) == ("1", ["editor"])
            asked = await visitor.authorize(WEB.request())
            assert asked.id == "consent"  # type: ignore[union-attr]
            await visitor.http.aclose()
    assert re.search(r"^session\.started 1 None$", capsys.readouterr().out, re.MULTILINE)


def test_the_page_says_what_the_module_says() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    users = run(programs("hooks")["own_passwords.py"])["Users"]()
    assert isinstance(users, ChecksPasswords)
    assert not users.verify_password(None, "analytical engine")
    hooks = Hooks()
    assert f"`threads` ({hooks.threads})" in text
    assert f"`seconds` ({hooks.seconds:.0f})" in text
    assert {"iss", "sub", "aud", "exp", "scope", "cnf", "act"} <= RESERVED
    assert "lifetimes.access_token" in dict(settable())
