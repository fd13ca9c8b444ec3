"""What a granted answer holds: the code, and the tokens a response type asks for beside it or in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.protocol.authorization import Authorization
from idp.protocol.claims import userinfo
from idp.server import Server
from idp.store.authorization import NewCode


async def members_of(server: Server, new: NewCode, sid: str) -> dict[str, str]:
    """RFC 6749 4.1.2, OIDC Core 3.2.2.5 and 3.3.2.5: every value as text, as it travels."""
    code = {} if new.code is None else {"code": new.code}
    if new.request.response_type == "code":
        return code
    tokens = await server.issue(_authorization(server, new, sid))
    return code | {name: str(value) for name, value in tokens.items()}


def _authorization(server: Server, new: NewCode, sid: str) -> Authorization:
    """The grant that was just written, so that revoking it or replaying its code ends these tokens as well."""
    request, known = new.request, new.known
    return Authorization(
        client=request.client,
        scope=request.scope,
        audience=request.resources,
        now=new.now,
        grant_type="implicit",
        grant_id=new.grant_id,
        account=known.account,
        auth_time=known.session.auth_time,
        amr=known.session.amr,
        sid=sid,
        nonce=request.nonce,
        id_token=request.wants("id_token"),
        access_token=request.wants("token"),
        code=new.code,
        acr=new.acr,
        claims=None if request.claims is None else request.claims.wanted,
        told=_told(server, new) if request.response_type == "id_token" else None,
    )


def _told(server: Server, new: NewCode) -> Mapping[str, Any]:
    """OIDC Core 5.4: with an ID token alone there is no access token to ask UserInfo with, so it tells itself."""
    account, client = new.known.account, new.request.client
    subject = server.subject_of(client, account.id)
    return userinfo(account, new.request.scope, server.registry.scopes, subject=subject)
