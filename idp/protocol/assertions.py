"""What an assertion must say once its signature is proved (RFC 7521 5.2, RFC 7523 3): one list for both uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from idp.protocol.errors import visible
from idp.protocol.times import is_time

MAX_LIFETIME = 3600.0  # what Authlib asks for; each assertion counts once all the same
LEEWAY = 30.0


class Amiss(NamedTuple):
    """What was said, and what should have been."""

    received: str
    expected: str


def amiss(claims: Mapping[str, Any], now: float) -> Amiss | None:
    """Why these claims do not count at ``now``; None where they do.

    Who says it (``iss``, ``sub``) to whom (``aud``) is for the caller, and so is that each ``jti`` counts once.
    """
    expires, jti = claims.get("exp"), claims.get("jti")
    if not is_time(expires) or not now - LEEWAY < expires <= now + MAX_LIFETIME + LEEWAY:
        within = f"exp from {now - LEEWAY:.0f} to {now + MAX_LIFETIME + LEEWAY:.0f}, by this server's clock"
        return Amiss(f"exp {shown(claims, 'exp')}", within)
    for name in ("nbf", "iat"):
        if name in claims and not (is_time(claims[name]) and claims[name] <= now + LEEWAY):
            latest = f"{name} of at most {now + LEEWAY:.0f}, {LEEWAY:g} s ahead of this server's clock"
            return Amiss(f"{name} {shown(claims, name)}", latest)
    if not isinstance(jti, str) or not 1 <= len(jti) <= 255:
        return Amiss("no jti", "a jti that is fresh for each assertion")
    return None


def shown(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "(none)")
    return visible(value if isinstance(value, str) else str(value))
