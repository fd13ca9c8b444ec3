"""Signed request objects (RFC 9101, OIDC Core 6): what they may say, and the parameters they stand for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from idp.protocol.client import Client
from idp.protocol.errors import Refused, visible
from idp.protocol.parameters import MAX_FIELDS, Parameters
from idp.protocol.request import OBJECT, Draft, Once
from idp.protocol.times import is_time

LEEWAY = 30.0
LONGEST = 3600.0  # strict objects: between nbf and exp, and nbf from now (FAPI 2.0 Message Signing 5.3.1)
TYPES = ("oauth-authz-req+jwt", "JWT", "")

# What a JWT says of itself (RFC 7519 4.1) is no parameter.
_ABOUT = frozenset({"iss", "aud", "sub", "exp", "nbf", "iat", "jti"})
_NESTED = ("request", "request_uri")


def signed_if_required(draft: Draft) -> dict[str, Any]:
    """RFC 9101 10.5: refuses requests that are not signed where the client says that all of its are."""
    if OBJECT in draft.via or not draft.client.require_signed_request_object:
        return {}
    raise Refused(
        "invalid_request",
        "This client signs its authorization requests, and this one is not signed.",
        rule="RFC 9101 10.5",
        received="plain parameters",
        expected="a signed request object as request or request_uri",
        mend=f"Sign the request; client {draft.client.client_id} says require_signed_request_object.",
    )


def check_claims(claims: Mapping[str, Any], client: Client, issuer: str, now: float) -> None:
    """Who says it, to whom, and when. Raises Refused; a client that signs everything is held to more."""
    if claims.get("client_id") != client.client_id or claims.get("iss") != client.client_id:
        received = f"client_id {_shown(claims, 'client_id')}, iss {_shown(claims, 'iss')}"
        raise refusal("it is of another client", received, f"client_id = iss = {client.client_id}")
    if claims.get("sub") == client.client_id:
        received = "sub = client_id: with it the object would pass for a client assertion"
        raise refusal("sub names the client", received, "no sub", rule="RFC 9101 10.8")
    audience = claims.get("aud")
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise refusal("it is for another server", f"aud {_shown(claims, 'aud')}", f"aud = {issuer}")
    for name in ("exp", "nbf", "iat"):
        if name in claims and not is_time(claims[name]):
            raise refusal(f"{name} is no time", f"{name} {_shown(claims, name)}", "seconds since 1970, as a number")
    _check_times(claims, now)
    if client.require_signed_request_object:
        _check_strictly(claims, now)
    jti = claims.get("jti")
    if jti is not None and not (isinstance(jti, str) and 0 < len(jti) <= 255):
        raise refusal("jti is no name", "a jti of another kind", "a text of 1 to 255 characters")
    for name in _NESTED:
        if name in claims:
            raise refusal("it names another one", f"{name} inside the object", "the parameters themselves")


def parameters_of(claims: Mapping[str, Any]) -> Parameters:
    """The parameters an object stands for. Raises Refused for what has no form as one."""
    named = {name: value for name, value in claims.items() if name not in _ABOUT}
    if len(named) > MAX_FIELDS:
        raise refusal("it holds too much", f"{len(named)} members", f"at most {MAX_FIELDS}")
    return Parameters(pair for name, value in named.items() for pair in _pairs(name, value))


def answered_once(asked: Parameters) -> Once | None:
    """What counts once of an object whose ``jti`` and ``exp`` were kept beside its parameters (``kept_beside``)."""
    jti, expires, client_id = asked.get("jti"), asked.get("exp"), asked.get("client_id")
    if jti is None or expires is None:
        return None
    return Once("request object", f"{client_id} {jti}", float(expires) + LEEWAY)


def kept_beside(claims: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Both, or neither: a ``jti`` of an object that never expires would have to be remembered for ever."""
    jti, expires = claims.get("jti"), claims.get("exp")
    if jti is None or expires is None:
        return []
    return [("jti", jti), ("exp", repr(float(expires)))]


def refusal(reason: str, received: str, expected: str, *, rule: str = "RFC 9101 6.3") -> Refused:
    """``reason`` is for everybody to read and holds nothing of the object."""
    return Refused(
        "invalid_request_object",
        f"The request object was not accepted: {reason}.",
        rule=rule,
        received=received,
        expected=expected,
        mend="idp decode OBJECT shows what is inside; sign a fresh one for every sign-in.",
    )


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if "exp" in claims and claims["exp"] <= now - LEEWAY:
        raise refusal("it has expired", f"exp {claims['exp']}", f"exp after {now - LEEWAY:.0f}, by this server's clock")
    for name in ("nbf", "iat"):
        if name in claims and claims[name] > now + LEEWAY:
            latest = f"{name} of at most {now + LEEWAY:.0f}, {LEEWAY:g} s ahead of this server's clock"
            raise refusal(f"{name} lies ahead", f"{name} {claims[name]}", latest)


def _check_strictly(claims: Mapping[str, Any], now: float) -> None:
    rule = "FAPI 2.0 Message Signing 5.3.1"
    for name in ("nbf", "exp"):
        if name not in claims:
            raise refusal(f"{name} is missing", f"no {name}", f"{name}, as this client signs everything", rule=rule)
    start, end = claims["nbf"], claims["exp"]
    if start < now - LONGEST - LEEWAY:
        raise refusal("nbf lies too far back", f"nbf {start}", f"nbf of the last {LONGEST:g} s", rule=rule)
    if end - start > LONGEST:
        raise refusal("it lives too long", f"exp {end - start:.0f} s after nbf", f"at most {LONGEST:g} s", rule=rule)


def _pairs(name: str, value: object) -> Iterator[tuple[str, str]]:
    several = name == "resource" and isinstance(value, list)
    for one in value if several and isinstance(value, list) else [value]:
        text = _text(one) if not several or isinstance(one, str) else None
        if text is None or "\0" in text or "\0" in name:
            kinds = "a text, a whole number, an object (claims), or a list of texts (resource)"
            raise refusal("a member has no form as a parameter", f"{visible(name, 40)}: {type(one).__name__}", kinds)
        yield name, text


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return None


def _shown(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "(none)")
    return visible(value if isinstance(value, str) else str(value))
