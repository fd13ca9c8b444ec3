"""Human passwords: argon2id in a bounded pool (decision 15). Secrets we generate never come here."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError

from idp.accounts.decoys import Decoys
from idp.accounts.foreign_hashes import matches
from idp.manifest_hashes import UnknownHash, read_hash
from idp.protocol.errors import Busy

T = TypeVar("T")

MAX_BYTES = 1024
_HASHER = Argon2(time_cost=2, memory_cost=19_456, parallelism=1)  # 19 MiB, OWASP's second set: about 19 ms
_OURS = "$argon2id$"
NOBODY = _HASHER.hash("nobody has this password")


def check_hash(stored: str | None, password: str) -> bool:
    """Whether the password is this one, of any kind ``idp user import`` reads; for None it takes as long as for one of
    our own. It takes about 20 ms or more, so never call it in an event loop's thread."""
    possible = len(password.encode("utf-8", "surrogatepass")) <= MAX_BYTES
    return matches(stored or NOBODY, password if possible else "too long to be anyone's") and possible and bool(stored)


class PasswordPool:
    """``workers`` threads and ``queue`` waiting places; the next caller gets ``Busy`` instead of a place in memory."""

    def __init__(
        self,
        workers: int | None = None,
        queue: int = 32,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """``around`` is entered for each hash, from its waiting on: for whoever watches."""
        self._around = around
        count = workers or os.cpu_count() or 1
        self._executor = ThreadPoolExecutor(count, "password", initializer=_step_back)
        self._free = count + queue
        self._decoys = Decoys(NOBODY)
        self.costs_due = 0.0  # Unix seconds: when what hashes cost is counted next

    async def verify(self, stored: str | None, password: str, name: str = "") -> bool:
        """Whether the password is this one; ``stored`` may be of any kind ``manifest_hashes`` reads.

        An unknown person (None) costs a hash too, chosen by ``name``, so that time tells nothing.
        """
        against, possible = stored or self._decoys.for_name(name), bool(stored)
        if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            password, possible = "too long to be anyone's", False
        return await self._run(lambda: matches(against, password)) and possible

    async def hash(self, password: str) -> str:
        return await self._run(lambda: _HASHER.hash(password))

    def is_weak(self, stored: str) -> bool:
        """Whether a hash was made with other costs than today's, or by another program."""
        try:
            return _HASHER.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def supersedes(self, stored: str | None, elsewhere: str) -> bool:
        """Whether ``stored`` may be the later password of the two: made here, where ``elsewhere`` was made elsewhere.

        Putting an imported hash over it would bring a forgotten password back to life.
        """
        if stored is None:
            return False
        return not self.is_weak(stored) or (stored.startswith(_OURS) and not elsewhere.startswith(_OURS))

    def cost_of(self, stored: str) -> str:
        """What checking this hash costs, as a word to count by; ours all cost the same."""
        try:
            return read_hash(stored).cost
        except UnknownHash:
            return ""

    @property
    def knows_costs(self) -> bool:
        return self._decoys.known

    def learn_costs(self, key: bytes, shares: Mapping[str, tuple[str, int]]) -> None:
        """What unknown names are to cost from now on: see ``Decoys.learn``."""
        self._decoys.learn(key, shares)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._free == 0:
            raise Busy(retry_after=1)
        self._free -= 1
        try:
            with self._around():
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._free += 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _step_back() -> None:
    """A hash lets the event loop go first: 200 waiting sign-ins then do not double what a refresh takes.

    Only Linux has a priority for each thread; elsewhere this would slow the whole process down.
    """
    if sys.platform == "linux":
        os.nice(5)
