"""Dynamic client registration (RFC 7591 3, OpenID Connect Registration 3.1)."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.limits import Limit
from idp.store.initial_tokens import is_good
from idp.store.registrations import NewClient
from idp.store.registrations import register as store
from idp.web.bearer import bearer_token
from idp.web.context import network_of, server_of, web_of
from idp.web.forms import json_response
from idp.web.json_body import read_json_object
from idp.web.registration_answer import MANAGEMENT, answer, asked_client, hashed, with_secret


async def register(http: Request) -> Response:
    """201 with the client as stored, its secret and its registration access token shown this once."""
    server = server_of(http)
    initial = await _initial_token(http)
    if initial is None:
        _refuse_many(http, take=False)
    members = await read_json_object(http, "invalid_client_metadata")
    allowed = server.settings.registration
    fresh = Client(
        client_id=server.random_id(16),
        resources=allowed.resources,
        require_pkce=allowed.require_pkce,
        assertion_audience=allowed.assertion_audience,
    )
    client, secret = with_secret(server, await asked_client(http, members, fresh))
    # Both or none (RFC 7592 1.3): an address without the token, or the other way round, is of no use.
    token = f"ra.{server.random_id(32)}" if MANAGEMENT in http.app.state.paths else None
    if initial is None:
        _refuse_many(http, take=True)
    now = server.now()
    new = NewClient(client, None if token is None else hashed(token), initial, now)
    if not await server.database.write(store, server.journal, new):
        raise _no_token("The initial access token was used up this very moment.", "a token without a use left")
    return json_response(answer(server.issuer, client, now, token=token, secret=secret), 201)


async def _initial_token(http: Request) -> bytes | None:
    """The hash of a token that is good for a registration; None where none was sent and none is needed.

    Raises Refused (401): whoever sends one means it, also where anybody may register.
    """
    server = server_of(http)
    if "authorization" not in http.headers:
        if server.settings.registration.mode == "open":
            return None
        raise _no_token("Registering an app needs an initial access token.", "no Authorization header", named=False)
    token_hash = hashed(bearer_token(http.headers.getlist("authorization")))
    if not await server.database.read(is_good, token_hash, server.now()):
        raise _no_token(
            "The initial access token is unknown, expired, removed or used up.", "a token without a use left"
        )
    return token_hash


def _refuse_many(http: Request, *, take: bool) -> None:
    """A place in the bucket of the caller's network, where one is left. Raises Refused (429)."""
    server, buckets = server_of(http), web_of(http).registrations
    allowed = server.settings.registration
    limit, now = Limit(allowed.network, float(allowed.network_window)), server.now()
    network = network_of(http)
    wait = buckets.add(network, limit, now) if take else buckets.wait(network, limit, now)
    if wait > 0:
        seconds = max(1, math.ceil(wait))
        raise Refused(
            "temporarily_unavailable",
            f"Too many apps were registered from this network. Ask again in {seconds} s.",
            rule="RFC 7591 5: registration is limited",
            received=f"one more registration from {network}",
            expected=f"none for {seconds} s",
            mend="registration.network says how many; a registration with an initial access token is not counted.",
            status=429,
            headers={"Retry-After": str(seconds)},
        )


def _no_token(description: str, received: str, *, named: bool = True) -> Refused:
    """RFC 6750 3: without any token the challenge names no error."""
    challenge = 'Bearer realm="idp", error="invalid_token"' if named else 'Bearer realm="idp"'
    return Refused(
        "invalid_token",
        description,
        rule="RFC 7591 3",
        received=received,
        expected="Authorization: Bearer TOKEN with a use left",
        mend="idp registration token add makes one; idp registration token list shows what is left of each.",
        status=401,
        headers={"WWW-Authenticate": challenge},
    )
