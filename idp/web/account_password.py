"""The account page's password form."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from idp.accounts import devices
from idp.accounts.sign_in import prove_password
from idp.accounts.strength import weakness_of
from idp.protocol.errors import Busy, Throttled
from idp.protocol.parameters import Parameters
from idp.store.account_page import change_own_password
from idp.store.sessions import Known, SignIn
from idp.web.account import back, posted_by, render, wake
from idp.web.context import network_of, see_other, user_agent_of, web_of


async def change_password(http: Request) -> Response:
    """The current password, proved as at a sign-in, buys a new one; everything the old one began ends."""
    posted = await posted_by(http)
    if isinstance(posted, Response):
        return posted
    known, form = posted
    web = web_of(http)
    if web.server.hooks.people is not None:
        raise HTTPException(404)  # it is kept by the app around us, and changed there
    server, device = web.server, web.device_cookie.read(http.headers.raw)
    current, fresh = form.get("current_password") or "", form.get("new_password") or ""
    errors = _unfit(form)
    weakness = None
    if fresh and "repeat" not in errors:
        weakness = await weakness_of(fresh, known.account, urlsplit(server.issuer).hostname or "")
    if errors or weakness:
        return await render(http, known, errors=errors, weakness=weakness, status=400)
    try:
        proved = await prove_password(server, known.account.username, current, network_of(http), device)
        if proved is None or proved.account.id != known.account.id:
            return await render(http, known, errors=("current",), status=401)
        if fresh == current:
            return await render(http, known, errors=("same",), status=400)
        hashed = await server.passwords.hash(fresh)
    except Busy as busy:
        return await render(http, known, errors=("busy",), retry_after=busy.retry_after, status=503)
    except Throttled as refused:
        return await render(http, known, errors=("throttled",), retry_after=refused.retry_after, status=429)
    return await _changed(http, known, hashed)


def _unfit(form: Parameters) -> tuple[str, ...]:
    """What can be said of the password form before anything is proved."""
    found = [name for name in ("current_password", "new_password") if form.get(name) is None]
    if form.get("new_password") is not None and form.get("repeat_password") != form.get("new_password"):
        found.append("repeat")
    return tuple(found)


async def _changed(http: Request, known: Known, hashed: str) -> Response:
    """This browser goes on with a session and a cookie of its own; every other one is out (SE-01)."""
    web = web_of(http)
    server = web.server
    lifetime = server.settings.lifetimes.session_absolute
    sign_in = SignIn(
        account_id=known.account.id,
        amr="pwd",
        cookie=server.random_id(32),
        session_id=server.random_id(16),
        old_cookie=None,
        now=server.now(),
        lifetime=lifetime,
        user_agent=user_agent_of(http),
        network=network_of(http),
    )
    if not await server.database.write(change_own_password, server.journal, known.session.id, sign_in, hashed):
        return see_other(web.path("/account"))
    wake(http)
    response = back(http, sign_in.session_id, "password")
    web.session_cookie.write(response, sign_in.cookie, lifetime)
    before = devices.recognise(server, web.device_cookie.read(http.headers.raw))
    web.device_cookie.write(response, devices.seal(server, known.account.id, hashed, before), devices.LIFETIME)
    return response
