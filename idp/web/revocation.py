"""Revocation (RFC 7009): a refresh token ends its grant and every access token of it; an access token ends alone."""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import Request
from starlette.responses import Response

from idp.grants.refresh_token import parse_refresh_token
from idp.jose import JoseError
from idp.keyring.opaque import hash_of, is_opaque
from idp.protocol.client import Client
from idp.server import Server
from idp.store.opaque_tokens import revoke_kept
from idp.store.tokens import family, revoke_family, revoke_token
from idp.web.client_authentication import authenticate
from idp.web.context import server_of
from idp.web.forms import NO_STORE, read_form


async def revoke(http: Request) -> Response:
    """200 for every token, known or not, ours or another's (2.2): the answer tells nothing."""
    server = server_of(http)
    parameters = await read_form(http)
    client = await authenticate(http, parameters, server, http.app.state.client_authentication)
    await end_token(server, client, parameters.require("token"))
    return Response(b"", 200, NO_STORE)


async def end_token(server: Server, client: Client, text: str) -> None:
    """For the proved client it was issued to; of anybody else's nothing happens."""
    parsed = parse_refresh_token(text)
    if parsed is not None:
        await _revoke_refresh(server, client, *parsed)
    else:
        await _revoke_access(server, client, text)


async def _revoke_refresh(server: Server, client: Client, handle: str, secret: bytes) -> None:
    row = await server.database.read(family, handle)
    if row is None or row["client_id"] != client.client_id:
        return
    presented = hashlib.sha256(secret).digest()
    # The direct predecessor too: a client whose last answer got lost may still want to leave.
    genuine = [hmac.compare_digest(presented, known) for known in (row["secret_hash"], row["previous_hash"]) if known]
    if any(genuine):
        now = server.now()
        await server.database.write(revoke_family, server.journal, row["grant_id"], client.client_id, now)


async def _revoke_access(server: Server, client: Client, text: str) -> None:
    if is_opaque(text):
        now = server.now()
        await server.database.write(revoke_kept, server.journal, hash_of(text), client.client_id, now)
        return
    try:
        claims = server.keyring.verify(text, typ=("at+jwt",)).claims
    except JoseError:
        return
    now, expires, jti = server.now(), claims.get("exp"), claims.get("jti")
    ours = claims.get("iss") == server.issuer and claims.get("client_id") == client.client_id
    if not ours or not isinstance(jti, str) or not isinstance(expires, (int, float)) or expires <= now:
        return
    await server.database.write(revoke_token, server.journal, jti, client.client_id, float(expires), now)
