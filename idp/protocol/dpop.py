"""DPoP at the authorization server (RFC 9449): the code's key, and nonces that need no memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Any

from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.registration_parts import Flaw, flaw
from idp.protocol.request import Draft

NONCE_SECONDS = 120.0
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def check(draft: Draft) -> dict[str, Any]:
    """``dpop_jkt`` (RFC 9449 10): the thumbprint of the key that must redeem the code."""
    value = draft.parameters.get("dpop_jkt")
    if value is not None and not _THUMBPRINT.fullmatch(value):
        raise Refused(
            "invalid_request",
            "dpop_jkt is not the SHA-256 thumbprint of a key.",
            rule="RFC 9449 10",
            received=f"{len(value)} characters",
            expected="43 base64url characters (RFC 7638)",
            mend="Let the client library compute it from the public key, or leave it out.",
        )
    return {"dpop_jkt": value}


def nonce_at(secret: bytes, now: float, ahead: int = 0) -> str:
    """The nonce of a time window: every node of the installation computes the same (RFC 9449 8)."""
    step = int(now // NONCE_SECONDS) + ahead
    digest = hmac.digest(secret, b"dpop nonce %d" % step, hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:18]).decode("ascii")


def is_fresh_nonce(secret: bytes, nonce: str, now: float) -> bool:
    """Of this window, the one before, or the next one: another node's clock may be a moment ahead."""
    sent = nonce.encode()
    return any(hmac.compare_digest(nonce_at(secret, now, ahead).encode(), sent) for ahead in (0, -1, 1))


def flaws(client: Client) -> Iterator[Flaw]:
    """RFC 9700 2.2.2: a public client's refresh tokens are bound to a key, or replaced at each use. RFC 9449 5.2: a
    client of bound tokens alone asks for them where it can send a proof."""
    for index, response_type in enumerate(client.response_types):
        if client.dpop_bound_access_tokens and "token" in response_type.split(" "):
            yield flaw(
                "response_types",
                "the authorization endpoint takes no proof, so it binds no access token (RFC 9449 5.2)",
                response_type,
                "response types without token, or no dpop_bound_access_tokens",
                "take one of the two out",
                index,
            )
    if not client.refresh_rotation and client.public and not client.dpop_bound_access_tokens:
        yield flaw(
            "refresh_rotation",
            "refresh tokens of a public client are replaced, or bound to its key (RFC 9700 2.2.2)",
            False,
            "true, or dpop_bound_access_tokens = true beside it",
            "take the line out",
        )
