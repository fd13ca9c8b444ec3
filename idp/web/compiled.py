"""Compiled templates, kept for the process: a second provider in it starts without compiling all of them again."""

from __future__ import annotations

from jinja2.bccache import Bucket, BytecodeCache

_MOST = 200  # files; a program that makes theme after theme does not keep all of them


class InMemory(BytecodeCache):
    """For environments of one configuration. Jinja compares the source's checksum: an edited file is compiled anew."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        found = self._kept.get(bucket.key)
        if found is not None:
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[bucket.key] = bucket.bytecode_to_string()


COMPILED = InMemory()
