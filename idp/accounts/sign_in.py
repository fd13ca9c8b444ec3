"""Checking a username and password: the same words and the same time for every way it can fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from idp.accounts import devices, guessing
from idp.accounts.devices import Device
from idp.protocol.client import Account
from idp.protocol.errors import Busy, Throttled
from idp.protocol.prompts import may_act
from idp.server import Server
from idp.store import accounts
from idp.store.accounts import Credentials
from idp.store.attempts import Bucket

MAX_USERNAME = 255
# So often and so long a try waits for one that may still give its place back, before it is refused for it.
_WAITS = 4
_WAIT_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Proved:
    """Whose password it was. ``device`` is the value of the device cookie to give this browser."""

    account: Account
    device: str


async def prove_password(
    server: Server, username: str, password: str, network: str, device: str | None = None
) -> Proved | None:
    """The enabled account these belong to, or None.

    ``network`` is where the try comes from, ``device`` the browser's device cookie. Raises Throttled where too many
    tries failed, and Busy when the password pool is full; neither has hashed anything.
    """
    try:
        return await _in_turn(server, username, password, network, device)
    except Busy:
        server.meters.login("busy")
        raise
    except Throttled:
        server.meters.login("throttled")
        raise


async def _in_turn(server: Server, username: str, password: str, network: str, device: str | None) -> Proved | None:
    """Take a place in each bucket, then try."""
    brought = devices.recognise(server, device)
    buckets = guessing.strangers_buckets(server, username, network)
    if brought is not None and devices.belongs_to(brought, await _find(server, username)):
        buckets = [guessing.device_bucket(server, brought.device_id)]
    guessing.refuse_if_known_full(server, buckets)
    for waits in range(_WAITS + 1):
        async with server.turnstile.turn(buckets[0].key):
            if await guessing.take(server, buckets, patient=waits < _WAITS):
                return await _try(server, username, password, buckets, brought)
        await asyncio.sleep(_WAIT_SECONDS)  # outside the turnstile: nobody's thread stands idle meanwhile
    raise Busy(retry_after=1)


async def _try(
    server: Server, username: str, password: str, buckets: list[Bucket], brought: Device | None
) -> Proved | None:
    """Hash, with the places taken; success, or a pool without room for it, gives them back."""
    try:
        found = await _find(server, username)  # now, not before the line: the password may have been changed meanwhile
        proved = await _check(server, found, username, password)
    except Busy:
        await guessing.give_back(server, buckets)
        raise
    if proved is None:
        return None
    account, stored = proved
    await guessing.give_back(server, buckets)
    return Proved(account, devices.seal(server, account.id, stored, brought))


async def _find(server: Server, username: str) -> Credentials | None:
    if 0 < len(username) <= MAX_USERNAME and "\0" not in username:
        if (people := server.hooks.people) is not None:
            return await people.find(username)
        return await server.database.read(accounts.find_by_username, username)
    return None


async def _check(server: Server, found: Credentials | None, username: str, password: str) -> tuple[Account, str] | None:
    """Whose it is, and the hash it was proved against, as it is stored from now on; None where it proved nothing."""
    people = server.hooks.people
    stored = found.password_hash if found else None
    if people is None:
        matches = await server.passwords.verify(stored, password, username)
    else:
        matches = await people.verify(server, found, password, username)
    if found is None or stored is None:
        server.journal.count("requests.refused", "", "unknown_person")
        server.meters.login("unknown_person")
        return None
    account = found.account
    if matches and people is not None:
        account = await people.keep(server, found)
    if not matches or may_act(account, client_disabled=False) is not None:
        # Written within 100 ms, not now: a commit takes time that an unknown person would not cost.
        server.journal.later(server.now(), "login.failed", account.id)
        server.meters.login("disabled" if matches else "wrong_password")
        return None
    server.meters.login("success")
    if people is None and server.passwords.is_weak(stored):
        fresh = await server.passwords.hash(password)
        await server.database.write(accounts.replace_hash, account.id, stored, fresh)
        return account, fresh
    return account, stored
