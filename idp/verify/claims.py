"""What the claims of an access token must say, the time being an argument (RFC 9068 section 4, RFC 8725)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from idp.jose.compact import Token
from idp.jose.errors import shown

from .refused import Refused
from .times import Clocks, check_times, duration, moment


@dataclass(frozen=True, slots=True)
class Expected:
    """What this resource server accepts; ``leeway`` in seconds, for clocks that differ.

    ``required`` claims must be there besides iss, aud, exp and sub; None: what RFC 9068 requires of the type at+jwt.
    """

    issuer: str
    audience: tuple[str, ...]
    leeway: float
    required: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature and claims were all checked: made by a ``Verifier`` alone.

    ``expires_at`` is in unix seconds, infinite for an opaque token whose issuer named no end; ``scopes`` keeps the
    token's order. ``header`` is empty for an opaque token.
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
        scopes = scopes_of(claims)
        return cls(claims, token.header, claims["sub"], scopes, float(claims.get("exp", math.inf)))

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
        signed_in = moment(self.claims, "auth_time")
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


def check_claims(claims: Mapping[str, Any], expected: Expected, now: float, skew: float | None = None) -> None:
    """``Refused`` unless issuer, audience, times, subject and the form of scope hold.

    ``skew`` is by how many seconds our clock is known to be ahead of the issuer's: it excuses nothing, it is told.
    """
    _check_issuer(claims, expected)
    _check_audience(claims, expected.audience)
    check_times(claims, Clocks(now, expected.leeway, skew))
    _check_person(claims)


def check_introspected(
    claims: Mapping[str, Any], expected: Expected, now: float, *, audience_optional: bool, skew: float | None = None
) -> None:
    """``check_claims`` for what an issuer said of an opaque token: it may leave out ``iss`` and ``exp`` (RFC 7662 2.2).

    Some issuers answer for every token they know. What they call a refresh or an ID token is none for an API.
    """
    for name, taken in _KINDS.items():
        kind = claims.get(name)
        if isinstance(kind, str) and kind.lower() not in taken:
            raise Refused("typ", f"{name} is {shown(kind)}, expected an access token", received=shown(kind))
    if "iss" in claims:
        _check_issuer(claims, expected)
    if not (audience_optional and claims.get("aud") in (None, [], "")):
        _check_audience(claims, expected.audience)
    check_times(claims, Clocks(now, expected.leeway, skew), ends=False)
    _check_person(claims)


_KINDS = {
    "token_type": ("bearer", "dpop", "access_token", "n_a"),  # RFC 7662 section 2.2; N_A of RFC 8693
    "token_use": ("access", "access_token"),  # Hydra
    "typ": ("bearer", "dpop", "at+jwt", "jwt"),  # Keycloak
}


def _check_person(claims: Mapping[str, Any]) -> None:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        received = shown(subject) if "sub" in claims else "missing"
        raise Refused("subject", f"sub is {received}, expected a text", received=received, expected="a text")
    scopes_of(claims)


def scopes_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of ``scope`` (RFC 9068 section 2.2.3), else what issuers such as Hydra and Okta list in ``scp``."""
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise Refused("claim", f"scope is {shown(scope)}, expected words in one text", expected="a text")
    if "scope" in claims or "scp" not in claims:
        return tuple(scope.split())
    listed = claims["scp"]
    if isinstance(listed, str):
        return tuple(listed.split())
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise Refused("claim", f"scp is {shown(listed)}, expected a list of words", expected="a list of texts")
    return tuple(listed)


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


_OF_RFC_9068 = ("client_id", "iat", "jti")


def check_required(header: Mapping[str, Any], claims: Mapping[str, Any], required: Sequence[str] | None) -> None:
    """What must be there besides: by default what RFC 9068 section 2.2 requires of tokens of its type."""
    if required is None:
        if header.get("typ", "").lower().removeprefix("application/") != "at+jwt":
            return
        required = _OF_RFC_9068
    for name in required:
        if name not in claims:
            raise Refused("claim", f"{name} is missing, expected in every token", received="missing", expected=name)
