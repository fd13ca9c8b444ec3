"""Secrets of clients as they are kept: hashes (decision 15), and sealed as well where the secret keys an HMAC.

``sealed_secrets`` goes with ``secret_hashes``, entry by entry. They are sealed under a secret of the server that stays
through every rotation and rewrap; only a lost key-encryption key takes it, and then the clients need new secrets.
"""

from __future__ import annotations

import hashlib

import msgspec

from idp.protocol.client import Client
from idp.protocol.registration_keys import shortest_secret
from idp.server import Server

_MADE = 32  # bytes: 43 characters
_MADE_FOR_MAC = 48  # 64 characters, what HS512 needs (RFC 7518 3.2)


def new_secret(server: Server, client: Client) -> str:
    """A secret for ``client``, long enough for its method."""
    return server.random_id(_MADE if shortest_secret(client) is None else _MADE_FOR_MAC)


def with_secret(server: Server, client: Client, secret: str) -> Client:
    """``client`` with ``secret`` as its newest."""
    hashes = (hash_secret(secret), *client.secret_hashes)
    if shortest_secret(client) is None:
        return msgspec.structs.replace(client, secret_hashes=hashes)
    sealed = (seal_secret(server, client.client_id, secret), *client.sealed_secrets)
    return msgspec.structs.replace(client, secret_hashes=hashes, sealed_secrets=sealed)


def without_secret(client: Client, hashed: bytes) -> Client:
    """``client`` without the secret of this hash."""
    kept = [place for place, other in enumerate(client.secret_hashes) if other != hashed]
    return msgspec.structs.replace(
        client,
        secret_hashes=tuple(client.secret_hashes[place] for place in kept),
        sealed_secrets=tuple(client.sealed_secrets[place] for place in kept if client.sealed_secrets),
    )


def hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def seal_secret(server: Server, client_id: str, secret: str) -> str:
    """The secret for ``sealed_secrets``, good for this client alone."""
    return server.keyring.seal(_purpose(client_id), secret.encode())


def opens(server: Server, client_id: str, sealed: str) -> bool:
    return server.keyring.unseal(_purpose(client_id), sealed) is not None


def opened_secrets(server: Server, client: Client) -> list[bytes]:
    """The live secrets that can still be opened."""
    found = (server.keyring.unseal(_purpose(client.client_id), sealed) for sealed in client.sealed_secrets)
    return [secret for secret in found if secret is not None]


def _purpose(client_id: str) -> str:
    return f"client secret {client_id}"
