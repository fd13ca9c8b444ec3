"""Making an account (OIDC Prompt Create 4): first a name, then a password; it comes home as a sign-in does."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.accounts import devices
from idp.accounts.given_names import propose, wish_of
from idp.accounts.strength import Weakness, weakness_of
from idp.protocol.client import Account
from idp.protocol.errors import Busy
from idp.protocol.limits import Limit
from idp.protocol.parameters import Parameters
from idp.store.sign_up import sign_up
from idp.web import pages
from idp.web.authorize import known_of, read_as_page
from idp.web.context import locale_of, network_of, web_of
from idp.web.interaction import Waiting, seal_form, send_to, waiting_of, waiting_of_form
from idp.web.login import asker_of, cancel, come_home, request_of, sign_in_of


async def sign_up_page(http: Request) -> Response:
    return await _render(http, waiting_of(http, http.query_params.get("t")))


async def sign_up_submit(http: Request) -> Response:
    """The form's first half asks for a name, its second for the password of the name that was sealed into it."""
    form = await read_as_page(http)
    waiting = waiting_of_form(http, form, "sign-up")
    match form.get("decision"):
        case "deny":
            return await cancel(http, waiting)
        case "known":
            known = msgspec.structs.replace(waiting, account="known", username=None)
            return send_to(web_of(http), "/authorize/resume", known)
        case "again":
            return await _render(http, msgspec.structs.replace(waiting, username=None))
    if waiting.username is None:
        return await _name(http, waiting, form.get("username") or "")
    return await _password(http, waiting, waiting.username, form)


async def _name(http: Request, waiting: Waiting, text: str) -> Response:
    """Each wish is answered alike, whoever has that name already (EN-03)."""
    wish = wish_of(text)
    if wish is None:
        return await _render(http, waiting, wish=text, errors=("username",), status=400)
    username = await propose(web_of(http).server, wish)
    return await _render(http, msgspec.structs.replace(waiting, username=username))


async def _password(http: Request, waiting: Waiting, username: str, form: Parameters) -> Response:
    web = web_of(http)
    server = web.server
    password = form.get("password") or ""
    errors = _unfit(form)
    weakness = None
    if not errors:
        fresh = Account(id="", username=username, claims={})
        weakness = await weakness_of(password, fresh, urlsplit(server.issuer).hostname or "")
    if errors or weakness:
        return await _render(http, waiting, errors=errors, weakness=weakness, status=400)
    wait = _place(http)
    if wait > 0:
        return await _render(http, waiting, errors=("throttled",), retry_after=math.ceil(wait), status=429)
    try:
        hashed = await server.passwords.hash(password)
    except Busy as busy:
        return await _render(http, waiting, errors=("busy",), retry_after=busy.retry_after, status=503)
    sign_in = sign_in_of(http, server.random_id(16))
    session_id = await server.database.write(sign_up, server.journal, sign_in, username, hashed)
    if session_id is None:  # somebody was given the same digits meanwhile
        other = await propose(server, username.rpartition("-")[0])
        return await _render(http, msgspec.structs.replace(waiting, username=other), errors=("gone",), status=409)
    before = devices.recognise(server, web.device_cookie.read(http.headers.raw))
    device = devices.seal(server, sign_in.account_id, hashed, before)
    return come_home(web, waiting, session_id, sign_in.cookie, device)


def _unfit(form: Parameters) -> tuple[str, ...]:
    if form.get("password") is None:
        return ("password",)
    return () if form.get("repeat_password") == form.get("password") else ("repeat",)


def _place(http: Request) -> float:
    """Take one of the accounts this network may make, or answer the seconds to wait."""
    web = web_of(http)
    allowed = web.server.settings.sign_up
    limit = Limit(allowed.network, float(allowed.network_window))
    return web.sign_ups.add(network_of(http), limit, web.server.now())


async def _render(
    http: Request,
    waiting: Waiting,
    *,
    wish: str = "",
    errors: tuple[str, ...] = (),
    weakness: Weakness | None = None,
    retry_after: int = 0,
    status: int = 200,
) -> Response:
    web = web_of(http)
    request = await request_of(http, waiting)
    if isinstance(request, Response):
        return request
    known = await known_of(http, request)
    return web.pages.page(
        "sign-up",
        status=status,
        locale=locale_of(http, " ".join(request.ui_locales)),
        action=web.path("/sign-up"),
        t=seal_form(web, "sign-up", waiting),
        client=asker_of(request.client),
        account=None if known is None else pages.Account(known.account.username),
        wish=wish or request.login_hint or "",
        username=waiting.username or "",
        errors=errors,
        weakness=weakness,
        retry_after=retry_after,
    )
