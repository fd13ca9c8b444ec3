"""User codes of devices (RFC 8628 5.1): how one is kept, and which buckets guessing and asking for them fill."""

from __future__ import annotations

import hmac

from idp.accounts.guessing import bucket_of, is_somebodys
from idp.protocol.client import Client
from idp.protocol.limits import Limit
from idp.server import Server
from idp.store.attempts import Bucket

WINDOW = 900.0  # seconds; docs/limits.md has the arithmetic


def user_code_hash(server: Server, code: str) -> bytes:
    """Keyed: 34 bits are no secret to whoever has the table and a minute."""
    return hmac.digest(server.keyring.secret("seal"), f"user code\0{code}".encode(), "sha256")


def guesses(server: Server, account_id: str, network: str) -> list[Bucket]:
    """What a code typed by a person fills; a right one gives it back."""
    limits = server.settings.limits
    buckets = [
        bucket_of(server, "user code", account_id, Limit(limits.user_codes, WINDOW)),
        bucket_of(server, "user codes overall", "", Limit(limits.user_codes_overall, WINDOW)),
    ]
    if is_somebodys(network):
        buckets.append(bucket_of(server, "user codes network", network, Limit(limits.user_codes_network, WINDOW)))
    return buckets


def devices(server: Server, client: Client, network: str) -> list[Bucket]:
    """What a device that asks fills. Anybody may name a public client, so there it is the network that counts.

    Nothing is given back: full at most and emptying over one lifetime, a bucket bounds the rows to twice its size.
    """
    limits, lifetime = server.settings.limits, float(server.settings.lifetimes.device_code)
    buckets = [bucket_of(server, "devices overall", "", Limit(limits.device_codes_overall, lifetime))]
    name = f"network {network}" if client.public else f"client {client.client_id}"
    if not client.public or is_somebodys(network):
        buckets.append(bucket_of(server, "devices", name, Limit(limits.device_codes, lifetime)))
    return buckets
