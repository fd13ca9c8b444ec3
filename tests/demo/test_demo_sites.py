"""The demo's sessions and its API, each in-process over HTTP; the whole journey is a browser test."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import resource_server
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from server_sessions import LIMIT, ServerSideSessions, SessionTable, start_afresh
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from idp.verify import Verifier

pytestmark = pytest.mark.anyio
KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
API = "http://api.localhost:8003"


async def _show(http: Request) -> JSONResponse:
    return JSONResponse(dict(http.session))


async def _put(http: Request) -> JSONResponse:
    http.session["seen"] = True
    return JSONResponse({})


async def _sign_in(http: Request) -> JSONResponse:
    start_afresh(http, {"user": {"sub": "u1", "sid": http.query_params["sid"]}})
    return JSONResponse({})


@pytest.fixture
def table() -> SessionTable:
    return SessionTable()


@pytest.fixture
async def site(table: SessionTable) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(
        routes=[Route("/", _show), Route("/put", _put), Route("/sign-in", _sign_in)],
        middleware=[Middleware(ServerSideSessions, table=table, cookie="app", secure=False)],
    )
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://app-a.localhost:8001") as client:
        yield client


async def test_nothing_to_remember_sets_no_cookie(site: httpx2.AsyncClient) -> None:
    assert "set-cookie" not in (await site.get("/")).headers


async def test_the_cookie_is_a_random_id_out_of_reach_of_scripts(site: httpx2.AsyncClient) -> None:
    cookie = (await site.get("/put")).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "seen" not in cookie
    assert (await site.get("/")).json() == {"seen": True}


async def test_signing_in_changes_the_id_and_the_old_one_is_dead(site: httpx2.AsyncClient) -> None:
    await site.get("/put")
    before = site.cookies["app"]
    await site.get("/sign-in?sid=s1")
    assert site.cookies["app"] != before
    site.cookies.clear()
    site.cookies.set("app", before)
    assert (await site.get("/")).json() == {}


async def test_an_id_from_outside_is_not_adopted(site: httpx2.AsyncClient) -> None:
    site.cookies.set("app", "planted")
    answer = await site.get("/sign-in?sid=s1")
    assert "planted" not in answer.headers["set-cookie"]


async def test_a_sign_out_reaches_the_session_it_names(site: httpx2.AsyncClient, table: SessionTable) -> None:
    await site.get("/sign-in?sid=s1")
    assert table.end(sid="s2", sub="u1") == 0
    assert table.end(sid="s1", sub="u1") == 1
    left = (await site.get("/")).json()
    assert set(left) == {"ended_at"}


async def test_a_sign_out_without_sid_reaches_all_of_the_person(table: SessionTable) -> None:
    for number in range(3):
        table.keep(f"id{number}", {"user": {"sub": "u1" if number else "u2", "sid": f"s{number}"}})
    assert table.end(sid=None, sub="u1") == 2


async def test_the_table_is_bounded(table: SessionTable) -> None:
    for number in range(LIMIT + 1):
        table.keep(str(number), {})
    assert table.find("0") is None
    assert table.find("1") is not None


def access_token(**changed: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "http://localhost:8000",
        "aud": API,
        "sub": "u1",
        "client_id": "app-a",
        "iat": now,
        "exp": now + 60,
        "jti": "t1",
        "scope": "openid hello:read",
    } | changed
    return jwt.encode({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}, claims, KEY, algorithms=["ES256"])


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({}, 200, None),
        (None, 401, "missing_token"),
        ({"aud": "http://localhost:8000"}, 401, "audience"),
        ({"exp": 1_700_000_000}, 401, "expired"),
        ({"scope": "openid"}, 403, "scope"),
    ],
)
async def test_the_api_says_why_and_what_to_do(
    changed: dict[str, Any] | None, status: int, reason: str | None
) -> None:
    keys = KeySet([KEY]).as_dict(private=False)
    app = resource_server.create(Verifier("http://localhost:8000", API, jwks=keys))
    headers = {} if changed is None else {"authorization": f"Bearer {access_token(**changed)}"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=API) as client:
        answer = await client.get("/hello", headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json().get("reason") == reason
    if reason:
        assert "Bearer" in answer.headers["www-authenticate"]
        assert "hello:read" in answer.json()["what_to_do"]
