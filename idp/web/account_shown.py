"""What the account page shows, ready for its template: names of devices and apps, times in words, events told once."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time

from idp.protocol.claims import opened_by
from idp.protocol.client import Client
from idp.server import Server
from idp.store.account_page import Access, Happened, OpenSession, Overview
from idp.web.pages import SINGLE, Resource, Scope
from idp.web.shown import destination
from idp.web.user_agent import Device, device_of

# The events a person is told of; templates/parts/activity.html has a sentence for each.
TOLD = (
    "account.created",
    "account.changed",
    "account.disabled",
    "session.started",
    "session.ended",
    "login.failed",
    "authorization.granted",
    "consent.granted",
    "consent.denied",
    "consent.withdrawn",
    "code.replayed",
    "refresh.replayed",
    "operator.token",
)
_RUNS = ("login.failed", "session.ended")
_LINES = 20
_HOSTS = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as machines (``iso``) and people (``text``) read it, in UTC."""

    iso: str
    text: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One open session; ``network`` may be empty."""

    reference: str
    device: Device
    network: str
    since: Moment
    seen: Moment
    here: bool


Clients = Mapping[str | None, Client | None]


@dataclass(frozen=True, slots=True)
class Allowed:
    """One app. ``asks`` is whether it has to ask again once its access was withdrawn."""

    client_id: str
    name: str
    hosts: tuple[str, ...]
    scopes: tuple[Scope, ...]
    resources: tuple[Resource, ...]
    first: Moment | None
    last: Moment | None
    asks: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One event, or ``times`` of the same one after another, the newest at ``at``."""

    event: str
    at: Moment
    app: str
    network: str
    times: int
    password: bool  # whether it is a change of the password, and not of something else


@dataclass(frozen=True, slots=True)
class View:
    sessions: tuple[SignedIn, ...]
    apps: tuple[Allowed, ...]
    lines: tuple[Line, ...]


async def shown(server: Server, found: Overview, language: str) -> View:
    named = {access.client_id for access in found.apps} | {event.client_id for event in found.events}
    clients = {client_id: await server.known_client(client_id) for client_id in named}
    allowed = (_allowed(server, access, clients[access.client_id], language) for access in found.apps)
    apps = sorted(allowed, key=lambda app: app.name.casefold())
    return View(
        tuple(_signed_in(session, language) for session in found.sessions),
        tuple(apps),
        tuple(_lines(clients, found.events, language)),
    )


def _signed_in(session: OpenSession, language: str) -> SignedIn:
    return SignedIn(
        session.reference,
        device_of(session.user_agent),
        session.network or "",
        moment(session.auth_time, language),
        moment(session.last_seen, language),
        session.here,
    )


def _allowed(server: Server, access: Access, client: Client | None, language: str) -> Allowed:
    registry = server.registry
    goals = [destination(uri) for uri in client.redirect_uris] if client else []
    hosts = dict.fromkeys(goal.name if goal.kind != "app" else f"{goal.name}:" for goal in goals)
    own = registry.scopes
    single = sorted(access.claims - opened_by(access.scope, own).keys())
    words = sorted(access.scope, key=lambda word: (word not in _FIRST, _FIRST.get(word, 0), word))
    return Allowed(
        access.client_id,
        client.name if client else access.client_id,
        tuple(hosts)[:_HOSTS],
        (
            *(Scope(word, description=own[word].description if word in own else "") for word in words),
            *([Scope(SINGLE, data=dict.fromkeys(single, ""))] if single else []),
        ),
        tuple(
            Resource(uri, registry.resources[uri].name) for uri in sorted(access.resources) if uri in registry.resources
        ),
        None if access.first_allowed is None else moment(access.first_allowed, language),
        None if access.last_used is None else moment(access.last_used, language),
        client is None or client.consent == "ask",
    )


_FIRST = {word: place for place, word in enumerate(("openid", "profile", "email", "address", "phone"))}


def _lines(clients: Clients, events: tuple[Happened, ...], language: str) -> list[Line]:
    """The newest, some kinds in a row as one: a flood of wrong passwords must not push out what else happened."""
    runs: list[tuple[Happened, int]] = []
    for event in events:
        before = runs[-1][0] if runs else None
        if before is not None and event.event == before.event and event.event in _RUNS:
            runs[-1] = (before, runs[-1][1] + 1)
        elif len(runs) == _LINES:
            break
        else:
            runs.append((event, 1))
    return [_line(clients, event, times, language) for event, times in runs]


def _line(clients: Clients, happened: Happened, times: int, language: str) -> Line:
    client = clients[happened.client_id]
    detail = json.loads(happened.detail)
    network = detail.get("network")
    return Line(
        happened.event,
        moment(happened.at, language),
        client.name if client else happened.client_id or "",
        network if isinstance(network, str) else "",
        times,
        "password_hash" in detail.get("changed", ()),
    )


def moment(seconds: float, language: str) -> Moment:
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(second=0, microsecond=0)
    locale = _locale(language)
    text = f"{format_date(at, 'long', locale)}, {format_time(at, 'HH:mm', locale=locale)} UTC"
    return Moment(at.strftime("%Y-%m-%dT%H:%MZ"), text)


@lru_cache(maxsize=32)
def _locale(language: str) -> Locale:
    """How dates are written where this language is read; a theme may bring one nobody has dates for."""
    try:
        return Locale.parse("en-GB" if language == "en" else language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en", "GB")
