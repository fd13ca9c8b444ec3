"""``idp client add NAME --for KIND``: the right kind of client, and on standard output a snippet that uses it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from idp.cli import say
from idp.cli.desk import Desk
from idp.cli.kinds import KINDS, SAFE, Kind, filled, snippet, values_of
from idp.cli.trouble import Trouble
from idp.config.problems import ConfigurationError
from idp.manifest import Manifest
from idp.protocol.client import Client, Resource, Scope
from idp.protocol.registration import client_flaws
from idp.protocol.registration_resources import resource_flaws
from idp.settings_network import reach

# Of ``idp client add``: these say what an app is, which here the kind says.
DECIDED = ("public", "native", "service", "pairwise", "sector_identifier_uri", "backchannel_logout_uri", "no_refresh")


def add_for(desk: Desk, name: str, client_id: str, given: Mapping[str, Any]) -> None:
    """Register, then print: the snippet alone on standard output, the rest beside it."""
    kind = KINDS[name]
    _refuse_decided(name, given)
    address = _address(name, kind, given)
    resources = tuple(given["resources"])
    _refuse_unsafe([client_id, address, *resources, given.get("scope") or ""])
    if kind.what == "api":
        scope = given.get("scope") or f"{client_id}:use"
        secret = _registered_api(desk, kind, client_id, address, scope, given)
        values = values_of(desk.issuer(), address, client_id, secret, scope.split()[0], address)
    else:
        members, scope = _members(kind, address, given), str(given.get("scope") or kind.members["scope"])
        secret = _registered_client(desk, client_id, members)
        asked = " ".join(resources[:1])
        values = values_of(desk.issuer(), address, client_id, secret, scope, asked)
    _tell(name, kind, {**values, "PASSPHRASE": secrets.token_hex(32)})


def _refuse_decided(name: str, given: Mapping[str, Any]) -> None:
    said = [member for member in DECIDED if given.get(member)]
    if said:
        raise Trouble(
            "--for says what kind of client it is",
            received=f"--for {name} and --{said[0].replace('_', '-')}",
            expected="one of the two",
            mend=f"leave --{said[0].replace('_', '-')} out, or write all of it without --for",
            status=2,
        )


def _address(name: str, kind: Kind, given: Mapping[str, Any]) -> str:
    """Where the API or the callback stands: from the option that says so, else the usual place."""
    if kind.what != "app" and given["redirect_uris"]:
        raise Trouble(
            f"nobody is sent back to what {name} makes",
            received=f"--redirect-uri {given['redirect_uris'][0]}",
            expected="--resource, where the API stands" if kind.what == "api" else "no --redirect-uri",
            mend="leave --redirect-uri out",
            status=2,
        )
    option, said = ("resource", given["resources"]) if kind.what == "api" else ("redirect-uri", given["redirect_uris"])
    if len(said) > 1:
        raise Trouble(
            "a snippet has room for one address",
            received=f"--{option} {len(said)} times",
            expected=f"--{option} once, or not at all: {kind.address}",
            mend="add the others in the apply file: idp export, idp apply",
            status=2,
        )
    return str(said[0]) if said else kind.address


def _refuse_unsafe(texts: Sequence[str]) -> None:
    """Each of them stands between quotes in somebody's program."""
    for text in texts:
        if strange := [character for character in text if character not in SAFE]:
            raise Trouble(
                "names and addresses in a snippet are plain",
                received=f"{text!r} with {strange[0]!r}",
                expected="letters, digits and - . _ ~ : / ? = + @ %",
                mend="choose another, or register it without --for",
                status=2,
            )


def _members(kind: Kind, address: str, given: Mapping[str, Any]) -> dict[str, Any]:
    members = {**kind.members, "client_name": given["client_name"], "resources": list(given["resources"])}
    if kind.what == "app":
        members["redirect_uris"] = [address]
        after = list(given["post_logout_redirect_uris"])
        members["post_logout_redirect_uris"] = [*after, *([address] if kind.signs_out else ())]
    if given.get("scope"):
        members["scope"] = given["scope"]
    return members


def _registered_client(desk: Desk, client_id: str, members: Mapping[str, Any]) -> str:
    """Its secret, empty for a public client."""
    result = desk.call("client.add", client={**members, "client_id": client_id})
    return result["client_secret"] or ""


def _registered_api(desk: Desk, kind: Kind, client_id: str, uri: str, scope: str, given: Mapping[str, Any]) -> str:
    """The resource, its scopes and somebody who may ask for them, in one transaction. What is there stays as it is."""
    words = scope.split()
    client = msgspec.convert(
        {
            **kind.members,
            "client_id": client_id,
            "client_name": given["client_name"],
            "scope": " ".join(dict.fromkeys(("openid", *words))),
            "resources": [uri],
        },
        Client,
    )
    settings = desk.settings()
    known = {row["uri"]: msgspec.convert(row, Resource) for row in desk.call("resource.list")["resources"]}
    before = known.get(uri, Resource(uri=uri, name=given["client_name"] or client_id))
    resource = msgspec.structs.replace(before, scopes=tuple(dict.fromkeys((*before.scopes, *words))))
    flaws = [
        *resource_flaws(resource, algorithms=settings.keys.algorithms),
        *client_flaws(client, algorithms=settings.keys.algorithms, reach=reach(settings), profile=settings.profile),
    ]
    if flaws:
        raise ConfigurationError(msgspec.structs.replace(flaw.problem, where=flaw.member) for flaw in flaws)
    asked = Manifest(clients=(client,), resources=(resource,), scopes=tuple(Scope(name=word) for word in words))
    plan = desk.call("apply", manifest=msgspec.to_builtins(asked), plan=True)["outcomes"]
    outcomes = {(entry["kind"], entry["name"]): entry["outcome"] for entry in plan}
    if outcomes["client", client_id] != "created":
        raise Trouble("each client_id once", received=client_id, expected="a free client_id", mend="idp client list")
    fresh = tuple(one for one in asked.scopes if outcomes["scope", one.name] == "created")
    desk.call("apply", manifest=msgspec.to_builtins(msgspec.structs.replace(asked, scopes=fresh)))
    return ""


def _tell(name: str, kind: Kind, values: Mapping[str, str]) -> None:
    say.line(filled(snippet(name), values).rstrip("\n"))
    for label in ("CLIENT_ID", "CLIENT_SECRET") if kind.what != "api" else ("CLIENT_ID", "RESOURCE", "SCOPE"):
        if values[label]:
            say.note(f"{label.lower():<14} {values[label]}")
    if values["CLIENT_SECRET"]:
        say.note("the secret is stored as a hash only: it is not shown again")
    say.next_commands(*((filled(typed, values).strip(), filled(why, values).strip()) for typed, why in kind.first))
