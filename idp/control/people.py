"""Operations on people: add, change, end, remove, list, and a token for one without a browser."""

from __future__ import annotations

import hashlib
from typing import Any

from idp.accounts.guessing import account_bucket
from idp.control.errors import ControlError
from idp.grants.refresh_token import earns_refresh, format_refresh_token
from idp.manifest_people import username_problem
from idp.protocol.authorization import Authorization
from idp.protocol.checks import allowed_resources, allowed_scopes
from idp.protocol.client import Account, Client
from idp.protocol.errors import Busy, Refused
from idp.protocol.prompts import may_act
from idp.server import Server
from idp.store import accounts, attempts, grants, removal, sessions

SAMPLE_CLIENT = "sample"


async def token(
    server: Server,
    person: str,
    ttl: float | None = None,
    client: str | None = None,
    scope: str | None = None,
    resource: list[str] | None = None,
) -> dict[str, Any]:
    """Tokens for a person as an app would hold them; journalled as the operator's doing."""
    found = await server.database.read(accounts.find_by_username, person)
    people = server.hooks.people
    if found is not None and people is not None and await people.changed(server, found.account.id):
        found = await server.database.read(accounts.find_by_username, person)
    if found is None or (reason := may_act(found.account, client_disabled=False)):
        raise ControlError(
            "the person exists and is enabled",
            received=person if found is None else f"{person}: {reason}",
            expected="a user name",
            mend="idp user list",
        )
    asking = await _client(server, client)
    words = tuple((scope or asking.scope).split())
    try:
        granted = allowed_scopes(words, asking, server.rules)
        audience = allowed_resources(tuple(resource or ()), asking, server.rules)
    except Refused as refusal:
        raise ControlError(
            refusal.description, received=refusal.received, expected=refusal.expected, mend=refusal.mend
        ) from None
    now, grant_id = server.now(), server.random_id(16)
    secret = server.randomness(32) if earns_refresh(asking, granted, server.grants) else None
    handle = server.random_id(16)
    await server.database.write(
        grants.begin,
        server.journal,
        grants.NewGrant(
            grant_id=grant_id,
            client_id=asking.client_id,
            account_id=found.account.id,
            scope=" ".join(granted),
            resources=" ".join(audience),
            now=now,
            lifetime=server.settings.lifetimes.refresh_absolute,
            amr="",
            handle=handle if secret else None,
            secret_hash=hashlib.sha256(secret or b"").digest(),
            idle=server.settings.lifetimes.refresh_idle,
            event="operator.token",
        ),
    )
    answer = await server.issue(
        Authorization(
            client=asking,
            scope=granted,
            audience=audience,
            now=now,
            grant_type="operator",
            grant_id=grant_id,
            account=found.account,
            refresh_token=format_refresh_token(handle, secret) if secret else None,
            lifetime=ttl,
        )
    )
    endpoints = {"token_endpoint": f"{server.issuer}/token", "revocation_endpoint": f"{server.issuer}/revoke"}
    return {**answer, **endpoints, "issuer": server.issuer, "client_id": asking.client_id}


async def _client(server: Server, client_id: str | None) -> Client:
    name = client_id or SAMPLE_CLIENT
    found = await server.registered_client(name)
    if found is None or found.disabled:
        raise ControlError(
            "the token belongs to a registered, enabled app",
            received=name,
            expected="a registered, enabled client: idp client list",
            mend="idp token PERSON --client ID",
        )
    return found


async def add(
    server: Server,
    username: str,
    password: str,
    claims: dict[str, Any] | None = None,
    sub: str | None = None,
    if_missing: bool = False,
) -> dict[str, Any]:
    """Create a person. A name that is taken is refused; with ``if_missing`` whoever has it stays as they are."""
    problem = username_problem(username)
    if problem is not None:
        raise ControlError("a user name", received=username, expected=problem, mend="choose another name")
    found = await server.database.read(accounts.find_by_username, username)
    if found is not None and if_missing:
        return {"username": username, "sub": found.account.id, "outcome": "unchanged"}
    if found is not None:
        raise ControlError("each user name once", received=username, expected="a free name", mend="idp user list")
    account_id = sub or server.random_id(16)
    await server.database.write(
        accounts.put_account,
        server.journal,
        new_id=account_id,
        username=username,
        password_hash=await hash_password(server, password),
        claims=claims or {},
        now=server.now(),
    )
    return {"username": username, "sub": account_id, "outcome": "created"}


async def passwd(server: Server, username: str, password: str) -> dict[str, Any]:
    """Set a password; every session and grant of the person ends with the old one."""
    person = await _existing(server, username)
    if server.hooks.people is not None:
        raise ControlError(
            "people of the app around the provider have their passwords there",
            received=username,
            expected="a provider whose people are its own",
            mend="change it in the app",
        )
    fresh = await hash_password(server, password)
    ended = await server.database.write(sessions.change_password, server.journal, person.id, fresh, server.now())
    for wake in server.after_commit:
        wake()
    return {"username": username, "sub": person.id, "sessions_ended": ended}


async def disable(server: Server, username: str) -> dict[str, Any]:
    """The person may no longer sign in; every session and grant ends and their apps are told."""
    person = await _existing(server, username)
    ended = await server.database.write(sessions.disable, server.journal, person.id, server.now())
    for wake in server.after_commit:
        wake()
    return {"username": username, "sub": person.id, "sessions_ended": ended}


async def enable(server: Server, username: str) -> dict[str, Any]:
    """The person may sign in again; what ended stays ended."""
    person = await _existing(server, username)
    await server.database.write(accounts.set_disabled, server.journal, person.id, server.now(), disabled=False)
    return {"username": username, "sub": person.id}


async def logout(server: Server, username: str) -> dict[str, Any]:
    """Every session and grant of the person ends and their apps are told; they may sign in again."""
    person = await _existing(server, username)
    ended, grants = await server.database.write(sessions.log_out, server.journal, person.id, server.now())
    for wake in server.after_commit:
        wake()
    return {"username": username, "sub": person.id, "sessions_ended": ended, "grants_ended": grants}


async def remove(server: Server, username: str) -> dict[str, Any]:
    """The person is gone with every session, grant and consent; the audit's lines name them by ``sub`` alone."""
    person = await _existing(server, username)
    held = await server.database.write(removal.remove_person, server.journal, person.id, server.now())
    if held is None:
        raise _unknown(username)
    for wake in server.after_commit:
        wake()
    return {"username": username, "sub": person.id, "sessions_ended": held[0], "grants_ended": held[1]}


async def unlock(server: Server, username: str) -> dict[str, Any]:
    """Forget the failed sign-ins to a user name; answers how many still counted. Limits on networks are untouched."""
    person = await _existing(server, username)
    bucket = account_bucket(server, username)
    tries = await server.database.write(attempts.unlock, server.journal, bucket, person.id, server.now())
    server.turnstile.open([bucket.key])
    return {"username": username, "sub": person.id, "tries": tries, "limit": bucket.limit.capacity}


async def _existing(server: Server, username: str) -> Account:
    found = await server.database.read(accounts.find_by_username, username)
    if found is None:
        raise _unknown(username)
    return found.account


def _unknown(username: str) -> ControlError:
    return ControlError("the person exists", received=username, expected="a user name", mend="idp user list")


async def listing(server: Server, after: str = "", limit: int = 100, prefix: str = "") -> dict[str, Any]:
    """A page by user name behind ``after``, of names that begin with ``prefix``; ``more``: another page follows."""
    people = await server.database.read(accounts.account_page, after, limit + 1, prefix)
    return {"people": [_shown(found.account) for found in people[:limit]], "more": len(people) > limit}


def _shown(person: Account) -> dict[str, Any]:
    return {"username": person.username, "sub": person.id, "disabled": person.disabled, "claims": person.claims}


async def hash_password(server: Server, password: str) -> str:
    if not password:
        raise ControlError("a password", received="an empty one", expected="at least one character")
    try:
        return await server.passwords.hash(password)
    except Busy:
        raise ControlError("room to hash a password", received="a full pool", mend="try again in a second") from None
