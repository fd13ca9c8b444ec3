"""An endpoint's answer to a program: plain JSON, or the other form that a feature gives it and the client wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.client import Client
from idp.server import Server
from idp.web.context import server_of
from idp.web.forms import json_response


@dataclass(frozen=True, slots=True)
class OtherForm:
    """``wanted`` says whether this request of this client gets it, ``give`` makes it of the members."""

    wanted: Callable[[Request, Client], bool]
    give: Callable[[Server, Client, Mapping[str, Any]], Awaitable[Response]]


async def answer(
    http: Request, endpoint: str, client: Client, members: Mapping[str, Any], headers: dict[str, str] | None = None
) -> Response:
    """The members of ``endpoint``'s answer, in the form that ``client`` gets."""
    other: OtherForm | None = http.app.state.answers.get(endpoint)
    if other is not None and other.wanted(http, client):
        response = await other.give(server_of(http), client, members)
        response.headers.update(headers or {})
        return response
    return json_response(members, headers=headers)
