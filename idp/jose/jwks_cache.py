"""A cached key set for many callers at once: one fetch in flight, however many threads or coroutines wait."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

from .errors import JoseError, shown
from .jwks_rules import CacheLimits, Fetched, KeySetRules
from .public import PublicKey

# Begins one fetch, with the ETag held so far, and returns at once.
Start: TypeAlias = Callable[[str | None], "Future[Fetched]"]

_ABANDONED = 60.0  # seconds after which a fetch that never ends (a fork, a lost loop) stops blocking others
_PATIENCE_WITH_KEY = 2.0  # seconds a caller with an overdue key waits for a newer set


def in_thread(fetch: Callable[[str | None], Fetched]) -> Start:
    """Run a blocking ``fetch`` in a thread of its own; works from threads and from any event loop."""

    def start(etag: str | None) -> "Future[Fetched]":
        future: Future[Fetched] = Future()

        def run() -> None:
            try:
                future.set_result(fetch(etag))
            except Exception as error:  # whatever it is, the waiting callers must hear of it
                future.set_exception(error)

        threading.Thread(target=run, name="idp-key-set", daemon=True).start()
        return future

    return start


def in_loop(fetch: Callable[[str | None], Awaitable[Fetched]]) -> Start:
    """Run an async ``fetch`` as a task of the running loop; for caches that live in one loop only."""
    tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly

    def start(etag: str | None) -> "Future[Fetched]":
        future: Future[Fetched] = Future()

        async def run() -> None:
            try:
                future.set_result(await fetch(etag))
            except asyncio.CancelledError:
                future.set_exception(JoseError("keys_unavailable", "the fetch was cancelled"))
                raise
            except Exception as error:
                future.set_exception(error)

        task = asyncio.get_running_loop().create_task(run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return future

    return start


class KeySetCache:
    """The keys behind one address, under the rules of ``jwks_rules``.

    ``start`` begins a fetch (``in_thread`` or ``in_loop``), ``clock`` gives unix seconds, ``patience`` is the
    most seconds a caller waits for a fetch. Nothing is fetched before the first lookup.
    """

    def __init__(
        self,
        start: Start,
        *,
        clock: Callable[[], float],
        limits: CacheLimits | None = None,
        patience: float = 10.0,
    ) -> None:
        self._start = start
        self._clock = clock
        self._patience = patience
        self._rules = KeySetRules(limits or CacheLimits())
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._flight_since = 0.0

    @property
    def skew(self) -> float | None:
        """Seconds that our clock was ahead of the server's at the last fetch; None where its answer had no Date."""
        return self._rules.skew

    async def find(self, header: Mapping[str, Any], besides: PublicKey | None = None) -> PublicKey:
        """The key for a token header, never ``besides``; ``JoseError`` ``unknown_key`` or ``keys_unavailable``."""
        key, flight = self._look(header, besides)
        if flight is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(flight), self._patience_with(key))
            key = self.held(header, besides)
        if key is None:
            self._refuse(header)
        return key

    def find_blocking(self, header: Mapping[str, Any]) -> PublicKey:
        """``find`` for threads; never call it where an event loop runs."""
        key, flight = self._look(header)
        if flight is not None:
            with suppress(TimeoutError):
                flight.result(self._patience_with(key))
            key = self.held(header)
        if key is None:
            self._refuse(header)
        return key

    def _patience_with(self, key: PublicKey | None) -> float:
        return self._patience if key is None else min(self._patience, _PATIENCE_WITH_KEY)

    def _look(
        self, header: Mapping[str, Any], besides: PublicKey | None = None
    ) -> "tuple[PublicKey | None, Future[None] | None]":
        """The key, and the fetch to wait for before answering, if there is one."""
        with self._lock:
            now = self._clock()
            decision = self._rules.consider(header, now, besides)
            flight = self._flight
            if flight is not None and not 0 <= now - self._flight_since < _ABANDONED:
                flight = None
            launch = decision.fetch and flight is None
            if launch:
                flight = self._flight = Future()
                flight.set_running_or_notify_cancel()  # no caller that goes away can cancel it now
                self._flight_since = now
                self._rules.began(now)
            etag = self._rules.etag
        if launch and flight is not None:
            self._launch(flight, etag)
        return decision.key, flight if decision.wait else None

    def _launch(self, flight: "Future[None]", etag: str | None) -> None:
        # Outside the lock: a fetch may end before `start` returns, and its end takes the lock.
        try:
            self._start(etag).add_done_callback(lambda future: self._landed(flight, future))
        except Exception as error:  # no thread, no loop: a failed fetch like any other
            self._settle(flight, None, error)

    def _landed(self, flight: "Future[None]", future: "Future[Fetched]") -> None:
        error = future.exception()
        self._settle(flight, None if error else future.result(), error)

    def _settle(self, flight: "Future[None]", fetched: Fetched | None, error: BaseException | None) -> None:
        with self._lock:
            now = self._clock()
            if fetched is not None:
                self._rules.succeeded(fetched, now)
            else:
                self._rules.failed(shown(str(error) or type(error).__name__, 200), now)
            if self._flight is flight:
                self._flight = None
        flight.set_result(None)

    def held(self, header: Mapping[str, Any], besides: PublicKey | None = None) -> PublicKey | None:
        """The key for a token header as far as it is known now: nothing is fetched and nobody waits."""
        with self._lock:
            return self._rules.consider(header, self._clock(), besides).key

    def _refuse(self, header: Mapping[str, Any]) -> NoReturn:
        with self._lock:
            keys = self._rules.keys if self._rules.usable(self._clock()) else None
            why = self._rules.trouble or "no answer in time"
        if keys is None:
            raise JoseError("keys_unavailable", f"the issuer's keys could not be fetched: {why}")
        raise keys.unknown(header)
