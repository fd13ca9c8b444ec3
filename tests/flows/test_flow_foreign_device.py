"""Devices whose software others wrote: openid-client polls while a person answers elsewhere; and Authlib's client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from support import Page, Visitor, register
from support.devices import DEVICE_GRANT, TV, decide

from idp.testing import Provider, RunningServer, running_server

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server() as server:
        server.apply(TV.toml())
        yield server


@pytest.mark.node
async def test_openid_client(running: RunningServer, node: Path) -> None:
    script = Path(__file__).parents[1] / "node" / "device_flow.mjs"
    process = await asyncio.create_subprocess_exec(
        node, script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    visitor = Visitor(running)
    try:
        async with asyncio.timeout(30):
            process.stdin.write(json.dumps({"issuer": running.issuer, "clientId": "tv"}).encode() + b"\n")
            told = json.loads(await process.stdout.readline() or b"{}")
            assert "told" in told, told
            page = await decide(visitor, told["told"]["user_code"])
            assert isinstance(page, Page)
            assert page.id == "device-done"
            message = json.loads(await process.stdout.readline() or b"{}")
            await process.wait()
    finally:
        await visitor.aclose()
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "done" in message, message
    done = message["done"]
    assert (done["claims"]["sub"], done["claims"]["aud"]) == ("alice", "tv")
    assert done["person"] == {"sub": "alice", "email": "alice@example.com", "email_verified": True}
    assert done["renewed"] is True


async def test_authlibs_client(provider: Provider, visitor: Visitor) -> None:
    await register(provider, TV)
    async with AsyncOAuth2Client(
        "tv", token_endpoint_auth_method="none", transport=httpx2.ASGITransport(app=provider.application)
    ) as client:
        form = {"client_id": "tv", "scope": "openid email"}
        answer = await client.request("POST", f"{provider.issuer}/device_authorization", data=form, withhold_token=True)
        told = answer.json()
        url, code = f"{provider.issuer}/token", told["device_code"]
        with pytest.raises(OAuthError) as pending:
            await client.fetch_token(url, grant_type=DEVICE_GRANT, device_code=code)
        assert pending.value.error == "authorization_pending"
        await decide(visitor, told["user_code"])
        token = await client.fetch_token(url, grant_type=DEVICE_GRANT, device_code=code)
        assert token["scope"] == "openid email"
        assert (await client.get(f"{provider.issuer}/userinfo")).json()["email"] == "alice@example.com"
