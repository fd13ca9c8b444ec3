"""What a client is told as ``sub``: the account's own id, or one that only the client's sector sees (OIDC Core 8)."""

from __future__ import annotations

import base64
import hashlib
import hmac

from idp.keyring.keyring import Keyring
from idp.protocol.client import Client


def subject_of(keyring: Keyring, client: Client, account_id: str) -> str:
    """OIDC Core 8.1: keyed, so that nobody can try accounts against it; the key is made once and never rotated.

    Without a sector, which registration refuses, nobody shares what a client is told."""
    if client.subject_type == "public":
        return account_id
    sector = client.sector or f"client {client.client_id}"
    mac = hmac.digest(keyring.secret("pairwise"), f"{sector}\0{account_id}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")
