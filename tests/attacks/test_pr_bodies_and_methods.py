"""PR, the outside of a request: which bodies are read, which methods are there."""

from __future__ import annotations

import pytest
from attack_support import Browser, World, assert_refused
from attack_world import SECRETS, asking, redeeming

pytestmark = pytest.mark.anyio
FORM = "application/x-www-form-urlencoded"


BODIES: list[tuple[str | None, bytes]] = [
    ("application/json", b'{"grant_type": "client_credentials", "token": "x"}'),
    ("text/plain", b"grant_type=client_credentials&token=x"),
    (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nx\r\n--b--\r\n',
    ),
    ("application/xml", b"<a/>"),
    (None, b"grant_type=client_credentials&token=x"),
    (None, b""),
    ("application/x-www-form-urlencoded2", b"grant_type=client_credentials"),
    ("application/x-www-form-urlencoded, application/json", b"grant_type=client_credentials"),
    ("", b"grant_type=client_credentials"),
]


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/device_authorization"])
@pytest.mark.parametrize(("kind", "body"), BODIES, ids=[str(kind)[:40] for kind, _ in BODIES])
async def test_pr_07_wrong_body_type(world: World, path: str, kind: str | None, body: bytes) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    async with world.unchanged():
        answer = await world.api.http.post(path, content=body, headers=headers, auth=("svc", SECRETS["svc"]))
        assert_refused(answer, (400, 415), "invalid_request")
    assert "x" * 20 not in answer.text


async def test_pr_07_two_content_types(world: World) -> None:
    headers = [("Content-Type", "application/json"), ("Content-Type", FORM)]
    for pair in (headers, headers[::-1]):
        answer = await world.api.http.post(
            "/token", content=b'{"grant_type": "client_credentials"}', headers=pair, auth=("svc", SECRETS["svc"])
        )
        assert_refused(answer, (400, 415), "invalid_request")


async def test_pr_07_a_json_body_is_told_how_without_its_secrets(world: World) -> None:
    body = {"grant_type": "client_credentials", "client_id": "svc", "client_secret": SECRETS["svc"]}
    answer = await world.api.http.post("/token", json=body)
    assert_refused(answer, 415, "invalid_request")
    assert SECRETS["svc"] not in answer.text
    assert "curl" in answer.json()["error_description"]


ALLOWED = {
    "/authorize": {"GET", "POST"},
    "/authorize/resume": {"GET"},
    "/token": {"POST"},
    "/userinfo": {"GET", "POST"},
    "/introspect": {"POST"},
    "/revoke": {"POST"},
    "/device_authorization": {"POST"},
    "/device": {"GET", "POST"},
    "/device/confirm": {"GET", "POST"},
    "/login": {"GET", "POST"},
    "/consent": {"GET", "POST"},
    "/select-account": {"GET", "POST"},
    "/logout": {"GET", "POST"},
    "/logged-out": {"GET"},
    "/api/token/": {"POST"},
    "/hello": {"GET"},
    "/healthz": {"GET", "HEAD"},
    "/readyz": {"GET", "HEAD"},
    "/.well-known/jwks.json": {"GET", "HEAD", "OPTIONS"},
    "/.well-known/openid-configuration": {"GET", "HEAD", "OPTIONS"},
}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY", "OPTIONS", "PROPFIND", "X"]


@pytest.mark.parametrize("path", ALLOWED)
async def test_pr_08_methods(world: World, browser: Browser, path: str) -> None:
    async with world.unchanged():
        for method in METHODS:
            answer = await browser.http.request(method, path, params={"client_id": "web"})
            if method in ALLOWED[path]:
                assert answer.status_code not in (404, 405), method
            else:
                assert answer.status_code in (404, 405), f"{method}: {answer.status_code}"
                if answer.status_code == 405:
                    assert set(answer.headers["allow"].replace(" ", "").split(",")) == ALLOWED[path]


async def test_pr_08_head_and_get_have_no_effect(world: World, browser: Browser) -> None:
    await browser.sign_on()
    code = await browser.code()
    async with world.unchanged():
        for path in ("/token", "/introspect", "/revoke"):
            for method in ("GET", "HEAD"):
                answer = await browser.http.request(method, path, params=redeeming(code), auth=("web", SECRETS["web"]))
                assert answer.status_code == 405
        # GET may issue a code or sign somebody out, so HEAD is not its quiet twin here.
        for path in ("/authorize", "/logout"):
            assert (await browser.http.request("HEAD", path)).status_code == 405
    assert (await world.redeem(code)).status_code == 200


async def test_pr_08_head_gives_no_code_away(world: World, browser: Browser) -> None:
    """HEAD on the authorization endpoint is answered as GET is, or refused: never with less protection."""
    await browser.sign_on()
    answer = await browser.http.request("HEAD", "/authorize", params=asking(redirect_uri="https://evil.example/"))
    assert answer.status_code in (400, 405)
    assert "location" not in answer.headers
