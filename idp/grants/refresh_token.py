"""grant_type=refresh_token (RFC 6749 6), rotated (decision 7); and who gets a refresh token at all (decision 8)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Container

from idp.grants.narrowing import narrowed_resources, narrowed_scope, narrower
from idp.grants.people import follow
from idp.protocol.authorization import Authorization
from idp.protocol.client import Client
from idp.protocol.errors import Refused, invalid_grant
from idp.server import Server, TokenRequest
from idp.store.refresh import Refresh, refresh
from idp.store.tokens import whose_family

# The handle finds the row, the secret proves; 16 and 32 random bytes.
_TOKEN = re.compile(r"rt\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})", re.ASCII)


def earns_refresh(client: Client, scope: tuple[str, ...], offered: Container[str]) -> bool:
    """Granted ``offline_access``, or a client whose refresh tokens die with the session; and it is ``offered``."""
    if "refresh_token" not in offered or "refresh_token" not in client.grant_types:
        return False
    return client.refresh == "session" or "offline_access" in scope


def format_refresh_token(handle: str, secret: bytes) -> str:
    return f"rt.{handle}.{base64.urlsafe_b64encode(secret).rstrip(b'=').decode('ascii')}"


def parse_refresh_token(token: str) -> tuple[str, bytes] | None:
    """Handle and secret; None for anything not written exactly as we write it, so that no second spelling works."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    try:
        secret = base64.urlsafe_b64decode(match.group(2) + "=")
    except (ValueError, binascii.Error):
        return None
    return (match.group(1), secret) if format_refresh_token(match.group(1), secret) == token else None


async def refresh_token(request: TokenRequest, server: Server) -> Authorization:
    parameters, client = request.parameters, request.client
    parsed = parse_refresh_token(parameters.require("refresh_token"))
    if parsed is None:
        raise invalid_grant(
            "This is not a refresh token of this server.",
            received="a value of another form",
            expected="the refresh_token of the last answer, unchanged",
            mend="Send refresh_token as received; access tokens and codes have their own parameters.",
        )
    handle, secret = parsed
    grace = client.refresh_grace if client.refresh_grace is not None else server.settings.lifetimes.refresh_grace
    await follow(server, whose_family, handle)
    outcome = await server.database.write(
        refresh,
        server.journal,
        Refresh(
            handle=handle,
            secret=secret,
            client=client,
            narrow=narrower(parameters),
            follow=server.follow_refresh,
            grace=grace,
            idle=server.settings.lifetimes.refresh_idle,
            now=request.now,
            holder=request.holder,
        ),
    )
    if isinstance(outcome, Refused):
        raise outcome
    scope = narrowed_scope(parameters, outcome.scope)
    return Authorization(
        client=client,
        scope=scope,
        audience=narrowed_resources(parameters, outcome.resources),
        now=request.now,
        grant_type="refresh_token",
        grant_id=outcome.id,
        account=outcome.account,
        auth_time=outcome.auth_time,
        amr=outcome.amr,
        sid=outcome.sid,
        acr=outcome.acr,
        claims=outcome.claims,
        id_token="openid" in scope,
        refresh_token=format_refresh_token(handle, outcome.refresh_secret or secret),
    )
