"""Which claims go into which document (OIDC Core 2, 5.3, 5.4; RFC 9068 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from authlib.oidc.core.util import create_half_hash

from idp.protocol.authorization import Authorization
from idp.protocol.claims_request import Wanted, Wish
from idp.protocol.client import Account, Scope

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
STANDARD_SCOPES = frozenset({"openid", "offline_access", *SCOPE_CLAIMS})
CLAIMS = tuple(dict.fromkeys(claim for claims in SCOPE_CLAIMS.values() for claim in claims))


def opened_by(scopes: Iterable[str], added: Mapping[str, Scope]) -> dict[str, frozenset[str]]:
    """Each claim that some of ``scopes`` open, with those that do."""
    found: dict[str, frozenset[str]] = {}
    for word in scopes:
        for name in claims_of_scope(word, added):
            found[name] = found.get(name, frozenset()) | {word}
    return found


def claims_of_scope(word: str, added: Mapping[str, Scope]) -> tuple[str, ...]:
    return SCOPE_CLAIMS.get(word) or (added[word].claims if word in added else ())


def known_of(account: Account) -> dict[str, Any]:
    """Every claim there is about a person. ``updated_at`` is kept by the server (OIDC Core 5.1)."""
    known = {"preferred_username": account.username, **account.claims}
    if account.updated_at is not None:
        known["updated_at"] = int(account.updated_at)
    return known


def userinfo(
    account: Account,
    scope: tuple[str, ...],
    added: Mapping[str, Scope],
    wanted: Wanted | None = None,
    *,
    subject: str,
) -> dict[str, Any]:
    """The claims of a person that these scopes open, and those asked for one by one; what the account lacks is left
    out (OIDC Core 5.3.2, 5.5)."""
    known = known_of(account)
    told: dict[str, Any] = {"sub": subject}
    for word in scope:
        for name in claims_of_scope(word, added):
            if name in known:
                told[name] = known[name]
    if wanted:
        told |= wished(known, wanted.userinfo)
    return told


def wished(known: Mapping[str, Any], wishes: Mapping[str, Wish]) -> dict[str, Any]:
    """Of what is ``known`` that which was asked for by name, and has a value asked for where one was."""
    return {name: known[name] for name, wish in wishes.items() if name in known and wish.accepts(known[name])}


def access_token(
    auth: Authorization, *, issuer: str, jti: str, expires_at: int, subject: str, acr: str | None = None
) -> dict[str, Any]:
    """RFC 9068 2.2, with ``acr`` and ``auth_time`` for who asks how the person signed in (RFC 9470 6.1).

    ``grant`` is ours: UserInfo and introspection look the grant up by it (decision 18)."""
    audience: str | list[str] = auth.audience[0] if len(auth.audience) == 1 else list(auth.audience)
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": audience or issuer,
        "client_id": auth.client.client_id,
        "iat": int(auth.now),
        "exp": expires_at,
        "jti": jti,
        "scope": " ".join(auth.scope),
    }
    if auth.auth_time is not None:
        claims["auth_time"] = int(auth.auth_time)
    if acr is not None:
        claims["acr"] = acr
    if auth.act is not None:
        claims["act"] = auth.act
    if auth.grant_id is not None:
        claims["grant"] = auth.grant_id
    if auth.sid is not None:
        claims["sid"] = auth.sid
    if auth.holder is not None:
        claims["cnf"] = auth.holder.confirmation
    return claims


def id_token(
    auth: Authorization,
    *,
    issuer: str,
    expires_at: int,
    subject: str,
    acr: str | None,
    alg: str,
    access_token: str | None,
) -> dict[str, Any]:
    """OIDC Core 2, 3.1.3.6 and 3.3.2.11: about this sign-in; the person's details are UserInfo's, where it can be
    asked, but for those asked for here by name (5.5)."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": auth.client.client_id,
        "iat": int(auth.now),
        "exp": expires_at,
    }
    optional = {
        "auth_time": None if auth.auth_time is None else int(auth.auth_time),
        "nonce": auth.nonce,
        "acr": acr,
        "amr": list(auth.amr) or None,
        "sid": auth.sid,
        "at_hash": _half_hash(access_token, alg),
        "c_hash": _half_hash(auth.code, alg),
    }
    named = wished(known_of(auth.account), auth.claims.id_token) if auth.account and auth.claims else {}
    present = {name: value for name, value in optional.items() if value is not None}
    return dict(auth.told or {}) | named | claims | present


def _half_hash(value: str | None, alg: str) -> str | None:
    """OIDC Core 3.1.3.6, 3.3.2.11: the left half of the hash that the algorithm's name ends with.

    EdDSA names none; Ed25519 hashes with SHA-512 itself (RFC 8032 5.1), so libraries take that one.
    """
    if value is None:
        return None
    half: bytes = create_half_hash(value, "ES512" if alg == "EdDSA" else alg)
    return half.decode("ascii")
