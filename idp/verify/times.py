"""The times of a token against our clock, and what to say of clocks that differ (RFC 7519 section 4.1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.jose.errors import shown

from .refused import Refused

_COMPARE = ": compare the clocks of both machines"


@dataclass(frozen=True, slots=True)
class Clocks:
    """Our time, what is allowed for clocks that differ, and by how much ours is ahead of the issuer's, if known."""

    now: float
    leeway: float
    skew: float | None

    def blame(self, at: float, otherwise: str, *, too_late: bool = False) -> str:
        """The end of a sentence about the moment ``at``: our clock, where a right one would not have refused the token.

        An issuer's Date is of whole seconds and a moment old when it is read: less than two seconds prove nothing.
        """
        skew = self.skew
        if skew is None or abs(skew) < 2:
            return otherwise
        right = self.now - skew
        fine = right < at + self.leeway if too_late else right >= at - self.leeway
        if not fine:  # then our clock goes wrong the way that hurts: fast for an end, slow for a beginning
            return otherwise
        fast = skew > 0
        return f", your clock is {duration(abs(skew))} {'fast' if fast else 'slow'} (this API's, by its issuer's Date)"


def check_times(claims: Mapping[str, Any], clocks: Clocks, *, ends: bool = True) -> None:
    """``Refused`` unless the token is of now; with ``ends`` it must say until when."""
    now, leeway = clocks.now, clocks.leeway
    expires_at = moment(claims, "exp")
    if expires_at is None:
        if ends:
            raise Refused("claim", "the token has no exp: it would live for ever", received="missing", expected="exp")
    elif now >= expires_at + leeway:
        why = clocks.blame(expires_at, "; get a new token", too_late=True)
        raise Refused("expired", f"expired {duration(now - expires_at)} ago{why}")
    begins = moment(claims, "nbf")
    if begins is not None and now < begins - leeway:
        raise Refused("not_yet_valid", f"valid only in {duration(begins - now)}{clocks.blame(begins, _COMPARE)}")
    issued = moment(claims, "iat")
    if issued is not None and now < issued - leeway:
        raise Refused("future", f"issued {duration(issued - now)} in the future{clocks.blame(issued, _COMPARE)}")


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """The claim in unix seconds, None where it is missing; ``Refused`` where it is no number."""
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
