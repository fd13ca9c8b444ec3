"""Rules of registration about how a client knows people, and how strong a sign-in it prefers (OIDC Registration 2)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from idp.protocol.client import Client
from idp.protocol.registration_parts import Flaw, flaw, repeated

_MOST = 1000  # addresses in a sector's document


def subject_flaws(client: Client) -> Iterator[Flaw]:
    """A pairwise client has one sector, or nobody could say whose subjects it is told (OIDC Core 8.1)."""
    if client.subject_type == "pairwise" and client.sector is None:
        yield flaw(
            "sector_identifier_uri",
            "pairwise subjects need one sector (OpenID Connect Core 8.1)",
            "no sector_identifier_uri, and redirect_uris of several hosts",
            "redirect_uris of one host, or a sector_identifier_uri that lists them",
            "add sector_identifier_uri",
        )
    yield from repeated("default_acr_values", client.default_acr_values)
    for index, word in enumerate(client.default_acr_values):
        if not word or word.split() != [word] or len(word) > 255:
            yield flaw(
                "default_acr_values", "an acr is one word", word, "such as acr_values_supported", "correct it", index
            )


def sector_flaws(client: Client, document: Any) -> Iterator[Flaw]:
    """What the document at ``sector_identifier_uri`` must hold: every redirect URI, as a text (OIDC Registration 5)."""
    if not isinstance(document, list) or not all(isinstance(uri, str) for uri in document) or len(document) > _MOST:
        yield sector_flaw(client, "another document", f"a JSON array of at most {_MOST} addresses, each a text")
        return
    yield from _missing(client, frozenset(document))


def _missing(client: Client, listed: Collection[str]) -> Iterator[Flaw]:
    for uri in client.redirect_uris:
        if uri not in listed:
            yield sector_flaw(client, f"a document without {uri}", "every one of redirect_uris, letter by letter")


def sector_flaw(client: Client, received: str, expected: str) -> Flaw:
    return flaw(
        "sector_identifier_uri",
        "the document of a sector lists its members (OpenID Connect Registration 5)",
        f"{received} at {client.sector_identifier_uri}",
        expected,
        "publish it there, or take sector_identifier_uri out",
    )
