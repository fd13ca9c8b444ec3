"""Dynamic client registration (RFC 7591, OpenID Connect Registration 1.0) and its management (RFC 7592)."""

from __future__ import annotations

import asyncio

from idp.features.feature import Auth, Endpoint, Feature, Job
from idp.server import Server
from idp.settings import Settings
from idp.store import marks, registrations, removal
from idp.web.registration import register
from idp.web.registration_answer import MANAGEMENT
from idp.web.registration_management import read, remove, replace

_TEND_SECONDS = 10.0
_HEARD_SECONDS = 15.0  # every node has heard that the client is gone, and has written who used it
_AT_ONCE = 100


async def tend(server: Server) -> None:
    """Remove apps nobody ever used, and forget what hung on removed ones; by the node whose turn it is."""
    now = server.now()
    registered_before = now - server.settings.registration.unused_lifetime
    unused = await server.database.read(registrations.unused, registered_before, _AT_ONCE)
    removed = await server.database.read(registrations.removed, now - _HEARD_SECONDS, _AT_ONCE)
    if not unused and not removed:
        return
    if not await server.database.write(marks.claim, "registrations", now, _TEND_SECONDS):
        return
    for client_id in unused:
        await server.database.write(
            registrations.unregister, server.journal, client_id, now, "nobody ever used it", if_unused=True
        )
    used = [client_id for client_id, was_used in removed if was_used]
    for name in removal.OF_A_CLIENT if used else ():
        after: str | None = ""
        while after is not None:
            after, _ = await server.database.write(removal.forget_page, name, used, after, now)
            await asyncio.sleep(0)
    if removed:
        await server.database.write(registrations.forgotten, [client_id for client_id, _ in removed])


def _is_on(settings: Settings) -> bool:
    return settings.registration.mode != "off"


REGISTRATION = Feature(
    "dynamic registration",
    endpoints=(
        Endpoint("/register", ("POST",), register, "nobody or initial access token", "RFC 7591 3", cors="anybody"),
    ),
    metadata=lambda settings: {"registration_endpoint": f"{settings.issuer}/register"},
    jobs=(Job("registered clients", lambda server: _TEND_SECONDS, tend),),
    active=_is_on,
)
_TOKEN: Auth = "registration access token"
REGISTRATION_MANAGEMENT = Feature(
    "registration management",
    endpoints=(
        Endpoint(MANAGEMENT, ("GET",), read, _TOKEN, "RFC 7592 2.1", cors="anybody"),
        Endpoint(MANAGEMENT, ("PUT",), replace, _TOKEN, "RFC 7592 2.2", cors="anybody"),
        Endpoint(MANAGEMENT, ("DELETE",), remove, _TOKEN, "RFC 7592 2.3", cors="anybody"),
    ),
    active=_is_on,
)
