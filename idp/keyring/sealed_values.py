"""Values the server hands out and wants back unread and unchanged: the waiting request in a form or URL.

Layout: version (1 byte), salt (16), nonce (12), ciphertext and tag (16), all as base64url. Each value has a
key of its own, derived from the server's secret, the salt and the purpose: millions of values a day under one
secret would otherwise come near the limit of random nonces (NIST SP 800-38D 8.3).
"""

from __future__ import annotations

import hmac
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_SALT_END = 17
_NONCE_END = 29
_LEAST = _NONCE_END + 16
MAX_SEALED = 64 * 1024


def seal_value(secret: bytes, purpose: str, data: bytes, randomness: Callable[[int], bytes]) -> str:
    """``data``, readable and forgeable only with ``secret``, usable only for ``purpose``; URL-safe, without padding."""
    random = randomness(_NONCE_END - len(_VERSION))
    salt, nonce = random[:16], random[16:]
    sealed = _cipher(secret, purpose, salt).encrypt(nonce, data, purpose.encode())
    return urlsafe_b64encode(_VERSION + random + sealed).rstrip(b"=").decode()


def unseal_value(secret: bytes, purpose: str, token: str) -> bytes | None:
    """What was sealed for ``purpose``; None for everything else, whatever is wrong with it."""
    if len(token) > MAX_SEALED or not token.isascii():
        return None
    try:
        raw = b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (Error, ValueError):
        return None
    if len(raw) < _LEAST or not raw.startswith(_VERSION):
        return None
    salt, nonce = raw[1:_SALT_END], raw[_SALT_END:_NONCE_END]
    try:
        return _cipher(secret, purpose, salt).decrypt(nonce, raw[_NONCE_END:], purpose.encode())
    except InvalidTag:
        return None


def _cipher(secret: bytes, purpose: str, salt: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"sealed value\x00" + salt + purpose.encode(), "sha256"))
