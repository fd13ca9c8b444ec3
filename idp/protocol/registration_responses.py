"""Which response types and grant types go together in a registration (RFC 7591 2.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from idp.protocol.client import Client
from idp.protocol.front_channel import RESPONSE_TYPES as FRONT_CHANNEL
from idp.protocol.registration_parts import Flaw, flaw, unknown_words
from idp.protocol.response_modes import default_mode

_GRANT_OF = {"code": "authorization_code", "id_token": "implicit", "token": "implicit"}


def offered(implicit_and_hybrid: bool) -> tuple[str, ...]:
    """The response types there are, by the setting of that name."""
    return ("code", *(FRONT_CHANNEL if implicit_and_hybrid else ()))


def response_type_flaws(values: tuple[str, ...], known: Collection[str]) -> Iterator[Flaw]:
    for found in unknown_words("response_types", values, known):
        word = "" if found.index is None else values[found.index]
        if word in FRONT_CHANNEL and word not in known:
            mend = "write implicit_and_hybrid = true in the settings, or use code (RFC 9700 2.1.2)"
            found = msgspec.structs.replace(found, problem=msgspec.structs.replace(found.problem, mend=mend))
        yield found


def answering(grant_types: Collection[str]) -> bool:
    """Whether such a client gets answers at a redirect URI."""
    return any(grant in grant_types for grant in _GRANT_OF.values())


def registrable(grant_types: Collection[str], response_types: Collection[str]) -> tuple[str, ...]:
    """``implicit`` is nothing at the token endpoint: it is there where a response type of the front channel is."""
    implicit = any(default_mode(one) == "fragment" for one in response_types)
    return (*grant_types, *(("implicit",) if implicit and "implicit" not in grant_types else ()))


def pair_flaws(client: Client) -> Iterator[Flaw]:
    """Each word of a response type needs its grant type, and ``implicit`` a response type that uses it."""
    needed = {_GRANT_OF[word]: one for one in client.response_types for word in one.split(" ") if word in _GRANT_OF}
    for grant, one in needed.items():
        if grant not in client.grant_types:
            yield flaw(
                "grant_types",
                f"response type {one} goes with {grant} (RFC 7591 2.1)",
                list(client.grant_types),
                f"{grant} among them",
                "add it, or take redirect_uris out" if grant == "authorization_code" else "add it to grant_types",
            )
    if "implicit" in client.grant_types and "implicit" not in needed:
        yield flaw(
            "response_types",
            "grant type implicit goes with a response type that holds id_token or token (RFC 7591 2.1)",
            list(client.response_types),
            "such as code id_token",
            "add it, or take implicit out of grant_types",
        )
