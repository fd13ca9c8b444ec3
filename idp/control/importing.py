"""Bringing in people from another system: who is here, and a batch of new ones. The rows were read by the command."""

from __future__ import annotations

from typing import Any

import msgspec

from idp.control.errors import ControlError
from idp.manifest_hashes import hash_problem
from idp.manifest_import import Newcomer
from idp.server import Server
from idp.store import imports

BATCH = 100  # people: 4 ms in the loop
PAGE = 200  # people: 1 ms


async def known(server: Server, after: str = "") -> dict[str, Any]:
    """People already here, a page in the order of ``sub``: what a row could be confused with."""
    found = await server.database.read(imports.known_after, after, PAGE)
    return {"people": [list(person) for person in found]}


async def add(
    server: Server, people: list[dict[str, Any]], source: str, write: bool = True, last: bool = True
) -> dict[str, Any]:
    """Add a batch in one transaction; each outcome in its order. ``write`` False says what would become of them."""
    asked = [msgspec.convert(person, Newcomer) for person in people]
    for person in asked:
        problem = hash_problem(person.password_hash) if person.password_hash is not None else None
        if problem is not None:
            raise ControlError(problem.rule, received=problem.received, expected=problem.expected, mend=problem.mend)
    stored = await server.database.read(imports.hashes_of, [person.username for person in asked])
    replaceable = {
        there[1]
        for person in asked
        if person.password_hash and (there := stored.get(person.username)) and there[1]
        if not server.passwords.supersedes(there[1], person.password_hash)
    }
    rows = [_account(server, person) for person in asked]
    outcomes = await server.database.write(
        imports.put_batch, server.journal, rows, replaceable, server.now(), source, write=write
    )
    if last and write:
        server.passwords.costs_due = 0.0  # unknown names cost what the new ones do; other nodes count within the hour
    return {"outcomes": outcomes}


def _account(server: Server, person: Newcomer) -> imports.NewAccount:
    return imports.NewAccount(
        id=person.sub or server.random_id(16),
        asked_id=person.sub,
        username=person.username,
        password_hash=person.password_hash,
        claims=person.claims,
        disabled=person.disabled,
    )
