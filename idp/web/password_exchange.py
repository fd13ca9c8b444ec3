"""Username and password for tokens, in djangorestframework-simplejwt's JSON: for the course's curl commands alone.

RFC 9700 2.4 rules this flow out: an app that sees passwords can do anything with them. It works for one named client,
its refresh token lives 24 hours, does not rotate, and is good nowhere else.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.accounts.sign_in import prove_password
from idp.grants.presented import accept
from idp.jose import JoseError, loads_strict
from idp.protocol.authorization import Authorization
from idp.protocol.client import Account, Client
from idp.protocol.errors import Throttled
from idp.server import Server
from idp.store import grants
from idp.store.tokens import standing
from idp.web.context import network_of, server_of
from idp.web.forms import json_response

log = logging.getLogger("idp.deprecated")

REFRESH_SECONDS = 86_400
_PURPOSE = "password exchange refresh"
_HOW = "/authorize with the authorization code flow: docs/divergences.md#password-exchange"


class _Refresh(msgspec.Struct, frozen=True):
    """What the sealed refresh token holds; the grant's row says whether it still counts."""

    grant_id: str
    client_id: str
    account_id: str
    expires_at: float


async def obtain(http: Request) -> Response:
    """``{"username", "password"}`` -> ``{"access", "refresh"}``; 401 in simplejwt's words."""
    server, client = server_of(http), await _client(http)
    if client is None:
        return _answer(http, {"detail": "Not found."}, 404)
    fields = await _fields(http, ("username", "password"))
    if isinstance(fields, Response):
        return fields
    try:
        proved = await prove_password(server, fields["username"], fields["password"], network_of(http))
    except Throttled as throttled:
        return _throttled(http, throttled.retry_after)
    if proved is None:
        detail = "No active account found with the given credentials"
        return _answer(http, {"detail": detail, "code": "no_active_account"}, 401)
    account = proved.account
    log.warning("deprecated: %s exchanged a password at /api/token/; the way to go is %s", client.client_id, _HOW)
    now, grant_id = server.now(), server.random_id(16)
    await server.database.write(
        grants.begin,
        server.journal,
        grants.NewGrant(grant_id, client.client_id, account.id, client.scope, now, REFRESH_SECONDS),
    )
    sealed = server.seal(_PURPOSE, _Refresh(grant_id, client.client_id, account.id, now + REFRESH_SECONDS))
    return _answer(http, {"access": await _access(server, client, account, grant_id, now), "refresh": sealed})


async def refresh(http: Request) -> Response:
    """``{"refresh"}`` -> ``{"access"}`` alone: simplejwt's default does not rotate."""
    server, client = server_of(http), await _client(http)
    if client is None:
        return _answer(http, {"detail": "Not found."}, 404)
    fields = await _fields(http, ("refresh",))
    if isinstance(fields, Response):
        return fields
    stored = _stored(server, client, fields["refresh"])
    if stored is None:
        return _answer(http, {"detail": "Token is invalid or expired", "code": "token_not_valid"}, 401)
    found = await server.database.read(standing, stored.grant_id, "")
    if found is None or found.account is None:
        return _answer(http, {"detail": "Token is invalid or expired", "code": "token_not_valid"}, 401)
    access = await _access(server, client, found.account, stored.grant_id, server.now())
    return _answer(http, {"access": access})


async def verify(http: Request) -> Response:
    """``{"token"}`` -> ``{}`` for a live access or refresh token of ours."""
    server, client = server_of(http), await _client(http)
    if client is None:
        return _answer(http, {"detail": "Not found."}, 404)
    fields = await _fields(http, ("token",))
    if isinstance(fields, Response):
        return fields
    stored = _stored(server, client, fields["token"])
    if stored is not None:
        live = await server.database.read(standing, stored.grant_id, "") is not None
    else:
        live = not isinstance(await accept(server, fields["token"]), str)
    if live:
        return _answer(http, {})
    return _answer(http, {"detail": "Token is invalid or expired", "code": "token_not_valid"}, 401)


def _stored(server: Server, client: Client, text: str) -> _Refresh | None:
    """What a refresh token of this bridge holds: in its time, and given to the client it now belongs to."""
    stored = server.unseal(_PURPOSE, text, _Refresh)
    if stored is None or stored.client_id != client.client_id or server.now() >= stored.expires_at:
        return None
    return stored


async def _access(server: Server, client: Client, account: Account, grant_id: str, now: float) -> str:
    scope = tuple(word for word in client.scope.split() if word != "offline_access")
    answer = await server.issue(
        Authorization(
            client=client,
            scope=scope,
            audience=(),
            now=now,
            grant_type="password_exchange",
            grant_id=grant_id,
            account=account,
            auth_time=now,
            amr=("pwd",),
        )
    )
    return str(answer["access_token"])


async def _client(http: Request) -> Client | None:
    server = server_of(http)
    client = await server.registered_client(server.settings.password_exchange_client)
    return None if client is None or client.disabled else client


async def _fields(http: Request, names: tuple[str, ...]) -> dict[str, str] | Response:
    """The JSON members as text, or Django REST framework's 400 with each missing field named."""
    try:
        members = loads_strict(await http.body())
    except JoseError:
        return _answer(http, {"detail": "JSON parse error"}, 400)
    if not isinstance(members, dict):
        return _answer(http, {"non_field_errors": ["Invalid data. Expected a dictionary."]}, 400)
    wrong = {name: ["This field is required."] for name in names if not isinstance(members.get(name), str)}
    return _answer(http, wrong, 400) if wrong else {name: str(members[name]) for name in names}


def _throttled(http: Request, seconds: int) -> Response:
    """As Django REST framework says it."""
    detail = f"Request was throttled. Expected available in {seconds} second{'' if seconds == 1 else 's'}."
    response = _answer(http, {"detail": detail}, 429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _answer(http: Request, members: dict[str, Any], status: int = 200) -> Response:
    issuer = server_of(http).issuer
    headers = {
        "Deprecation": "@1735689600",  # RFC 9745: deprecated since before this server existed
        "Link": f'<{issuer}/.well-known/openid-configuration>; rel="successor-version"',
    }
    return json_response(members, status, headers)
