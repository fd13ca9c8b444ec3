"""``/healthz``: the process answers. ``/readyz``: it could serve a sign-in now."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from idp.store.database import Unavailable
from idp.store.registry import current_epoch
from idp.web.context import server_of
from idp.web.forms import json_response


async def healthz(http: Request) -> Response:
    return json_response({"status": "ok"})


async def readyz(http: Request) -> Response:
    """200, or 503 naming what is missing: the database, a signing key, or a future, as this process is leaving."""
    server = server_of(http)
    missing = ["future: this process is leaving"] if server.leaving else []
    try:
        await server.database.read(current_epoch)
    except Unavailable:
        missing.append("database")
    if not server.keyring.ready:
        missing.append("signing key")
    if missing:
        return json_response({"status": "not ready", "missing": missing}, 503, {"Retry-After": "1"})
    return json_response({"status": "ready"})
