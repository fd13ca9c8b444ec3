"""Requests that software of others pushes and signs: openid-client on Node.js, and PyJWT."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jwt
import pytest
from joserfc.jwk import ECKey
from support import Answer, App, Page, Visitor, register

from idp.testing import Provider, RunningServer, running_server

pytestmark = pytest.mark.anyio

KEY = ECKey.generate_key("P-256", parameters={"kid": "rp-key", "use": "sig", "alg": "ES256"})
SECRET = "secret-of-the-app-0123456789abcdef"


def app(method: str) -> App:
    name = method.replace("_", "-")
    members = {"jwks": {"keys": [KEY.as_dict(private=False)]}}
    secret = SECRET if method.startswith("client_secret") else None
    return App(name, f"https://{name}.test/cb", secret, method, "openid email", members=members)


APPS = {method: app(method) for method in ("client_secret_basic", "private_key_jwt", "none")}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server() as server:
        server.apply("\n\n".join(one.toml() for one in APPS.values()))
        yield server


@pytest.fixture
async def browser_there(running: RunningServer) -> AsyncIterator[Visitor]:
    visitor = Visitor(running)
    yield visitor
    await visitor.aclose()


async def through(visitor: Visitor, url: str) -> str:
    stop = await visitor.open(url)
    while isinstance(stop, Page) and stop.id in ("login", "consent"):
        stop = await (visitor.log_in(stop) if stop.id == "login" else visitor.submit(stop, decision="allow"))
    assert isinstance(stop, Answer), stop
    return stop.url


@pytest.mark.node
@pytest.mark.parametrize("method", APPS)
async def test_openid_client(running: RunningServer, browser_there: Visitor, node: Path, method: str) -> None:
    party = APPS[method]
    settings = {
        "issuer": running.issuer,
        "clientId": party.client_id,
        "method": method,
        "secret": party.secret,
        "jwk": KEY.as_dict(private=True),
        "redirectUri": party.redirect_uri,
        "ways": ["pushed", "signed", "both"],
    }
    script = Path(__file__).parents[1] / "node" / "openid_requests.mjs"
    process = await asyncio.create_subprocess_exec(
        node, script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            while "visit" in (message := json.loads(await process.stdout.readline() or b"{}")):
                back = await through(browser_there, message["visit"])
                process.stdin.write(back.encode() + b"\n")
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "done" in message, message
    handle, inside = ["client_id", "request_uri"], ["client_id", "request"]
    assert message["done"] == {
        "pushed": {"sub": "alice", "parameters": handle},
        "signed": {"sub": "alice", "parameters": inside},
        "both": {"sub": "alice", "parameters": handle},
    }


async def test_an_object_that_pyjwt_signed(provider: Provider, visitor: Visitor) -> None:
    party = APPS["client_secret_basic"]
    await register(provider, party)
    now = int(provider.clock())
    claims = {**party.request(), "iss": party.client_id, "aud": provider.issuer, "iat": now, "exp": now + 60}
    text = jwt.encode(claims, KEY.private_key, "ES256", {"kid": "rp-key"})
    back = await visitor.sign_on({"client_id": party.client_id, "request": text})
    assert "code" in back.members
