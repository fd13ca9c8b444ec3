"""Events told to somebody's app once they are committed: in order, after the answer, and never instead of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, TypeVar

from idp.hooks import Event
from idp.hooks_calling import Caller
from idp.protocol.errors import Busy
from idp.store.audit import Journal
from idp.store.database import Store

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("idp.hooks")

_MOST = 10_000  # events that wait for a slow hook; further ones are dropped, and that is logged
_LAST_SECONDS = 2.0  # at the end, for what still waits

# What the operation under way has recorded; each runs in a context of its own.
_RECORDED: ContextVar[list[Event] | None] = ContextVar("idp.recorded", default=None)


class Teller:
    """The line of committed events, and the task that tells them one by one."""

    def __init__(self, hook: Callable[[Event], object], caller: Caller) -> None:
        self._hook = hook
        self._caller = caller
        self._line: asyncio.Queue[Event] | None = None
        self._task: asyncio.Task[None] | None = None
        self._dropped = 0

    def tell(self, events: Sequence[Event]) -> None:
        if self._line is None:
            self._line = asyncio.Queue(_MOST)
            self._task = asyncio.create_task(self._run(self._line), name="hook events")
        for event in events:
            try:
                self._line.put_nowait(event)
            except asyncio.QueueFull:
                self._drop()

    def _drop(self) -> None:
        self._dropped += 1
        if self._dropped & (self._dropped - 1) == 0:  # at 1, 2, 4, 8, ...
            log.error("hook events is behind by %d: %d were not told; the audit has them", _MOST, self._dropped)

    async def _run(self, line: asyncio.Queue[Event]) -> None:
        while True:
            event = await line.get()
            # Logged where it failed; the next one is told all the same.
            with suppress(Busy):
                await self._caller.call("events", self._hook, event, returns=object)
            line.task_done()

    async def aclose(self) -> None:
        if self._line is None or self._task is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._line.join(), _LAST_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class TellingJournal(Journal):
    """Notes what it writes, for the store to tell once it is committed."""

    def record(
        self,
        connection: Any,
        at: float,
        event: str,
        *,
        client_id: str | None = None,
        account_id: str | None = None,
        **detail: Any,
    ) -> None:
        super().record(connection, at, event, client_id=client_id, account_id=account_id, **detail)
        self._note(at, event, client_id, account_id, detail, self._seq)

    def record_all(
        self, connection: Any, at: float, event: str, people: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> None:
        before = self._seq
        super().record_all(connection, at, event, people)
        for number, (account_id, detail) in enumerate(people, before + 1):
            self._note(at, event, None, account_id, detail, number)

    def _note(
        self, at: float, event: str, client_id: str | None, sub: str | None, detail: Mapping[str, Any], seq: int
    ) -> None:
        recorded = _RECORDED.get()
        if recorded is not None:
            recorded.append(
                Event(at=at, event=event, client_id=client_id, sub=sub, detail=detail, writer=self.writer, seq=seq)
            )


class TellingStore:
    """A store that tells what its committed writes have recorded."""

    def __init__(self, store: Store, teller: Teller) -> None:
        self._store = store
        self._teller = teller

    async def read(self, operation: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._store.read(operation, *args, **kwargs)

    async def write(self, operation: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        recorded: list[Event] = []

        def noting(connection: Any) -> T:
            recorded.clear()  # PostgreSQL may have to do it again
            mark = _RECORDED.set(recorded)
            try:
                return operation(connection, *args, **kwargs)
            finally:
                _RECORDED.reset(mark)

        def told(done: asyncio.Task[T]) -> None:
            if not done.cancelled() and done.exception() is None and recorded:
                self._teller.tell(recorded)

        # Of its own: whoever waits may be cancelled, and what is committed is told all the same.
        writing = asyncio.ensure_future(_awaited(self._store.write(noting)))
        writing.add_done_callback(told)
        return await asyncio.shield(writing)

    async def snapshot(self, operation: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._store.snapshot(operation, *args, **kwargs)

    async def aclose(self) -> None:
        await self._store.aclose()


async def _awaited(work: Awaitable[T]) -> T:
    return await work
