"""UserInfo (OIDC Core 5.3) by GET and POST: the claims a token's scopes open, read fresh each time."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from idp.grants.presented import accept, audiences
from idp.protocol.claims import userinfo as userinfo_claims
from idp.protocol.errors import Refused
from idp.server import Server
from idp.web.answers import answer
from idp.web.bearer import unauthorized
from idp.web.context import server_of
from idp.web.forms import read_form
from idp.web.holder import Presented, in_its_scheme, presented_token, require_holder


async def userinfo(http: Request) -> Response:
    server = server_of(http)
    in_form = None
    if http.method == "POST" and await http.body():
        in_form = (await read_form(http)).get("access_token")
    presented = presented_token(http, in_form)
    try:
        return await _claims(http, server, presented)
    except Refused as refusal:
        raise in_its_scheme(refusal, presented, server) from None


async def _claims(http: Request, server: Server, presented: Presented) -> Response:
    accepted = await accept(server, presented.token)
    if isinstance(accepted, str):
        raise unauthorized("invalid_token", f"The access token is not valid: {accepted}.", received=accepted)
    http.scope["idp.client"] = accepted.client
    await require_holder(http, server, presented, accepted.claims)
    if server.issuer not in audiences(accepted.claims):
        names = ", ".join(audiences(accepted.claims))
        text = f"The access token is not valid: aud is {names}, this is {server.issuer}."
        raise unauthorized("invalid_token", text, received=f"aud {names}", expected=f"aud {server.issuer}")
    account, scope = accepted.standing.account, accepted.scope
    if account is None or "openid" not in scope:
        raise unauthorized(
            "insufficient_scope",
            "UserInfo needs a token of a person with the scope openid.",
            received=" ".join(scope) or "no scope",
            expected="scope openid",
            status=403,
        )
    subject, wanted = server.subject_of(accepted.client, account.id), accepted.standing.claims
    claims = userinfo_claims(account, scope, server.registry.scopes, wanted, subject=subject)
    if server.hooks.claims is not None:
        client_id = accepted.client.client_id
        claims = await server.hooks.claims(
            "userinfo", claims, client_id=client_id, account=account, scope=scope, audience=()
        )
    return await answer(http, "userinfo", accepted.client, claims, presented.headers(server))
