"""Owns private keys and the server's secrets: sealing, signing, publishing, rotating. It decides nothing
about what a token says, to whom, or whether it is still wanted; what a life of a key is stands in
``protocol.key_plan``.
"""

from idp.keyring.errors import (
    KeyEncryptionKeyExists,
    KeyEncryptionKeyKnown,
    KeyEncryptionKeyMalformed,
    KeyEncryptionKeyMismatch,
    KeyEncryptionKeyMissing,
    KeyNotReady,
    KeyringError,
    KeyUnreadable,
    RingBusy,
    UnknownKey,
)
from idp.keyring.held import PublicKeySet
from idp.keyring.key_encryption import (
    KeyEncryptionKey,
    KeyEncryptionRing,
    generate_key_encryption_key,
    open_to_others,
    parse_key_encryption_ring,
    read_key_encryption_ring,
)
from idp.keyring.keyring import Keyring
from idp.keyring.reports import RevocationReport, RewrapReport, Rotated, RotationReport

__all__ = [
    "KeyEncryptionKey",
    "KeyEncryptionKeyExists",
    "KeyEncryptionKeyKnown",
    "KeyEncryptionKeyMalformed",
    "KeyEncryptionKeyMismatch",
    "KeyEncryptionKeyMissing",
    "KeyEncryptionRing",
    "KeyNotReady",
    "KeyUnreadable",
    "Keyring",
    "KeyringError",
    "PublicKeySet",
    "RevocationReport",
    "RewrapReport",
    "RingBusy",
    "Rotated",
    "RotationReport",
    "UnknownKey",
    "generate_key_encryption_key",
    "open_to_others",
    "parse_key_encryption_ring",
    "read_key_encryption_ring",
]
