"""Who may register clients over HTTP, how many, and what such a client may have (docs/registration.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from .config.problems import Problem, quoted

if TYPE_CHECKING:
    from .settings import Settings

_WORD = re.compile(r"[!#-\[\]-~]+", re.ASCII)  # RFC 6749 3.3
_MOST = 1_000_000


def _about(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"secret": False})


def _seconds(meaning: str, *, most: int = 315_360_000) -> Meta:
    return Meta(description=meaning, ge=1, le=most, extra={"unit": "seconds"})


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """``off``: nobody; ``token``: whoever holds an initial access token; ``open``: anybody."""

    mode: Annotated[
        Literal["off", "token", "open"],
        _about("Who may register an app at /register: nobody, holders of an initial access token, anybody."),
    ] = "off"
    scopes: Annotated[tuple[str, ...], _about("Scopes an app registered there may have; the rest is refused.")] = (
        "openid",
        "profile",
        "email",
        "address",
        "phone",
        "offline_access",
    )
    resources: Annotated[
        tuple[str, ...], _about("Resource indicators every app registered there may ask tokens for.")
    ] = ()
    grant_types: Annotated[tuple[str, ...], _about("Grants an app registered there may have.")] = (
        "authorization_code",
        "refresh_token",
    )
    require_pkce: Annotated[
        bool, _about("Whether confidential apps registered there must send PKCE or a nonce; public ones always PKCE.")
    ] = True
    assertion_audience: Annotated[
        Literal["issuer", "token_endpoint"],
        _about("What client assertions of apps registered there may name: the issuer, or the token endpoint as well."),
    ] = "issuer"
    unused_lifetime: Annotated[
        int, _seconds("An app that nobody used for this long after it was registered is removed.")
    ] = 2_592_000
    network: Annotated[
        int,
        Meta(
            description="Registrations without a token from one network (/24, or /56), per process.",
            ge=1,
            le=_MOST,
            extra={"secret": False},
        ),
    ] = 20
    network_window: Annotated[int, _seconds("Over how long that empties.", most=2_592_000)] = 3600


def registration_problems(settings: Settings) -> Iterator[tuple[str, Problem]]:
    """What may be handed out must be written as requests will write it."""
    found = settings.registration
    for word in found.scopes:
        if not _WORD.fullmatch(word):
            yield (
                "registration.scopes",
                Problem(
                    rule="a scope is one word (RFC 6749 3.3)",
                    received=quoted(word),
                    expected='a list such as ["openid", "orders"]',
                    mend="write each scope as an entry of its own",
                ),
            )
    for uri in found.resources:
        if not _is_absolute(uri):
            yield (
                "registration.resources",
                Problem(
                    rule="a resource is an absolute URI without a fragment (RFC 8707 2)",
                    received=quoted(uri),
                    expected="the uri of one of your [[resources]]",
                    mend="write it as idp resource list shows it",
                ),
            )
    if not found.grant_types:
        yield (
            "registration.grant_types",
            Problem(
                rule="an app has a grant",
                received="an empty list",
                expected='such as ["authorization_code", "refresh_token"]',
                mend='take the line out; mode = "off" lets nobody register',
            ),
        )


def _is_absolute(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) and "#" not in uri and " " not in uri
