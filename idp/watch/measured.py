"""The store as the meters see it, wrapped where somebody counts; and what is looked up instead of counted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from idp.features import Job
from idp.server import Server
from idp.store.database import Store, Unavailable
from idp.store.logout import pending
from idp.watch.meters import PrometheusMeters

_GAUGES_SECONDS = 5.0


class MeasuredStore:
    """Times each operation; an outage counts."""

    def __init__(self, store: Store, meters: PrometheusMeters, timer: Callable[[], float] = time.perf_counter) -> None:
        self._store = store
        self._meters = meters
        self._timer = timer

    async def read(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._timed("read", self._store.read(operation, *args, **kwargs))

    async def write(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._timed("write", self._store.write(operation, *args, **kwargs))

    async def snapshot(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._timed("snapshot", self._store.snapshot(operation, *args, **kwargs))

    async def _timed(self, kind: str, work: Awaitable[Any]) -> Any:
        began = self._timer()
        try:
            return await work
        except Unavailable:
            self._meters.unavailable.inc()
            raise
        finally:
            self._meters.database(kind, self._timer() - began)

    async def aclose(self) -> None:
        await self._store.aclose()


def gauges(meters: PrometheusMeters) -> Job:
    """What is looked up and not counted: lives of the keys, the outbox."""

    async def look(server: Server) -> None:
        _look_at_keys(server, meters)
        meters.logouts_pending.set(await server.database.read(pending))

    return Job("gauges", lambda server: _GAUGES_SECONDS, look)


def _look_at_keys(server: Server, meters: PrometheusMeters) -> None:
    now, lives = server.now(), server.keyring.timeline()
    for alg in server.settings.keys.algorithms:
        ours = [life for life in lives if life.alg == alg]
        meters.keys_published.of(alg).set(sum(life.state in ("waiting", "signing", "retiring") for life in ours))
        for life in ours:
            if life.state == "signing":
                meters.key_age.of(alg).set(now - life.signs_from)
                meters.key_switch.of(alg).set(life.signs_until - now)
