"""The token endpoint (RFC 6749 3.2): one client, one grant function, one answer."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from idp.server import TokenRequest
from idp.web.client_authentication import authenticate
from idp.web.context import server_of
from idp.web.forms import json_response, read_form


async def token(http: Request) -> Response:
    server = server_of(http)
    parameters = await read_form(http)
    client = await authenticate(http, parameters, server, http.app.state.client_authentication)
    grant = server.grant_for(client, parameters.require("grant_type"))
    authorization = await grant(TokenRequest(client, parameters, server.now()), server)
    return json_response(await server.issue(authorization))
