"""DPoP with a client other people wrote: openid-client on Node.js, with and without nonces of the server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support import Answer, App, Page, Visitor, unverified

from idp.testing import running_server

pytestmark = [pytest.mark.node, pytest.mark.anyio]

SCOPE = "openid email offline_access"
PUBLIC = App("dpop-spa", "https://dpop-spa.test/cb", method="none", scope=SCOPE)
SECRET = App(
    "dpop-web",
    "https://dpop-web.test/cb",
    "secret-of-the-app-0123456789abcdef",
    scope=SCOPE,
    members={"dpop_bound_access_tokens": True},
)


async def through(visitor: Visitor, url: str) -> str:
    stop = await visitor.open(url)
    while isinstance(stop, Page) and stop.id in ("login", "consent"):
        stop = await (visitor.log_in(stop) if stop.id == "login" else visitor.submit(stop, decision="allow"))
    assert isinstance(stop, Answer), stop
    return stop.url


@pytest.mark.parametrize(
    ("app", "alg", "nonce"),
    [(PUBLIC, "ES256", "off"), (SECRET, "Ed25519", "off"), (PUBLIC, "PS256", "required")],
    ids=["public", "confidential", "with nonces"],
)
async def test_openid_client_with_dpop(node: Path, app: App, alg: str, nonce: str) -> None:
    with running_server(dpop__nonce=nonce) as running:
        running.apply(app.toml())
        visitor = Visitor(running)
        settings = {
            "issuer": running.issuer,
            "clientId": app.client_id,
            "secret": app.secret,
            "redirectUri": app.redirect_uri,
            "alg": alg,
        }
        done = await talk(node, settings, visitor)
        await visitor.aclose()
    assert done["types"] == ["dpop", "dpop"]  # the library writes token types in lower case
    assert done["person"] == {"sub": "alice", "email": "alice@example.com", "email_verified": True}
    assert done["stolen"] == "invalid_grant"
    assert done["stolenRefresh"] == ("invalid_grant" if app is PUBLIC else None)
    assert done["asBearer"] == "invalid_token"
    assert done["greeting"] == {"message": "Hello, alice"}
    assert done["foreign"] == "invalid_dpop_proof"
    assert unverified(done["token"])[1]["cnf"] == {"jkt": done["jkt"]}


async def talk(node: Path, settings: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
    script = Path(__file__).parents[1] / "node" / "openid_client_dpop.mjs"
    process = await asyncio.create_subprocess_exec(
        node, script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    message: dict[str, Any] = {"visit": ""}
    try:
        async with asyncio.timeout(30):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            while "visit" in (message := json.loads(await process.stdout.readline() or b"{}")):
                process.stdin.write((await through(visitor, message["visit"])).encode() + b"\n")
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "done" in message, message
    return dict(message["done"])
