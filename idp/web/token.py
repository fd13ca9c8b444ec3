"""The token endpoint (RFC 6749 3.2): one client, one grant function, one answer."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.fapi2 import refuse_unfit
from idp.server import TokenRequest
from idp.web.client_authentication import authenticate
from idp.web.context import server_of
from idp.web.forms import json_response, read_form
from idp.web.holder import answer_headers, key_holder


async def token(http: Request) -> Response:
    server = server_of(http)
    parameters = await read_form(http)
    client = await authenticate(http, parameters, server, http.app.state.client_authentication)
    refuse_unfit(client)
    grant = server.grant_for(client, parameters.require("grant_type"))
    holder = await key_holder(http, client, server)
    authorization = await grant(TokenRequest(client, parameters, server.now(), holder), server)
    if holder is not None:
        # Here and not in each grant, so that none can forget it (RFC 9449 5).
        authorization = msgspec.structs.replace(authorization, holder=holder)
    return json_response(await server.issue(authorization), headers=answer_headers(http, holder))
