"""openid-client reads posted, signed, hybrid and implicit answers: signatures, nonces and hashes by its own rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support import App, Page, Visitor

from idp.testing import RunningServer, running_server

pytestmark = [pytest.mark.anyio, pytest.mark.node]

SECRET = "secret-of-the-app-0123456789abcdef"
SCRIPT = Path(__file__).parents[1] / "node" / "openid_client_front.mjs"


def app(alg: str) -> App:
    members = {
        "response_types": ("code", "id_token", "code id_token"),
        "id_token_signed_response_alg": alg,
        "authorization_signed_response_alg": alg,
    }
    name = f"front-{alg.lower()}"
    grants = ("authorization_code", "implicit")
    return App(name, f"https://{name}.test/cb", SECRET, "client_secret_basic", "openid email", grants, members)


APPS = {alg: app(alg) for alg in ("RS256", "ES256")}


@pytest.fixture(scope="module")
async def running(anyio_backend: str) -> AsyncIterator[RunningServer]:
    with running_server(implicit_and_hybrid=True) as server:
        server.apply("\n\n".join(one.toml() for one in APPS.values()))
        yield server


async def ended(visitor: Visitor, address: str) -> dict[str, Any]:
    stop = await visitor.open(address)
    while isinstance(stop, Page) and stop.id in ("login", "consent"):
        stop = await (visitor.log_in(stop) if stop.id == "login" else visitor.submit(stop, decision="allow"))
    if isinstance(stop, Page):
        assert stop.id == "form-post", stop.text
        return {"url": stop.action, "form": dict(stop.fields)}
    return {"url": stop.url}


@pytest.mark.parametrize("alg", APPS)
async def test_openid_client(running: RunningServer, node: Path, alg: str) -> None:
    party = APPS[alg]
    settings = {
        "issuer": running.issuer,
        "clientId": party.client_id,
        "secret": SECRET,
        "redirectUri": party.redirect_uri,
        "idTokenAlg": alg,
        "answerAlg": alg,
    }
    visitor = Visitor(running)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(node, SCRIPT, stdin=pipe, stdout=pipe, limit=1 << 20)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            while "visit" in (message := json.loads(await process.stdout.readline() or b"{}")):
                process.stdin.write(json.dumps(await ended(visitor, message["visit"])).encode() + b"\n")
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await visitor.aclose()
    assert message.get("done") == {
        "formPost": "alice",
        "hybrid": "alice",
        "hybridByForm": "alice",
        "implicit": ["alice", "alice@example.com"],
        "implicitByForm": ["alice", "alice@example.com"],
        "signed": "alice",
        "signedError": "login_required",
    }, message
