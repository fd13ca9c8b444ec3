"""What each member of a header or payload means, in one line for people who see a token the first time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.cli.say import moment, span

HEADER = {
    "alg": "the signature algorithm",
    "kid": "which of the issuer's public keys verifies it",
    "typ": "what kind of token this is",
    "cty": "what the payload holds",
}
CLAIMS = {
    "iss": "the issuer: who signed it, and where its public keys are",
    "sub": "the subject: whom it is about, by an id that never changes",
    "aud": "the audience: who may accept it; everybody else must refuse it",
    "azp": "the app the token was issued to",
    "client_id": "the app that got it",
    "exp": "it expires",
    "nbf": "not valid before",
    "iat": "it was issued",
    "auth_time": "the person signed in",
    "updated_at": "the person's details were last changed",
    "jti": "the token's own id, different in each",
    "scope": "what the app may do, as words",
    "scp": "what the app may do, as words",
    "nonce": "ties an ID token to the request it answers",
    "sid": "the sign-on session it belongs to, for signing out",
    "acr": "how strong the sign-in was",
    "amr": "how the person signed in",
    "at_hash": "ties an ID token to the access token beside it",
    "c_hash": "ties an ID token to the code beside it",
    "code": "the code of a signed answer, to be redeemed once",
    "state": "what the app sent along, so that it knows its own request",
    "error": "why a signed answer holds no code",
    "events": "what happened; only logout and event tokens carry it",
    "act": "who acts on the person's behalf",
    "cnf": "the key its holder must prove to have",
    "roles": "roles of the person",
    "groups": "groups of the person",
    "grant": "the grant it hangs on: when that is revoked, so is the token at the issuer",
    "token_type": "access or refresh, in the words of djangorestframework-simplejwt",
    "name": "the person's full name",
    "given_name": "first name",
    "family_name": "last name",
    "preferred_username": "the name the person likes to be called by; it may change",
    "email": "e-mail address",
    "email_verified": "whether the issuer has proved the address",
    "locale": "the person's language",
    "zoneinfo": "the person's time zone",
}
TIMES = ("exp", "nbf", "iat", "auth_time", "updated_at")

_TYPES = {
    "at+jwt": "an access token (RFC 9068): an API accepts it",
    "logout+jwt": "a logout token: tells an app that a session ended",
    "dpop+jwt": "a DPoP proof: shows possession of a key",
    "jwt": "a token of no stated kind",
}
_ALGORITHMS = {
    "RS256": "RSA with SHA-256: signed with a private key, verified with the public one",
    "PS256": "RSA-PSS with SHA-256: signed with a private key, verified with the public one",
    "ES256": "elliptic curve P-256: signed with a private key, verified with the public one",
    "EdDSA": "Ed25519: signed with a private key, verified with the public one",
    "HS256": "one shared secret both signs and verifies: every verifier could make tokens",
    "none": "no signature at all: anybody can write such a token",
}


def explain_header(name: str, value: Any) -> str:
    """The line for a header member."""
    if name == "typ" and isinstance(value, str):
        return _TYPES.get(value.lower().removeprefix("application/"), HEADER["typ"])
    if name == "alg":
        return _ALGORITHMS.get(str(value), HEADER["alg"])
    return HEADER.get(name, "not a registered header member")


def explain_claim(name: str, value: Any, claims: Mapping[str, Any], now: float) -> str:
    """The line for a claim, with times as local time and as the distance from ``now``."""
    known = CLAIMS.get(name)
    if name not in TIMES or isinstance(value, bool) or not isinstance(value, int | float):
        return known or "a claim this issuer added"
    if name == "exp":
        life = _life(value, claims.get("iat"))
        verb = "it expires" if value > now else "it has expired"
        return f"{verb}: {moment(value, now)}{life}"
    return f"{known}: {moment(value, now)}"


def _life(expires: float, issued: Any) -> str:
    if isinstance(issued, bool) or not isinstance(issued, int | float) or issued >= expires:
        return ""
    return f" (it lives {span(expires - issued)})"
