"""Everything that looks on, as one value that ``app`` puts around its parts; by default nobody does, and nothing is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from idp.features import Job
from idp.server_meters import Meters, NoMeters
from idp.settings import Settings
from idp.store.database import Store
from idp.watch.access import AccessLog
from idp.watch.layer import Observer, Watched
from idp.watch.request import RequestNames
from idp.watch.traces import Tracing

if TYPE_CHECKING:
    from idp.watch.meters import PrometheusMeters

PROBES = frozenset(("/healthz", "/readyz"))


@dataclass(frozen=True, slots=True)
class Watching:
    """``access_log`` as the setting says; ``counted`` and ``tracing`` where metrics and traces are wanted."""

    access_log: str = "off"
    counted: PrometheusMeters | None = None
    tracing: Tracing | None = None

    @classmethod
    def of(cls, settings: Settings, tracing: Tracing | None = None) -> Watching:
        """Metrics are counted only where ``metrics_port`` shows them: else their library is not even imported."""
        if settings.metrics_port is None:
            return cls(settings.access_log, None, tracing)
        from idp.watch.meters import meters

        return cls(settings.access_log, meters(), tracing)

    @property
    def meters(self) -> Meters:
        return self.counted or NoMeters()

    def store(self, store: Store) -> Store:
        if self.counted is not None:
            from idp.watch.measured import MeasuredStore

            store = MeasuredStore(store, self.counted)
        return self.tracing.store(store) if self.tracing is not None else store

    @contextmanager
    def hashing(self) -> Iterator[None]:
        """Entered for each password on its way through the pool."""
        with ExitStack() as watchers:
            if self.counted is not None:
                watchers.enter_context(self.counted.hashing.track_inprogress())
            if self.tracing is not None:
                watchers.enter_context(self.tracing.hashing())
            yield

    def standing(self) -> AbstractContextManager[object]:
        """Entered by a sign-in that waits for its turn."""
        return nullcontext() if self.counted is None else self.counted.waiting.track_inprogress()

    def jobs(self) -> tuple[Job, ...]:
        if self.counted is None:
            return ()
        from idp.watch.measured import gauges

        return (gauges(self.counted),)

    def around(
        self, app: ASGIApp, names: RequestNames, endpoints: Mapping[str, str], documents: Collection[str]
    ) -> Watched:
        """``endpoints``: every path of ours to the name it is counted under; ``documents`` are the public ones."""
        observers: list[Observer] = []
        if self.counted is not None:
            from idp.watch.meters import Requests

            observers.append(Requests(self.counted, endpoints))
        if self.access_log != "off":
            probes = {path for path, name in endpoints.items() if name in PROBES}
            observers.append(AccessLog({*documents, *probes} if self.access_log == "endpoints" else ()))
        inner = self.tracing.requests(app, endpoints) if self.tracing is not None else app
        return Watched(inner, names, observers)


NOBODY = Watching()
