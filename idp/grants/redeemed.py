"""What a grant that was begun at a browser buys once it is redeemed: by its code, or by its device's code."""

from __future__ import annotations

from idp.grants.narrowing import narrowed_resources, narrowed_scope
from idp.grants.refresh_token import earns_refresh, format_refresh_token
from idp.protocol.authorization import Authorization
from idp.server import Server, TokenRequest
from idp.store.codes import Grant


def authorization_of(
    request: TokenRequest, server: Server, grant: Grant, grant_type: str, *, handle: str, secret: bytes
) -> Authorization:
    """``handle`` and ``secret`` are those of the refresh token, for a grant that earns one."""
    client, parameters = request.client, request.parameters
    scope = narrowed_scope(parameters, grant.scope)
    earned = earns_refresh(client, grant.scope, server.grants)
    return Authorization(
        client=client,
        scope=scope,
        audience=narrowed_resources(parameters, grant.resources),
        now=request.now,
        grant_type=grant_type,
        grant_id=grant.id,
        account=grant.account,
        auth_time=grant.auth_time,
        amr=grant.amr,
        sid=grant.sid,
        acr=grant.acr,
        claims=grant.claims,
        nonce=grant.nonce,
        id_token="openid" in scope,
        refresh_token=format_refresh_token(handle, secret) if earned else None,
    )
