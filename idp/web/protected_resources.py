"""Where a 401 of ours leads: to the document that says which tokens are taken here (RFC 9728 5.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.errors import Refused
from idp.server import Server
from idp.web.context import server_of

Handler = Callable[[Request], Awaitable[Response]]
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(server: Server) -> str:
    """The well-known part stands between host and path (RFC 9728 3.1)."""
    parts = urlsplit(server.issuer)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path}"


def with_pointer(server: Server, challenge: str) -> str:
    """A ``WWW-Authenticate``, its first scheme led on where the document is mounted."""
    if "protected_resources" not in server.metadata:
        return challenge
    first, other, rest = challenge.partition(", DPoP ")  # the scheme offered beside (RFC 9449 7.1)
    return f'{first}, resource_metadata="{metadata_url(server)}"{other}{rest}'


def pointing(handler: Handler) -> Handler:
    """``handler``, whose refusals of a token say where to find out which ones are taken."""

    async def pointed(http: Request) -> Response:
        try:
            return await handler(http)
        except Refused as refusal:
            challenge = refusal.headers.get("WWW-Authenticate")
            if challenge is not None:
                refusal.headers["WWW-Authenticate"] = with_pointer(server_of(http), challenge)
            raise

    return pointed
