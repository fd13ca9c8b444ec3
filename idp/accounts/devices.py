"""A browser in which a person signed in before: it has a bucket of its own, so strangers cannot lock its owner out.

The value is sealed and names the account, the browser, and the password it was proved with: after another password
is set it means nothing any more.
"""

from __future__ import annotations

import hashlib

import msgspec

from idp.server import Server
from idp.store.accounts import Credentials

LIFETIME = 31_536_000  # seconds; each sign-in begins it anew
_PURPOSE = "device"


class Device(msgspec.Struct, frozen=True, array_like=True):
    account_id: str
    device_id: str
    issued_at: float
    password: str  # a fingerprint of the stored hash, never of the password


def recognise(server: Server, sealed: str | None) -> Device | None:
    """What a browser brings, if we gave it out and it is not too old; whose it is must still be asked."""
    device = server.unseal(_PURPOSE, sealed, Device) if sealed else None
    return device if device is not None and 0 <= server.now() - device.issued_at < LIFETIME else None


def belongs_to(device: Device | None, found: Credentials | None) -> bool:
    """Whether this account was signed in to in this browser, with the password it still has."""
    if device is None or found is None or found.password_hash is None:
        return False
    return device.account_id == found.account.id and device.password == _fingerprint(found.password_hash)


def seal(server: Server, account_id: str, password_hash: str, before: Device | None) -> str:
    """The value to give a browser; it keeps its name where it had one for this account."""
    known = before is not None and before.account_id == account_id
    name = before.device_id if before is not None and known else server.random_id(16)
    return server.seal(_PURPOSE, Device(account_id, name, server.now(), _fingerprint(password_hash)))


def _fingerprint(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]
