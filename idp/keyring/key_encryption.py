"""Key-encryption keys: the few bytes outside the database that open it, their file, and what they seal.

The file (or variable) is UTF-8 text. Each key is one word ``idp-kek-1:`` followed by 32 bytes in base64url
without padding; blanks and line ends separate keys, ``#`` starts a comment. The first key is the current one,
those after it still open what was sealed before. ``keys/README.md`` says the same.
"""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.keyring.errors import (
    KeyEncryptionKeyExists,
    KeyEncryptionKeyMalformed,
    KeyEncryptionKeyMissing,
)

PREFIX = "idp-kek-1:"
VARIABLE = "IDP_KEY_ENCRYPTION_KEY"
_SIZE = 32
_ID_SIZE = 8
_NONCE_SIZE = 12
_MAX_FILE = 64 * 1024
_EXPECTED = f"{PREFIX}<43 characters of base64url>, one word a key, the current one first"

Randomness = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """32 secret bytes and the public name that sealed values carry, so that a ring knows which key to try."""

    secret: bytes = field(repr=False)
    key_id: str = ""

    def __post_init__(self) -> None:
        if len(self.secret) != _SIZE:
            raise ValueError(f"a key-encryption key has {_SIZE} bytes, not {len(self.secret)}")
        name = hmac.digest(self.secret, b"idp key-encryption key: name", "sha256")[:_ID_SIZE]
        object.__setattr__(self, "key_id", name.hex())

    def proof(self) -> bytes:
        """The check value a database stores: made from the key, tells nothing about it."""
        return hmac.digest(self.secret, b"idp key-encryption key: proof", "sha256")

    def seal(self, purpose: str, data: bytes, randomness: Randomness) -> bytes:
        """``data`` under AES-256-GCM, bound to ``purpose``: name, nonce, ciphertext and tag.

        A few values per rotation, so random nonces stay far from their limit of 2**32 per key (NIST SP
        800-38D 8.3).
        """
        nonce = randomness(_NONCE_SIZE)
        return bytes.fromhex(self.key_id) + nonce + AESGCM(self.secret).encrypt(nonce, data, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes | None:
        """What ``seal`` was given, or None for anything else."""
        nonce = sealed[_ID_SIZE : _ID_SIZE + _NONCE_SIZE]
        try:
            return AESGCM(self.secret).decrypt(nonce, sealed[_ID_SIZE + _NONCE_SIZE :], purpose.encode())
        except (InvalidTag, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class KeyEncryptionRing:
    """The keys in the order of the file: current first. ``source`` says where they were read."""

    keys: tuple[KeyEncryptionKey, ...]
    source: str = "the key-encryption key"

    @property
    def current(self) -> KeyEncryptionKey:
        return self.keys[0]

    def proving(self, proof: bytes) -> KeyEncryptionKey | None:
        """The key a stored check value was made from."""
        return next((key for key in self.keys if hmac.compare_digest(key.proof(), proof)), None)

    def open(self, purpose: str, sealed: bytes) -> bytes | None:
        """What any key of the ring sealed for ``purpose``, or None."""
        name = sealed[:_ID_SIZE].hex()
        key = next((key for key in self.keys if key.key_id == name), None)
        return None if key is None else key.open(purpose, sealed)


def parse_key_encryption_ring(text: str, source: str) -> KeyEncryptionRing:
    """Read the format above. Raises KeyEncryptionKeyMalformed, which never repeats what it read."""
    words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if not words:
        raise _malformed(source, "no key at all")
    keys = tuple(_parse_word(word, number, source) for number, word in enumerate(words, 1))
    if len({key.secret for key in keys}) != len(keys):
        raise _malformed(source, "the same key twice")
    return KeyEncryptionRing(keys, source)


def read_key_encryption_ring(path: Path) -> KeyEncryptionRing:
    """Read the file. Raises KeyEncryptionKeyMissing or KeyEncryptionKeyMalformed."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise KeyEncryptionKeyMissing(
            "the key that seals the private keys has to be there before the server starts",
            f"{path}: {error.strerror or error}",
            "a readable file made by idp init",
            f"restore {path} from its backup, or point key_encryption_key_file at it; "
            "only a new installation runs idp init",
        ) from error
    except UnicodeDecodeError as error:
        raise _malformed(str(path), "bytes that are no UTF-8 text") from error
    if len(data) > _MAX_FILE:
        raise _malformed(str(path), f"more than {_MAX_FILE} bytes")
    return parse_key_encryption_ring(text, str(path))


def generate_key_encryption_key(path: Path, randomness: Randomness = secrets.token_bytes) -> KeyEncryptionRing:
    """Make a key and its file (mode 0600, folder 0700), durable on return. Raises KeyEncryptionKeyExists.

    The file appears whole or not at all, and of several callers at once exactly one makes it.
    """
    key = KeyEncryptionKey(randomness(_SIZE))
    text = f"# Opens the private keys in the database. Keep a copy elsewhere. Name: {key.key_id}\n{_word(key)}\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{randomness(8).hex()}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError as error:
        raise KeyEncryptionKeyExists(
            "a key-encryption key is never overwritten: the database would be closed for good",
            f"{path} exists",
            "a path where nothing is",
            "use the file as it is, or name another path",
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return KeyEncryptionRing((key,), str(path))


def open_to_others(path: Path) -> bool:
    """Whether other users of the machine may read or change the file: something ``check --deploy`` warns about."""
    return bool(path.stat().st_mode & 0o077)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _word(key: KeyEncryptionKey) -> str:
    return PREFIX + urlsafe_b64encode(key.secret).rstrip(b"=").decode()


def _parse_word(word: str, number: int, source: str) -> KeyEncryptionKey:
    if not word.startswith(PREFIX):
        raise _malformed(source, f"word {number} does not start with {PREFIX}")
    try:
        secret = b64decode(word.removeprefix(PREFIX) + "=", b"-_", validate=True)
    except (Error, ValueError) as error:
        raise _malformed(source, f"word {number} is not base64url") from error
    if len(secret) != _SIZE:
        raise _malformed(source, f"word {number} holds {len(secret)} bytes")
    if secret == bytes(_SIZE):
        raise _malformed(source, f"word {number} is all zeros")
    return KeyEncryptionKey(secret)


def _malformed(source: str, received: str) -> KeyEncryptionKeyMalformed:
    return KeyEncryptionKeyMalformed(
        "the key-encryption key cannot be read",
        f"{source}: {received}",
        _EXPECTED,
        f"restore {source} from its backup",
    )
