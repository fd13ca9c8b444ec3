"""Who lives in these installations: an app with cheap ES256 tokens, a service, a person; and the way to a session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from fault_installation import Installation
from fault_wire import Wire, basic, get, post
from support import VERIFIER, WEB, Visitor

ES256 = {"id_token_signed_response_alg": "ES256", "access_token_signed_response_alg": "ES256"}
APP = replace(WEB, members={**WEB.members, **ES256})
SERVICE = replace(
    WEB,
    client_id="service",
    redirect_uri="",
    secret="secret-of-service-0123456789",
    scope="",
    grant_types=("client_credentials",),
    members={"access_token_signed_response_alg": "ES256"},
)
PERSON = '[[people]]\nusername = "alice"\npassword = "alice"\n'
MANIFEST = "\n\n".join([APP.toml(), SERVICE.toml(), PERSON])
PROOF = basic(APP.client_id, APP.secret or "")
SERVICE_PROOF = basic(SERVICE.client_id, SERVICE.secret or "")
OFFLINE = APP.request(scope="openid offline_access")
COOKIE = "idp"


@dataclass(frozen=True)
class Somebody:
    """What ``Visitor`` needs to know of a server."""

    issuer: str


async def session(installation: Installation, username: str = "alice") -> str:
    """Sign in, allow the app, and come back with the session's cookie."""
    visitor = Visitor(Somebody(installation.issuer))  # type: ignore[arg-type]
    try:
        await visitor.sign_on(OFFLINE, username)
        return visitor.http.cookies[COOKIE]
    finally:
        await visitor.aclose()


async def code(wire: Wire, cookie: str) -> str:
    answer = await wire.ask(get("/authorize", OFFLINE, Cookie=f"{COOKIE}={cookie}"))
    return answer.query["code"]


def redemption(code: str) -> bytes:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": APP.redirect_uri}
    return post("/token", {**form, "code_verifier": VERIFIER}, PROOF)


def refreshing(token: str) -> bytes:
    return post("/token", {"grant_type": "refresh_token", "refresh_token": token}, PROOF)


def introspection(token: str, proof: dict[str, str] = PROOF) -> bytes:
    return post("/introspect", {"token": token}, proof)


async def codes(ports: list[int], cookie: str, count: int) -> list[str]:
    """``count`` fresh codes, made over eight connections."""
    wires = [Wire(ports[number % len(ports)]) for number in range(8)]
    wanted = iter(range(count))

    async def some(wire: Wire) -> list[str]:
        return [await code(wire, cookie) for _ in wanted]

    found = await asyncio.gather(*(some(wire) for wire in wires))
    for wire in wires:
        wire.close()
    return [one for part in found for one in part]
