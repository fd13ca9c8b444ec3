"""People, apps and APIs for a test, each in one line, by the operations that commands use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from idp.control.operations import run
from idp.control.people import SAMPLE_CLIENT
from idp.manifest import Manifest
from idp.protocol.claims import STANDARD_SCOPES
from idp.protocol.client import Client, Resource, Scope
from idp.server import Server

PEOPLE_SCOPE = "openid profile email offline_access"


@dataclass(frozen=True)
class RegisteredClient:
    """An app as registered. ``client_secret`` is None for a public one."""

    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uris: tuple[str, ...]
    scope: str

    @property
    def auth(self) -> tuple[str, str]:
        """For HTTP Basic (RFC 6749 2.3.1), as ``httpx2`` and ``requests`` take it."""
        return self.client_id, self.client_secret or ""


async def add_client(server: Server, client_id: str, members: dict[str, Any]) -> RegisteredClient:
    """``members`` are those of RFC 7591, and ``public`` and ``service`` as in ``idp client add``."""
    public, service = members.pop("public", False), members.pop("service", False)
    resources = tuple(members.get("resources", ()))
    await add_resources(server, resources, (), sample=False)
    if isinstance(scope := members.get("scope"), str):
        await _add_scopes(server, scope.split())
    usual = {
        "scope": "" if service else PEOPLE_SCOPE,
        "grant_types": ["client_credentials"] if service else ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none" if public else "client_secret_basic",
    }
    answer = await run(server, "client.add", {"client": {**usual, **members, "client_id": client_id}})
    found = answer["client"]
    uris = tuple(found.get("redirect_uris", ()))
    return RegisteredClient(client_id, answer["client_secret"], uris, found.get("scope", "openid"))


async def add_resources(server: Server, uris: Sequence[str], scopes: Sequence[str], *, sample: bool = True) -> None:
    """Register what is missing of them, and let ``sample`` ask for it. An API that is there keeps its scopes too."""
    known = server.registry.resources
    changed = []
    for uri in uris:
        if uri == server.issuer:
            continue
        before = known.get(uri, Resource(uri=uri))
        after = msgspec.structs.replace(before, scopes=tuple(dict.fromkeys((*before.scopes, *scopes))))
        if uri not in known or after != before:
            changed.append(after)
    await _add_scopes(server, scopes)
    asking = await server.registered_client(SAMPLE_CLIENT) if sample else None
    clients = [] if asking is None else [_allowed(asking, uris, scopes, server.issuer)]
    if changed or clients != [asking]:
        await _apply(server, Manifest(resources=tuple(changed), clients=tuple(clients)))


def _allowed(client: Client, uris: Sequence[str], scopes: Sequence[str], issuer: str) -> Client:
    words = dict.fromkeys((*client.scope.split(), *scopes))
    targets = dict.fromkeys((*client.resources, *(uri for uri in uris if uri != issuer)))
    if tuple(targets) == client.resources and len(words) == len(client.scope.split()):
        return client
    return msgspec.structs.replace(client, scope=" ".join(words), resources=tuple(targets))


async def _add_scopes(server: Server, words: Sequence[str]) -> None:
    fresh = [word for word in words if word not in STANDARD_SCOPES and word not in server.registry.scopes]
    if fresh:
        await _apply(server, Manifest(scopes=tuple(Scope(name=word) for word in dict.fromkeys(fresh))))


async def _apply(server: Server, manifest: Manifest) -> None:
    await run(server, "apply", {"manifest": msgspec.to_builtins(manifest, builtin_types=(bytes,))})
