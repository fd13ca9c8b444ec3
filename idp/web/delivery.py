"""How an answer of the authorization endpoint travels: by its response mode, to the proved target alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol import responses
from idp.protocol.errors import Sent
from idp.protocol.request import Target
from idp.web.context import locale_of, see_other, server_of, web_of
from idp.web.pages import Asker
from idp.web.refusals import tell_operator

# ``members`` is the whole answer, ``state`` and ``iss`` among it.
Deliver = Callable[[Request, Target, Mapping[str, str]], Awaitable[Response]]


class ToClient(Exception):
    """A refusal on its way out: ``Sent``, and the target that was proved for it."""

    def __init__(self, target: Target, refusal: Sent) -> None:
        super().__init__(str(refusal))
        self.target = target
        self.refusal = refusal


async def deliver(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """An answer by the mode the request names; where that one is not offered, the refusal that says so, by default."""
    modes: Mapping[str, Deliver] = http.app.state.response_modes
    way = modes.get(target.response_mode) or (fragment if target.default_mode == "fragment" else query)
    return await way(http, target, responses.answer(target, server_of(http).issuer, members))


async def refused(http: Request, target: Target, refusal: Sent) -> Response:
    tell_operator(http, refusal, target.client.client_id)
    return await deliver(http, target, responses.error_members(refusal))


async def on_to_client(http: Request, error: Exception) -> Response:
    if not isinstance(error, ToClient):
        raise error
    return await refused(http, error.target, error.refusal)


async def query(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """``query`` (OAuth 2.0 Multiple Response Types 2.1)."""
    return see_other(responses.with_query(target.redirect_uri, members))


async def fragment(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """``fragment`` (OAuth 2.0 Multiple Response Types 2.1): for a script or an installed app, never a web server."""
    return see_other(responses.with_fragment(target.redirect_uri, members))


async def form_post(http: Request, target: Target, members: Mapping[str, str]) -> Response:
    """OAuth 2.0 Form Post Response Mode 2: a page whose one form posts itself, or is posted by its button."""
    web = web_of(http)
    return web.pages.page(
        "form-post",
        locale=locale_of(http, http.query_params.get("ui_locales")),
        client=Asker(target.client.name),
        redirect_uri=target.redirect_uri,
        members=members,
    )
