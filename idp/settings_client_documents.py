"""Which apps may name themselves by the address of a document that describes them, and what those may ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from .config.problems import Problem, quoted

if TYPE_CHECKING:
    from .settings import Settings

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?", re.ASCII)
EVERY = "*"


def _about(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"secret": False})


def _seconds(meaning: str, *, least: int, most: int) -> Meta:
    return Meta(description=meaning, ge=least, le=most, extra={"unit": "seconds"})


class ClientDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """Client ID Metadata Documents; docs/client-documents.md."""

    mode: Annotated[
        Literal["off", "listed", "any"],
        _about("Whether an https client_id is looked up: never, at the hosts listed, or anywhere public."),
    ] = "off"
    hosts: Annotated[
        tuple[str, ...], _about('Hosts whose documents count when listed: "app.example.com", "*.example.com".')
    ] = ()
    scopes: Annotated[tuple[str, ...], _about("Scopes such an app may ask for, beside those of its resources.")] = (
        "openid",
        "profile",
        "email",
        "offline_access",
    )
    resources: Annotated[
        tuple[str, ...], _about('Resources such an app may ask tokens for; "*" means every registered one.')
    ] = ()
    cache_least: Annotated[
        int, _seconds("A document is kept at least this long, whatever it says.", least=1, most=86_400)
    ] = 60
    cache_most: Annotated[
        int, _seconds("And at most this long: then it is asked for again.", least=1, most=604_800)
    ] = 86_400
    stale: Annotated[
        int, _seconds("How much longer the last document counts while its site is down.", least=0, most=2_592_000)
    ] = 86_400


def client_document_problems(settings: Settings) -> Iterator[tuple[str, Problem]]:
    """Every broken rule with the setting to point at."""
    documents = settings.client_documents
    for host in documents.hosts:
        if not _HOST.fullmatch(host):
            yield (
                "client_documents.hosts",
                Problem(
                    rule="hosts in lower case, as they stand in an address, with their port where they have one",
                    received=quoted(host),
                    expected='such as "app.example.com" or "*.example.com"',
                    mend="correct the entry",
                ),
            )
    if documents.mode == "listed" and not documents.hosts:
        yield (
            "client_documents.mode",
            Problem(
                rule="a list is read, so there is one",
                received='mode = "listed" with no hosts',
                expected="some hosts",
                mend='write hosts = ["app.example.com"]',
            ),
        )
    if documents.mode == "any" and documents.hosts:
        yield (
            "client_documents.hosts",
            Problem(
                rule="where documents of any host count, a list would only look like a limit",
                received=f'mode = "any" with {quoted(list(documents.hosts))}',
                expected='mode = "listed", or no hosts',
                mend='write mode = "listed"',
            ),
        )
    if documents.cache_least > documents.cache_most:
        yield (
            "client_documents.cache_least",
            Problem(
                rule="the least time is not above the most",
                received=str(documents.cache_least),
                expected=f"at most {documents.cache_most}",
                mend="lower cache_least or raise cache_most",
            ),
        )
