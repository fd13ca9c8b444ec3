"""Profiles: other defaults for a purpose, each of which the settings file may still say otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from .config.toml_literal import toml_literal

if TYPE_CHECKING:
    from .settings import Settings

Profile = Literal["none", "mcp"]

# Dotted setting to its value. A profile has no effect of its own: what is not here is not changed by it.
PROFILES: Mapping[Profile, Mapping[str, Any]] = {
    "none": {},
    # Model Context Protocol, authorization of 2025-11-25: apps that nobody registered, resources found by discovery.
    "mcp": {
        "client_documents.mode": "any",
        "client_documents.resources": ("*",),
        "announce_resources": True,
    },
}


def told(settings: Settings) -> Iterator[tuple[str, str, bool]]:
    """Each setting of the profile with its value as TOML, and whether that is not the profile's."""
    for name, value in PROFILES[settings.profile].items():
        found = reduce(getattr, name.split("."), settings)
        yield name, toml_literal(found), found != value
