"""OpenTelemetry traces (``pip install 'idp[otel]'``), configured by the standard ``OTEL_*`` variables alone.

A span a request, and inside it one for each operation of the database and each password hashed. Names and attributes
are words of this program: no query, no value of a request, no text of an error ever becomes one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import idp
from idp.store.database import Store
from idp.web.correlation import header_of, trace_id

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CLOSE_SECONDS = 3.0


class NoTracing(Exception):
    """The environment asks for traces that this installation cannot send; ``variable`` says which one."""

    def __init__(self, variable: str, received: str, mend: str) -> None:
        super().__init__(f"{variable}: {mend}")
        self.variable = variable
        self.received = received
        self.mend = mend


def wanted(environ: Mapping[str, str]) -> str | None:
    """The variable that asks for traces; None where none does, or one of the standard switches says no."""
    chosen = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if chosen == "none" or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if chosen:
        return "OTEL_TRACES_EXPORTER"
    return next((name for name in _ENDPOINTS if environ.get(name)), None)


def start(environ: Mapping[str, str]) -> Tracing | None:
    """Begin to export where the environment asks for it. After a fork, never before. Raises NoTracing."""
    variable = wanted(environ)
    if variable is None:
        return None
    if variable == "OTEL_TRACES_EXPORTER" and environ[variable].strip().lower() != "otlp":
        raise NoTracing(variable, environ[variable], "write otlp or none; the protocol is HTTP with protobuf")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise NoTracing(variable, environ[variable], "pip install 'idp[otel]', or unset the variable") from None
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what is said here.
    about = Resource.create({"service.version": idp.__version__})
    if not environ.get("OTEL_SERVICE_NAME") and "service.name" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        about = about.merge(Resource({"service.name": "idp"}))
    provider = TracerProvider(resource=about)
    processor = BatchSpanProcessor(OTLPSpanExporter())
    provider.add_span_processor(processor)
    return Tracing(provider, processor)


class Tracing:
    """Wraps what is to be seen. ``close`` sends what is still there, for at most three seconds."""

    def __init__(self, provider: Any, processor: Any) -> None:
        self._processor = processor
        self._tracer = provider.get_tracer("idp", idp.__version__)

    def requests(self, app: ASGIApp, endpoints: Mapping[str, str]) -> ASGIApp:
        return TracedRequests(app, self._tracer, endpoints)

    def store(self, store: Store) -> Store:
        return TracedStore(store, self._tracer)

    def hashing(self) -> Any:
        """The span of one password."""
        return _inside(self._tracer, "password", {})

    def close(self) -> None:
        # The library would try for half a minute to reach a collector that is away.
        last = threading.Thread(target=self._processor.shutdown, name="last traces", daemon=True)
        last.start()
        last.join(_CLOSE_SECONDS)


class TracedRequests:
    """A span named ``METHOD /path``, the path one of ``endpoints``; a valid ``traceparent`` is its parent."""

    def __init__(self, app: ASGIApp, tracer: Any, endpoints: Mapping[str, str]) -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._tracer = tracer
        self._endpoints = endpoints
        self._kind = SpanKind.SERVER
        self._extract: Callable[[dict[str, str]], Any] = TraceContextTextMapPropagator().extract

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = self._endpoints.get(scope["path"], "other")
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        with self._tracer.start_as_current_span(
            f"{method} {route}",
            context=self._parent(scope),
            kind=self._kind,
            attributes={"http.request.method": method, "http.route": route, "url.scheme": scope["scheme"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            # One id for the page, the log and the trace.
            state = scope.setdefault("state", {})
            state.setdefault("correlation_id", f"{span.get_span_context().trace_id:032x}")

            async def telling(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _ended(span, message["status"])
                await send(message)

            await self._app(scope, receive, telling)
            client = scope.get("idp.client")
            if client is not None:
                span.set_attribute("idp.client_id", client.client_id)

    def _parent(self, scope: Scope) -> Any:
        """From ``traceparent`` alone: what ``tracestate`` and ``baggage`` carry is anybody's to write."""
        from opentelemetry.context import Context

        value = header_of(scope, b"traceparent") if trace_id(scope) is not None else None
        return self._extract({"traceparent": value.decode("latin-1")}) if value is not None else Context()


_METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS"))


def _ended(span: Any, status: int) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


class TracedStore:
    """Spans ``db NAME``, NAME the operation's function; no statement, no parameter."""

    def __init__(self, store: Store, tracer: Any) -> None:
        self._store = store
        self._tracer = tracer

    async def read(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._span(operation, "read"):
            return await self._store.read(operation, *args, **kwargs)

    async def write(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._span(operation, "write"):
            return await self._store.write(operation, *args, **kwargs)

    async def snapshot(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._span(operation, "snapshot"):
            return await self._store.snapshot(operation, *args, **kwargs)

    async def aclose(self) -> None:
        await self._store.aclose()

    def _span(self, operation: Callable[..., Any], kind: str) -> Any:
        name = getattr(operation, "__name__", "operation")
        return _inside(self._tracer, f"db {name}", {"db.operation.name": name, "idp.kind": kind})


def _inside(tracer: Any, name: str, attributes: Mapping[str, str]) -> Any:
    """A span whose failure is no text: an exception's message may hold what must not leave."""
    return tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    )
