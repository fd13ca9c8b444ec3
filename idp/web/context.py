"""What the web layer holds beside the server: pages, cookies, and how a request reaches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.server import Server
from idp.web.cookies import Cookie, browser_cookie, device_cookie, session_cookie
from idp.web.limits import Buckets, ClientFailures
from idp.web.pages import Pages
from idp.web.peer import Proxies


@dataclass(frozen=True, slots=True)
class Web:
    """Made once by ``app.build``. ``base`` is the issuer's path, empty at a host's root."""

    server: Server
    pages: Pages
    session_cookie: Cookie
    browser_cookie: Cookie
    device_cookie: Cookie
    origin: str
    base: str
    proxies: Proxies
    client_failures: ClientFailures
    registrations: Buckets = field(default_factory=Buckets)  # of clients over HTTP, by network
    pushed_requests: Buckets = field(default_factory=Buckets)  # of public clients, by network
    sign_ups: Buckets = field(default_factory=Buckets)  # by network

    @classmethod
    def of(cls, server: Server, pages: Pages) -> Web:
        parts, settings = urlsplit(server.issuer), server.settings
        proxies = Proxies(settings.trusted_proxies, settings.proxy_hops)
        return cls(
            server,
            pages,
            session_cookie(server.issuer),
            browser_cookie(server.issuer),
            device_cookie(server.issuer),
            f"{parts.scheme}://{parts.netloc}",
            parts.path,
            proxies,
            ClientFailures(settings.limits, proxies, server.now),
        )

    def path(self, name: str) -> str:
        """A path of ours as the browser sees it: relative to the host, so it works however the host is reached."""
        return f"{self.base}{name}"


def web_of(http: Request) -> Web:
    web: Web = http.scope["idp.web"]  # put there by web.dispatch, for every request
    return web


def server_of(http: Request) -> Server:
    return web_of(http).server


def see_other(url: str) -> Response:
    """303: the browser continues with GET and repeats no body (RFC 9700 4.12)."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    if url.isascii() and url.isprintable() and " " not in url:  # as all are that we made; RedirectResponse quotes anew
        return Response(None, 303, {**headers, "Location": url})
    return RedirectResponse(url, 303, headers)


def network_of(http: Request) -> str:
    """The caller's network, for limits and the audit; see ``web.peer``."""
    return web_of(http).proxies.network_of(http.scope)


def user_agent_of(http: Request) -> str | None:
    """What the browser calls itself, for a person's list of sessions: printable and of a length that can be kept."""
    said = http.headers.get("user-agent", "")[:255]
    return "".join(character for character in said if character.isprintable()) or None


def locale_of(http: Request, ui_locales: str | None = None) -> str:
    return web_of(http).pages.choose(ui_locales, http.headers.get("accept-language"))
