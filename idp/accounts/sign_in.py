"""Checking a username and password: the same words and the same time for every way it can fail."""

from __future__ import annotations

from idp.protocol.client import Account
from idp.protocol.prompts import may_act
from idp.server import Server
from idp.store import accounts

MAX_USERNAME = 255


async def prove_password(server: Server, username: str, password: str) -> Account | None:
    """The enabled account these belong to, or None. Raises Busy when the password pool is full."""
    found = None
    if 0 < len(username) <= MAX_USERNAME and "\0" not in username:
        found = await server.database.read(accounts.find_by_username, username)
    stored = found.password_hash if found else None
    matches = await server.passwords.verify(stored, password, username)
    if found is None or stored is None:
        server.journal.count("requests.refused", "", "unknown_person")
        return None
    if not matches or may_act(found.account, client_disabled=False) is not None:
        # Written within 100 ms, not now: a commit takes time that an unknown person would not cost.
        server.journal.later(server.now(), "login.failed", found.account.id)
        return None
    if server.passwords.is_weak(stored):
        fresh = await server.passwords.hash(password)
        await server.database.write(accounts.replace_hash, found.account.id, stored, fresh)
    return found.account
