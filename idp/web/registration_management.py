"""A registered client's own entry: read, replaced, removed by its registration access token (RFC 7592)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.errors import Busy, Refused
from idp.server import MAX_CLIENT_ID
from idp.store.registrations import Registered, find_registered, unregister, update_registered
from idp.web.bearer import bearer_token
from idp.web.context import server_of
from idp.web.forms import NO_STORE, json_response, read_query
from idp.web.json_body import read_json_object
from idp.web.registration_answer import answer, asked_client, hashed, with_secret

_TRIES = 3
_NOBODYS = hashed("no client is managed with this")
# What the server alone says (RFC 7592 2.2).
_OURS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


async def read(http: Request) -> Response:
    found, token = await _owned(http)
    return json_response(answer(server_of(http).issuer, found.client, found.created_at, token=token))


async def replace(http: Request) -> Response:
    """The whole entry anew: what is left out has its default afterwards (RFC 7592 2.2). All of it, or nothing."""
    server = server_of(http)
    for _ in range(_TRIES):
        found, token = await _owned(http)
        members = await read_json_object(http, "invalid_client_metadata")
        _refuse_others(members, found)
        after, secret = with_secret(server, await asked_client(http, members, found.client))
        before = found.client
        changed = [name for name in after.__struct_fields__ if getattr(before, name) != getattr(after, name)]
        now = server.now()
        if await server.database.write(update_registered, server.journal, found, after, changed, now):
            await server.reload_registry()
            return json_response(answer(server.issuer, after, found.created_at, token=token, secret=secret))
    raise Busy()  # somebody else changes it again and again


async def remove(http: Request) -> Response:
    """204; nothing of it works any more. What hangs on it is forgotten by a job."""
    server = server_of(http)
    found, _ = await _owned(http)
    client_id = found.client.client_id
    if not await server.database.write(unregister, server.journal, client_id, server.now(), "by its owner"):
        raise _not_its_owner("a client that was removed this very moment")
    await server.reload_registry()
    return Response(status_code=204, headers=NO_STORE)


async def _owned(http: Request) -> tuple[Registered, str]:
    """The client of the address, and the token that was shown for it. Raises Refused (401).

    Unknown, removed, taken over by an operator, another one's token: all the same to whoever asks (RFC 7592 2.1).
    """
    server = server_of(http)
    client_id = read_query(http).get("client_id") or ""
    token = bearer_token(http.headers.getlist("authorization"))
    found = None
    if 0 < len(client_id) <= MAX_CLIENT_ID:
        found = await server.database.read(find_registered, client_id)
    stored = _NOBODYS if found is None else found.token_hash
    if not hmac.compare_digest(stored, hashed(token)) or found is None:
        raise _not_its_owner("a token that is not this client's, or no such client")
    http.scope["idp.client"], http.scope["idp.proved"] = found.client, True
    if found.client.disabled:
        raise Refused(
            "access_denied",
            "The operator disabled this app.",
            rule="RFC 7592 2.1",
            received=f"disabled client {client_id}",
            expected="an enabled client",
            mend=f"idp client enable {client_id}",
            status=403,
        )
    return found, token


def _refuse_others(members: Mapping[str, Any], found: Registered) -> None:
    """RFC 7592 2.2: the same client_id, its own secret or none, nothing that only the server says."""
    wrong = [name for name in _OURS if name in members]
    if members.get("client_id") != found.client.client_id:
        wrong.append("client_id")
    secret = members.get("client_secret")
    if secret is not None and not _is_live(secret, found):
        wrong.append("client_secret")
    if wrong:
        raise Refused(
            "invalid_client_metadata",
            f"{', '.join(wrong)}: send client_id as it is, client_secret as it is or not at all, and leave out what "
            f"only the server says ({', '.join(_OURS)}).",
            rule="RFC 7592 2.2",
            received=", ".join(wrong),
            expected=f"client_id {found.client.client_id}",
            mend="Take the members of the last answer, change them, and leave those out.",
        )


def _is_live(secret: object, found: Registered) -> bool:
    digest = hashed(secret) if isinstance(secret, str) else b""
    matches = [hmac.compare_digest(stored, digest) for stored in found.client.secret_hashes]
    return any(matches)


def _not_its_owner(received: str) -> Refused:
    return Refused(
        "invalid_token",
        "The registration access token is not one of this client, or the client is not there.",
        rule="RFC 7592 2",
        received=received,
        expected="the registration_access_token this client got when it was registered",
        mend="Register the app again, or have the operator change it: idp client list.",
        status=401,
        headers={"WWW-Authenticate": 'Bearer realm="idp", error="invalid_token"'},
    )
