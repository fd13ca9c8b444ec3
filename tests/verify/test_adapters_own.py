"""What only one adapter has: websockets and open paths (ASGI), OpenAPI (FastAPI), users and settings (Django)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from adapter_apps import Call, drf_calls, fastapi_app, options_of
from fastapi import FastAPI, Security, WebSocket
from flask import Flask, g
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from test_adapters import bearer, proof
from verify_tokens import AUDIENCE, ISSUER, NOW, token

from idp.verify import SyncVerifier, VerifiedToken, Verifier, asgi, fastapi, flask

Sent = list[dict[str, Any]]


def verifier(**options: Any) -> Verifier:
    return Verifier(ISSUER, AUDIENCE, **options_of(options))


class Inside:
    """An application that notes what reaches it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope.get("path", scope["type"]))
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": asgi.token_of(scope).subject})
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})


def guarded(**options: Any) -> tuple[Inside, TestClient]:
    inside, given = Inside(), options.pop("verifier", {})
    return inside, TestClient(asgi.TokenMiddleware(inside, verifier(**given), **options))


def by_hand(app: Any, **scope: Any) -> Sent:
    sent: Sent = []

    async def receive() -> dict[str, str]:
        return {"type": f"{scope['type']}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def test_a_websocket_with_a_token() -> None:
    inside, client = guarded(scopes=["read"], base_url=AUDIENCE)
    for headers in (bearer(token()), proof(path="/live")):
        with client.websocket_connect("/live", headers=dict(headers)) as socket:
            assert socket.receive_text() == "alice"
    assert inside.reached == ["/live", "/live"]


def test_a_websockets_handshake_is_answered_as_a_request_is() -> None:
    inside, client = guarded(scopes=["read"])
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/live"):
        pass
    assert (denied.value.status_code, denied.value.headers["www-authenticate"]) == (401, "Bearer")
    assert denied.value.json()["reason"] == "missing_token"
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect("/live", headers=dict(bearer(token(scope="other")))),
    ):
        pass
    assert denied.value.status_code == 403
    assert inside.reached == []


def test_a_server_without_that_extension_hears_a_close_before_the_accept() -> None:
    app = asgi.TokenMiddleware(Inside(), verifier())
    sent = by_hand(app, type="websocket", path="/live", headers=[], extensions=None)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "missing_token"}]


def test_the_lifespan_passes_and_what_is_unknown_does_not() -> None:
    inside = Inside()
    by_hand(asgi.TokenMiddleware(inside, verifier()), type="lifespan")
    assert inside.reached == ["lifespan"]
    with pytest.raises(ValueError, match="webtransport"):
        by_hand(asgi.TokenMiddleware(inside, verifier()), type="webtransport", path="/", headers=[])


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/app.js", "/static/a/b"])
def test_open_paths(path: str) -> None:
    inside, client = guarded(exempt=["/", "/healthz", "/static/*"])
    assert client.get(path).status_code == 204
    assert inside.reached == [path]
    with pytest.raises(LookupError):
        asgi.token_of({"type": "http", "path": path})


@pytest.mark.parametrize(
    "path",
    [
        *("/notes", "/healthz/", "/healthz/x", "/static", "/staticx", "//", "/HEALTHZ", "/static/../notes"),
        *("/static/x/../../notes", "/static/..", "/static//notes", "/static/.", "/static/..\\notes"),
    ],
)
def test_what_only_looks_like_an_open_path(path: str) -> None:
    inside = Inside()
    app = asgi.TokenMiddleware(inside, verifier(), exempt=["/", "/healthz", "/static/*"])
    sent = by_hand(app, type="http", method="GET", path=path, headers=[])
    assert (sent[0]["status"], inside.reached) == (401, [])


@pytest.mark.parametrize("exempt", ["/healthz", ["healthz"], ["/*"], ["/a*"], ["*"], ["/a/*/b"], [""]])
def test_open_paths_are_written_in_one_way(exempt: Any) -> None:
    with pytest.raises(ValueError, match="exempt"):
        asgi.TokenMiddleware(Inside(), verifier(), exempt=exempt)


def test_only_a_preflight_passes_without_a_token() -> None:
    inside, client = guarded()
    asks = {"origin": "http://localhost:5173", "access-control-request-method": "POST"}
    assert client.options("/notes", headers=asks).status_code == 204
    for name in asks:
        assert client.options("/notes", headers={name: asks[name]}).status_code == 401
    assert client.get("/notes", headers=asks).status_code == 401
    assert inside.reached == ["/notes"]


def test_the_resources_metadata_is_served() -> None:
    inside, client = guarded(verifier={"resource": f"{AUDIENCE}/v1"})
    path = "/.well-known/oauth-protected-resource/v1"
    found = client.get(path)
    assert (found.status_code, found.headers["access-control-allow-origin"]) == (200, "*")
    assert (found.json()["resource"], found.json()["authorization_servers"]) == (f"{AUDIENCE}/v1", [ISSUER])
    assert client.head(path).content == b""
    assert client.post(path).status_code == 401
    assert client.get("/.well-known/oauth-protected-resource").status_code == 401
    assert inside.reached == []
    assert guarded()[1].get(path).status_code == 401


def test_the_proof_names_the_path_as_it_was_escaped() -> None:
    inside, client = guarded(base_url=f"{AUDIENCE}/behind/")
    for path in ("/a%20b", "/a%2Fb"):
        assert client.get(f"{path}?x=1", headers=proof(path=f"/behind{path}")).status_code == 204
    app = asgi.TokenMiddleware(inside, verifier(), base_url=AUDIENCE)  # a server that keeps no raw path
    headers = [(name.encode(), value.encode()) for name, value in proof(path="/a%20b")]
    assert by_hand(app, type="http", method="GET", path="/a b", headers=headers)[0]["status"] == 204


def test_openapi_shows_the_scheme_and_the_scopes() -> None:
    described = fastapi_app({}, {}).openapi()
    (scheme,) = described["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert described["paths"]["/read"]["get"]["security"] == [{"access token": ["read"]}]
    model = fastapi.models.OpenIdConnect(openIdConnectUrl=f"{ISSUER}/.well-known/openid-configuration")
    other = fastapi_app({}, {"model": model, "scheme_name": "provider"}).openapi()
    assert other["components"]["securitySchemes"]["provider"]["type"] == "openIdConnect"


def test_a_websocket_of_fastapi() -> None:
    protect, app = fastapi.Protection(verifier()), FastAPI()

    async def live(socket: WebSocket, token: Any) -> None:
        await socket.accept()
        await socket.send_text(token.subject)
        await socket.close()

    live.__annotations__ |= {"socket": WebSocket, "token": Annotated[VerifiedToken, Security(protect, scopes=["read"])]}
    app.websocket("/live")(live)
    client = TestClient(app)
    with client.websocket_connect("/live", headers=dict(bearer(token()))) as socket:
        assert socket.receive_text() == "alice"
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/live"):
        pass
    assert (refused.value.code, refused.value.reason) == (1008, "missing_token")


def test_an_asynchronous_view_of_flask_and_a_path_with_a_prefix() -> None:
    protect, app = flask.Protection(SyncVerifier(ISSUER, AUDIENCE, **options_of({})), base_url=AUDIENCE), Flask("notes")

    def answer(name: str) -> dict[str, str]:
        return {"name": name, "sub": g.token.subject}

    async def waiting() -> dict[str, str]:
        await asyncio.sleep(0)
        return answer("waiting")

    app.get("/notes/<name>")(protect.requires("read")(answer))
    app.get("/waiting")(protect.requires("read")(waiting))
    client = app.test_client()
    assert client.get("/waiting", headers=bearer(token())).get_json() == {"name": "waiting", "sub": "alice"}
    assert client.get("/waiting").status_code == 401
    found = client.get("/notes/a b", headers=proof(path="/v1/notes/a%20b"), base_url="http://inside/v1")
    assert found.get_json() == {"name": "a b", "sub": "alice"}


@pytest.fixture(scope="module")
def drf() -> Iterator[Callable[..., Call]]:
    with drf_calls() as calls:
        yield calls


def test_a_refusal_does_not_depend_on_other_authentication_classes(drf: Callable[..., Call]) -> None:
    """Behind SessionAuthentication Django REST framework would make 403 of a 401, and drop WWW-Authenticate."""
    reply = drf({}, {})("GET", "/signed", bearer(token(exp=NOW - 60)))
    assert (reply.status, "expired" in reply.headers["www-authenticate"]) == (401, True)


def test_scopes_by_method(drf: Callable[..., Call]) -> None:
    call = drf({}, {})
    assert call("GET", "/method", bearer(token())).status == 200
    assert call("HEAD", "/method", bearer(token())).status == 200
    assert call("GET", "/method", bearer(token(scope="write"))).status == 403
    assert call("OPTIONS", "/method", []).status == 401
    assert call("GET", "/other", bearer(token())).status == 403, "a method nobody named is denied"


def test_a_user_of_the_project(drf: Callable[..., Call]) -> None:
    call = drf({"user": "__main__.known_person"}, {})
    assert call("GET", "/read", bearer(token()))[::2] == (200, {"sub": "row 7"})
    for stranger in ("mallory", "carol"):
        reply = call("GET", "/read", bearer(token(sub=stranger)))
        assert (reply.status, reply.body["reason"]) == (401, "subject")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ISSUERS": "x"}, "holds ISSUERS; known are"),
        ({"ISSUER": None}, "issuer"),
        ({"LEEWAY": 900}, "leeway"),
        ({"BASE_URL": "api"}, "base_url is 'api'"),
    ],
)
def test_wrong_settings_are_told(given: dict[str, Any], said: str) -> None:
    text = f"""
from django.conf import settings
given = {{"ISSUER": {ISSUER!r}, "AUDIENCE": "api", **{given!r}}}
settings.configure(TOKEN_VERIFIER={{name: value for name, value in given.items() if value is not None}})
from idp.verify import drf
drf.guard()
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert "ImproperlyConfigured: TOKEN_VERIFIER" in done.stderr, done.stderr
    assert said in done.stderr


def test_the_verifier_alone_knows_no_framework() -> None:
    text = "import sys, idp.verify, idp.verify.asgi; print(*{name.split('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30, check=True)
    assert not {"starlette", "fastapi", "flask", "django", "rest_framework"} & set(found.stdout.split())
