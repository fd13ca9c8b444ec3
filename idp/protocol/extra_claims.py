"""Claims that somebody's app adds to ours: added, never put in the place of anything (RFC 7519 4.1, RFC 9068 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a verifier, or a part of this server, decides by. Not to be given even where a document has no such member: a
# bearer token with a ``cnf`` or an ``act`` of somebody's own making would say what nobody proved.
RESERVED = frozenset(
    (
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ", "cnf", "act", "may_act", "azp", "client_id", "scope"),
        *("auth_time", "acr", "amr", "nonce", "at_hash", "c_hash", "s_hash", "sid", "grant", "events", "sub_jwk"),
        *("active", "token_type", "username", "_claim_names", "_claim_sources", "authorization_details", "token_use"),
    )
)


def merged(members: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """``members`` with those of ``extra`` that are free to give, and the names of those that are not."""
    refused = sorted(name for name in extra if name in RESERVED or name in members)
    free = {name: value for name, value in extra.items() if name not in refused}
    return {**free, **members}, refused


def added(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Of an access token's claims those that somebody's app added."""
    return {name: value for name, value in claims.items() if name not in RESERVED}
