"""Human passwords: argon2id in a bounded pool (decision 15). Secrets we generate never come here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from idp.protocol.errors import Busy

T = TypeVar("T")

MAX_BYTES = 1024
_HASHER = Argon2(time_cost=2, memory_cost=19_456, parallelism=1)  # 19 MiB, OWASP's second set: about 19 ms
_NOBODY = _HASHER.hash("nobody has this password")


class PasswordPool:
    """``workers`` threads and ``queue`` waiting places; the next caller gets ``Busy`` instead of a place in memory."""

    def __init__(self, workers: int | None = None, queue: int = 32) -> None:
        count = workers or os.cpu_count() or 1
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="password")
        self._free = count + queue

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is this one. An unknown person (None) costs the same hash, so time tells nothing."""
        if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            password, stored = "too long to be anyone's", None
        known = stored is not None
        matches = await self._run(lambda: _matches(stored or _NOBODY, password))
        return matches and known

    async def hash(self, password: str) -> str:
        return await self._run(lambda: _HASHER.hash(password))

    def is_weak(self, stored: str) -> bool:
        """Whether a hash was made with other costs than today's."""
        return _HASHER.check_needs_rehash(stored)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._free == 0:
            raise Busy(retry_after=1)
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._free += 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
