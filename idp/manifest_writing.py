"""The apply file written from what is there: read again, it makes the same (``manifest`` reads)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from idp.config.toml_writer import toml_table
from idp.manifest_people import CLAIM_ORDER, Address
from idp.protocol.client import Account, Client, Resource, Scope


def client_text(client: Client) -> str:
    """``[[clients]]``: members that differ from their defaults; the secrets as their SHA-256.

    Read again it is the operator's: that it was registered over HTTP is left out.
    """
    members = msgspec.to_builtins(client)
    for left_out in ("registered", "sealed_secrets"):  # another installation could not open what is sealed here
        members.pop(left_out, None)
    if client.secret_hashes:
        members["secret_hashes"] = [hashed.hex() for hashed in client.secret_hashes]
    named = {"client_secret_hashes" if name == "secret_hashes" else name: value for name, value in members.items()}
    return toml_table("clients", named)


def scope_text(scope: Scope) -> str:
    return toml_table("scopes", msgspec.to_builtins(scope))


def resource_text(resource: Resource) -> str:
    return toml_table("resources", msgspec.to_builtins(resource))


def person_text(account: Account, password_hash: str | None) -> str:
    """``[[people]]``: who, by what they sign in, then the claims in the standard's order."""
    claims = dict(account.claims)
    address = claims.get("address")
    if isinstance(address, Mapping):
        claims["address"] = {name: address[name] for name in Address.__struct_fields__ if name in address}
    members: Mapping[str, Any] = {
        "username": account.username,
        "sub": account.id,
        "password_hash": password_hash,
        "disabled": True if account.disabled else None,
        **{name: claims.get(name) for name in CLAIM_ORDER},
    }
    return toml_table("people", members)
