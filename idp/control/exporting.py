"""``export``: the apply file of what is there, in pieces; and the audit, in pages."""

from __future__ import annotations

from typing import Any

from idp.manifest_writing import client_text, person_text, resource_text, scope_text
from idp.server import Server
from idp.store import accounts, audit, registry
from idp.store.hooked import is_mark

PAGE = 200
_SETTLED = 30.0  # seconds: by then an event is in the database, clocks of nodes a few seconds apart included


async def export(server: Server, section: str = "", after: str = "", registered: bool = False) -> dict[str, Any]:
    """A piece of the apply file, and where the next one begins (``section`` None at the end).

    The sections come in the order in which they name one another: resources and scopes, clients, people. Clients that
    registered themselves are nobody's file: only ``registered`` writes them too.
    """
    if section == "clients":
        clients = await server.database.read(registry.client_page, after, PAGE)
        text = "".join(client_text(client) for client in clients if registered or not client.registered)
        return _piece(text, section, clients[-1].client_id) if clients else _piece("", "people", "")
    if section == "people":
        people = await server.database.read(accounts.account_page, after, PAGE)
        own = (found for found in people if not is_mark(found.password_hash))
        text = "".join(person_text(found.account, found.password_hash) for found in own)
        return _piece(text, section, people[-1].account.username) if people else _piece("", None, "")
    resources = sorted(server.registry.resources.values(), key=lambda found: found.uri)
    scopes = sorted(server.registry.scopes.values(), key=lambda found: found.name)
    return _piece("".join([*map(resource_text, resources), *map(scope_text, scopes)]), "clients", "")


def _piece(text: str, section: str | None, after: str) -> dict[str, Any]:
    return {"text": text, "section": section, "after": after}


async def audit_export(
    server: Server,
    since: float = 0.0,
    until: float | None = None,
    after: list[Any] | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Events of ``since <= at < until``, the oldest first, behind ``after`` (at, writer, seq).

    ``until`` ends a few seconds ago at the latest: nothing is written into such a span any more, so that the next
    export can begin where this one ended.
    """
    end = server.now() - _SETTLED
    until = end if until is None else min(until, end)
    behind = (float(after[0]), str(after[1]), int(after[2])) if after else None
    events = await server.database.read(audit.page, since, until, behind, limit)
    last = [events[-1][name] for name in ("at", "writer", "seq")] if len(events) == limit else None
    return {"events": events, "after": last, "until": until}
