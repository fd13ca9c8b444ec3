"""Tokens without a browser: as an app would hold them, and as the tests of an API need them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from idp.control.errors import ControlError
from idp.control.operations import run
from idp.control.people import SAMPLE_CLIENT
from idp.grants.refresh_token import parse_refresh_token
from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.parameters import Parameters
from idp.server import Server, TokenRequest
from idp.store.tokens import family
from idp.testing.registering import add_resources
from idp.web.revocation import end_token

_AGE = 300  # seconds an expired token was good for


async def tokens_for(
    server: Server,
    person: str,
    *,
    scope: str | None,
    audience: Sequence[str],
    client: str | None,
    lifetime: float | None,
    claims: Mapping[str, Any],
) -> dict[str, Any]:
    """A token response. ``sample``, whom no test registered, may ask for whatever the test names."""
    if client is None and (audience or scope):
        await add_resources(server, audience, (scope or "").split())
    asked = {"person": person, "client": client, "scope": scope, "resource": list(audience)}
    answer = await run(server, "token", asked)
    return await _changed(server, answer, lifetime, claims)


async def service_tokens(
    server: Server,
    client_id: str,
    *,
    scope: str | None,
    audience: Sequence[str],
    lifetime: float | None,
    claims: Mapping[str, Any],
) -> dict[str, Any]:
    """What the client's own client_credentials request would be answered."""
    client = await _client(server, client_id)
    pairs = [("grant_type", "client_credentials"), *(("resource", uri) for uri in audience)]
    if scope:
        pairs.append(("scope", scope))
    try:
        grant = server.grant_for(client, "client_credentials")
        granted = await grant(TokenRequest(client, Parameters(pairs), server.now()), server)
    except Refused as refusal:
        raise ControlError(
            refusal.description, received=refusal.received, expected=refusal.expected, mend=refusal.mend
        ) from None
    return await _changed(server, await server.issue(granted), lifetime, claims)


async def _changed(
    server: Server, answer: dict[str, Any], lifetime: float | None, claims: Mapping[str, Any]
) -> dict[str, Any]:
    """The access token signed anew with other claims; one whose value is None goes. A real one is left as it is."""
    other = dict(claims)
    if lifetime is not None:
        now = int(server.now())
        other = {"exp": now + int(lifetime), **({"iat": now + int(lifetime) - _AGE} if lifetime <= 0 else {}), **other}
    if not other:
        return answer
    token = str(answer["access_token"])
    if token.count(".") != 2:
        raise ControlError(
            "claims and lifetime are written into a token",
            received="an opaque token, which holds none",
            expected="an audience whose tokens are JWTs",
            mend="leave claims and lifetime out, or advance the clock past its end",
        )
    header, payload = (json.loads(_decoded(part)) for part in token.split(".")[:2])
    fresh = {name: value for name, value in {**payload, **other}.items() if value is not None}
    until = max(server.now(), *(float(fresh[name]) for name in ("exp",) if isinstance(fresh.get(name), (int, float))))
    signed = await server.keyring.sign(header["alg"], header["typ"], fresh, until=until)
    return {**answer, "access_token": signed}


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def revoke(server: Server, token: str, client: str | None) -> None:
    """As if the app it was issued to had asked (RFC 7009). Raises ControlError for a token nobody here issued."""
    named = client or await _holder_of(server, token)
    await end_token(server, await _client(server, named), token)


async def _holder_of(server: Server, token: str) -> str:
    refresh = parse_refresh_token(token)
    if refresh is not None:
        row = await server.database.read(family, refresh[0])
        return str(row["client_id"]) if row is not None else SAMPLE_CLIENT
    if token.count(".") == 2:
        return str(json.loads(_decoded(token.split(".")[1])).get("client_id", SAMPLE_CLIENT))
    return SAMPLE_CLIENT


async def _client(server: Server, client_id: str) -> Client:
    found = await server.registered_client(client_id)
    if found is None or found.disabled:
        raise ControlError(
            "the app is registered and enabled", received=client_id, expected="a client_id", mend="idp.add_client(...)"
        )
    return found
