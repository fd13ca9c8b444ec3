"""``/device``: a person types the code their device shows (RFC 8628 3.3); nothing is decided here.

They sign in first, so that a code can be guessed by nobody who has no name here. A code in the address only fills the
field: what it stands for is told on the next page, after a click.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.accounts.guessing import give_back, take
from idp.accounts.user_codes import guesses, user_code_hash
from idp.protocol.client import Client
from idp.protocol.device import GRANT_TYPE, shown, typed
from idp.protocol.errors import Throttled
from idp.protocol.parameters import Parameters
from idp.server import Server
from idp.store import sessions
from idp.store.device import Waiting as Device
from idp.store.device import waiting as waiting_device
from idp.store.sessions import Known
from idp.web.account import known_at
from idp.web.authorize import read_as_page
from idp.web.consent import account_of
from idp.web.context import locale_of, network_of, see_other, web_of
from idp.web.interaction import address_of, begin, remember, seal_form, send_to, waiting_of_form
from idp.web.login import asker_of

CONFIRM = "device confirm"  # what the address of the next page is sealed for
_DONE = "device done"
_TOLD_FOR = 300.0  # seconds a reload still says how it ended
_LONGEST = 40  # of what was typed and is shown again


class Done(msgspec.Struct, frozen=True):
    """How it ended, for the session it ended in."""

    session: str
    client_id: str
    outcome: Literal["allowed", "denied"]
    at: float


async def enter_page(http: Request) -> Response:
    code = typed(http.query_params.get("user_code") or "")
    known = await known_at(http)
    if known is None:
        return to_login(http, code)
    web = web_of(http)
    done = web.server.unseal(_DONE, http.query_params.get("t") or "", Done)
    if done is not None and done.session == known.session.id and web.server.now() - done.at < _TOLD_FOR:
        return await _told(http, done)
    if known.stale:
        await web.server.database.write(sessions.touch, known.session.id, web.server.now())
    return enter(http, known, "" if code is None else shown(code))


async def enter_submit(http: Request) -> Response:
    """A code typed takes a place in the buckets of guessing; a right one gives it back, and leads to the next page."""
    web = web_of(http)
    server = web.server
    form = await read_as_page(http)
    waiting = waiting_of_form(http, form, "device")
    text = form.get("user_code") or ""
    code = typed(text)
    known = await known_at(http)
    if known is None:
        return to_login(http, code)
    if known.session.id != waiting.shown_to:
        return see_other(web.path("/device"))
    if code is None:
        return enter(http, known, text[:_LONGEST], errors=("user_code",), status=400)
    buckets = guesses(server, known.account.id, network_of(http))
    try:
        await take(server, buckets, patient=False)
    except Throttled as full:
        return enter(http, known, shown(code), errors=("throttled",), retry_after=full.retry_after, status=429)
    found = await device_of(server, code)
    if found is None:
        return enter(http, known, shown(code), errors=("user_code",), status=400)
    await give_back(server, buckets)
    pairs = (("user_code", code), ("device", found[0].hash.hex()))
    known_code = msgspec.structs.replace(waiting, pairs=pairs)
    return see_other(f"{web.path('/device/confirm')}?t={server.seal(CONFIRM, known_code)}")


async def device_of(server: Server, code: str) -> tuple[Device, Client] | None:
    """The device that shows this code and still waits, and the app on it."""
    found = await server.database.read(waiting_device, user_code_hash(server, code), server.now())
    client = None if found is None else await server.client(found.client_id)
    if found is None or client is None or client.disabled or GRANT_TYPE not in client.grant_types:
        return None
    return found, client


def enter(
    http: Request,
    known: Known,
    text: str = "",
    *,
    errors: tuple[str, ...] = (),
    retry_after: int = 0,
    status: int = 200,
) -> Response:
    web = web_of(http)
    waiting, fresh = begin(http, Parameters(()), home="device")
    page = web.pages.page(
        "device",
        locale=locale_of(http),
        status=status,
        action=web.path("/device"),
        t=seal_form(web, "device", msgspec.structs.replace(waiting, shown_to=known.session.id)),
        account=account_of(known),
        other=address_of(web, "/login", waiting),
        user_code=text,
        errors=errors,
        retry_after=retry_after,
    )
    return remember(web, page, fresh)


def to_login(http: Request, code: str | None) -> Response:
    """Sign in, and come back with the same code in the field."""
    pairs = () if code is None else (("user_code", shown(code)),)
    waiting, fresh = begin(http, Parameters(pairs), home="device")
    return send_to(web_of(http), "/login", waiting, fresh)


def done_with(http: Request, known: Known, client: Client, outcome: Literal["allowed", "denied"]) -> Response:
    web = web_of(http)
    sealed = web.server.seal(_DONE, Done(known.session.id, client.client_id, outcome, web.server.now()))
    return see_other(f"{web.path('/device')}?t={sealed}")


async def _told(http: Request, done: Done) -> Response:
    web = web_of(http)
    client = await web.server.client(done.client_id)
    asker = None if client is None else asker_of(client)
    return web.pages.page("device-done", locale=locale_of(http), outcome=done.outcome, client=asker)
