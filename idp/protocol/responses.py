"""How an authorization answer reaches its client: always with ``iss`` (RFC 9207), always at the proved target."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from idp.protocol.errors import Sent
from idp.protocol.request import Target


def success_url(target: Target, issuer: str, members: Mapping[str, str]) -> str:
    """RFC 6749 4.1.2: the redirect URI with the answer in its query."""
    return _with_query(target, issuer, members)


def error_url(target: Target, issuer: str, refusal: Sent) -> str:
    """RFC 6749 4.1.2.1."""
    return _with_query(target, issuer, {"error": refusal.error, "error_description": refusal.description})


def _with_query(target: Target, issuer: str, members: Mapping[str, str]) -> str:
    answer = dict(members)
    if target.state is not None:
        answer["state"] = target.state
    answer["iss"] = issuer
    joiner = "&" if urlsplit(target.redirect_uri).query else "?"
    return f"{target.redirect_uri.rstrip('?')}{joiner}{urlencode(answer)}"
