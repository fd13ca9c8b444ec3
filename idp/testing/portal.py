"""The loop a provider lives in: one thread, apart from the test, so that sync and async tests ask in the same way."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_SECONDS = 60.0  # nothing a provider does for a test takes longer


class Portal:
    """A running event loop in a daemon thread. ``close`` ends it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="idp.testing", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` there and wait for it, from any other thread, in a running loop or not."""
        return self.submit(work).result(_SECONDS)

    def aside(self, work: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """The same, for a coroutine of any loop to await."""
        return asyncio.wrap_future(self.submit(work))

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin ``work`` there."""
        if sys.is_finalizing() or threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("nobody would answer: this is the provider's own thread, or the program is ending")
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        self.call(_cancelled_rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


async def _cancelled_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
