"""A request that waits for its person: a sealed value in URL and form, bound to one browser, no row for a stranger."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.errors import Shown
from idp.protocol.parameters import Parameters
from idp.web.context import Web, see_other, web_of

LIFETIME = 3600.0
_YEAR = 31_536_000
_URL = "interaction"


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """``pairs`` are the request's parameters as sent, checked again each time. ``browser`` is the SHA-256 (hex) of the
    browser cookie. ``signed_in``, ``chosen`` and ``shown_to`` name the session a page settled something for.

    ``home`` is the page of ours that waits where no app does, and ``pairs`` is what it wants back. It is a word and not
    an address, so that coming back can lead nowhere else."""

    pairs: tuple[tuple[str, str], ...]
    begun: float
    transaction: str
    browser: str
    signed_in: str | None = None
    chosen: str | None = None
    shown_to: str | None = None
    home: Literal["account", "device"] | None = None
    account: Literal["new", "known"] | None = None  # what the person said of theirs, on the way to this request
    username: str | None = None  # the name a new account was promised
    via: tuple[str, ...] = ()  # the sources ``pairs`` were read from, where they replace what was sent

    @property
    def expires_at(self) -> float:
        return self.begun + LIFETIME

    @property
    def parameters(self) -> Parameters:
        return Parameters(self.pairs)


def begin(
    http: Request,
    parameters: Parameters,
    home: Literal["account", "device"] | None = None,
    via: tuple[str, ...] = (),
    begun: float | None = None,
) -> tuple[Waiting, str | None]:
    """A waiting request of this browser, and the cookie value to set where it has none yet.

    ``begun`` is when the browser came with it, where that was not just now.
    """
    web = web_of(http)
    browser = web.browser_cookie.read(http.headers.raw)
    fresh = None
    if browser is None:
        browser = fresh = web.server.random_id(16)
    begun = web.server.now() if begun is None else begun
    waiting = Waiting(
        tuple(parameters.pairs()), begun, web.server.random_id(16), _fingerprint(browser), home=home, via=via
    )
    return waiting, fresh


def send_to(web: Web, page: str, waiting: Waiting, fresh_browser: str | None = None) -> Response:
    """303 to one of our pages, the request sealed in its URL."""
    return remember(web, see_other(address_of(web, page, waiting)), fresh_browser)


def address_of(web: Web, page: str, waiting: Waiting) -> str:
    """One of our pages, the request sealed in its URL."""
    return f"{web.path(page)}?t={web.server.seal(_URL, waiting)}"


def remember(web: Web, response: Response, fresh_browser: str | None) -> Response:
    """Set the browser cookie where ``begin`` had to make one."""
    if fresh_browser is not None:
        web.browser_cookie.write(response, fresh_browser, _YEAR)
    return response


def waiting_of(http: Request, sealed: str | None, purpose: str = _URL) -> Waiting:
    """The request a page was opened for. Raises Shown unless we sealed it, recently, for this very browser."""
    web = web_of(http)
    waiting = web.server.unseal(purpose, sealed, Waiting) if sealed else None
    if waiting is None or web.server.now() > waiting.expires_at:
        raise Shown(
            "expired",
            "This page has expired or was opened without a request.",
            rule="a page belongs to one request, for an hour",
            received="no request" if sealed is None else "an expired or altered request",
            expected="the address the app sent this browser to",
            mend="Go back to the app and start again.",
        )
    browser = web.browser_cookie.read(http.headers.raw)
    if browser is None or not hmac.compare_digest(_fingerprint(browser), waiting.browser):
        raise Shown(
            "cookie",
            "This page belongs to another browser, or cookies are switched off.",
            rule="a request is finished in the browser that began it",
            received="no browser cookie" if browser is None else "the cookie of another browser",
            expected="the browser that opened the app's link",
            mend="Allow cookies for this site and start again from the app.",
            status=403,
        )
    return waiting


def seal_form(web: Web, page: str, waiting: Waiting) -> str:
    """The hidden field of one page's form; a value of another page's form, or of a URL, does not pass for it."""
    return web.server.seal(f"form {page}", waiting)


def waiting_of_form(http: Request, parameters: Parameters, page: str) -> Waiting:
    """What a posted form was shown for. Raises Shown (403) for a post from another site (CSRF)."""
    require_same_origin(http)
    return waiting_of(http, parameters.get("t"), f"form {page}")


def require_same_origin(http: Request) -> None:
    """Browsers name where a POST comes from; the sealed field already proves it, this refuses it sooner."""
    web = web_of(http)
    origin, site = http.headers.get("origin"), http.headers.get("sec-fetch-site")
    foreign = (origin is not None and origin != web.origin) or (
        site is not None and site not in ("same-origin", "none")
    )
    if foreign:
        raise Shown(
            "forbidden",
            "This form was sent from another site.",
            rule="forms are posted from our own pages only",
            received=f"Origin {origin!r}, Sec-Fetch-Site {site!r}"[:200],
            expected=f"Origin {web.origin}",
            mend=f"Open the page at the issuer's own address, {web.server.issuer}.",
            status=403,
        )


def _fingerprint(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()
