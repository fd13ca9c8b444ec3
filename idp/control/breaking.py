"""What a planned change would break: sessions ended, tokens refused, addresses in use taken away. One sentence each."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from idp.control.clients import secret_id
from idp.control.planning import Change, Drawing, Entry, PersonEntry
from idp.protocol.client import Client, Resource, Scope
from idp.server import Server
from idp.store import holdings, redirect_uses, sessions
from idp.store.applying import CHUNK
from idp.store.holdings import Holding

USED_WITHIN = 30 * redirect_uses.DAY

Count = Callable[[Callable[[Holding], bool]], int]


async def with_breaks(server: Server, drawing: Drawing) -> list[Change]:
    """Every entry with its outcome, its members, and what the change would break."""
    held = await _holdings(server) if _asks_for_grants(drawing) else []

    def count(of: Callable[[Holding], bool]) -> int:
        return sum(holding.number for holding in held if of(holding))

    found = [Change(e.kind, e.name, e.outcome, e.members(), tuple(_scope(e, count))) for e in drawing.scopes]
    found += [Change(e.kind, e.name, e.outcome, e.members(), tuple(_resource(e))) for e in drawing.resources]
    for client in drawing.clients:
        breaks = [*_client(client, count), *await _redirects(server, client)]
        found.append(Change(client.kind, client.name, client.outcome, client.members(), tuple(breaks)))
    for number, person in enumerate(drawing.people):
        if number % CHUNK == 0:
            await asyncio.sleep(0)
        breaks = await _person(server, person)
        found.append(Change("person", person.asked.username, person.outcome, person.members(), tuple(breaks)))
    return found


def _asks_for_grants(drawing: Drawing) -> bool:
    """Whether anything changes that live grants may hang on: to count them, all are gone through."""
    members = {"disabled", "grant_types", "scope", "resources"}
    clients = any(members & {name for name, _, _ in client.members()} for client in drawing.clients)
    return clients or any(scope.outcome == "changed" for scope in drawing.scopes)


async def _holdings(server: Server) -> list[Holding]:
    found: dict[tuple[str, str, str], int] = {}
    after: str | None = ""
    while after is not None:
        after, page = await server.database.read(holdings.holdings_page, after, server.now())
        for client_id, scope, resources, number in page:
            key = (client_id, scope, resources)
            found[key] = found.get(key, 0) + number
        await asyncio.sleep(0)
    return [Holding(*key, number) for key, number in found.items()]


def _scope(entry: Entry[Scope], count: Count) -> Iterator[str]:
    if entry.before is not None and (lost := _lost(entry.before.claims, entry.after.claims)):
        live = count(lambda holding: entry.name in holding.scope.split())
        if live:
            yield f"{_grants(live)} with {entry.name} no longer open{'s' * (live == 1)} {', '.join(lost)} at UserInfo"


def _resource(entry: Entry[Resource]) -> Iterator[str]:
    before, after = entry.before, entry.after
    if before is not None:
        yield from _algorithm("access tokens", before, after, "access_token_signed_response_alg")


def _client(entry: Entry[Client], count: Count) -> Iterator[str]:
    before, after = entry.before, entry.after
    if before is None:
        return
    live = count(lambda holding: holding.client_id == entry.name)
    if after.disabled and not before.disabled:
        yield f"every request of the app is refused, and the tokens of {_grants(live)} at our endpoints"
    for grant in _lost(before.grant_types, after.grant_types):
        also = f"; {_grants(live)} cannot be renewed" if grant == "refresh_token" and live else ""
        yield f"grant_type {grant} is refused{also}"
    for hashed in _lost(before.secret_hashes, after.secret_hashes):
        yield f"secret {secret_id(hashed)} is no longer valid"
    if after.token_endpoint_auth_method != before.token_endpoint_auth_method:
        yield f"requests that authenticate by {before.token_endpoint_auth_method} are refused"
    for kid in _lost(_kids(before), _kids(after)):
        yield f"assertions signed by the app's key {kid} are refused"
    if before.jwks_uri != after.jwks_uri and before.jwks_uri is not None:
        yield f"the app's keys at {before.jwks_uri} no longer count"
    for word in _lost(before.scope.split(), after.scope.split()):
        yield from _asked_and_held(f"scope {word}", count(_holds(entry.name, "scope", word)))
    for uri in _lost(before.resources, after.resources):
        yield from _asked_and_held(f"resource {uri}", count(_holds(entry.name, "resources", uri)))
    if _knows_by(before) != _knows_by(after):
        yield "everybody is another sub to the app, and a stranger until it maps them anew"
    for word in ("id_token_signed_response_alg", "access_token_signed_response_alg"):
        yield from _algorithm("ID tokens" if word.startswith("id") else "access tokens", before, after, word)
    old, new = before.userinfo_signed_response_alg, after.userinfo_signed_response_alg
    if old != new:
        yield f"UserInfo changes from {_answered(old)} to {_answered(new)}"


def _answered(alg: str | None) -> str:
    return "JSON" if alg is None else f"a JWT signed {alg}"


def _knows_by(client: Client) -> tuple[str, str | None]:
    """What decides the sub of everybody at an app (OIDC Core 8)."""
    return client.subject_type, client.sector if client.subject_type == "pairwise" else None


def _holds(client_id: str, member: str, word: str) -> Callable[[Holding], bool]:
    return lambda holding: holding.client_id == client_id and word in getattr(holding, member).split()


def _asked_and_held(what: str, live: int) -> Iterator[str]:
    yield f"requests for {what} are refused"
    if live:
        yield f"{_grants(live)} still hold{'s' * (live == 1)} {what}, until {'it ends' if live == 1 else 'they end'}"


def _algorithm(what: str, before: Any, after: Any, member: str) -> Iterator[str]:
    old, new = getattr(before, member), getattr(after, member)
    if old != new:
        yield f"{what} change from {old or 'the algorithm of the app'} to {new or 'the algorithm of the app'}"


async def _redirects(server: Server, entry: Entry[Client]) -> list[str]:
    if entry.before is None:
        return []
    gone = _lost(entry.before.redirect_uris, entry.after.redirect_uris)
    if not gone:
        return []
    since = server.now() - USED_WITHIN
    used = await server.database.read(redirect_uses.last_uses, entry.name, gone, since)
    return [f"redirect URI {uri} is taken away, last used on {_day(used[uri])}" for uri in gone if uri in used]


async def _person(server: Server, entry: PersonEntry) -> list[str]:
    disabled = entry.switched and bool(entry.asked.disabled)
    if entry.before is None or not (entry.new_password or disabled):
        return []
    ended, grants = await server.database.read(sessions.held_by, entry.before.id, server.now())
    return [f"{ended} session{'s' * (ended != 1)} and {_grants(grants)} end"] if ended or grants else []


def _kids(client: Client) -> list[str]:
    keys = (client.jwks or {}).get("keys", [])
    return [str(key.get("kid", "without kid")) for key in keys]


def _lost(before: Iterable[Any], after: Sequence[Any]) -> list[Any]:
    return [one for one in before if one not in after]


def _grants(number: int) -> str:
    return f"{number} live grant{'s' * (number != 1)}"


def _day(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d")
