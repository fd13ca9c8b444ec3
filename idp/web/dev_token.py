"""``/dev/token`` of ``idp dev``: takes a token apart in the browser. The token never comes here."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from idp.web.context import locale_of, web_of
from idp.web.pages import templates_root

PAGE = "/dev/token"
SCRIPT = "/dev/token.js"


async def page(http: Request) -> Response:
    """With the public keys of now, so that the signature is checked without another request."""
    web = web_of(http)
    keys = web.server.keyring.jwks.decode()
    return web.pages.page("token", locale=locale_of(http), script=web.path(SCRIPT), keys=keys)


async def script(http: Request) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    body = (templates_root() / "script" / "token.js").read_bytes()
    return Response(body, 200, headers, media_type="text/javascript")
