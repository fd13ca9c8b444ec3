"""docs/mcp.md, done: the SDK's client signs a person in at the page's own server, with nothing registered of it.

The SDK (``mcp`` on PyPI) is nobody's but its authors': what it does here is what a program out there does.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from doc_blocks import ROOT, blocks
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from support import Answer, Visitor, unverified
from support.document_site import Site, document_site

from idp.testing import RunningServer, running_server

pytestmark = pytest.mark.anyio

PAGE = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
BACK = "http://localhost/callback"  # what documents of programs on a device hold: any port of this machine


class Memory:
    """The SDK's ``TokenStorage``."""

    auth: OAuthClientProvider

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with document_site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def provider(site: Site) -> Iterator[RunningServer]:
    with running_server(profile="mcp", outbound__ca_file=str(site.ca_file)) as found:
        yield found


@pytest.fixture(scope="module")
def notes(provider: RunningServer) -> Iterator[str]:
    """The page's server at a free port, registered as the page says; its address."""
    languages = {block.language: "\n".join(block.lines) for block in blocks(PAGE)}  # the last of each
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        here = f"http://localhost:{listener.getsockname()[1]}/mcp"
        provider.apply(languages["toml"].replace("http://localhost:9000/mcp", here))
        provider._in_loop(provider.application.server.reload_registry())
        source = languages["python"].replace("http://localhost:9000/mcp", here)
        made: dict[str, Any] = {}
        exec(compile(source.replace("http://localhost:8000", provider.issuer), "docs/mcp.md", "exec"), made)
        with _served(made["app"], listener):
            yield here


@contextmanager
def _served(app: Any, listener: socket.socket) -> Iterator[None]:
    runner = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        runner.should_exit = True
        thread.join(15)


class Person:
    """What stands for the browser: it goes where the client sends it, and comes back with the answer."""

    def __init__(self, provider: RunningServer) -> None:
        self.visitor = Visitor(provider)
        self.asked: dict[str, str] = {}
        self.answer: Answer

    async def go(self, url: str) -> None:
        self.asked = dict(httpx2.URL(url).params)
        self.answer = await self.visitor.sign_on(self.asked)

    async def came_back(self) -> AuthorizationCodeResult:
        members = self.answer.members
        return AuthorizationCodeResult(code=members["code"], state=members["state"], iss=members["iss"])


@asynccontextmanager
async def client_of(notes: str, url: str | None, person: Person, memory: Memory) -> AsyncIterator[Client]:
    metadata = OAuthClientMetadata(
        client_name="Notebook",
        redirect_uris=["http://localhost:51234/callback"],  # type: ignore[list-item]
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    auth = OAuthClientProvider(
        notes, metadata, memory, redirect_handler=person.go, callback_handler=person.came_back, client_metadata_url=url
    )
    memory.auth = auth
    async with (
        httpx2.AsyncClient(auth=auth, timeout=10) as http,
        Client(streamable_http_client(notes, http_client=http)) as client,
    ):
        yield client


async def test_the_sdk_signs_in_with_nothing_registered(provider: RunningServer, site: Site, notes: str) -> None:
    url, person, memory = site.publish(redirect_uris=[BACK]), Person(provider), Memory()
    async with client_of(notes, url, person, memory) as client:
        told = await client.call_tool("read", {"name": "today"})
    assert told.content[0].text == "the note today"  # type: ignore[union-attr]
    assert person.asked["client_id"] == url
    assert person.asked["resource"] == notes
    assert memory.tokens is not None
    _, claims = unverified(memory.tokens.access_token)
    assert (claims["aud"], claims["client_id"]) == (notes, url)
    assert memory.tokens.scope is not None
    assert set(memory.tokens.scope.split()) == {"notes", "offline_access"}


async def test_it_refreshes_with_rotation(provider: RunningServer, site: Site, notes: str) -> None:
    url, person, memory = site.publish("/two.json", redirect_uris=[BACK]), Person(provider), Memory()
    async with client_of(notes, url, person, memory) as client:
        await client.call_tool("read", {"name": "one"})
        first, person.asked = memory.tokens, {}
        assert first is not None
        memory.auth.context.token_expiry_time = 1.0  # long ago, as the SDK counts it
        told = await client.call_tool("read", {"name": "two"})
    assert told.content[0].text == "the note two"  # type: ignore[union-attr]
    assert memory.tokens is not None
    assert memory.tokens.access_token != first.access_token
    assert memory.tokens.refresh_token not in (None, first.refresh_token)
    assert person.asked == {}, "nobody was asked"


async def test_a_token_for_another_resource_is_none_here(provider: RunningServer, notes: str) -> None:
    token = provider.token_for("alice")
    answer = httpx2.post(notes, headers={"authorization": f"Bearer {token}"}, json={})
    assert answer.status_code == 401
    assert "resource_metadata=" in answer.headers["www-authenticate"]


