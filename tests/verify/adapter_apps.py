"""The same small API in every framework: /read and /write ask for scopes, /fresh for a recent sign-in, and the paths
of /twice are guarded twice.

``apps[name](verifier options, adapter options)`` answers a function that sends one request and gives status, headers
and what the JSON body holds. The Django one runs in a process of its own: Django can be set up only once in one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, FastAPI, Security
from flask import Flask, g
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, jwks

from idp.verify import SyncVerifier, VerifiedToken, Verifier, asgi, fastapi, flask, starlette

FRESH: dict[str, Any] = {"acr_values": ["gold"], "max_age": 300}


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


Headers = list[tuple[str, str]]
Call = Callable[[str, str, Headers], Reply]
Options = Mapping[str, Any]


def options_of(given: Options) -> dict[str, Any]:
    return {"jwks": jwks(ES), "clock": lambda: NOW, **given}


def over_asgi(app: Any) -> Call:
    client = TestClient(app, base_url="http://inside:8080", raise_server_exceptions=True)

    def call(method: str, path: str, headers: Headers) -> Reply:
        found = client.request(method, path, headers=headers)
        body = found.json() if found.content and "json" in found.headers["content-type"] else found.text
        return Reply(found.status_code, found.headers, body)

    return call


def asgi_call(verifier: Options, adapter: Options) -> Call:
    one = Verifier(ISSUER, AUDIENCE, **options_of(verifier))

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        preflight = scope["method"] == "OPTIONS"
        told = {} if preflight else {"sub": asgi.token_of(scope).subject}
        await JSONResponse(told)(scope, receive, send)

    def guarded(app: Any = hello, **demand: Any) -> Any:
        return asgi.TokenMiddleware(app, one, **demand, **adapter)

    routes = {
        "/read": guarded(scopes="read"),
        "/write": guarded(scopes=["write", "admin"]),
        "/fresh": guarded(**FRESH),
        "/twice": guarded(guarded(scopes=["read"])),
        "/twice-fresh": guarded(guarded(**FRESH)),
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await routes[scope["path"]](scope, receive, send)

    return over_asgi(app)


def starlette_call(verifier: Options, adapter: Options) -> Call:
    protect = starlette.Protection(Verifier(ISSUER, AUDIENCE, **options_of(verifier)), **adapter)

    async def hello(request: Request) -> Response:
        return JSONResponse({"sub": request.state.token.subject})

    def blocking(request: Request) -> Response:
        return JSONResponse({"sub": request.state.token.subject})

    routes = {
        "/read": protect.requires("read")(hello),
        "/write": protect.requires("write", "admin")(blocking),
        "/fresh": protect.requires(**FRESH)(hello),
        "/twice": protect.requires()(protect.requires("read")(blocking)),
        "/twice-fresh": protect.requires()(protect.requires(**FRESH)(blocking)),
    }
    return over_asgi(Starlette(routes=[Route(path, endpoint) for path, endpoint in routes.items()]))


def fastapi_app(verifier: Options, adapter: Options) -> FastAPI:
    protect = fastapi.Protection(Verifier(ISSUER, AUDIENCE, **options_of(verifier)), **adapter)
    app = FastAPI()

    def hello(path: str, dependency: Any, *before: Any) -> None:
        async def endpoint(token: Annotated[VerifiedToken, dependency]) -> dict[str, str]:
            return {"sub": token.subject}

        endpoint.__annotations__["token"] = Annotated[VerifiedToken, dependency]
        app.get(path, dependencies=before)(endpoint)
        app.head(path, dependencies=before, include_in_schema=False)(endpoint)

    hello("/read", Security(protect, scopes=["read"]))
    hello("/write", Depends(protect.requires("write", "admin")))
    hello("/fresh", Depends(protect.requires(**FRESH)))
    hello("/twice", Security(protect, scopes=["read"]), Depends(protect))
    hello("/twice-fresh", Depends(protect.requires(**FRESH)), Depends(protect))
    return app


def fastapi_call(verifier: Options, adapter: Options) -> Call:
    return over_asgi(fastapi_app(verifier, adapter))


def flask_call(verifier: Options, adapter: Options) -> Call:
    protect = flask.Protection(SyncVerifier(ISSUER, AUDIENCE, **options_of(verifier)), **adapter)
    app = Flask("notes")

    def hello() -> dict[str, str]:
        return {"sub": g.token.subject}

    routes = {
        "/read": protect.requires("read")(hello),
        "/write": protect.requires("write", "admin")(hello),
        "/fresh": protect.requires(**FRESH)(hello),
        "/twice": protect.requires()(protect.requires("read")(hello)),
        "/twice-fresh": protect.requires()(protect.requires(**FRESH)(hello)),
    }
    for path, view in routes.items():
        app.add_url_rule(path, path, view)
    client = app.test_client()

    def call(method: str, path: str, headers: Headers) -> Reply:
        found = client.open(path, method=method, headers=headers, base_url="http://inside:8080")
        return Reply(found.status_code, found.headers, found.get_json(silent=True))

    return call


IN_PROCESS: dict[str, Callable[[Options, Options], Call]] = {
    "asgi": asgi_call,
    "starlette": starlette_call,
    "fastapi": fastapi_call,
    "flask": flask_call,
}


@contextmanager
def drf_calls() -> Iterator[Callable[[Options, Options], Call]]:
    """Both options travel as JSON and hold no key or memory; the clock of the project stands."""
    script = Path(__file__).parent / "drf_project.py"
    command = [sys.executable, str(script), json.dumps({"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS": jwks(ES)})]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        channel = process.stdin, process.stdout

        def calls(verifier: Options, adapter: Options) -> Call:
            given = {name.upper(): value for name, value in {**verifier, **adapter}.items()}
            return lambda *request: Reply(*_sent(channel, [given, *request]))

        yield calls
        if process.stdin is not None:
            process.stdin.close()


def _sent(channel: Any, line: Any) -> Any:
    channel[0].write(json.dumps(line) + "\n")
    channel[0].flush()
    return json.loads(channel[1].readline())
