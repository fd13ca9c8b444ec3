"""A client other people wrote registers itself and signs a person in, with nothing known beforehand: openid-client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from authlib.oauth2.rfc7591 import ClientMetadataClaims
from support import Answer, Page, Visitor

from idp.testing import RunningServer, running_server

pytestmark = [pytest.mark.anyio]

URI = "https://self.test/cb"
SCRIPT = Path(__file__).parents[1] / "node" / "register_client.mjs"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server(registration__mode="token") as server:
        yield server


async def through(visitor: Visitor, url: str) -> str:
    stop = await visitor.open(url)
    while isinstance(stop, Page) and stop.id in ("login", "consent"):
        stop = await (visitor.log_in(stop) if stop.id == "login" else visitor.submit(stop, decision="allow"))
    assert isinstance(stop, Answer), stop
    return stop.url


def test_what_it_reads_is_announced_in_discovery(running: RunningServer) -> None:
    for name in ("openid-configuration", "oauth-authorization-server"):
        document = httpx2.get(f"{running.issuer}/.well-known/{name}").json()
        assert document["registration_endpoint"] == f"{running.issuer}/register"


@pytest.mark.node
@pytest.mark.parametrize(("method", "algorithm"), [("client_secret_post", "oidc"), ("none", "oauth2")])
async def test_openid_client_registers_itself(
    running: RunningServer, node: Path, method: str, algorithm: str
) -> None:
    token = running.control("registration.token.add", uses=1, lifetime=60)["token"]
    metadata: dict[str, Any] = {
        "redirect_uris": [URI],
        "client_name": "Registered by itself",
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": method,
    }
    settings = {"issuer": running.issuer, "algorithm": algorithm, "initialAccessToken": token, "metadata": metadata}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, SCRIPT, stdin=pipe, stdout=pipe)
    visitor = Visitor(running)
    if process.stdin is None or process.stdout is None:
        raise ValueError("the program has no pipes")
    try:
        async with asyncio.timeout(30):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            while "visit" in (message := json.loads(await process.stdout.readline() or b"{}")):
                process.stdin.write((await through(visitor, message["visit"])).encode() + b"\n")
            await process.wait()
    finally:
        await visitor.aclose()
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "done" in message, message
    done = message["done"]
    assert done["person"]["email"] == "alice@example.com"
    assert done["rotated"] is True
    found = done["registered"]
    assert {name: found[name] for name in metadata} == metadata
    claims = ClientMetadataClaims(found, {})
    claims.validate()  # Authlib reads what we wrote, by its own rules
    answer = httpx2.get(
        found["registration_client_uri"], headers={"authorization": f"Bearer {found['registration_access_token']}"}
    )
    assert answer.json()["client_name"] == "Registered by itself"
