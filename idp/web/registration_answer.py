"""What both endpoints of registration share: the policy of the settings, the checks before storing, the answer."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request

from idp.protocol.client import Client
from idp.protocol.registration_parts import Flaw
from idp.protocol.registration_request import (
    Policy,
    described,
    lacks_secret,
    read_metadata,
    refusal,
    registered_flaws,
    registrable,
)
from idp.server import Server
from idp.settings_network import reach
from idp.web.client_secrets import new_secret
from idp.web.client_secrets import with_secret as with_newest
from idp.web.context import server_of

MANAGEMENT = "/register/client"

# What can only be known by asking the outside, before a client is stored: the flaws found.
RegistrationCheck = Callable[[Server, Client], Awaitable[tuple[Flaw, ...]]]


def policy_of(http: Request) -> Policy:
    server = server_of(http)
    allowed = server.settings.registration
    return Policy(
        scopes=tuple(word for word in allowed.scopes if word in server.rules.scopes),
        resources=allowed.resources,
        require_pkce=allowed.require_pkce,
        methods=tuple(http.app.state.client_authentication),
        grant_types=tuple(name for name in server.grants if name in allowed.grant_types),
        response_types=sorted(server.response_types),
        algorithms=server.settings.keys.algorithms,
        may_call=lambda host: may_call(server, host),
        reach=reach(server.settings),
        profile=server.settings.profile,
    )


def may_call(server: Server, host: str) -> bool:
    """By its text alone. Other ways to write a number are refused: programs disagree about them (RFC 3986 7.4)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        name = "127.0.0.1"
    try:
        return server.outbound.guard.permits(ipaddress.ip_address(name))
    except ValueError:
        last = name.rpartition(".")[2]
        return not (last.isdigit() or last.startswith("0x"))


async def asked_client(http: Request, members: Mapping[str, Any], before: Client) -> Client:
    """The client these members describe, fit to be stored but for its secret. Raises Refused with every flaw."""
    policy = policy_of(http)
    values, flaws = read_metadata(members)
    if flaws:
        raise refusal(flaws)
    client = described(values, before, policy)
    if flaws := registered_flaws(client, policy):
        raise refusal(flaws)
    checks: tuple[RegistrationCheck, ...] = http.app.state.registration_checks
    for check in checks:
        if flaws := await check(server_of(http), client):
            raise refusal(flaws)
    return client


def with_secret(server: Server, client: Client) -> tuple[Client, str | None]:
    """The client with a new secret, and that secret, where it needs one and has none."""
    if not lacks_secret(client):
        return client, None
    bare = msgspec.structs.replace(client, secret_hashes=(), sealed_secrets=())
    secret = new_secret(server, bare)
    return with_newest(server, bare, secret), secret


def answer(
    issuer: str, client: Client, created_at: float, *, token: str | None, secret: str | None = None
) -> dict[str, Any]:
    """The client information response (RFC 7591 3.2.1, RFC 7592 3): every member as it is stored."""
    members: dict[str, Any] = {"client_id": client.client_id, "client_id_issued_at": int(created_at)}
    if secret is not None:
        members |= {"client_secret": secret, "client_secret_expires_at": 0}
    if token is not None:
        address = f"{issuer}{MANAGEMENT}?client_id={quote(client.client_id, safe='')}"
        members |= {"registration_access_token": token, "registration_client_uri": address}
    stored = {name: getattr(client, name) for name in registrable()}
    return members | {name: value for name, value in stored.items() if value not in (None, "", ())}


def hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
