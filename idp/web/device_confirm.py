"""``/device/confirm``: what the code stands for, told in full every time, and the person's yes or no (RFC 8628 5.4).

Whoever wants another one's access sends them a link to the page before. So no session, no remembered consent and no
exempted app ever leads past this one, and its form is good in the browser and for the session it was shown to only.
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from idp.accounts.guessing import is_somebodys
from idp.protocol.client import Client
from idp.protocol.device import shown
from idp.protocol.errors import Shown, visible
from idp.store.device import Waiting as Device
from idp.store.device_decisions import Approval, approve, deny
from idp.store.sessions import Known
from idp.web.account import known_at
from idp.web.authorize import read_as_page
from idp.web.consent import account_of, scopes_of
from idp.web.context import locale_of, network_of, web_of
from idp.web.device import CONFIRM, device_of, done_with, enter, to_login
from idp.web.interaction import Waiting, seal_form, waiting_of, waiting_of_form
from idp.web.login import asker_of
from idp.web.pages import Origin, Resource

_FORM = "device-confirm"


class Asked(NamedTuple):
    known: Known
    device: Device
    client: Client
    code: str


async def confirm_page(http: Request) -> Response:
    waiting = waiting_of(http, http.query_params.get("t"), CONFIRM)
    asked = await _asked(http, waiting)
    if isinstance(asked, Response):
        return asked
    web = web_of(http)
    resources = web.server.registry.resources
    return web.pages.page(
        "device-confirm",
        locale=locale_of(http),
        action=web.path("/device/confirm"),
        t=seal_form(web, _FORM, waiting),
        client=asker_of(asked.client),
        account=account_of(asked.known),
        code=shown(asked.code),
        origin=_origin(http, asked.device),
        scopes=scopes_of(http, asked.device.scope, asked.known),
        resources=tuple(Resource(uri, resources[uri].name) for uri in asked.device.resources if uri in resources),
    )


async def confirm_submit(http: Request) -> Response:
    """One statement of the store decides; nothing else was changed by whoever comes second."""
    form = await read_as_page(http)
    asked = await _asked(http, waiting_of_form(http, form, _FORM))
    if isinstance(asked, Response):
        return asked
    server, now = web_of(http).server, web_of(http).server.now()
    known, device, client = asked.known, asked.device, asked.client
    decision = form.get("decision")
    if decision == "deny":
        if not await server.database.write(deny, server.journal, device, known.account.id, now):
            return _gone(http, known)
        return done_with(http, known, client, "denied")
    if decision != "allow":
        raise Shown(
            "invalid_request",
            "The form holds no decision.",
            rule="only the person decides",
            received=f"decision {visible(decision or '(none)')}",
            expected="decision=allow or decision=deny",
            mend="Go back and use one of the two buttons.",
        )
    approval = Approval(
        device=device,
        known=known,
        grant_id=server.random_id(16),
        sid=server.random_id(16),
        offline="offline_access" in device.scope and client.refresh == "offline",
        now=now,
        lifetime=float(server.settings.lifetimes.refresh_absolute),
    )
    if not await server.database.write(approve, server.journal, approval):
        return _gone(http, known)
    return done_with(http, known, client, "allowed")


async def _asked(http: Request, waiting: Waiting) -> Asked | Response:
    """What this page was opened for, if it is still there. Raises Shown (403) for another person's page."""
    code = waiting.parameters.get("user_code") or ""
    known = await known_at(http)
    if known is None:
        return to_login(http, code)
    if known.session.id != waiting.shown_to:
        raise Shown(
            "forbidden",
            "This page was opened by somebody else.",
            rule="a device is confirmed by the person who typed its code",
            received="another session than the one that typed the code",
            expected="the same person in the same browser",
            mend=f"Open {web_of(http).server.issuer}/device and type the code.",
            status=403,
        )
    found = await device_of(web_of(http).server, code)
    # The very device this code was typed for, should another one have come to show the same letters.
    if found is None or found[0].hash.hex() != waiting.parameters.get("device"):
        return _gone(http, known)
    return Asked(known, *found, code)


def _gone(http: Request, known: Known) -> Response:
    return enter(http, known, errors=("gone",), status=400)


def _origin(http: Request, device: Device) -> Origin:
    """Whether both come from one network: unsaid where all seem to come from one (loopback, a proxy nobody named)."""
    seconds = max(0.0, web_of(http).server.now() - device.created_at)
    if not is_somebodys(device.network):
        return Origin(int(seconds // 60), "", None)
    return Origin(int(seconds // 60), device.network, device.network == network_of(http))
