"""What stands before the hashing threads: a bounded line, one try of an account at a time, and who was just refused.

Tries of one account go in one by one, so that a right password behind a wrong one waits for it instead of being
refused, and so that nobody fills all threads with one name.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from weakref import WeakValueDictionary

from idp.protocol.errors import Busy

_REMEMBERED = 1.0  # seconds a refusal is repeated without asking the database: so soon an unlock must be seen
_MOST = 10_000


class Turnstile:
    """``workers`` tries are let through at a time and ``queue`` more may wait; the next one gets ``Busy``."""

    def __init__(
        self, workers: int, queue: int, around: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        """``around`` is entered while a try stands in the line: for whoever watches."""
        self._around = around
        self._places = workers + queue
        self._threads = asyncio.Semaphore(workers)
        self._lines: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._refused: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, key: bytes) -> AsyncIterator[None]:
        """Hold one of the threads' places for a try at ``key``. Raises Busy at once where the line is full."""
        if self._places == 0:
            raise Busy(retry_after=1)
        self._places -= 1
        try:
            line = self._lines.setdefault(key, asyncio.Lock())
            with ExitStack() as standing:
                standing.enter_context(self._around())
                async with line, self._threads:
                    standing.close()
                    yield
        finally:
            self._places += 1

    def refused(self, keys: Iterable[bytes], now: float) -> tuple[bytes, float] | None:
        """The key that was found full a moment ago and the seconds still to wait; None where there was none."""
        for key in keys:
            at, wait = self._refused.get(key, (0.0, 0.0))
            if 0 <= now - at < min(wait, _REMEMBERED):
                return key, wait - (now - at)
        return None

    def refuse(self, key: bytes, now: float, wait: float) -> None:
        self._refused[key] = (now, wait)
        self._refused.move_to_end(key)
        if len(self._refused) > _MOST:
            self._refused.popitem(last=False)

    def open(self, keys: Iterable[bytes]) -> None:
        """There is room again: forget the refusals."""
        for key in keys:
            self._refused.pop(key, None)
