"""One line logs the client under test in: Starlette's, Flask's and Django's in-process, foreign ones over a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
from app_under_test import CALLBACK, site
from authlib.integrations.httpx_client import OAuth2Client
from starlette.testclient import TestClient

from idp.testing import Idp, RegisteredClient, Stuck


@pytest.fixture
def shop(idp: Idp) -> RegisteredClient:
    return idp.add_client("shop", CALLBACK, scope="openid email")


def app_of(idp: Idp, shop: RegisteredClient) -> Any:
    return site(idp.issuer, shop.client_id, shop.client_secret, transport=idp.async_transport)


def test_a_sync_test_client(idp: Idp, shop: RegisteredClient) -> None:
    with TestClient(app_of(idp, shop)) as app:
        assert idp.log_in(app, "/login", "bob").json() == {"user": "bob"}
        assert app.get("/").json() == {"user": "bob"}


@pytest.mark.anyio
async def test_an_async_client(idp: Idp, shop: RegisteredClient) -> None:
    transport = httpx2.ASGITransport(app=app_of(idp, shop))
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as app:
        answer = await idp.log_in_async(app, "/login", "alice")
        assert answer.json() == {"user": "alice"}
        assert (await app.get("/")).json() == {"user": "alice"}


def test_a_second_visit_of_a_browser_is_single_sign_on(idp: Idp, shop: RegisteredClient) -> None:
    browser = idp.browser("alice")
    for pages in (["login", "consent"], []):
        with TestClient(app_of(idp, shop)) as app:
            browser.pages.clear()
            assert idp.log_in(app, "/login", browser=browser).json() == {"user": "alice"}
            assert browser.pages == pages


def test_a_person_who_says_no(idp: Idp, shop: RegisteredClient) -> None:
    with TestClient(app_of(idp, shop)) as app:
        answer = idp.log_in(app, "/login", browser=idp.browser("alice", consent=False))
        assert (answer.status_code, answer.json()) == (403, {"error": "access_denied"})


def test_an_answer_that_comes_as_a_form(idp: Idp, shop: RegisteredClient) -> None:
    landing = idp.visit(authorization_url(idp, shop, response_mode="form_post"))
    assert (landing.method, landing.url, landing.params["state"]) == ("POST", CALLBACK, "s")
    with TestClient(app_of(idp, shop)) as app:
        assert idp.log_in(app, "/login?response_mode=form_post").json() == {"user": "alice"}


def authorization_url(idp: Idp, client: RegisteredClient, **changes: str) -> str:
    maker = OAuth2Client(client.client_id, scope="openid", redirect_uri=CALLBACK, code_challenge_method="S256")
    url, _ = maker.create_authorization_url(
        f"{idp.issuer}/authorize", state="s", code_verifier="v" * 43, **changes
    )
    return str(url)


def test_a_login_that_cannot_go_on_says_what_the_page_says(idp: Idp, shop: RegisteredClient) -> None:
    with pytest.raises(Stuck, match=r"'error' \(400\).*redirect URIs.*https://elsewhere.example"):
        idp.visit(authorization_url(idp, shop).replace("shop.example", "elsewhere.example"))
    with pytest.raises(Stuck, match="stands at page 'login'"):
        idp.browser("alice", "not her password").visit(authorization_url(idp, shop))
    with TestClient(app_of(idp, shop)) as app, pytest.raises(Stuck, match="never led to the provider"):
        idp.log_in(app, "/")


def test_authlib_takes_the_landing(idp: Idp, shop: RegisteredClient) -> None:
    with OAuth2Client(
        shop.client_id,
        shop.client_secret,
        scope="openid",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        transport=idp.transport,
    ) as client:
        url, _ = client.create_authorization_url(f"{idp.issuer}/authorize", code_verifier="v" * 43)
        landing = idp.visit(url, "bob")
        token = client.fetch_token(
            f"{idp.issuer}/token", authorization_response=landing.url, code_verifier="v" * 43
        )
        assert client.get(f"{idp.issuer}/userinfo").json()["sub"] == "bob"
    assert token["token_type"] == "Bearer"


def test_a_real_sign_in_gives_an_id_token(idp: Idp, shop: RegisteredClient) -> None:
    tokens = idp.sign_in("bob", client=shop, nonce="once")
    verifier = idp.verifier("shop", typ="JWT")
    assert verifier.verify_sync(tokens["id_token"]).claims["nonce"] == "once"
    assert "refresh_token" in idp.sign_in("bob", scope="openid offline_access", prompt="consent")


# -- other frameworks, by hand: what counts here is how their test clients are asked


def begin(idp: Idp, client: RegisteredClient) -> str:
    return authorization_url(idp, client, prompt="consent")


def redeem(idp: Idp, client: RegisteredClient, code: str) -> str:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    token = idp.http.post("/token", data=form, auth=client.auth).json()
    return str(idp.http.get("/userinfo", headers={"authorization": f"Bearer {token['access_token']}"}).json()["sub"])


def test_a_flask_app(idp: Idp, shop: RegisteredClient) -> None:
    import flask

    app = flask.Flask("shop")
    app.secret_key = "of this test"

    @app.get("/login")
    def login() -> Any:
        flask.session["begun"] = True
        return flask.redirect(begin(idp, shop))

    @app.get("/callback")
    def callback() -> Any:
        assert flask.session["begun"]
        return {"user": redeem(idp, shop, flask.request.args["code"])}

    assert idp.log_in(app.test_client(), "/login", "bob").json == {"user": "bob"}


DJANGO = """
import django
from django.conf import settings
settings.configure(ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"], SECRET_KEY="of this test")
django.setup()
from django.http import HttpResponse, HttpResponseRedirect
from django.test import Client
from django.urls import path
from test_testing_login import CALLBACK, begin, redeem
from idp.testing import started

with started() as idp:
    shop = idp.add_client("shop", CALLBACK, scope="openid email")
    urlpatterns = [
        path("login", lambda request: HttpResponseRedirect(begin(idp, shop))),
        path("callback", lambda request: HttpResponse(redeem(idp, shop, request.GET["code"]))),
    ]
    print(idp.log_in(Client(), "/login", "bob").content.decode())
"""


def test_a_django_app(run_python: Any) -> None:
    assert run_python(DJANGO).stdout.strip() == "bob"


@pytest.fixture
def run_python() -> Any:
    here = Path(__file__).parent
    paths = os.pathsep.join(str(path) for path in (here, here.parent, here.parents[1]))

    def run(program: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    return run


def test_an_app_on_a_port_and_requests(live_idp: Idp) -> None:
    shop = live_idp.add_client("shop", CALLBACK, "http://localhost/", scope="openid email")
    with requests.Session() as app:
        landing = live_idp.visit(authorization_url(live_idp, shop), "bob")
        assert app.get(f"{live_idp.issuer}/.well-known/jwks.json").json() == live_idp.jwks()
        form = {"grant_type": "authorization_code", "code": landing.code, "redirect_uri": CALLBACK}
        answer = app.post(f"{live_idp.issuer}/token", data={**form, "code_verifier": "v" * 43}, auth=shop.auth)
        assert answer.json()["token_type"] == "Bearer"


@pytest.mark.node
def test_openid_client_over_the_socket(live_idp: Idp, node: Path) -> None:
    shop = live_idp.add_client(
        "shop",
        "https://app.test/cb",
        post_logout_redirect_uris=["https://app.test/bye"],
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
    )
    settings = {
        "issuer": live_idp.issuer,
        "clientId": "shop",
        "method": "client_secret_basic",
        "secret": shop.client_secret,
        "redirectUri": "https://app.test/cb",
        "postLogoutRedirectUri": "https://app.test/bye",
        "idTokenAlg": "RS256",
        "signed": {},
    }
    browser = live_idp.browser("bob")
    script = Path(__file__).parents[1] / "node" / "openid_client.mjs"
    with subprocess.Popen([node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(settings) + "\n")
        while True:
            process.stdin.flush()
            message = json.loads(process.stdout.readline())
            if "visit" not in message:
                break
            process.stdin.write(browser.visit(message["visit"]).url + "\n")
    assert "done" in message, message
    assert message["done"]["claims"]["sub"] == "bob"
