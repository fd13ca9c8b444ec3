"""Profiles: other defaults for a purpose, and what in the settings would contradict one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from .config.problems import Problem, quoted
from .config.toml_literal import toml_literal

if TYPE_CHECKING:
    from .settings import Settings

Named = tuple[str, Problem]
Profile = Literal["none", "mcp", "fapi2"]

# Dotted setting to its value; what is written in the settings wins, but for what ``profile_problems`` refuses.
PROFILES: Mapping[Profile, Mapping[str, Any]] = {
    "none": {},
    # Model Context Protocol, authorization of 2025-11-25: apps that nobody registered, resources found by discovery.
    "mcp": {
        "client_documents.mode": "any",
        "client_documents.resources": ("*",),
        "announce_resources": True,
    },
    # The FAPI 2.0 Security Profile: the rest of it is not a matter of settings (protocol.fapi2).
    "fapi2": {"require_pushed_authorization_requests": True},
}

_STRONG = ("PS256", "ES256", "EdDSA")  # FAPI 2.0 Security Profile 5.4.1
_CODE_SECONDS = 60  # 5.3.2.1
_PUSHED_SECONDS = 599  # 5.3.2.2: less than 600


def profile_problems(settings: Settings) -> Iterator[Named]:
    """Every broken rule with the setting to point at."""
    if settings.profile == "fapi2":
        yield from _fapi2(settings)


def _fapi2(settings: Settings) -> Iterator[Named]:
    if not set(_STRONG).intersection(settings.keys.algorithms):
        yield (
            "keys.algorithms",
            Problem(
                rule="the profile fapi2 signs with PS256, ES256 or EdDSA (FAPI 2.0 5.4.1)",
                received=quoted(list(settings.keys.algorithms)),
                expected=f"one of {', '.join(_STRONG)} beside RS256",
                mend='write algorithms = ["RS256", "ES256"]',
            ),
        )
    if settings.lifetimes.code > _CODE_SECONDS:
        yield (
            "lifetimes.code",
            Problem(
                rule="in the profile fapi2 a code lives a minute at most (FAPI 2.0 5.3.2.1)",
                received=str(settings.lifetimes.code),
                expected=f"at most {_CODE_SECONDS}",
                mend=f"write code = {_CODE_SECONDS}, or take the line out",
            ),
        )
    if settings.lifetimes.pushed_request > _PUSHED_SECONDS:
        yield (
            "lifetimes.pushed_request",
            Problem(
                rule="in the profile fapi2 a pushed request waits less than ten minutes (FAPI 2.0 5.3.2.2)",
                received=str(settings.lifetimes.pushed_request),
                expected=f"at most {_PUSHED_SECONDS}",
                mend="write pushed_request = 60, or take the line out",
            ),
        )
    if not settings.require_pushed_authorization_requests:
        yield (
            "require_pushed_authorization_requests",
            Problem(
                rule="in the profile fapi2 every authorization request is pushed (FAPI 2.0 5.3.2.2)",
                received="false",
                expected="true",
                mend="take require_pushed_authorization_requests out",
            ),
        )
    if settings.password_exchange_client is not None:
        yield (
            "password_exchange_client",
            Problem(
                rule="the profile fapi2 trades no passwords for tokens (FAPI 2.0 5.3.2.1)",
                received=quoted(settings.password_exchange_client),
                expected="no password_exchange_client",
                mend="take the line out",
            ),
        )


def told(settings: Settings) -> Iterator[tuple[str, str, bool]]:
    """Each setting of the profile with its value as TOML, and whether that is not the profile's."""
    for name, value in PROFILES[settings.profile].items():
        found = reduce(getattr, name.split("."), settings)
        yield name, toml_literal(found), found != value
