"""Operations on what is registered: apply a file, add a client, make a secret, list."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from idp.control.errors import ControlError
from idp.manifest import Manifest
from idp.manifest_people import Person
from idp.protocol.client import Client
from idp.protocol.registration import client_flaws
from idp.server import Server
from idp.store import accounts, registry

_MAX_SECRETS = 2


async def apply(server: Server, manifest: dict[str, Any]) -> dict[str, Any]:
    """Make everything as the file says; answers each entry's outcome. Applied twice, the second changes nothing."""
    asked = msgspec.convert(manifest, Manifest)
    _refuse_unknown_resources(server, asked)
    await _refuse_changed_subjects(server, asked)
    now, database, journal = server.now(), server.database, server.journal
    outcomes: list[dict[str, str]] = []

    def note(kind: str, name: str, outcome: str) -> None:
        outcomes.append({"kind": kind, "name": name, "outcome": outcome})

    for scope in asked.scopes:
        note("scope", scope.name, await database.write(registry.put_scope, journal, scope, now))
    for resource in asked.resources:
        note("resource", resource.uri, await database.write(registry.put_resource, journal, resource, now))
    for client in asked.clients:
        note("client", client.client_id, await database.write(registry.put_client, journal, client, now))
    for person in asked.people:
        note("person", person.username, await _put_person(server, person, now))
    await server.reload_registry()
    return {"outcomes": outcomes, "changed": sum(entry["outcome"] != "unchanged" for entry in outcomes)}


def _refuse_unknown_resources(server: Server, asked: Manifest) -> None:
    """A client's resources must be somebody's: a misspelt one would only show as invalid_target, much later."""
    known = {server.issuer, *server.registry.resources, *(resource.uri for resource in asked.resources)}
    for client in asked.clients:
        for uri in (*client.resources, *client.audiences):
            if uri not in known:
                raise ControlError(
                    "a client names resources that exist",
                    received=f"{uri} of client {client.client_id}",
                    expected=", ".join(sorted(known)),
                    mend=f'add [[resources]] with uri = "{uri}", or correct the client',
                )


async def _refuse_changed_subjects(server: Server, asked: Manifest) -> None:
    """A ``sub`` never changes and is never another's: apps know people by it (OIDC Core 5.7)."""
    for person in asked.people:
        if person.sub is None:
            continue
        named = await server.database.read(accounts.find_by_username, person.username)
        holder = await server.database.read(accounts.find_by_id, person.sub)
        stored = named.account.id if named else None
        if stored not in (None, person.sub) or (holder is not None and holder.username != person.username):
            raise ControlError(
                "a person keeps their sub, and nobody else gets it",
                received=f"sub {person.sub} for {person.username}",
                expected=f"sub {stored}" if stored else f"another sub: {person.sub} is {holder and holder.username}",
                mend="take the sub out of the file, or write the one the person has",
            )


async def _put_person(server: Server, person: Person, now: float) -> str:
    fresh = person.password_hash
    found = await server.database.read(accounts.find_by_username, person.username)
    if fresh is not None and found is not None and server.passwords.is_weak(fresh):
        # The file still holds the hash another program made; the person has signed in since, or has a new password.
        fresh = None if server.passwords.supersedes(found.password_hash, fresh) else fresh
    if person.password is not None:
        same = found is not None and await server.passwords.verify(found.password_hash, person.password)
        # The same password hashed again would look like a change at every apply.
        fresh = None if same else await server.passwords.hash(person.password)
    return await server.database.write(
        accounts.put_account,
        server.journal,
        new_id=person.sub or server.random_id(16),
        username=person.username,
        password_hash=fresh,
        claims=person.claims,
        now=now,
    )


async def client_add(server: Server, client: dict[str, Any]) -> dict[str, Any]:
    """Register a client; a confidential one gets a secret, which is shown this once."""
    try:
        asked = msgspec.convert(client, Client)
    except msgspec.ValidationError as error:
        raise ControlError("client metadata", received=str(error), mend="idp client add --help") from None
    if server.client(asked.client_id) is not None:
        raise ControlError(
            "each client_id once", received=asked.client_id, expected="a free client_id", mend="idp client list"
        )
    secret = None
    if asked.token_endpoint_auth_method in ("client_secret_basic", "client_secret_post"):
        secret = server.random_id(32)
        asked = msgspec.structs.replace(asked, secret_hashes=(_hashed(secret),))
    flaws = client_flaws(asked, algorithms=server.settings.keys.algorithms, grant_types=tuple(server.grants))
    for flaw in flaws:
        found = flaw.problem
        raise ControlError(found.rule, received=found.received, expected=found.expected, mend=found.mend)
    await server.database.write(registry.put_client, server.journal, asked, server.now())
    return {"client_id": asked.client_id, "client_secret": secret, "client": _shown(asked)}


async def client_list(server: Server) -> dict[str, Any]:
    clients = sorted(server.registry.clients.values(), key=lambda client: client.client_id)
    return {"clients": [_shown(client) for client in clients]}


async def client_secret(server: Server, client_id: str) -> dict[str, Any]:
    """A new secret beside the newest old one, so that the client can change over without a gap."""
    found = server.client(client_id)
    if found is None:
        raise ControlError("the client exists", received=client_id, expected="a client_id", mend="idp client list")
    if not found.token_endpoint_auth_method.startswith("client_secret"):
        raise ControlError(
            "a client that authenticates with a secret",
            received=f"{client_id} uses {found.token_endpoint_auth_method}",
            expected="client_secret_basic or client_secret_post",
            mend="change token_endpoint_auth_method in the apply file first",
        )
    secret = server.random_id(32)
    kept = found.secret_hashes[: _MAX_SECRETS - 1]
    changed = msgspec.structs.replace(found, secret_hashes=(_hashed(secret), *kept))
    await server.database.write(registry.put_client, server.journal, changed, server.now())
    return {"client_id": client_id, "client_secret": secret, "live_secrets": len(changed.secret_hashes)}


async def resource_list(server: Server) -> dict[str, Any]:
    return {"resources": [msgspec.to_builtins(found) for _, found in sorted(server.registry.resources.items())]}


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _shown(client: Client) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(client)
    members.pop("secret_hashes", None)
    return {**members, "secrets": len(client.secret_hashes)}
