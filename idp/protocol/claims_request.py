"""The claims parameter as a value (OIDC Core 5.5): read strictly, cut down to what this client may hear of a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from idp.jose import JoseError
from idp.jose.json import loads_strict
from idp.protocol.errors import Refused, visible

_DEPTH = 6  # a document, its two parts, their entries, values; an address among the values is one more
_TEXTS = ("sub", "acr")


class Wish(msgspec.Struct, frozen=True, omit_defaults=True):
    """One claim asked for; with ``values`` it is told only where it is one of them (OIDC Core 5.5.1)."""

    essential: bool = False
    values: tuple[Any, ...] = ()

    def accepts(self, value: Any) -> bool:
        # True is 1 in Python and not in JSON.
        return not self.values or any(type(one) is type(value) and one == value for one in self.values)


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Claims about the person, by the place they are wanted in. This much is kept with the grant."""

    userinfo: dict[str, Wish] = {}
    id_token: dict[str, Wish] = {}

    def __bool__(self) -> bool:
        return bool(self.userinfo or self.id_token)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.userinfo) | frozenset(self.id_token)

    def stored(self) -> str | None:
        """As JSON; None where nothing is wanted."""
        return msgspec.json.encode(self).decode() if self else None


class ClaimsRequest(msgspec.Struct, frozen=True):
    """What one request asks by the claims parameter.

    ``beyond`` holds the claims that no granted scope opens, each with the scopes that would. ``subjects`` are the only
    people it is good for (None: anybody), ``acr`` what it asks of the sign-in.
    """

    wanted: Wanted
    beyond: dict[str, frozenset[str]] = {}
    subjects: tuple[str, ...] | None = None
    acr: Wish | None = None


def wanted_of(stored: str | None) -> Wanted | None:
    """What a grant's row holds."""
    return None if stored is None else msgspec.json.decode(stored, type=Wanted)


def read_claims(text: str, scope: Iterable[str], opened_by: Mapping[str, frozenset[str]]) -> ClaimsRequest:
    """``opened_by`` names each claim this client may hear, with the scopes that open it; others are left out.

    Raises Refused (invalid_request) for what is not the JSON of OIDC Core 5.5."""
    parts = {place: dict(_entries(place, members)) for place, members in _parts(text)}
    known = {
        place: {name: wish for name, wish in wishes.items() if name in opened_by} for place, wishes in parts.items()
    }
    granted = frozenset(scope)
    names = dict.fromkeys([*known["userinfo"], *known["id_token"]])
    people = [wishes["sub"].values for wishes in parts.values() if "sub" in wishes and wishes["sub"].values]
    return ClaimsRequest(
        Wanted(known["userinfo"], known["id_token"]),
        {name: opened_by[name] for name in names if granted.isdisjoint(opened_by[name])},
        tuple(one for one in people[0] if all(one in others for others in people)) if people else None,
        parts["id_token"].get("acr"),
    )


def _parts(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        document = loads_strict(text.encode("utf-8", "surrogatepass"), _DEPTH)
    except JoseError as error:
        raise _malformed(str(error)) from None
    if not isinstance(document, dict):
        raise _malformed("no object")
    for place in ("userinfo", "id_token"):
        members = document.get(place, {})
        if not isinstance(members, dict):
            raise _malformed(f"{place} is no object")
        yield place, members


def _entries(place: str, members: Mapping[str, Any]) -> Iterator[tuple[str, Wish]]:
    for name, entry in members.items():
        where = f"{place}.{visible(name, 40)}"
        if not isinstance(entry, dict | None):
            raise _malformed(f"{where} is neither null nor an object")
        yield name, _wish(where, name, entry or {})


def _wish(where: str, name: str, entry: Mapping[str, Any]) -> Wish:
    essential, several = entry.get("essential", False), entry.get("values", [])
    if not isinstance(essential, bool):
        raise _malformed(f"{where}.essential is neither true nor false")
    if not isinstance(several, list):
        raise _malformed(f"{where}.values is no list")
    values = (*([entry["value"]] if "value" in entry else []), *several)
    if name in _TEXTS and not all(isinstance(value, str) for value in values):
        raise _malformed(f"{where} names a value that is no text")
    return Wish(essential, values)


def _malformed(received: str) -> Refused:
    return Refused(
        "invalid_request",
        "The claims parameter is not the JSON that OpenID Connect describes.",
        rule="OpenID Connect Core 5.5",
        received=received,
        expected='{"userinfo": {"name": null, "email": {"essential": true}}, "id_token": {"acr": {"values": ["..."]}}}',
        mend="Send an object of userinfo and id_token; each claim is null or holds essential, value or values.",
    )
