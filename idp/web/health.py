"""``/healthz``: the process answers. ``/readyz``: it could serve a sign-in now, and what it says would be true."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from idp.server import Server
from idp.store.database import Unavailable
from idp.store.health import Health, health
from idp.web.context import server_of
from idp.web.forms import json_response

# Further off, codes of one node have expired at another and keys switch too early (decision 19).
CLOCK_SECONDS = 5.0
# The registry is read twice a second; a client disabled ten times as long ago must not be served (decision 17).
REGISTRY_SECONDS = 5.0


async def healthz(http: Request) -> Response:
    return json_response({"status": "ok"})


async def readyz(http: Request) -> Response:
    """200, or 503 naming every check that failed, for whoever runs it: no secret, no address."""
    missing = await _missing(server_of(http))
    if missing:
        return json_response({"status": "not ready", "missing": missing}, 503, {"Retry-After": "1"})
    return json_response({"status": "ready"})


async def _missing(server: Server) -> list[str]:
    missing = ["a future: this process is leaving"] if server.leaving else []
    before = server.now()
    try:
        missing += _of_database(server, await server.database.read(health), before)
    except Unavailable:
        missing.append("database")
    if not server.keyring.ready:
        missing.append("signing key")
    if server.now() - server.registry_read_at > REGISTRY_SECONDS:
        missing.append("clients as they are now: the registry was not read for some seconds")
    return missing


def _of_database(server: Server, found: Health, before: float) -> list[str]:
    missing = [] if found.schema_serves else ["schema: idp migrate"]
    # Under dev the clock is a lesson's to move. The answer took time, so the database may have looked at any of it.
    if found.clock is not None and not server.dev:
        off = max(before - found.clock, found.clock - server.now())
        if off > CLOCK_SECONDS:
            missing.append(f"clock: more than {CLOCK_SECONDS:g} s off the database's")
    return missing
