"""Who may use a token: whoever holds a key (RFC 7800 3), proved by DPoP (RFC 9449)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec


class Holder(msgspec.Struct, frozen=True):
    """A key proved in this request. ``method`` is the member of ``cnf`` it stands in: ``jkt`` (RFC 9449 6.1).

    Another way of proving a key (a certificate: ``x5t#S256``, RFC 8705 3.1) is another method with its own
    ``token_type``.
    """

    method: str
    thumbprint: str
    token_type: str

    @property
    def confirmation(self) -> dict[str, str]:
        """The value of ``cnf``."""
        return {self.method: self.thumbprint}

    @property
    def jkt(self) -> str | None:
        return self.thumbprint if self.method == "jkt" else None


def confirms(claims: Mapping[str, Any], method: str, thumbprint: str) -> bool:
    """Whether a token is bound to just this key. What else ``cnf`` asks for nobody checks, so it counts as unmet."""
    confirmation = claims.get("cnf")
    if not isinstance(confirmation, Mapping) or set(confirmation) != {method}:
        return False
    bound = confirmation[method]
    return isinstance(bound, str) and hmac.compare_digest(bound.encode(), thumbprint.encode())


def own_key(claims: Mapping[str, Any], holder: Holder | None) -> bool:
    """Whether a token is bound to nobody's key, or to this holder's."""
    return "cnf" not in claims or (holder is not None and confirms(claims, holder.method, holder.thumbprint))


def token_type_of(claims: Mapping[str, Any]) -> str:
    """The ``token_type`` of an access token by what it holds (RFC 9449 6.2)."""
    confirmation = claims.get("cnf")
    return "DPoP" if isinstance(confirmation, Mapping) and "jkt" in confirmation else "Bearer"


def same_key(bound: str | None, holder: Holder | None) -> bool:
    """Whether what is bound to the key with this thumbprint (None: to nobody's) may be used by ``holder``."""
    if bound is None:
        return True
    jkt = holder.jkt if holder is not None else None
    return jkt is not None and hmac.compare_digest(bound, jkt)
