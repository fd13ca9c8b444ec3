"""The account page's lists: ending sign-ins, and taking back what an app was allowed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.errors import Shown
from idp.store import account_page as store
from idp.store import sessions
from idp.web.account import back, posted_by, wake
from idp.web.context import see_other, web_of
from idp.web.logout import frames_of, with_frames


async def end_sessions(http: Request) -> Response:
    """One by its reference, all but this one (``end=others``), or all (``end=all``)."""
    posted = await posted_by(http)
    if isinstance(posted, Response):
        return posted
    known, form = posted
    server, here = web_of(http).server, known.session.id
    write, journal, account_id, now = server.database.write, server.journal, known.account.id, server.now()
    which, done = form.get("end"), "session"
    frames = await frames_of(http, here)
    if which == "all":
        await write(sessions.end_all, journal, account_id, now, reason=store.REASON)
        return _gone(http, frames)
    if which == "others":
        await write(store.end_others, journal, account_id, here, now)
        done = "others"
    else:
        ended = await write(store.end_one, journal, account_id, form.get("session") or "", now)
        if ended is None:
            raise _not_there("a sign-in")
        if ended == here:
            return _gone(http, frames)
    wake(http)
    return back(http, here, done)


async def withdraw_app(http: Request) -> Response:
    """What the app was allowed is forgotten and what it holds is refused, from this moment."""
    posted = await posted_by(http)
    if isinstance(posted, Response):
        return posted
    known, form = posted
    server = web_of(http).server
    client_id = form.get("client") or ""
    if not await server.database.write(store.withdraw, server.journal, known.account.id, client_id, server.now()):
        raise _not_there("an app")
    return back(http, known.session.id, "app")


def _gone(http: Request, frames: tuple[str, ...]) -> Response:
    wake(http)
    web = web_of(http)
    response = with_frames(http, frames) if frames else see_other(web.path("/logged-out"))
    web.session_cookie.clear(response)
    return response


def _not_there(kind: str) -> Shown:
    """The same for what never was and for what is somebody else's."""
    return Shown(
        "not_found",
        "There is nothing of that name on your account page.",
        rule="people end what is their own",
        received=f"{kind} this person does not have",
        expected=f"{kind} on their account page",
        mend="Open the account page again; it was ended already, perhaps in another window.",
        status=404,
    )
