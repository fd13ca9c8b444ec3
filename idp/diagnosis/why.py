"""Why a verifier would refuse a token: each of its checks in its order; the first that fails decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.diagnosis.finding import Finding, bad, good, note
from idp.jose.compact import read_unverified
from idp.jose.errors import JoseError, shown
from idp.verify.every import CHECKS, Asked, every_refusal
from idp.verify.refused import Refused

# What a check asks, for the line that says it holds; and what to do where it does not.
_ASKS: Mapping[str, tuple[str, str]] = {
    "form": (
        "three base64url parts with JSON in them (RFC 7519 7.2)",
        "pass the whole access token; a refresh token, a code or an opaque token is for the issuer alone",
    ),
    "alg": (
        "an algorithm this API accepts (RFC 8725 3.1)",
        "let the API accept what the issuer signs with (never none or HS256), or let the issuer sign otherwise",
    ),
    "crit": (
        "no extension that has to be understood (RFC 7515 4.1.11)",
        "ask for a token without crit and b64 in its header",
    ),
    "typ": (
        "the kind of token this API takes (RFC 9068 4, RFC 8725 3.11)",
        "send the access token, not the ID token; for an issuer that writes another typ: --typ here, typ= in the API",
    ),
    "iss": (
        "the issuer letter by letter (RFC 8725 3.8)",
        "spell the issuer in the API as its discovery document does, with its slash at the end or without",
    ),
    "aud": (
        "meant for this API (RFC 9068 4)",
        "ask for a token with resource=THIS API (RFC 8707), or give the API its own name as audience",
    ),
    "exp": ("not expired (RFC 7519 4.1.4)", "get a new token; if it was new, compare the clocks of both machines"),
    "nbf": ("valid already (RFC 7519 4.1.5)", "compare the clocks of both machines: NTP on both"),
    "iat": ("not issued in the future (RFC 7519 4.1.6)", "compare the clocks of both machines: NTP on both"),
    "sub": ("somebody it is about (RFC 9068 2.2)", "the issuer has to write sub, a text that is not empty"),
    "scope": (
        "scope as one text (RFC 9068 2.2.3)",
        "the issuer has to write scope as words in one text, not as a list",
    ),
    "claims": (
        "every claim its kind has to carry (RFC 9068 2.2)",
        "the issuer has to write it; for an issuer that writes JWT as typ: --typ JWT here, typ= in the API",
    ),
    "key": (
        "a key that the issuer publishes (RFC 7515 4.1.4)",
        "fetch the key set again: keys rotate; if it lacks the key still, it was withdrawn, or is not this issuer's",
    ),
    "signature": (
        "a signature that this key made (RFC 7515 5.2)",
        "the token was changed on its way, or another key signed it: take it as it came from the token endpoint",
    ),
    "cnf": (
        "bound to no key, or sent with the proof of it (RFC 9449 7.1)",
        "send Authorization: DPoP TOKEN and a proof, and let the API call verify_request",
    ),
    "scopes": (
        "the scopes this call needs (RFC 6750 3.1)",
        "ask for the scope; the person or operator has to allow it",
    ),
}
_MEMBERS = {"alg", "typ", "crit"}


def why(token: str, asked: Asked, jwks: Mapping[str, Any] | None, now: float) -> tuple[Finding, ...]:
    """One finding for each check, in order. ``jwks`` None leaves key and signature as a note.

    Raises ``ValueError`` where ``asked`` is nothing a verifier takes.
    """
    refused = every_refusal(token, asked, jwks, now)
    try:
        parts = read_unverified(token)
        said: Mapping[str, Any] = {**parts.claims, **{name: parts.header.get(name) for name in _MEMBERS}}
    except JoseError:
        # Nothing can be said of what is inside.
        return tuple(_bad(name, refusal, {}) for name, refusal in refused.items())
    return tuple(_finding(name, refused, said, asked, jwks) for name in CHECKS if name != "scopes" or asked.scopes)


def _finding(
    name: str, refused: Mapping[str, Refused], said: Mapping[str, Any], asked: Asked, jwks: Mapping[str, Any] | None
) -> Finding:
    if name in refused:
        return _bad(name, refused[name], said)
    if name in ("key", "signature"):
        if jwks is None:
            return note(name, f"{_ASKS[name][0]}: not looked at without keys", mend="pass --jwks or --issuer")
        if (refused.keys() & {"alg", "crit"} and said.get("alg") not in asked.algorithms) or "key" in refused:
            return note(name, f"{_ASKS[name][0]}: not looked at, there is nothing to compute it with")
    return good(name, _ASKS[name][0])


def _bad(name: str, refusal: Refused, said: Mapping[str, Any]) -> Finding:
    received = refusal.received or (shown(said[name]) if said.get(name) is not None else "")
    return bad(name, str(refusal), received=received, expected=refusal.expected or _ASKS[name][0], mend=_ASKS[name][1])
