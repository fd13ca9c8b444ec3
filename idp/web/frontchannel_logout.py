"""The frames of front-channel logout: which apps of a session are told by the browser that ends it."""

from __future__ import annotations

from idp.protocol.frontchannel_logout import frame_uri
from idp.server import Server
from idp.store.sessions import joined_sids


async def frames(server: Server, session_id: str) -> tuple[str, ...]:
    """Addresses to load, each with ``iss`` and the ``sid`` by which that client knows this session."""
    found = []
    for client_id, sid in await server.database.read(joined_sids, session_id):
        client = await server.client(client_id)
        if client is not None and not client.disabled and client.frontchannel_logout_uri is not None:
            found.append(frame_uri(client.frontchannel_logout_uri, server.issuer, sid))
    return tuple(found)
