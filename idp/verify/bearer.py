"""The token out of an Authorization header (RFC 6750 section 2.1); knows no web framework."""

import re

from .refused import Refused

_HINT = "send the header Authorization: Bearer TOKEN"
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


def bearer_token(authorization: str | bytes | None) -> str:
    """The token in the value of an Authorization header, as text or as ASGI's bytes.

    ``Refused`` with ``missing_token`` where there is none or another scheme, ``malformed_request`` where what
    follows ``Bearer`` is not exactly one token.
    """
    if isinstance(authorization, bytes):
        authorization = authorization.decode("latin-1")
    if authorization is None or not authorization.strip():
        raise Refused("missing_token", f"no token came with the request; {_HINT}")
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        # The rest may be a password: it is neither shown nor kept.
        raise Refused("missing_token", f"the Authorization header is not of the scheme Bearer; {_HINT}")
    return _one_token(rest, "Bearer", _HINT)


def dpop_token(authorization: str) -> str:
    """The token of a header of the scheme DPoP (RFC 9449 section 7.1)."""
    return _one_token(authorization.strip().partition(" ")[2], "DPoP", "send the header Authorization: DPoP TOKEN")


def _one_token(text: str, scheme: str, hint: str) -> str:
    token = text.strip(" ")
    if not _TOKEN.fullmatch(token):
        raise Refused("malformed_request", f"what follows {scheme} is not one token; {hint}")
    return token
