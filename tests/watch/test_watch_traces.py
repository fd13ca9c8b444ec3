"""Traces as a collector receives them from ``idp serve``: names, parents, and no value of any request."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support import WEB, Visitor
from support.leaks import Exchange
from watch_support import MAIN, Serving

from idp.watch.traces import NoTracing, start, wanted

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
PERSON = '[[people]]\nusername = "carol"\npassword = "a password of hers"\n'
WITHOUT = f"import sys; sys.modules['opentelemetry'] = None\n{MAIN}"


class Collector:
    """``spans`` as they came; ``bytes`` too, because a secret may hide in what is not looked at."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.bytes = b""

    def receive(self, body: bytes) -> None:
        self.bytes += body
        request = ExportTraceServiceRequest.FromString(body)
        for group in request.resource_spans:
            self.resources.append({each.key: each.value.string_value for each in group.resource.attributes})
            self.spans += [span for scope in group.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.receive(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    found = Collector(http.server_port)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_sign_on_as_the_collector_sees_it(serve: Serving) -> None:
    serve.install()
    (serve.folder / "apply.toml").write_text(f"{WEB.toml()}\n{PERSON}")
    assert serve.idp("apply", "apply.toml").returncode == 0
    secrets: set[str] = {"a password of hers", WEB.secret or ""}

    async def heard(response: httpx2.Response) -> None:
        asked, body = response.request, await response.aread()
        seen = Exchange(asked.headers.raw, asked.url.query, [asked.content], response.headers.raw, [body])
        secrets.update(seen.secrets())

    with collector() as told, serve.running(OTEL_EXPORTER_OTLP_ENDPOINT=told.url):
        visitor = Visitor(serve)  # type: ignore[arg-type] - it asks for the issuer alone
        visitor.http.event_hooks = {"response": [heard]}
        answer = await visitor.sign_on(WEB.request(scope="openid offline_access"), "carol", "a password of hers")
        async with httpx2.AsyncClient(base_url=serve.issuer, event_hooks={"response": [heard]}) as http:
            sent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=told", "baggage": "who=me"}
            form = {"code": answer.code, "redirect_uri": WEB.redirect_uri, "code_verifier": "wrong" * 10}
            refused = await WEB.call(http, "/token?q=1", {"grant_type": "authorization_code", **form}, **sent)
            invalid = {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}
            forged = await WEB.call(http, "/token", {"grant_type": "x"}, **invalid)
            await http.get(f"/nowhere/{answer.code}")
        await visitor.aclose()

    assert told.resources[0]["service.name"] == "idp"
    (asked,) = [span for span in told.named("POST /token") if span.trace_id.hex() == TRACE]
    assert asked.parent_span_id.hex() == "b7ad6b7169203331"
    assert asked.trace_state == ""
    assert attributes(asked) == {
        "http.request.method": "POST",
        "http.route": "/token",
        "url.scheme": "http",
        "http.response.status_code": 400,
        "idp.client_id": "web",
    }
    assert refused.headers["x-correlation-id"] == TRACE
    # Without a parent the trace is our own, and its id is the one the client is given.
    assert any(span.trace_id.hex() == forged.headers["x-correlation-id"] for span in told.named("POST /token"))
    login = next(span for span in told.named("POST /login"))
    inside = {span.name for span in told.spans if span.parent_span_id == login.span_id}
    assert {"password", "db find_by_username", "db begin"} <= inside
    assert told.named("GET other")
    assert len(secrets) > 10
    assert not [secret[:8] for secret in secrets if secret.encode() in told.bytes]
    assert b"vendor" not in told.bytes
    assert b"carol" not in told.bytes


def test_a_variable_without_the_extra_is_refused(serve: Serving) -> None:
    serve.install()
    with (
        pytest.raises(AssertionError, match=r"idp\[otel\]"),
        serve.running(program=WITHOUT, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"),
    ):
        pass
    assert "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces" in serve.log
    assert "Traceback" not in serve.log


def test_a_collector_that_never_answers_holds_no_end_up(serve: Serving) -> None:
    serve.install()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with serve.running(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}") as process:
            assert serve.get("/healthz")[0] == 200
            process.terminate()
            assert process.wait(8) == 0, "the library alone would wait ten seconds"


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, None),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, None),
        ({"OTEL_SERVICE_NAME": "idp"}, None),
    ],
)
def test_which_variables_ask_for_traces(environ: dict[str, str], variable: str | None) -> None:
    assert wanted(environ) == variable


def test_another_exporter_is_refused() -> None:
    with pytest.raises(NoTracing, match="otlp or none"):
        start({"OTEL_TRACES_EXPORTER": "zipkin"})
