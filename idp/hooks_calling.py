"""Calling somebody else's code: ordinary functions in threads of their own, both kinds within a time."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from idp.protocol.errors import Busy

T = TypeVar("T")
log = logging.getLogger("idp.hooks")

_QUEUE = 4  # waiting places a thread


class Caller:
    """``seconds`` None waits for ever. A thread whose time was up is still taken, until its function returns: with all
    taken and the line full, the next caller gets ``Busy`` at once."""

    def __init__(self, threads: int, seconds: float | None) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(threads, "hook")
        self._free = threads * (1 + _QUEUE)

    async def call(
        self, name: str, hook: Callable[..., Any], *arguments: Any, returns: type[T], none: bool = False
    ) -> T:
        """The hook's answer. Raises Busy, and logs why, where it raises, takes too long or answers with another type;
        ``none`` says that None is an answer."""
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._run(hook, arguments)
        except Busy:
            log.error("hook %s: every thread is taken | mend: answer faster, or raise Hooks.threads", name)
            raise
        except TimeoutError:
            mend = "give its database a shorter limit, or raise Hooks.seconds"
            log.error("hook %s gave no answer | expected: one within %s s | mend: %s", name, self._seconds, mend)
            raise Busy(retry_after=1) from None
        except Exception as error:
            log.error("hook %s failed: %s", name, type(error).__name__, exc_info=error)
            raise Busy(retry_after=1) from None
        if isinstance(found, returns) or (none and found is None):
            return found  # type: ignore[return-value]
        expected = f"{returns.__name__}{' or None' if none else ''}"
        log.error("hook %s answered | received: %s | expected: %s", name, type(found).__name__, expected)
        raise Busy(retry_after=1)

    async def _run(self, hook: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if inspect.iscoroutinefunction(hook):
            return await hook(*arguments)
        if self._free == 0:
            raise Busy
        self._free -= 1
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        future: Future[Any] = self._threads.submit(context.run, hook, *arguments)
        future.add_done_callback(lambda done: self._tell(loop))
        found = await asyncio.wrap_future(future)
        return await found if inspect.isawaitable(found) else found

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():  # the function outlived the server
            loop.call_soon_threadsafe(self._give_back)

    def _give_back(self) -> None:
        self._free += 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
