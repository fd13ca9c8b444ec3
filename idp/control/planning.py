"""What applying a file would change, member by member: read and compared here, shown by a plan, written by an apply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import msgspec

from idp.control.clients import secret_id
from idp.control.sealing import sealed
from idp.manifest import Manifest
from idp.manifest_people import Person
from idp.protocol.client import Client, Resource, Scope
from idp.server import Server
from idp.store import applying
from idp.store.applying import PutEntry, Stored

E = TypeVar("E", Client, Resource, Scope)
_HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the file: ``members`` as (name, old, new), texts fit to be shown; ``breaks`` as sentences."""

    kind: str
    name: str
    outcome: str  # created, changed, unchanged
    members: tuple[tuple[str, str, str], ...] = ()
    breaks: tuple[str, ...] = ()

    def answer(self) -> dict[str, Any]:
        members = [{"name": name, "old": old, "new": new} for name, old, new in self.members]
        return {
            "kind": self.kind,
            "name": self.name,
            "outcome": self.outcome,
            "members": members,
            "breaks": list(self.breaks),
        }


@dataclass(frozen=True, slots=True)
class Entry(Generic[E]):
    """A client, resource or scope as it is and as it should be."""

    kind: str
    name: str
    stored: bytes | None
    before: E | None
    after: E

    @property
    def outcome(self) -> str:
        if self.before is None:
            return "created"
        return "unchanged" if self.before == self.after else "changed"

    def members(self) -> tuple[tuple[str, str, str], ...]:
        if self.before is None:
            return ()
        return tuple(
            (name, shown_member(name, old), shown_member(name, new))
            for name, old, new in differences(self.before, self.after)
        )

    def put(self) -> PutEntry:
        detail: dict[str, Any] = {}
        if self.before is not None:
            detail["changed"] = [name for name, _, _ in differences(self.before, self.after)]
        if isinstance(self.after, Client) and (self.before is None or "secret_hashes" in detail["changed"]):
            detail["secrets"] = [secret_id(hashed) for hashed in self.after.secret_hashes]
        return PutEntry(self.stored, self.after, detail)


@dataclass(frozen=True, slots=True)
class PersonEntry:
    """A person as found and as asked for; ``new_password`` says that the file's is another one."""

    asked: Person
    before: Stored | None
    new_password: bool

    @property
    def switched(self) -> bool:
        was = self.before is not None and self.before.disabled
        return self.asked.disabled is not None and self.asked.disabled != was

    @property
    def outcome(self) -> str:
        if self.before is None:
            return "created"
        changed = self.new_password or self.switched or any(self._claims())
        return "changed" if changed else "unchanged"

    def members(self) -> tuple[tuple[str, str, str], ...]:
        if self.before is None:
            return ()
        found = list(self._claims())
        if self.new_password:
            found.append(("password", "none" if self.before.password_hash is None else _HIDDEN, "another, hidden"))
        if self.switched:
            found.append(("disabled", shown(self.before.disabled), shown(self.asked.disabled)))
        return tuple(found)

    def _claims(self) -> Iterator[tuple[str, str, str]]:
        old: dict[str, Any] = msgspec.json.decode(self.before.claims) if self.before else {}
        for name in dict.fromkeys([*old, *self.asked.claims]):
            if old.get(name) != self.asked.claims.get(name):
                yield name, shown(old.get(name)), shown(self.asked.claims.get(name))


@dataclass(frozen=True, slots=True)
class Drawing:
    """Every entry of a file against what is there."""

    scopes: Sequence[Entry[Scope]] = ()
    resources: Sequence[Entry[Resource]] = ()
    clients: Sequence[Entry[Client]] = ()
    people: Sequence[PersonEntry] = field(default=())

    @property
    def entries(self) -> Iterator[Entry[Any]]:
        yield from self.scopes
        yield from self.resources
        yield from self.clients


async def draw(server: Server, asked: Manifest) -> Drawing:
    """Compare the file with the database: reads, and for passwords in plain text one hash each."""
    return Drawing(
        scopes=await _entries(server, "scope", Scope, {scope.name: scope for scope in asked.scopes}),
        resources=await _entries(server, "resource", Resource, {found.uri: found for found in asked.resources}),
        clients=await _clients(server, asked),
        people=await _people(server, asked.people),
    )


def differences(before: msgspec.Struct, after: msgspec.Struct) -> list[tuple[str, Any, Any]]:
    """(member, old, new) of every member that differs."""
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in before.__struct_fields__)
    return [(name, old, new) for name, old, new in pairs if old != new]


def shown_member(name: str, value: Any) -> str:
    if name == "sealed_secrets":
        return f"{len(value)} sealed" if value else "none"
    if name == "secret_hashes":
        return " and ".join(map(secret_id, value)) or "none"
    return shown(value)


def shown(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=list)


async def _entries(server: Server, kind: str, struct: type[E], asked: Mapping[str, E]) -> list[Entry[E]]:
    stored: dict[str, bytes] = {}
    for names in _chunks(list(asked)):
        stored |= await server.database.read(applying.find_entries, struct, names)
        await asyncio.sleep(0)
    found = []
    for name, after in asked.items():
        data = stored.get(name)
        found.append(Entry(kind, name, data, msgspec.json.decode(data, type=struct) if data else None, after))
    return found


async def _clients(server: Server, asked: Manifest) -> list[Entry[Client]]:
    """With the secrets of client_secret_jwt as they are sealed already, or sealed now."""
    named = {client.client_id: client for client in asked.clients}
    entries = await _entries(server, "client", Client, named)
    return [
        replace(entry, after=sealed(server, entry.after, entry.before, asked.secrets.get(entry.name)))
        for entry in entries
    ]


async def _people(server: Server, asked: Sequence[Person]) -> list[PersonEntry]:
    found = []
    for people in _chunks(asked):
        stored = await server.database.read(applying.find_people, [person.username for person in people])
        for person in people:
            before = stored.get(person.username)
            found.append(PersonEntry(person, before, await _new_password(server, person, before)))
        await asyncio.sleep(0)
    return found


async def _new_password(server: Server, person: Person, before: Stored | None) -> bool:
    """The same password hashed again would look like a change at every apply, so a text is tried, not compared."""
    if before is None:
        return person.password is not None or person.password_hash is not None
    if person.password is not None:
        return not await server.passwords.verify(before.password_hash, person.password)
    fresh = person.password_hash
    if fresh is None or fresh == before.password_hash:
        return False
    # The file may hold the hash another program made, while the person has signed in since, or has a new password.
    return not (server.passwords.is_weak(fresh) and server.passwords.supersedes(before.password_hash, fresh))


T = TypeVar("T")


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), applying.CHUNK):
        yield values[start : start + applying.CHUNK]
