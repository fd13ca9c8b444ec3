"""``/account``: a person's own page, and what its forms have in common.

Each form does one thing and comes back here with a 303. It carries a sealed value that names the session it was shown
to (CSRF): no other session's form passes, and what it may touch is found by the account of the session, never by what
the form says alone.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.accounts.strength import Weakness
from idp.protocol.errors import Shown
from idp.protocol.parameters import Parameters
from idp.protocol.prompts import may_act
from idp.store import account_page as store
from idp.store import sessions
from idp.store.sessions import Known
from idp.web.account_shown import TOLD, shown
from idp.web.authorize import read_as_page
from idp.web.consent import account_of
from idp.web.context import locale_of, see_other, web_of
from idp.web.interaction import begin, require_same_origin, send_to

_FORM, _DONE = "form account", "account done"
_TOLD_FOR = 60.0  # seconds a page says what was just done, so that a reload an hour later does not


class Visit(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session a form, or (with ``done`` and ``at``) the word of what a form did, belongs to."""

    session: str
    done: str = ""
    at: float = 0.0


async def account_page(http: Request) -> Response:
    known = await known_at(http)
    if known is None:
        waiting, fresh = begin(http, Parameters(()), home="account")
        return send_to(web_of(http), "/login", waiting, fresh)
    server = web_of(http).server
    if known.stale:
        await server.database.write(sessions.touch, known.session.id, server.now())
    return await render(http, known, done=_just_done(http, known))


async def known_at(http: Request) -> Known | None:
    """Who is signed in at this browser and may act."""
    web = web_of(http)
    cookie = web.session_cookie.read(http.headers.raw)
    if cookie is None:
        return None
    server = web.server
    idle = server.settings.lifetimes.session_idle
    known = await server.database.read(sessions.know, cookie, "", server.now(), idle)
    people = server.hooks.people
    if known is not None and people is not None and await people.changed(server, known.account.id):
        known = await server.database.read(sessions.know, cookie, "", server.now(), idle)
    return None if known is None or may_act(known.account, client_disabled=False) else known


async def posted_by(http: Request) -> tuple[Known, Parameters] | Response:
    """Who posts one of our forms, and the form; or back to the page where the form is another session's."""
    require_same_origin(http)
    web = web_of(http)
    form = await read_as_page(http)
    visit = web.server.unseal(_FORM, form.get("t") or "", Visit)
    if visit is None:
        raise Shown(
            "forbidden",
            "This form was not made by our account page.",
            rule="forms are posted from our own pages only",
            received="no sealed field" if form.get("t") is None else "a sealed field of something else",
            expected="the field t of the form on the account page",
            mend=f"Open {web.server.issuer}/account and use its buttons.",
            status=403,
        )
    known = await known_at(http)
    if known is None:
        return see_other(web.path("/account"))
    if known.session.id != visit.session:
        return back(http, known.session.id, "nothing")
    return known, form


async def render(
    http: Request,
    known: Known,
    *,
    done: str = "",
    errors: tuple[str, ...] = (),
    weakness: Weakness | None = None,
    retry_after: int = 0,
    status: int = 200,
) -> Response:
    web = web_of(http)
    server, language = web.server, locale_of(http)
    idle = server.settings.lifetimes.session_idle
    found = await server.database.read(store.overview, known.account.id, known.session.id, server.now(), idle, TOLD)
    return web.pages.page(
        "account",
        locale=language,
        status=status,
        actions={name: web.path(f"/account/{name}") for name in ("password", "sessions", "apps")},
        t=server.seal(_FORM, Visit(known.session.id)),
        account=account_of(known),
        shown=await shown(server, found, language),
        done=done,
        errors=errors,
        weakness=weakness,
        retry_after=retry_after,
        changes_password=server.hooks.people is None,
    )


def back(http: Request, session_id: str, done: str) -> Response:
    web = web_of(http)
    sealed = web.server.seal(_DONE, Visit(session_id, done, web.server.now()))
    return see_other(f"{web.path('/account')}?t={sealed}")


def _just_done(http: Request, known: Known) -> str:
    """What this session's last form did, said once; sealed, so that no link can make the page say it."""
    server = web_of(http).server
    visit = server.unseal(_DONE, http.query_params.get("t") or "", Visit)
    recent = visit is not None and server.now() - visit.at < _TOLD_FOR
    return visit.done if visit is not None and recent and visit.session == known.session.id else ""


def wake(http: Request) -> None:
    """Sessions ended: their apps hear at once."""
    for wake in web_of(http).server.after_commit:
        wake()
