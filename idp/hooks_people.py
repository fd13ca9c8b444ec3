"""People of somebody else's table: found, proved and followed there; a row of ours holds what refers to them."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from idp.accounts.decoys import Decoys
from idp.accounts.passwords import MAX_BYTES, NOBODY
from idp.hooks import Accounts, ChecksPasswords, Person
from idp.hooks_calling import Caller
from idp.protocol.client import Account
from idp.protocol.errors import Busy
from idp.server import Server
from idp.store import hooked
from idp.store.accounts import Credentials

log = logging.getLogger("idp.hooks")


@dataclass(frozen=True, slots=True)
class Theirs(Credentials):
    person: Person


class HookedPeople:
    """``server.hooks.people`` where ``Hooks.accounts`` is given."""

    def __init__(self, accounts: Accounts, caller: Caller) -> None:
        self._accounts = accounts
        self._caller = caller
        self._decoys = Decoys(NOBODY)
        self._costs: dict[str, tuple[str, int]] = {}

    async def find(self, login: str) -> Credentials | None:
        found = await self._caller.call("accounts.by_login", self._accounts.by_login, login, returns=Person, none=True)
        return None if found is None else theirs(found)

    async def verify(self, server: Server, found: Credentials | None, password: str, login: str) -> bool:
        person = found.person if isinstance(found, Theirs) else None
        if isinstance(self._accounts, ChecksPasswords):
            return await self._verified_there(self._accounts, person, password)
        if person is not None and person.password_hash is not None:
            self._learn(server, person.password_hash)
            return await server.passwords.verify(person.password_hash, password)
        # Checked in vain: an unknown name costs what those of the table cost (accounts.decoys).
        await server.passwords.verify(self._decoys.for_name(login), password)
        return False

    async def keep(self, server: Server, found: Credentials) -> Account:
        said, mark = found.account, found.password_hash or ""
        kept = await server.database.read(hooked.kept, said.id)
        if said.disabled:
            return said  # their row follows when somebody next asks: a write now would tell that the password was right
        if kept is not None and kept.says(said, mark):
            return kept.account
        await self._write(server, hooked.put, said, mark, server.now())
        now = await server.database.read(hooked.kept, said.id)
        return said if now is None else now.account

    async def changed(self, server: Server, account_id: str) -> bool:
        found = await self._caller.call("accounts.by_sub", self._accounts.by_sub, account_id, returns=Person, none=True)
        kept = await server.database.read(hooked.kept, account_id)
        if kept is None or not kept.hooked:
            return False  # a person of ours, from before: nobody proved that they are this one
        if found is None:
            if kept.gone:
                return False
            await self._write(server, hooked.leave, account_id, server.now())
            return True
        if found.sub != account_id:
            log.error("hook accounts.by_sub | received: sub %s | expected: sub %s, as asked", found.sub, account_id)
            raise Busy(retry_after=1)
        said = theirs(found)
        if kept.says(said.account, said.password_hash or ""):
            return False
        await self._write(server, hooked.put, said.account, said.password_hash or "", server.now())
        return True

    async def _verified_there(self, checks: ChecksPasswords, person: Person | None, password: str) -> bool:
        possible = len(password.encode("utf-8", "surrogatepass")) <= MAX_BYTES
        text = password if possible else "too long to be anyone's"
        verify = checks.verify_password
        matches = await self._caller.call("accounts.verify_password", verify, person, text, returns=bool)
        return matches and possible and person is not None

    async def _write(self, server: Server, operation: Callable[..., object], *arguments: object) -> None:
        await server.database.write(operation, server.journal, *arguments)
        for wake in server.after_commit:
            wake()  # sessions may have ended with it: their apps hear at once

    def _learn(self, server: Server, stored: str) -> None:
        cost = server.passwords.cost_of(stored)
        if cost:
            self._costs[cost] = stored, self._costs.get(cost, ("", 0))[1] + 1
            key = hmac.digest(server.keyring.secret("refresh"), b"costs of unknown names", hashlib.sha256)
            self._decoys.learn(key, self._costs)


def theirs(person: Person) -> Theirs:
    """What the server sees of a person; the mark stands where a hash would, and no password fits it."""
    stamp = hashlib.sha256(f"{person.password_stamp}\0{person.password_hash or ''}".encode()).hexdigest()[:32]
    said = {"preferred_username": person.username, **person.claims}
    try:
        claims = msgspec.json.decode(msgspec.json.encode(said))
    except (TypeError, ValueError) as error:
        mend = "give text, numbers, lists, dicts"
        log.error("Person.claims of sub %s are not JSON: %s | mend: %s", person.sub, error, mend)
        raise Busy(retry_after=1) from None
    account = Account(id=person.sub, username=person.username, claims=claims, disabled=person.disabled)
    return Theirs(account, hooked.mark(stamp, disabled=person.disabled), person)
