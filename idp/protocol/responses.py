"""What an authorization answer holds: always ``iss`` (RFC 9207), and ``state`` as it came. How it travels is the
response mode's (``web.delivery``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from idp.protocol.errors import Sent
from idp.protocol.request import Target


def answer(target: Target, issuer: str, members: Mapping[str, str]) -> dict[str, str]:
    """RFC 6749 4.1.2: ``members`` with what every answer carries."""
    state = {} if target.state is None else {"state": target.state}
    return {**members, **state, "iss": issuer}


def signed_answer(target: Target, members: Mapping[str, str], *, expires_at: int) -> dict[str, Any]:
    """JARM 2.1: the claims that hold a whole answer; ``iss`` is among them (RFC 9207 2.4)."""
    return {**members, "aud": target.client.client_id, "exp": expires_at}


def error_members(refusal: Sent) -> dict[str, str]:
    """RFC 6749 4.1.2.1."""
    return {"error": refusal.error, "error_description": refusal.description}


def with_fragment(redirect_uri: str, members: Mapping[str, str]) -> str:
    """Behind ``#``; a registered URI has none of its own (RFC 6749 3.1.2)."""
    return f"{redirect_uri}#{urlencode(members)}"


def with_query(redirect_uri: str, members: Mapping[str, str]) -> str:
    """The registered URI, its own query untouched, and ``members`` behind it."""
    joiner = "&" if urlsplit(redirect_uri).query else "?"
    return f"{redirect_uri.rstrip('?')}{joiner}{urlencode(members)}"
