"""An authorization request as a value: first who asks and where the answer goes, then the rest, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from idp.protocol.acr import NO_LEVELS, AcrRequest, Levels
from idp.protocol.claims_request import ClaimsRequest
from idp.protocol.client import Client, Resource, Scope
from idp.protocol.errors import Refused, Sent, Shown, visible
from idp.protocol.parameters import Parameters
from idp.protocol.response_modes import default_mode, mode_of
from idp.protocol.uris import first_difference, redirect_uri_matches

# What a request came through, as ``via`` names it.
PUSHED = "pushed"  # RFC 9126
OBJECT = "object"  # RFC 9101: all of it is signed by the client


class Once(msgspec.Struct, frozen=True):
    """What gives one answer at most: the handle of a pushed request, or the ``jti`` of a request object.

    Nobody has to remember it after ``expires_at`` (Unix seconds): by then the request itself is no longer taken.
    """

    kind: Literal["pushed request", "request object"]
    value: str
    expires_at: float


class Asked(msgspec.Struct, frozen=True):
    """What a client asks, and how it came: as plain parameters, or by one of the *sources* that stand for them.

    ``sent`` is what a waiting page keeps and reads again, ``via`` the sources it came through, ``began`` when the
    browser came with it (Unix seconds; None outside of one).
    """

    parameters: Parameters
    sent: Parameters
    via: frozenset[str] = frozenset()
    once: Once | None = None
    began: float | None = None

    @classmethod
    def plainly(cls, parameters: Parameters, via: Iterable[str] = (), began: float | None = None) -> Asked:
        return cls(parameters, parameters, frozenset(via), None, began)


class Target(msgspec.Struct, frozen=True):
    """Where the answer of this request may go, and how: proved before anything is sent there."""

    client: Client
    redirect_uri: str
    state: str | None
    response_mode: str = "query"
    default_mode: str = "query"  # of the response type: for a mode that is not offered


class Hint(msgspec.Struct, frozen=True):
    """What a valid ``id_token_hint`` says of the person the client expects (OIDC Core 3.1.2.1)."""

    subject: str
    sid: str | None = None
    client_id: str | None = None


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """A request whose every value was checked. ``scope`` and ``resources`` hold only what this client may ask for."""

    target: Target
    response_type: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    nonce: str | None = None
    code_challenge: str | None = None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    hint: Hint | None = None
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()
    display: str | None = None
    claims: ClaimsRequest | None = None
    acr: AcrRequest | None = None
    once: Once | None = None
    dpop_jkt: str | None = None

    @property
    def client(self) -> Client:
        return self.target.client

    def wants(self, part: str) -> bool:
        """Whether the answer holds a ``code``, a ``token``, an ``id_token`` (Multiple Response Types 3)."""
        return part in self.response_type.split(" ")

    @property
    def openid(self) -> bool:
        return "openid" in self.scope


@dataclass(frozen=True, slots=True)
class Rules:
    """What this server offers: the facts that checks compare a request with."""

    issuer: str
    scopes: frozenset[str]  # every scope that exists here
    resources: dict[str, Resource]
    response_types: frozenset[str]
    response_modes: frozenset[str]
    grant_types: frozenset[str]
    prompts: frozenset[str] = frozenset({"none", "login", "consent", "select_account"})
    pushed_only: bool = False  # every client pushes its requests first (RFC 9126 5)
    added: Mapping[str, Scope] = field(default_factory=dict)  # scopes of the operator's own
    levels: Levels = NO_LEVELS


class Draft(msgspec.Struct, frozen=True):
    """What a check looks at; it returns the fields it has settled, or raises Refused."""

    parameters: Parameters
    client: Client
    rules: Rules
    settled: dict[str, Any] = msgspec.field(default_factory=dict)
    via: frozenset[str] = frozenset()

    def wants(self, part: str) -> bool:
        """As the request's own, once the response type is settled."""
        return part in self.settled["response_type"].split(" ")


Check = Callable[[Draft], dict[str, Any]]


def find_target(parameters: Parameters, client: Client | None) -> Target:
    """The client and redirect URI this request may be answered at. Raises Shown: no redirect before this succeeds."""
    sent_id = parameters.get("client_id")
    if client is None or client.disabled:
        raise Shown(
            "invalid_request" if sent_id is None else "invalid_client",
            "The app that sent you here is not known to this server.",
            rule="RFC 6749 4.1.2.1",
            received="no client_id" if sent_id is None else f"client_id {visible(sent_id)}",
            expected="the client_id of a registered, enabled client",
            mend="idp client list shows the registered clients; idp apply FILE registers one.",
        )
    sent = parameters.get("redirect_uri")
    if sent is None:
        raise Shown(
            "invalid_request",
            "The app did not say where to send the answer.",
            rule="OpenID Connect Core 3.1.2.1",
            received="no redirect_uri",
            expected=" or ".join(client.redirect_uris) or "a registered redirect URI",
            mend="Send redirect_uri exactly as it is registered.",
        )
    unregistered = bool(client.host)
    if not any(redirect_uri_matches(uri, sent, localhost=unregistered) for uri in client.redirect_uris):
        raise Shown(
            "invalid_request",
            "The address to return to is not registered for this app.",
            rule="RFC 9700 2.1: redirect URIs are compared as exact strings",
            received=visible(sent, 400),
            expected=_nearest(client.redirect_uris, sent) or "a registered redirect URI (none is)",
            mend=f"Send the registered address, or add this one to client {client.client_id} and run idp apply FILE.",
        )
    default = default_mode(parameters.get("response_type"))
    return Target(client, sent, parameters.get("state"), mode_of(parameters, default), default)


def _nearest(registered: Sequence[str], sent: str) -> str:
    return max(registered, key=lambda uri: first_difference(uri, sent), default="")


def validate(asked: Asked, target: Target, rules: Rules, checks: Sequence[Check]) -> AuthorizationRequest:
    """Run the checks in list order. Raises Sent with the first refusal: the target is good, so the client is told."""
    draft = Draft(asked.parameters, target.client, rules, via=asked.via)
    try:
        for check in checks:
            draft.settled.update(check(draft))
    except Refused as refusal:
        raise as_sent(refusal) from None
    return AuthorizationRequest(target=target, once=asked.once, **draft.settled)


def as_sent(refusal: Refused) -> Sent:
    if isinstance(refusal, Sent):
        return refusal
    return Sent(
        refusal.error,
        refusal.description,
        rule=refusal.rule,
        received=refusal.received,
        expected=refusal.expected,
        mend=refusal.mend,
    )
