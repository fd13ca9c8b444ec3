"""A long text under a key of its own, which the key-encryption key seals: what a backup file is made of.

Layout: the magic line, a header (4 bytes of length, then JSON for people and programs), the data key sealed under the
key-encryption key, then pieces: 4 bytes of length and AES-256-GCM of at most 256 KiB. A piece's nonce is its number and
whether it is the last one; its additional data is the hash of all that stands before the first piece. So no piece can
be changed, moved, left out or taken from another file, and a file that was cut off shows it (the STREAM construction
of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). The nonces of one data key are numbers: none comes twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.keyring.errors import KeyEncryptionKeyMismatch, KeyringError
from idp.keyring.key_encryption import KeyEncryptionKey, KeyEncryptionRing, Randomness

MAGIC = b"idp-backup-1\n"
PIECE = 256 * 1024
_PURPOSE = "backup"
_TAG = 16
_SEALED_KEY = 8 + 12 + 32 + _TAG
_MAX_HEADER = 64 * 1024


class StreamUnreadable(KeyringError):
    """The file is no such stream, is damaged, or was cut off."""


class SealedWriter:
    """Seals what is written to it; the stream is whole only after ``finish``."""

    def __init__(self, file: BinaryIO, kek: KeyEncryptionKey, header: bytes, randomness: Randomness) -> None:
        secret = randomness(32)
        head = MAGIC + len(header).to_bytes(4) + header + kek.seal(_PURPOSE, secret, randomness)
        file.write(head)
        self._file = file
        self._cipher = AESGCM(secret)
        self._bound_to = hashlib.sha256(head).digest()
        self._number = 0
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) > PIECE:  # never the last piece: that one is for ``finish``
            self._put(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]

    def finish(self) -> None:
        self._put(bytes(self._waiting), last=True)

    def _put(self, piece: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last), piece, self._bound_to)
        self._file.write(len(sealed).to_bytes(4) + sealed)
        self._number += 1


class SealedReader:
    """Opens what ``SealedWriter`` wrote: ``header`` at once, then ``pieces``. One piece is in memory at a time."""

    def __init__(self, file: BinaryIO, ring: KeyEncryptionRing, source: str) -> None:
        """Raises StreamUnreadable, and KeyEncryptionKeyMismatch where no key of the ring opens the stream."""
        self._file = file
        self._source = source
        if file.read(len(MAGIC)) != MAGIC:
            raise self._unreadable("a file of another kind, or of a newer idp")
        size = self._read(4)
        if int.from_bytes(size) > _MAX_HEADER:
            raise self._unreadable("a header that is too long")
        self.header = self._read(int.from_bytes(size))
        sealed = self._read(_SEALED_KEY)
        self.key_id = sealed[:8].hex()
        secret = ring.open(_PURPOSE, sealed)
        if secret is None:
            raise KeyEncryptionKeyMismatch(
                "a backup opens with the key-encryption key it was made under",
                f"{ring.source} with key {', '.join(key.key_id for key in ring.keys)}",
                f"key {self.key_id}",
                f"put the file that holds {self.key_id} in place (a line more in the file is enough)",
            )
        self._cipher = AESGCM(secret)
        self._bound_to = hashlib.sha256(MAGIC + size + self.header + sealed).digest()

    def pieces(self) -> Iterator[bytes]:
        """Every piece in order. Raises StreamUnreadable as soon as one is not what was written."""
        number, last = 0, False
        while not last:
            size = int.from_bytes(self._read(4))
            if not _TAG <= size <= PIECE + _TAG:
                raise self._unreadable(f"piece {number} of an impossible size")
            sealed = self._read(size)
            piece = self._open(sealed, number, last=False)
            if piece is None:
                last = True
                piece = self._open(sealed, number, last=True)
            if piece is None:
                raise self._unreadable(f"piece {number} is not what was written")
            yield piece
            number += 1
        if self._file.read(1):
            raise self._unreadable("more after its end")

    def _open(self, sealed: bytes, number: int, *, last: bool) -> bytes | None:
        try:
            return self._cipher.decrypt(_nonce(number, last), sealed, self._bound_to)
        except InvalidTag:
            return None

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise self._unreadable("it ends before its end: cut off")
        return data

    def _unreadable(self, what: str) -> StreamUnreadable:
        return StreamUnreadable(
            "a backup is restored whole or not at all",
            f"{self._source}: {what}",
            "a file as idp backup wrote it",
            "take another copy of it, or another backup",
        )


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])
