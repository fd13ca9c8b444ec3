"""Operations on resource servers: add, list, remove."""

from __future__ import annotations

from typing import Any

import msgspec

from idp.control import clients
from idp.control.errors import ControlError
from idp.protocol.client import Resource
from idp.protocol.registration_resources import resource_flaws
from idp.server import Server
from idp.store import registry


async def add(server: Server, resource: dict[str, Any]) -> dict[str, Any]:
    """Register a resource server; one that is there is changed by ``apply`` alone."""
    try:
        asked = msgspec.convert(resource, Resource)
    except msgspec.ValidationError as error:
        raise ControlError("a resource server", received=str(error), mend="idp resource add --help") from None
    if asked.uri in server.registry.resources:
        raise ControlError("each uri once", received=asked.uri, expected="a new uri", mend="idp resource list")
    for flaw in resource_flaws(asked, algorithms=server.settings.keys.algorithms):
        found = flaw.problem
        raise ControlError(found.rule, received=found.received, expected=found.expected, mend=found.mend)
    await server.database.write(registry.put_resource, server.journal, asked, server.now())
    return {"resource": msgspec.to_builtins(asked)}


async def listing(server: Server) -> dict[str, Any]:
    return {"resources": [msgspec.to_builtins(found) for _, found in sorted(server.registry.resources.items())]}


async def remove(server: Server, uri: str) -> dict[str, Any]:
    """Refused while an app names it: its requests would be refused, and its tokens introspected by nobody."""
    users = [
        client.client_id async for client in clients.every(server) if uri in client.resources or uri in client.audiences
    ]
    if users:
        raise ControlError(
            "a resource that apps name stays",
            received=f"{uri} is named by {', '.join(users[:5])}{' and others' if len(users) > 5 else ''}",
            expected="no client with it in resources or audiences",
            mend="take it out of those clients in the apply file first",
        )
    if not await server.database.write(registry.remove_resource, server.journal, uri, server.now()):
        raise ControlError("the resource exists", received=uri, expected="a uri", mend="idp resource list")
    return {"uri": uri}
