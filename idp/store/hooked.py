"""The row of a person whose account is somebody else's: what sessions, grants and consents refer to.

Where a hash would stand, it holds a mark that no password fits: that the row is such a one, a fingerprint that changes
with the person's password there, and whether it was there that they were disabled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from idp.protocol.client import Account
from idp.store.accounts import account_of, set_disabled
from idp.store.audit import Journal
from idp.store.schema import accounts
from idp.store.sessions import disable, end_all
from idp.store.statements import Prepared

_MARK = "$hook$"
# Disabled there, so disabled here; and: disabled there while an operator had already done so, who alone may undo it.
_OFF, _BOTH = "$off", "$both"
_LONGEST_NAME = 190
_ROW = Prepared(sa.select(accounts).where(accounts.c.id == sa.bindparam("account")))
_CREATE = sa.text(
    "INSERT INTO accounts (id, username, password_hash, claims, updated_at)"
    " VALUES (:id, :username, :mark, :claims, :now) ON CONFLICT (id) DO NOTHING"
)


def mark(stamp: str, *, disabled: bool) -> str:
    return f"{_MARK}{stamp}{_OFF if disabled else ''}"


def is_mark(password_hash: str | None) -> bool:
    return password_hash is not None and password_hash.startswith(_MARK)


@dataclass(frozen=True, slots=True)
class Kept:
    """The row, and its mark (empty: it is a person of ours)."""

    account: Account
    mark: str

    @property
    def hooked(self) -> bool:
        return bool(self.mark)

    @property
    def gone(self) -> bool:
        """Whether they are out because they are disabled there, or not there any more."""
        return self.account.disabled and self.mark.endswith((_OFF, _BOTH))

    def says(self, said: Account, mark: str) -> bool:
        """Whether nothing has to be written for the row to follow."""
        here, disabled = self.account, said.disabled and not self.account.disabled
        named = here.username in (said.username, _other_name(said.username, said.id))
        return self.mark.replace(_BOTH, _OFF) == mark and not disabled and named and here.claims == said.claims


def kept(connection: Connection, account_id: str) -> Kept | None:
    row = _ROW.first(connection, {"account": account_id})
    if row is None:
        return None
    return Kept(account_of(row), row["password_hash"] if is_mark(row["password_hash"]) else "")


def put(connection: Connection, journal: Journal, said: Account, said_mark: str, now: float) -> None:
    """Write the row, or let it follow. Another password there ends what the old one began; disabled there, they are
    out here. A person of ours by the same ``sub`` becomes theirs."""
    name, claims = _name_for(connection, said), msgspec.json.encode(said.claims)
    fresh = {"id": said.id, "username": name, "mark": said_mark, "claims": claims, "now": now}
    if connection.execute(_CREATE, fresh).rowcount == 1:
        journal.record(connection, now, "account.created", account_id=said.id, username=name, by="hook")
        return
    row = connection.execute(sa.select(accounts).where(accounts.c.id == said.id)).mappings().one()
    here, before = account_of(row), row["password_hash"] if is_mark(row["password_hash"]) else ""
    new_mark = _with_whose(said_mark, before, here)
    wanted = {"username": name, "password_hash": new_mark, "claims": claims}
    changes: dict[str, Any] = {column: value for column, value in wanted.items() if row[column] != value}
    told = sorted(changes)
    if "claims" in changes:
        changes["updated_at"] = now
    if changes:
        connection.execute(sa.update(accounts).where(accounts.c.id == said.id).values(**changes))
        journal.record(connection, now, "account.changed", account_id=said.id, changed=told, by="hook")
    if said.disabled and not here.disabled:
        disable(connection, journal, said.id, now)
    elif not said.disabled and before.endswith(_OFF):
        set_disabled(connection, journal, said.id, now, disabled=False)
    if before and _stamp(before) != _stamp(said_mark):
        end_all(connection, journal, said.id, now, reason="the password was changed")


def leave(connection: Connection, journal: Journal, account_id: str, now: float) -> None:
    """Nobody there has this ``sub`` any more: as if disabled there. A person of ours stays."""
    here = kept(connection, account_id)
    if here is None or not here.hooked or here.gone:
        return
    gone = msgspec.structs.replace(here.account, disabled=True)
    put(connection, journal, gone, mark(_stamp(here.mark), disabled=True), now)


def _with_whose(said_mark: str, before: str, here: Account) -> str:
    """The mark to keep: it remembers whether an operator had disabled the row first."""
    if not said_mark.endswith(_OFF) or before.endswith(_OFF) or not here.disabled:
        return said_mark
    return said_mark.removesuffix(_OFF) + _BOTH


def _stamp(text: str) -> str:
    return text.removesuffix(_OFF).removesuffix(_BOTH)[len(_MARK) :]


def _name_for(connection: Connection, said: Account) -> str:
    """Their name, if it is free here. A row that follows somebody makes way, as names change hands there; a person of
    ours does not."""
    others = sa.select(accounts.c.id, accounts.c.username, accounts.c.password_hash)
    taken = others.where(accounts.c.username == said.username, accounts.c.id != said.id)
    other = connection.execute(taken).mappings().first()
    if other is None:
        return said.username
    if not is_mark(other["password_hash"]):
        return _other_name(said.username, said.id)
    moved = sa.update(accounts).where(accounts.c.id == other["id"])
    connection.execute(moved.values(username=_other_name(other["username"], other["id"])))
    return said.username


def _other_name(name: str, account_id: str) -> str:
    return f"{name[:_LONGEST_NAME]}~{account_id}"
