"""Pushed authorization requests (RFC 9126): parameters go from program to program, the browser carries a handle."""

from __future__ import annotations

import math

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.client import Client
from idp.protocol.errors import Refused, Shown, visible
from idp.protocol.limits import Limit
from idp.protocol.parameters import Parameters
from idp.protocol.pushed import PREFIX, bad_handle
from idp.protocol.request import PUSHED, Asked, Once, Target
from idp.server import Server
from idp.store.pushed import Pushed, find_pushed, push
from idp.web.authorize import target_of, validated
from idp.web.client_authentication import authenticate
from idp.web.context import network_of, server_of, web_of
from idp.web.forms import json_response, read_form
from idp.web.holder import answer_headers, bound_request, proved_holder
from idp.web.sources import refuse_both

# Who calls is proved with these; they are no part of what is asked, and no secret is kept.
_PROOF = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type"})


async def pushed(http: Request) -> Response:
    """2.1: the checks of the authorization endpoint, all of them, and their errors as JSON; 2.2: a handle."""
    server = server_of(http)
    sent = await read_form(http)
    client = await authenticate(http, sent, server, http.app.state.client_authentication)
    if sent.get("request_uri") is not None:
        raise Refused(
            "invalid_request",
            "A pushed request cannot name another one.",
            rule="RFC 9126 2.1",
            received=f"request_uri {visible(sent.get('request_uri') or '')}",
            expected="the parameters themselves, or request",
            mend="Send request_uri to the authorization endpoint; it comes from this one.",
        )
    asked = Asked.plainly(_of(client, sent), (PUSHED,))
    for source in http.app.state.sources:
        asked = await source(server, asked, server.now())
    holder = await proved_holder(http, server)
    asked = bound_request(asked, holder)
    validated(http, asked, await _target(http, asked))
    if client.public:
        _refuse_many(http)
    handle = server.random_id(32)
    now, lifetime = server.now(), server.settings.lifetimes.pushed_request
    new = Pushed(client.client_id, tuple(asked.sent.pairs()), tuple(sorted(asked.via)), now, now + lifetime)
    await server.database.write(push, handle, new)
    answer = {"request_uri": PREFIX + handle, "expires_in": lifetime}
    return json_response(answer, 201, answer_headers(http, holder))


def _refuse_many(http: Request) -> None:
    """A row for whoever asks has to have an end where nobody proves who they are. Raises Refused (429)."""
    server, network = server_of(http), network_of(http)
    limit = Limit(server.settings.limits.pushed_requests, 60.0)
    wait = web_of(http).pushed_requests.add(network, limit, server.now())
    if wait > 0:
        seconds = max(1, math.ceil(wait))
        raise Refused(
            "temporarily_unavailable",
            f"Too many requests were pushed from this network. Ask again in {seconds} s.",
            rule="rows that strangers make are bounded",
            received=f"one more from {network}",
            expected=f"none for {seconds} s",
            mend="limits.pushed_requests says how many; apps with credentials are not counted.",
            status=429,
            headers={"Retry-After": str(seconds)},
        )


async def read_pushed(server: Server, asked: Asked, began: float) -> Asked:
    """The source: what stands behind a handle, read anew at every step. Parameters beside it mean nothing (4)."""
    parameters = asked.parameters
    uri = parameters.get("request_uri")
    if uri is None or not uri.startswith(PREFIX):
        return asked
    refuse_both(parameters)
    handle = uri.removeprefix(PREFIX)
    found = await server.database.read(find_pushed, handle)
    client_id = parameters.get("client_id")
    if found is None:
        raise bad_handle("a request_uri this server does not know")
    if client_id != found.client_id:
        raise bad_handle(f"client_id {visible(client_id or '(none)')}, which did not push this request")
    if found.spent:
        raise bad_handle("a request_uri that has had its answer")
    if began > found.expires_at:
        raise bad_handle(f"a request_uri opened {began - found.expires_at:.0f} s too late")
    return msgspec.structs.replace(
        asked,
        parameters=Parameters(found.pairs),
        sent=Parameters([("client_id", client_id), ("request_uri", uri)]),
        via=frozenset(found.via),
        once=Once("pushed request", handle, found.expires_at),
    )


def _of(client: Client, sent: Parameters) -> Parameters:
    pairs = [(name, value) for name, value in sent.pairs() if name not in _PROOF]
    return Parameters([("client_id", client.client_id), *pairs])


async def _target(http: Request, asked: Asked) -> Target:
    try:
        return await target_of(http, asked)
    except Shown as shown:
        story = {name: getattr(shown, name) for name in ("rule", "received", "expected", "mend")}
        raise Refused(shown.error, shown.description, **story) from None
