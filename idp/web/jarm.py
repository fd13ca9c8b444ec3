"""JWT Secured Authorization Response Mode (JARM): the same answer, signed by us for this client."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol import responses
from idp.protocol.request import Target
from idp.web.context import server_of
from idp.web.delivery import form_post, fragment, query

LIFETIME = 600  # JARM 2.1: at most ten minutes


async def query_jwt(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """JARM 2.3.1."""
    return await query(http, target, await _signed(http, target, members))


async def fragment_jwt(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """JARM 2.3.2."""
    return await fragment(http, target, await _signed(http, target, members))


async def form_post_jwt(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """JARM 2.3.3."""
    return await form_post(http, target, await _signed(http, target, members))


async def jwt(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """JARM 2.3.4: whichever of the two the response type would take unsigned."""
    way = fragment_jwt if target.default_mode == "fragment" else query_jwt
    return await way(http, target, members)


async def _signed(http: Request, target: Target, members: Mapping[str, str]) -> dict[str, str]:
    server = server_of(http)
    claims = responses.signed_answer(target, members, expires_at=int(server.now()) + LIFETIME)
    return {"response": await server.keyring.sign(target.client.authorization_signed_response_alg, "JWT", claims)}
