"""What the claims of an access token must say, the time being an argument (RFC 9068 section 4, RFC 8725)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from idp.jose.compact import Token
from idp.jose.errors import shown

from .refused import Refused


@dataclass(frozen=True, slots=True)
class Expected:
    """What this resource server accepts; ``leeway`` in seconds, for clocks that differ."""

    issuer: str
    audience: tuple[str, ...]
    leeway: float


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature and claims were all checked: made by a ``Verifier`` alone.

    ``expires_at`` is in unix seconds; ``scopes`` keeps the token's order.
    """

    claims: Mapping[str, Any]
    header: Mapping[str, Any]
    subject: str
    scopes: tuple[str, ...]
    expires_at: float

    @classmethod
    def of(cls, token: Token) -> Self:
        """For a token whose signature was proved and whose claims passed ``check_claims``."""
        claims = token.claims
        scopes = tuple(claims.get("scope", "").split())
        return cls(claims, token.header, claims["sub"], scopes, float(claims["exp"]))

    def require_scopes(self, *scopes: str) -> None:
        """``Refused`` (``scope``, HTTP 403) unless the token carries every one of ``scopes``."""
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing:
            have, need = " ".join(self.scopes), " ".join(scopes)
            message = f"the token lacks the scope {' '.join(missing)}; it has {shown(have) or 'none'}"
            raise Refused("scope", message, received=have, expected=need, scope=scopes)

    def require_authentication(
        self, now: float, *, acr_values: Sequence[str] = (), max_age: float | None = None, leeway: float = 0
    ) -> None:
        """``Refused`` (``authentication``) unless the person signed in by one of ``acr_values`` and no longer than
        ``max_age`` seconds ago, ``leeway`` aside (RFC 9470 section 3)."""
        acr = self.claims.get("acr")

        def refused(message: str, have: str, need: str) -> Refused:
            return Refused(
                "authentication", message, received=have, expected=need, acr_values=acr_values, max_age=max_age
            )

        if acr_values and (not isinstance(acr, str) or acr not in acr_values):
            need, have = " or ".join(acr_values), shown(acr) if "acr" in self.claims else "missing"
            raise refused(f"the sign-in was of acr {have}, this needs {need}", have, need)
        if max_age is None:
            return
        signed_in = _moment(self.claims, "auth_time")
        if signed_in is None or now - signed_in > max_age + leeway:
            have = "missing" if signed_in is None else f"{duration(now - signed_in)} ago"
            message = f"the sign-in was {have}, this needs one of the last {duration(max_age)}"
            raise refused(message, have, duration(max_age))


def _check_issuer(claims: Mapping[str, Any], expected: Expected) -> None:
    """Compare ``iss`` letter by letter: no slash, case or port is forgiven (RFC 8725 section 3.8)."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer != expected.issuer:
        received = shown(issuer) if "iss" in claims else "missing"
        message = f"iss is {received}, expected {expected.issuer}"
        if isinstance(issuer, str) and issuer.rstrip("/") == expected.issuer.rstrip("/"):
            message += " (they differ in the slash at the end)"
        raise Refused("issuer", message, received=received, expected=expected.issuer)


def check_claims(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    """``Refused`` unless issuer, audience, times, subject and the form of scope hold."""
    _check_issuer(claims, expected)
    _check_audience(claims, expected.audience)
    _check_times(claims, expected.leeway, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        received = shown(subject) if "sub" in claims else "missing"
        raise Refused("subject", f"sub is {received}, expected a text", received=received, expected="a text")
    if not isinstance(scope := claims.get("scope", ""), str):
        raise Refused("claim", f"scope is {shown(scope)}, expected words in one text", expected="a text")


def _check_audience(claims: Mapping[str, Any], accepted: Sequence[str]) -> None:
    audience = claims.get("aud")
    listed = [audience] if isinstance(audience, str) else audience
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        received = shown(audience) if "aud" in claims else "missing"
    elif not set(listed).isdisjoint(accepted):
        return
    else:
        received = shown(", ".join(listed)) or "empty"
    expected = " or ".join(accepted)
    raise Refused("audience", f"aud is {received}, this is {expected}", received=received, expected=expected)


def _check_times(claims: Mapping[str, Any], leeway: float, now: float) -> None:
    expires_at = _moment(claims, "exp")
    if expires_at is None:
        raise Refused("claim", "the token has no exp: it would live for ever", expected="exp")
    if now >= expires_at + leeway:
        raise Refused("expired", f"expired {duration(now - expires_at)} ago; get a new token")
    begins = _moment(claims, "nbf")
    if begins is not None and now < begins - leeway:
        raise Refused("not_yet_valid", f"valid only in {duration(begins - now)}{_CLOCKS}")
    issued = _moment(claims, "iat")
    if issued is not None and now < issued - leeway:
        raise Refused("future", f"issued {duration(issued - now)} in the future{_CLOCKS}")


_CLOCKS = ": compare the clocks of both machines"


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    # bool is an int in Python; true as a date is a mistake of somebody's.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused("claim", f"{name} is {shown(value)}, expected a number of seconds", expected="a number")
    return float(value)


def duration(seconds: float) -> str:
    """A length of time as people say it: ``12 s``, ``4 min 12 s``, ``3 h 5 min``, ``2 d 4 h``."""
    whole = max(0, math.floor(seconds))
    for name, size, smaller, unit in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // unit
            return f"{whole // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
