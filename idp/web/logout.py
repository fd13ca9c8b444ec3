"""RP-Initiated Logout 1.0: out here, and out at every client that registered a back-channel address."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.client import Client
from idp.protocol.errors import Shown, visible
from idp.protocol.parameters import Parameters
from idp.protocol.request import Hint
from idp.store import sessions
from idp.store.sessions import Known
from idp.web.authorize import query_as_page, read_as_page
from idp.web.consent import account_of
from idp.web.context import locale_of, see_other, web_of
from idp.web.hints import read_hint
from idp.web.interaction import require_same_origin
from idp.web.login import asker_of

_FORM, _POSTED, _DONE = "form logout", "posted logout", "logged out"


class Leaving(msgspec.Struct, frozen=True, omit_defaults=True):
    """A logout that waits for a yes, or (``return_to``) one that is done. ``session`` names the session it is about."""

    pairs: tuple[tuple[str, str], ...] = ()
    begun: float = 0.0
    session: str | None = None
    client_id: str | None = None


async def logout(http: Request) -> Response:
    """GET or POST from a client; a POST comes back as GET, because a cross-site POST carries no session cookie."""
    web = web_of(http)
    if http.method == "POST":
        form = await read_as_page(http)
        if form.get("t") is not None:
            return await _confirmed(http, form)
        sealed = web.server.seal(_POSTED, Leaving(tuple(form.pairs()), web.server.now()))
        return see_other(f"{web.path('/logout')}?t={sealed}")
    parameters = _posted(http) or query_as_page(http)
    hint, client = await _who_asks(http, parameters)
    return_to = _return_address(parameters, client)
    known = await _known(http)
    if known is None:
        return _gone(http, return_to, client)
    # Only a client that shows this very session's ID token may end it without a word from the person (LO-01).
    if hint is not None and client is not None and await _is_of(http, hint, client, known):
        return await _end(http, known, return_to, client)
    return web.pages.page(
        "logout",
        locale=locale_of(http, parameters.get("ui_locales")),
        action=web.path("/logout"),
        t=web.server.seal(
            _FORM,
            Leaving(
                tuple(parameters.pairs()), web.server.now(), known.session.id, client.client_id if client else None
            ),
        ),
        account=account_of(known),
        client=asker_of(client) if client else None,
        also=await _also(http, known, client),
    )


async def logged_out(http: Request) -> Response:
    web = web_of(http)
    done = web.server.unseal(_DONE, http.query_params.get("t") or "", Leaving)
    client = await web.server.known_client(done.client_id) if done else None
    return web.pages.page("logged-out", locale=locale_of(http), client=asker_of(client) if client else None)


async def _confirmed(http: Request, form: Parameters) -> Response:
    require_same_origin(http)
    web = web_of(http)
    leaving = web.server.unseal(_FORM, form.get("t") or "", Leaving)
    known = await _known(http)
    if leaving is None:
        raise _expired()
    parameters = Parameters(leaving.pairs)
    _, client = await _who_asks(http, parameters)
    return_to = _return_address(parameters, client)
    if known is None or known.session.id != leaving.session:
        return _gone(http, return_to, client)
    if form.get("decision") == "stay":
        return web.pages.page("home", locale=locale_of(http), account=account_of(known), logout=web.path("/logout"))
    return await _end(http, known, return_to, client)


async def _end(http: Request, known: Known, return_to: str | None, client: Client | None) -> Response:
    server = web_of(http).server
    frames = await frames_of(http, known.session.id)  # the session's apps are gone from it afterwards
    await server.database.write(
        sessions.end, server.journal, known.session.id, server.now(), reason="the person signed out"
    )
    for wake in server.after_commit:
        wake()
    response = with_frames(http, frames, return_to, client) if frames else _gone(http, return_to, client)
    web_of(http).session_cookie.clear(response)
    return response


async def frames_of(http: Request, session_id: str) -> tuple[str, ...]:
    """What the browser that ends this session has to load, so that its apps forget it too."""
    server = web_of(http).server
    found = [await of(server, session_id) for of in http.app.state.logout_frames]
    return tuple(address for addresses in found for address in addresses)


def with_frames(
    http: Request, frames: tuple[str, ...], return_to: str | None = None, client: Client | None = None
) -> Response:
    """The page stays until the frames have been loaded, then it goes on to the app by itself."""
    return web_of(http).pages.page(
        "logged-out",
        locale=locale_of(http),
        client=asker_of(client) if client else None,
        frames=frames,
        return_to=return_to or "",
    )


def _gone(http: Request, return_to: str | None, client: Client | None) -> Response:
    web = web_of(http)
    if return_to is not None:
        return see_other(return_to)
    sealed = web.server.seal(_DONE, Leaving(client_id=client.client_id if client else None))
    return see_other(f"{web.path('/logged-out')}?t={sealed}")


async def _who_asks(http: Request, parameters: Parameters) -> tuple[Hint | None, Client | None]:
    """The client by its ID token, or by ``client_id``; both must agree (section 2)."""
    server = web_of(http).server
    text, client_id = parameters.get("id_token_hint"), parameters.get("client_id")
    hint = read_hint(server, text, client_id) if text is not None else None
    if text is not None and hint is None:
        raise Shown(
            "invalid_request",
            "The id_token_hint is not an ID token of this server for this app.",
            rule="RP-Initiated Logout 1.0 section 2",
            received="an id_token_hint that does not verify, or belongs to another client",
            expected="an ID token this server issued to the calling client",
            mend="Send the last ID token the client received; leave it out to have the person asked.",
        )
    return hint, await server.known_client(hint.client_id if hint else client_id)


def _return_address(parameters: Parameters, client: Client | None) -> str | None:
    """The exact registered address with ``state`` added, or Shown: an unregistered one is never followed (LO-02)."""
    address = parameters.get("post_logout_redirect_uri")
    if address is None:
        return None
    if client is None or address not in client.post_logout_redirect_uris:
        raise Shown(
            "invalid_request",
            "The address to return to after signing out is not registered for this app.",
            rule="RP-Initiated Logout 1.0 section 3: exact match",
            received=visible(address, 400),
            expected=" or ".join(client.post_logout_redirect_uris)
            if client
            else "client_id or id_token_hint beside it",
            mend="Add the address to post_logout_redirect_uris of the client, or send a registered one.",
        )
    state = parameters.get("state")
    if state is None:
        return address
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode({'state': state})}"


async def _known(http: Request) -> Known | None:
    web = web_of(http)
    cookie = web.session_cookie.read(http.headers.raw)
    if cookie is None:
        return None
    server = web.server
    return await server.database.read(sessions.know, cookie, "", server.now(), server.settings.lifetimes.session_idle)


async def _also(http: Request, known: Known, asking: Client | None) -> tuple[str, ...]:
    """Names of the other apps that will hear of it."""
    server = web_of(http).server
    joined = await server.database.read(sessions.joined_clients, known.session.id)
    others = [client_id for client_id in joined if asking is None or client_id != asking.client_id]
    clients = [await server.known_client(client_id) for client_id in others]
    return tuple(sorted(client.name for client in clients if client is not None))


async def _is_of(http: Request, hint: Hint, client: Client, known: Known) -> bool:
    """Whether the hint names this person, and its ``sid`` is this session's at that client."""
    server = web_of(http).server
    if hint.sid is None or hint.subject != server.subject_of(client, known.account.id):
        return False
    return await server.database.read(sessions.has_sid, known.session.id, client.client_id, hint.sid)


def _posted(http: Request) -> Parameters | None:
    sealed = http.query_params.get("t")
    if sealed is None:
        return None
    server = web_of(http).server
    posted = server.unseal(_POSTED, sealed, Leaving)
    if posted is None or server.now() > posted.begun + 300:
        raise _expired()
    return Parameters(posted.pairs)


def _expired() -> Shown:
    return Shown(
        "expired",
        "This page has expired.",
        rule="a page belongs to one request",
        received="an expired or altered request",
        expected="the address the app sent this browser to",
        mend="Go back to the app and sign out again.",
    )
