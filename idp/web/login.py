"""The login page: one form, one thing; it comes home to the authorization endpoint, or to a page of ours."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.accounts import devices
from idp.accounts.sign_in import prove_password
from idp.protocol.client import Client
from idp.protocol.errors import Busy, Sent, Throttled
from idp.protocol.request import AuthorizationRequest
from idp.store.authorization import deny
from idp.store.sessions import SignIn, begin
from idp.web.authorize import asked_again, known_of, read_as_page, target_of, used, validated
from idp.web.context import Web, locale_of, network_of, see_other, user_agent_of, web_of
from idp.web.delivery import refused
from idp.web.interaction import Waiting, seal_form, send_to, waiting_of, waiting_of_form
from idp.web.pages import Asker


async def login_page(http: Request) -> Response:
    waiting = waiting_of(http, http.query_params.get("t"))
    return await _render(http, waiting)


async def login_submit(http: Request) -> Response:
    """A new cookie at every sign-in (SE-01); every failure looks and costs the same (EN-01, EN-02)."""
    web = web_of(http)
    form = await read_as_page(http)
    waiting = waiting_of_form(http, form, "login")
    if form.get("decision") == "deny" and waiting.home is None:
        return await cancel(http, waiting)
    if form.get("decision") == "create" and waiting.home is None:
        return send_to(web, "/authorize/resume", msgspec.structs.replace(waiting, account="new"))
    username, password = form.get("username") or "", form.get("password") or ""
    missing = tuple(name for name in ("username", "password") if form.get(name) is None)
    if missing:
        return await _render(http, waiting, username=username, errors=missing, status=400)
    try:
        proved = await prove_password(
            web.server, username, password, network_of(http), web.device_cookie.read(http.headers.raw)
        )
    except Busy as busy:
        return await _render(
            http, waiting, username=username, errors=("busy",), retry_after=busy.retry_after, status=503
        )
    except Throttled as throttled:
        return await _render(
            http, waiting, username=username, errors=("throttled",), retry_after=throttled.retry_after, status=429
        )
    if proved is None:
        return await _render(http, waiting, username=username, errors=("credentials",), status=401)
    sign_in = sign_in_of(http, proved.account.id)
    session_id = await web.server.database.write(begin, web.server.journal, sign_in)
    return come_home(web, waiting, session_id, sign_in.cookie, proved.device)


def sign_in_of(http: Request, account_id: str) -> SignIn:
    """A person at this browser, whose password was proved; an earlier session of it is replaced."""
    web = web_of(http)
    return SignIn(
        account_id=account_id,
        amr="pwd",
        cookie=web.server.random_id(32),
        session_id=web.server.random_id(16),
        old_cookie=web.session_cookie.read(http.headers.raw),
        now=web.server.now(),
        lifetime=web.server.settings.lifetimes.session_absolute,
        user_agent=user_agent_of(http),
        network=network_of(http),
    )


def come_home(web: Web, waiting: Waiting, session_id: str, cookie: str, device: str) -> Response:
    """Back to what waits, with the session that was begun for it."""
    for wake in web.server.after_commit:
        wake()  # another person's session may have ended with this: its apps hear at once
    response = _home(web, msgspec.structs.replace(waiting, signed_in=session_id))
    web.session_cookie.write(response, cookie, web.server.settings.lifetimes.session_absolute)
    web.device_cookie.write(response, device, devices.LIFETIME)
    return response


def _home(web: Web, waiting: Waiting) -> Response:
    if waiting.home is not None:
        query = f"?{urlencode(waiting.pairs)}" if waiting.pairs else ""
        return see_other(web.path(f"/{waiting.home}") + query)
    return send_to(web, "/authorize/resume", waiting)


def asker_of(client: Client) -> Asker:
    return Asker(client.name, client.client_uri, client.logo_uri, client.policy_uri, client.tos_uri, client.host)


async def request_of(http: Request, waiting: Waiting) -> AuthorizationRequest | Response:
    """The waiting request, checked again; a client changed meanwhile gets its error as any request would."""
    asked = await asked_again(http, waiting)
    target = await target_of(http, asked)
    try:
        return validated(http, asked, target)
    except Sent as refusal:
        return await refused(http, target, refusal)


async def _render(
    http: Request,
    waiting: Waiting,
    *,
    username: str = "",
    errors: tuple[str, ...] = (),
    retry_after: int = 0,
    status: int = 200,
) -> Response:
    web: Web = web_of(http)
    asked: dict[str, Any] = {"locale": locale_of(http), "login_hint": username}
    if waiting.home is None:
        request = await request_of(http, waiting)
        if isinstance(request, Response):
            return request
        again = not errors and await known_of(http, request) is not None
        asked = {
            "locale": locale_of(http, " ".join(request.ui_locales)),
            "client": asker_of(request.client),
            "login_hint": username or request.login_hint or "",
            "reason": "again" if again else "",
            "cancel": True,
            "create": "create" in web.server.prompts,
        }
    return web.pages.page(
        "login",
        status=status,
        action=web.path("/login"),
        t=seal_form(web, "login", waiting),
        errors=errors,
        retry_after=retry_after,
        **asked,
    )


async def cancel(http: Request, waiting: Waiting) -> Response:
    """The person leaves without signing in: the client hears ``access_denied`` (RFC 6749 4.1.2.1)."""
    request = await request_of(http, waiting)
    if isinstance(request, Response):
        return request
    server = web_of(http).server
    client_id = request.client.client_id
    spent = waiting.transaction, waiting.expires_at
    if not await server.database.write(deny, server.journal, *spent, client_id, server.now(), once=request.once):
        raise used(request)
    refusal = Sent("access_denied", "The person did not sign in.", rule="RFC 6749 4.1.2.1", received="cancelled")
    return await refused(http, request.target, refusal)
