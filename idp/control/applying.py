"""``apply``: everything as one file says, in one transaction. A plan is the same reading and comparing, not written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from idp.control.breaking import with_breaks
from idp.control.errors import ControlError, refusal
from idp.control.people import hash_password
from idp.control.planning import Change, Drawing, PersonEntry, draw
from idp.manifest import Manifest, read_manifest
from idp.manifest_people import Person
from idp.protocol.client import Client
from idp.sector import check_sector
from idp.server import Server
from idp.settings_network import reach
from idp.store import applying
from idp.store.applying import PutPerson, Stale

_TRIES = 3


async def apply(server: Server, manifest: dict[str, Any], plan: bool = False) -> dict[str, Any]:
    """Each entry's outcome, what changes, what breaks; written unless ``plan``. The second time changes nothing."""
    asked = msgspec.convert(manifest, Manifest)
    for _ in range(_TRIES):
        await server.reload_registry()
        _refuse_unknown_resources(server, asked)
        await _refuse_changed_subjects(server, asked.people)
        drawing = await draw(server, asked)
        await _refuse_foreign_sectors(server, drawing)
        changes = await with_breaks(server, drawing)
        if plan:
            return _answer(changes)
        try:
            await _write(server, drawing)
        except Stale:
            continue  # somebody else changed an entry between reading and writing: look again
        return _answer(changes)
    raise ControlError(
        "a file is applied to what was read",
        received=f"entries that changed meanwhile, {_TRIES} times",
        expected="nobody else changing them",
        mend="apply it again",
    )


async def apply_file(server: Server, path: Path) -> dict[str, Any]:
    """The same for a file beside this process. Raises ManifestError."""
    manifest = read_manifest(
        path,
        algorithms=server.settings.keys.algorithms,
        grant_types=tuple(server.grants),
        response_types=sorted(server.response_types),
        reach=reach(server.settings),
        profile=server.settings.profile,
    )
    return await apply(server, msgspec.to_builtins(manifest, builtin_types=(bytes,)))


def _answer(changes: Sequence[Change]) -> dict[str, Any]:
    outcomes = [change.answer() for change in changes]
    return {"outcomes": outcomes, "changed": sum(change.outcome != "unchanged" for change in changes)}


async def _write(server: Server, drawing: Drawing) -> None:
    # In a fixed order, so that two applied at once on PostgreSQL wait for one another instead of both.
    changing = (entry for entry in drawing.entries if entry.outcome != "unchanged")
    entries = [entry.put() for entry in sorted(changing, key=lambda entry: (entry.kind, entry.name))]
    people = [await _put(server, person) for person in drawing.people if person.outcome != "unchanged"]
    if not entries and not people:
        return
    people.sort(key=lambda person: person.username)
    await server.database.write(applying.write_all, server.journal, entries, people, server.now())
    await server.reload_registry()
    for wake in server.after_commit:
        wake()


async def _put(server: Server, entry: PersonEntry) -> PutPerson:
    asked, fresh = entry.asked, None
    if entry.new_password:
        fresh = asked.password_hash
        if asked.password is not None:
            fresh = await hash_password(server, asked.password)
    return PutPerson(
        before=entry.before,
        id=entry.before.id if entry.before else asked.sub or server.random_id(16),
        username=asked.username,
        claims=asked.claims,
        password_hash=fresh,
        disabled=asked.disabled,
    )


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


async def _refuse_foreign_sectors(server: Server, drawing: Drawing) -> None:
    """Asked again only where an address changed: everything else needs no network."""
    for entry in drawing.clients:
        if entry.before is None or _addresses(entry.before) != _addresses(entry.after):
            for found in await check_sector(server, entry.after):
                raise refusal(found, entry.name)


def _addresses(client: Client) -> tuple[str | None, tuple[str, ...]]:
    return client.sector_identifier_uri, client.redirect_uris


async def _refuse_changed_subjects(server: Server, people: Sequence[Person]) -> None:
    """A ``sub`` never changes and is never another's: apps know people by it (OIDC Core 5.7)."""
    named = [person for person in people if person.sub is not None]
    for start in range(0, len(named), applying.CHUNK):
        some = named[start : start + applying.CHUNK]
        found = await server.database.read(applying.find_people, [person.username for person in some])
        holders = await server.database.read(applying.find_subjects, [person.sub for person in some if person.sub])
        for person in some:
            stored = found[person.username].id if person.username in found else None
            holder = holders.get(person.sub or "")
            if stored not in (None, person.sub) or holder not in (None, person.username):
                raise ControlError(
                    "a person keeps their sub, and nobody else gets it",
                    received=f"sub {person.sub} for {person.username}",
                    expected=f"sub {stored}" if stored else f"another sub: {person.sub} is {holder}",
                    mend="take the sub out of the file, or write the one the person has",
                )
        await asyncio.sleep(0)
