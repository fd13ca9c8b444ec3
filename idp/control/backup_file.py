"""A backup as a file: blocks of rows, each with its length, compressed, then sealed piece by piece."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from idp.control.errors import ControlError
from idp.keyring.key_encryption import KeyEncryptionKey, KeyEncryptionRing, Randomness
from idp.keyring.sealed_stream import SealedReader, SealedWriter, StreamUnreadable

T = TypeVar("T")

_LEVEL = 3  # three quarters of what level 6 saves, in a third of the time
_MAX_BLOCK = 256 * 1024 * 1024
_AT_ONCE = 1024 * 1024


class Header(msgspec.Struct, frozen=True):
    """What the file says of itself, readable without the key and bound to the rest. ``made_at`` in Unix seconds."""

    issuer: str
    schema: str
    made_at: float
    program: str


def write(
    path: Path,
    header: Header,
    kek: KeyEncryptionKey,
    randomness: Randomness,
    fill: Callable[[Callable[[bytes], object]], T],
) -> T:
    """Let ``fill`` put its blocks into a new file; what it answers. The file is there whole and durable, or not at all.

    Raises ControlError for a path that cannot be written.
    """
    draft = path.with_name(f".{path.name}.{randomness(4).hex()}.part")
    try:
        if path.exists():  # said now, not after an hour
            raise FileExistsError
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                writer = SealedWriter(file, kek, msgspec.json.encode(header), randomness)
                result = _compressed(writer, fill)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except (ConnectionError, TimeoutError):
        raise  # the database's, not the file's
    except OSError as error:
        raise _unwritable(path, error) from error
    return result


def _compressed(writer: SealedWriter, fill: Callable[[Callable[[bytes], object]], T]) -> T:
    squeeze = zlib.compressobj(_LEVEL)

    def put(block: bytes) -> None:
        writer.write(squeeze.compress(len(block).to_bytes(4) + block))

    result = fill(put)
    writer.write(squeeze.flush())
    writer.finish()
    return result


def read_header(path: Path, ring: KeyEncryptionRing) -> Header:
    """Raises ControlError for a file that cannot be read, StreamUnreadable, KeyEncryptionKeyMismatch."""
    try:
        with path.open("rb") as file:
            text = SealedReader(file, ring, str(path)).header
    except OSError as error:
        raise ControlError(
            "a backup is a file this user may read",
            received=f"{path}: {error.strerror}",
            expected="a file that idp backup wrote",
            mend="name another file",
        ) from error
    try:
        return msgspec.json.decode(text, type=Header)
    except msgspec.MsgspecError as error:
        raise _damaged(path, "a header that says nothing") from error


def blocks(path: Path, ring: KeyEncryptionRing) -> Iterator[bytes]:
    """Every block in order; memory holds one, and a piece of the file. Raises StreamUnreadable."""
    waiting = bytearray()
    for data in _expanded(path, ring):
        waiting += data
        while len(waiting) >= 4:
            size = int.from_bytes(waiting[:4])
            if size > _MAX_BLOCK:
                raise _damaged(path, "a block that is too large")
            if len(waiting) < 4 + size:
                break
            yield bytes(waiting[4 : 4 + size])
            del waiting[: 4 + size]
    if waiting:
        raise _damaged(path, "it ends in the middle of a block")


def _expanded(path: Path, ring: KeyEncryptionRing) -> Iterator[bytes]:
    expand = zlib.decompressobj()
    with path.open("rb") as file:
        for piece in SealedReader(file, ring, str(path)).pieces():
            while piece:
                yield expand.decompress(piece, _AT_ONCE)
                piece = expand.unconsumed_tail
    yield expand.flush()
    if not expand.eof:
        raise _damaged(path, "it ends in the middle of the compressed text")


def _damaged(path: Path, what: str) -> StreamUnreadable:
    return StreamUnreadable(
        "a backup is restored whole or not at all",
        f"{path}: {what}",
        "a file as idp backup wrote it",
        "take another copy of it, or another backup",
    )


def _unwritable(path: Path, error: OSError) -> ControlError:
    if isinstance(error, FileExistsError):
        return ControlError(
            "a backup overwrites nothing",
            received=f"{path} exists",
            expected="a name that is free",
            mend="put the date into the name: idp backup idp-$(date +%F).backup",
        )
    return ControlError(
        "the server's user may write the backup",
        received=f"{path}: {error.strerror}",
        expected="a folder with room that the running server may write to",
        mend="name another folder, then move the file",
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
