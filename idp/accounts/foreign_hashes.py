"""Whether a password belongs to a stored hash, ours or another program's. Runs in the pool's threads, not the loop.

Django, Werkzeug, PHP and passlib: each as that program computes it, also where it cuts a password short.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import assert_never

import bcrypt
from argon2 import PasswordHasher as Argon2Hasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp.manifest_hashes import Argon2, Bcrypt, Pbkdf2, Scrypt, UnknownHash, read_hash

_BCRYPT_BYTES = 72  # what bcrypt looks at; PHP and Django cut there, the library refuses more
_READER = Argon2Hasher()  # takes costs and kind from the hash it checks


def matches(stored: str, password: str) -> bool:
    """False also for a hash that nobody can read: a sign-in never tells what is wrong with the row."""
    try:
        found = read_hash(stored)
    except UnknownHash:
        return False
    data = password.encode("utf-8", "surrogatepass")
    match found:
        case Argon2():
            return _argon2(found, data)
        case Pbkdf2():
            return _pbkdf2(found, data)
        case Scrypt():
            return _scrypt(found, data)
        case Bcrypt():
            return _bcrypt(found, data)
        case _:
            assert_never(found)


def _argon2(stored: Argon2, password: bytes) -> bool:
    try:
        return _READER.verify(stored.text, password)
    except (VerificationError, InvalidHashError):
        return False


def _pbkdf2(stored: Pbkdf2, password: bytes) -> bool:
    made = hashlib.pbkdf2_hmac(stored.digest, password, stored.salt, stored.iterations, len(stored.key))
    return hmac.compare_digest(made, stored.key)


def _scrypt(stored: Scrypt, password: bytes) -> bool:
    room = 128 * stored.r * (stored.n + stored.p + 2)  # what OpenSSL counts before it begins
    made = hashlib.scrypt(
        password, salt=stored.salt, n=stored.n, r=stored.r, p=stored.p, maxmem=room, dklen=len(stored.key)
    )
    return hmac.compare_digest(made, stored.key)


def _bcrypt(stored: Bcrypt, password: bytes) -> bool:
    if stored.sha256:
        password = hashlib.sha256(password).hexdigest().encode()
    try:
        return bcrypt.checkpw(password[:_BCRYPT_BYTES], stored.text.encode())
    except ValueError:  # bits set that bcrypt's own writers leave clear
        return False
