"""``Mount("/auth", app=asgi(...))`` (docs/mounting.md): starting, ending, addresses. The flows themselves run in
tests/flows, once more against a mounted provider."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp
from support.mounted import MOUNTED, MountedProvider

from idp.control.calling import call
from idp.keyring import generate_key_encryption_key
from idp.mounting import Mounted, asgi
from idp.settings import SettingsError
from idp.testing.seed import test_settings as settings_of

pytestmark = pytest.mark.anyio


def client(app: ASGIApp, base: str = "http://localhost:8000", root: str = "") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, root_path=root), base_url=base)


def mounted(folder: Path, issuer: str = MOUNTED, **options: Any) -> Mounted:
    return asgi(mode="dev", issuer=issuer, data_dir=folder, **options)


async def end(provider: Mounted) -> None:
    async with provider.lifespan():
        pass


async def test_the_documents_stand_where_both_specifications_put_them(tmp_path: Path) -> None:
    async with MountedProvider(data_dir=tmp_path) as provider:
        openid = await provider.http.get("/.well-known/openid-configuration")
        oauth = await provider.http.get(get_well_known_url(provider.issuer, external=True))
        resource = await provider.http.get("http://localhost:8000/.well-known/oauth-protected-resource/auth")
        assert openid.content == oauth.content
        assert oauth.json()["issuer"] == resource.json()["authorization_servers"][0] == provider.issuer
        named = {name: url for name, url in oauth.json().items() if name.endswith(("_endpoint", "_uri"))}
        assert all(url.startswith(f"{provider.issuer}/") for url in named.values())
        AuthorizationServerMetadata({**oauth.json(), "issuer": "https://localhost/auth"}).validate_issuer()
        assert (await provider.http.get("http://localhost:8000/")).text == "the host's own page"
        assert (await provider.http.options(str(oauth.url))).status_code == 204
        assert (await provider.http.head(str(oauth.url))).content == b""


async def test_many_first_requests_start_it_once(tmp_path: Path) -> None:
    provider = mounted(tmp_path)
    async with client(Starlette(routes=[Mount("/auth", app=provider)])) as http:
        answers = await asyncio.gather(*(http.get("/auth/.well-known/jwks.json") for _ in range(32)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
    lines = await asyncio.to_thread(call, provider_settings(tmp_path), "audit.tail")
    assert [line["event"] for line in lines["events"]].count("server.started") == 1
    await end(provider)


def provider_settings(folder: Path) -> Any:
    return settings_of(folder, MOUNTED)


async def test_who_began_the_start_may_leave(tmp_path: Path) -> None:
    provider = mounted(tmp_path)
    first = asyncio.create_task(provider.ready())
    second = asyncio.create_task(provider.ready())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second) is provider.application
    await end(provider)


async def test_a_start_that_fails_is_told_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has made the database yet: the app's own pages are there, and once it is made, so are ours."""
    key = tmp_path / "key"
    generate_key_encryption_key(key)
    provider = asgi(issuer=MOUNTED, data_dir=tmp_path / "data", key_encryption_key_file=key)
    async with client(Starlette(routes=[Mount("/auth", app=provider)])) as http:
        answer = await http.get("/auth/authorize")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"] == "temporarily_unavailable"
        assert "the provider did not start" in caplog.text
        assert "idp migrate" in caplog.text
        with pytest.raises(Exception, match="migrate"):
            async with provider.lifespan():
                pass
        from idp.store import migrate
        from idp.store.database import Database

        database = Database(tmp_path / "data" / "idp.sqlite3")
        database.write_now(migrate.to_head)
        database.close()
        async with asyncio.timeout(10):
            while (await http.get("/auth/healthz")).status_code != 200:
                await asyncio.sleep(0.05)
    await end(provider)


def test_wrong_settings_are_told_when_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="issuer"):
        asgi(issuer="http://id.example.com/auth", data_dir=tmp_path)
    with pytest.raises(TypeError, match="did you mean"):
        mounted(tmp_path, lifetimes__acess_token=5)


async def test_a_lifespan_starts_and_ends_it_beside_the_apps_own(tmp_path: Path) -> None:
    provider, order = mounted(tmp_path), []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with provider.lifespan(app):
            order.append(provider.application.server.issuer)
            yield
        order.append("ended")

    app = FastAPI(lifespan=lifespan, routes=[*provider.well_known_routes, Mount("/auth", app=provider)])
    async with app.router.lifespan_context(app):
        assert order == [MOUNTED]
        async with client(app) as http:
            assert (await http.get("/auth/healthz")).status_code == 200
            assert (await http.get("/.well-known/oauth-authorization-server/auth")).status_code == 200
    assert order[1:] == ["ended"]
    with pytest.raises(RuntimeError, match="has not started"):
        _ = provider.application
    again = await asyncio.to_thread(call, provider_settings(tmp_path), "audit.tail")  # the folder is free
    assert again["events"]


def test_without_one_it_ends_with_its_loop_and_starts_in_the_next(tmp_path: Path) -> None:
    """As a server without lifespan ends, and as every request of a synchronous test client does."""
    provider = mounted(tmp_path)
    app = Starlette(routes=[Mount("/auth", app=provider)])

    async def a_while() -> int:
        async with client(app) as http:
            provider_answer = await http.get("/auth/healthz")
            provider.application.server.journal.count("tokens.issued", "web", "refresh_token")
            return provider_answer.status_code

    assert [asyncio.run(a_while()) for _ in range(2)] == [200, 200]
    lines = call(provider_settings(tmp_path), "audit.tail")["events"]
    assert [line["event"] for line in lines].count("tokens.issued") == 2  # what was counted is written at the end


async def test_one_loop_at_a_time(tmp_path: Path) -> None:
    provider = mounted(tmp_path)
    await provider.ready()

    def elsewhere() -> None:
        asyncio.run(_ready(provider))

    with pytest.raises(RuntimeError, match="one event loop"):
        await asyncio.to_thread(elsewhere)
    await end(provider)


async def _ready(provider: Mounted) -> None:
    await provider.ready()


async def test_commands_reach_it_and_a_second_process_is_refused(tmp_path: Path) -> None:
    provider, second = mounted(tmp_path), mounted(tmp_path)
    await provider.ready()
    answer = await asyncio.to_thread(call, provider_settings(tmp_path), "info")
    assert answer["issuer"] == MOUNTED
    with pytest.raises(Exception, match="one process opens the database"):
        await second.ready()
    await end(provider)


async def test_an_apply_file_is_there_from_the_start(tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    lines = ['client_id = "shop"', 'grant_types = ["client_credentials"]', 'client_secret = "of-the-shop-0123456789"']
    lines.insert(0, "[[clients]]")
    file.write_text("\n".join(lines), encoding="utf-8")
    provider = mounted(tmp_path / "data", apply=file)
    application = await provider.ready()
    assert await application.server.client("shop") is not None
    await end(provider)


@pytest.mark.parametrize(
    ("issuer", "at", "root", "path"),
    [
        ("http://localhost:8000/api/auth", "/auth", "/api", "/api/auth/healthz"),  # the server knows of the prefix
        ("http://localhost:8000/auth", "/auth", "", "/auth/healthz"),
        ("http://localhost:8000", "", "", "/healthz"),
        ("http://localhost:8000/api/auth", "/auth", "", "/auth/healthz"),  # a proxy cut it off and told nobody
    ],
)
async def test_wherever_the_app_itself_is_mounted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, issuer: str, at: str, root: str, path: str
) -> None:
    """Addresses are the issuer's, whatever the path says; that the two differ is told, once."""
    caplog.set_level(logging.WARNING, "idp.mounting")
    provider = mounted(tmp_path, issuer)
    async with client(Starlette(routes=[*provider.well_known_routes, Mount(at, app=provider)]), root=root) as http:
        assert (await http.get(path)).status_code == 200
        found = (await http.get(path.replace("healthz", ".well-known/openid-configuration"))).json()
        assert found["authorization_endpoint"] == f"{issuer}/authorize"
        await http.get(path)
    told = caplog.text.count("the provider is not where its issuer is")
    assert told == (0 if f"{root}{at}" in issuer and issuer.endswith(f"8000{root}{at}") else 1)
    await end(provider)


async def test_what_the_host_holds_does_not_reach_it(tmp_path: Path) -> None:
    """State and routes of the app stay the app's: nothing of ours answers by them."""
    provider, seen = mounted(tmp_path), []
    await provider.ready()
    inner = provider.application

    async def spy(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope)
        await provider(dict(scope), receive, send)

    app = Starlette(routes=[Mount("/auth", app=spy)])
    async with client(app) as http:
        assert (await http.get("/auth/nowhere/")).status_code == 404
    assert seen[0]["app"] is app
    assert inner.starlette.state is not app.state
    await end(provider)
