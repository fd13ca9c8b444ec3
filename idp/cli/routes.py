"""``idp routes``: every address the provider answers, computed from what is mounted."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.settings import Settings

_DISCOVERY = (
    ("/.well-known/openid-configuration", "OIDC Discovery 4"),
    ("/.well-known/oauth-authorization-server", "RFC 8414 3"),
)


class Route(NamedTuple):
    """``auth`` says who may call it."""

    methods: str
    path: str
    auth: str
    source: str


def routes_of(settings: Settings) -> tuple[Route, ...]:
    """Public documents first, then each feature in its order. Static files are left out."""
    from idp.features import FEATURES
    from idp.features.announced import places

    base = urlsplit(settings.issuer).path
    found = []
    for path, source in _DISCOVERY:
        found += [Route("GET", place, "nobody", source) for place in places(path, base)]
    found.append(Route("GET", f"{base}/.well-known/jwks.json", "nobody", "RFC 7517 5"))
    for feature in FEATURES:
        if feature.active(settings):
            found += [
                Route("GET", place, "nobody", document.source)
                for document in feature.documents
                for place in places(document.name, base)
            ]
            found += [
                Route(" ".join(endpoint.methods), f"{base}{endpoint.path}", endpoint.auth, endpoint.source)
                for endpoint in feature.endpoints
            ]
    health = (("/healthz", "the process lives"), ("/readyz", "it can serve"))
    found += [Route("GET", f"{base}{path}", "nobody", meaning) for path, meaning in health]
    return tuple(dict.fromkeys(found))  # grants share /token


@click.command()
@pass_desk
def routes(desk: Desk) -> None:
    """Method, path, who may call it, and the section it follows."""
    settings = desk.settings()
    say.table(("method", "path", "who may call it", "source"), routes_of(settings))
    say.next_commands((f"curl {desk.issuer()}/.well-known/openid-configuration", "the same for programs"))
