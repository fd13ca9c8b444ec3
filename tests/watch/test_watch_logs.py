"""Lines of the log: what stands in them, how a request is named, and what never forges one."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support import WEB, register
from support.serving import serving
from watch_support import Lines, Serving

from idp.testing import Provider
from idp.watch.logs import JsonFormatter, TextFormatter

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
MANIFEST = WEB.toml()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def refused(http: httpx2.AsyncClient, **headers: str) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": "ac.wrong", "redirect_uri": WEB.redirect_uri}
    return await WEB.call(http, "/token?code=in-the-query", form, **headers)


async def test_a_refusal_has_one_id_in_answer_line_and_access_line(tmp_path: Path, lines: Lines) -> None:
    async with serving(tmp_path, manifest=MANIFEST, access_log="endpoints") as (_, http):
        answer = await refused(http)
        told, access = lines()[-2:]
    number = answer.headers["x-correlation-id"]
    assert told["correlation_id"] == access["correlation_id"] == number
    assert told["request_id"] == access["request_id"]
    assert (told["logger"], told["level"], told["error"]) == ("idp.refusals", "info", "invalid_grant")
    assert number in told["message"]
    assert access["logger"] == "idp.access"
    assert access["message"] == "POST /token 400"
    assert (access["method"], access["path"], access["status"], access["client_id"]) == ("POST", "/token", 400, "web")
    assert 0 < access["duration_ms"] < 5000
    for line in (told, access):
        assert TIME.fullmatch(line["time"])
        assert "in-the-query" not in json.dumps(line)


async def test_the_page_of_an_error_shows_the_id_of_the_line(tmp_path: Path, lines: Lines) -> None:
    async with serving(tmp_path, manifest=MANIFEST) as (_, http):
        page = await http.get("/authorize", params={"client_id": "nobody"}, headers={"accept": "text/html"})
    assert lines()[-1]["correlation_id"] in page.text
    assert lines()[-1]["path"] == "/authorize"


@pytest.mark.parametrize(("setting", "seen"), [("off", []), ("endpoints", ["/token"]), ("all", "every")])
async def test_which_requests_have_a_line(tmp_path: Path, lines: Lines, setting: str, seen: Any) -> None:
    asked = ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/healthz", "/readyz", "/token"]
    async with serving(tmp_path, access_log=setting) as (_, http):
        for path in asked:
            await http.get(path)
    found = [line["path"] for line in lines() if line["logger"] == "idp.access"]
    assert found == (asked if seen == "every" else seen)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("proxy-0123456789abcdef", True),
        ("a" * 128, True),
        ("short", False),
        ("a" * 129, False),
        ("0123456789abcdef\tx", False),
        ('"},{"level":"error', False),
    ],
)
async def test_a_request_id_of_a_trusted_proxy(tmp_path: Path, lines: Lines, said: str, taken: bool) -> None:
    async with serving(tmp_path, access_log="all", trusted_proxies=["127.0.0.0/8"]) as (_, http):
        await http.get("/healthz", headers={"x-request-id": said})
        await http.get("/healthz", headers=[("x-request-id", said), ("x-request-id", said)])
    one, twice = (line["request_id"] for line in lines()[-2:])
    assert (one == said) is taken
    assert twice != said
    assert one != twice


async def test_nobody_else_names_requests(tmp_path: Path, lines: Lines) -> None:
    said = "stranger-0123456789abcdef"
    for trusted in ([], ["10.0.0.0/8"]):
        folder = tmp_path / str(len(trusted))
        folder.mkdir()
        async with serving(folder, access_log="all", trusted_proxies=trusted) as (_, http):
            await http.get("/healthz", headers={"x-request-id": said})
    names = [line["request_id"] for line in lines() if line["logger"] == "idp.access"]
    assert len(set(names)) == 2
    assert said not in names


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        (PARENT, True),
        (f"cc-{TRACE}-b7ad6b7169203331-01-of-later", True),
        (f"00-{TRACE}-b7ad6b7169203331-01-of-later", False),
        (f"ff-{TRACE}-b7ad6b7169203331-01", False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (PARENT.upper(), False),
        ("nonsense", False),
    ],
)
async def test_a_valid_trace_id_is_the_correlation(tmp_path: Path, lines: Lines, said: str, taken: bool) -> None:
    async with serving(tmp_path, manifest=MANIFEST, access_log="endpoints") as (_, http):
        answer = await refused(http, traceparent=said)
    number = answer.headers["x-correlation-id"]
    assert (number == TRACE) is taken
    assert {line["correlation_id"] for line in lines()[-2:]} == {number}


async def test_a_fault_is_one_line_with_its_traceback(lines: Lines) -> None:
    async with Provider() as provider:
        provider.server.registry.rules = None  # what no request can do
        await register(provider, WEB)
        provider.server.registry.rules = None
        transport = httpx2.ASGITransport(app=provider.application, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=provider.issuer) as http:
            answer = await http.get("/authorize", params=WEB.request())
    (fault,) = [line for line in lines() if line["level"] == "error"]
    assert fault["exception"]["type"] == "RuntimeError"
    assert "Traceback" in fault["exception"]["trace"]
    assert "\n" in fault["exception"]["trace"]
    assert fault["correlation_id"] == answer.headers["x-correlation-id"]


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("idp.x", logging.WARNING, "", 0, message, arguments, None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize("text", ["two\nlines", "carriage\rreturn", "\x1b[31mred", "half \ud800 of a pair", "\u2028"])
def test_no_text_forges_a_line(text: str) -> None:
    as_json, as_text = JsonFormatter().format(record("%s", text)), TextFormatter().format(record("%s", text))
    assert json.loads(as_json)["level"] == "warning"
    assert len(as_json.splitlines()) == 1 or "\u2028" in text
    assert "\n" not in as_json
    assert as_text.isprintable()
    assert "WARNING idp.x" in as_text
    as_json.encode()
    as_text.encode()


async def test_a_path_from_outside_is_bounded_and_says_no_token(tmp_path: Path, lines: Lines) -> None:
    async with serving(tmp_path, access_log="all") as (_, http):
        await http.get("/" + "x" * 5000)
        await http.get("/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl")
        await http.get("/a%0Ab")
    long, token, line = (line["path"] for line in lines()[-3:])
    assert len(long) < 300
    assert token == "/eyJhbG..."
    assert "\n" not in line


def test_serve_writes_json_and_its_level_holds(serve: Serving) -> None:
    serve.install('access_log = "all"')
    with serve.running():
        serve.get("/authorize?client_id=nobody&state=in-the-query")
    found = [json.loads(line) for line in serve.log.splitlines() if not line.startswith("idp serves")]
    assert {"idp.access", "idp.refusals"} <= {line["logger"] for line in found}
    assert "in-the-query" not in serve.log
    with serve.running(IDP_LOG_LEVEL="warning", IDP_LOG_FORMAT="text"):
        serve.get("/authorize?client_id=nobody")
    assert "idp.refusals" not in serve.log
    with serve.running(IDP_LOG_FORMAT="text"):
        serve.get("/authorize?client_id=nobody")
    assert re.search(r"^\S+ \S+ INFO idp\.refusals refused GET /authorize \| id: ", serve.log, re.MULTILINE)
