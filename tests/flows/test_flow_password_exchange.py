"""The course's bridge: djangorestframework-simplejwt's quickstart, its curl commands unchanged, and nothing beyond."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support import PASSWORD, WEB, App, add_person, claims_of, discovery, register, sign_in, userinfo
from support.serving import serving

from idp.store import accounts
from idp.testing import Provider, running_server

pytestmark = pytest.mark.anyio

OBTAIN, REFRESH, VERIFY = "/api/token/", "/api/token/refresh/", "/api/token/verify/"
NOT_VALID = {"detail": "Token is invalid or expired", "code": "token_not_valid"}
SAMPLE = App("sample", "http://127.0.0.1/callback", method="none")
COURSE = """
[[clients]]
client_id = "course"
client_name = "The course"
token_endpoint_auth_method = "none"
application_type = "native"
redirect_uris = ["http://127.0.0.1/cb"]
scope = "openid profile"
[[people]]
username = "alice"
password = "alice"
"""


async def obtained(provider: Provider, username: str = "alice", password: str = "alice") -> dict[str, Any]:
    answer = await provider.http.post(OBTAIN, json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_is_not_announced_in_discovery(provider: Provider) -> None:
    """Nobody shall find it there: it is deprecated from birth."""
    document = await discovery(provider.http)
    assert "password" not in document["grant_types_supported"]
    assert "/api/token" not in json.dumps(document)


def test_the_quickstarts_curl_commands() -> None:
    """docs/getting_started of simplejwt 5.5, with our address, our people and the shell's quoting."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl")
    as_json = ("-H", "Content-Type: application/json")

    def run(*arguments: str) -> dict[str, Any]:
        done = subprocess.run([curl, "-sS", *arguments], capture_output=True, text=True, timeout=20, check=True)
        return dict(json.loads(done.stdout))

    with running_server() as server:
        asked = '{"username": "alice", "password": "alice"}'
        tokens = run("-X", "POST", *as_json, "-d", asked, f"{server.issuer}/api/token/")
        assert tokens.keys() == {"access", "refresh"}
        hello = run("-H", f"Authorization: Bearer {tokens['access']}", f"{server.issuer}/hello")
        assert "alice" in hello["message"].lower()
        fresh = run(
            "-X",
            "POST",
            *as_json,
            "-d",
            json.dumps({"refresh": tokens["refresh"]}),
            f"{server.issuer}/api/token/refresh/",
        )
        assert fresh.keys() == {"access"}
        seen = run(
            "-X", "POST", *as_json, "-d", json.dumps({"token": fresh["access"]}), f"{server.issuer}/api/token/verify/"
        )
        assert seen == {}


async def test_the_access_token_is_an_ordinary_one_for_five_minutes(provider: Provider) -> None:
    tokens = await obtained(provider)
    claims = await claims_of(provider.http, tokens["access"])
    assert (claims["sub"], claims["client_id"], claims["exp"] - claims["iat"]) == ("alice", "sample", 300)
    assert "offline_access" not in claims["scope"]
    assert (await userinfo(provider.http, tokens["access"])).json()["email"] == "alice@example.com"
    provider.clock.advance(300)
    assert (await provider.http.post(VERIFY, json={"token": tokens["access"]})).json() == NOT_VALID


async def test_refresh_answers_only_access_and_does_not_rotate(provider: Provider) -> None:
    tokens = await obtained(provider)
    for _ in range(3):
        answer = await provider.http.post(REFRESH, json={"refresh": tokens["refresh"]})
        assert (answer.status_code, answer.json().keys()) == (200, {"access"})
        assert (await userinfo(provider.http, answer.json()["access"])).status_code == 200
        provider.clock.advance(1000)


async def test_the_refresh_token_lives_a_day(provider: Provider) -> None:
    tokens = await obtained(provider)
    await provider.advance(86_399)
    last = await provider.http.post(REFRESH, json={"refresh": tokens["refresh"]})
    assert last.status_code == 200
    await provider.advance(1)
    late = await provider.http.post(REFRESH, json={"refresh": tokens["refresh"]})
    assert (late.status_code, late.json()) == (401, NOT_VALID)
    assert (await userinfo(provider.http, last.json()["access"])).status_code == 200
    await provider.advance(298)
    assert (await userinfo(provider.http, last.json()["access"])).status_code == 200, "swept too early"


async def test_it_works_nowhere_else(provider: Provider) -> None:
    await register(provider, WEB)
    refresh = (await obtained(provider))["refresh"]
    assert (await SAMPLE.refresh(provider.http, refresh)).json()["error"] == "invalid_grant"
    assert (await WEB.refresh(provider.http, refresh)).json()["error"] == "invalid_grant"
    assert await WEB.introspect(provider.http, refresh) == {"active": False}
    assert (await userinfo(provider.http, refresh)).status_code == 401
    hello = await provider.http.get("/hello", headers={"authorization": f"Bearer {refresh}"})
    assert hello.status_code == 401


async def test_nothing_else_works_here(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB, scope="openid offline_access")
    mine = await obtained(provider)
    for refresh in (tokens["refresh_token"], tokens["access_token"], mine["access"], mine["refresh"][:-2], "", "x"):
        answer = await provider.http.post(REFRESH, json={"refresh": refresh})
        assert (answer.status_code, answer.json()) == (401, NOT_VALID)
    assert (await provider.http.post(VERIFY, json={"token": tokens["id_token"]})).json() == NOT_VALID


async def test_verify_knows_both_kinds(provider: Provider) -> None:
    tokens = await obtained(provider)
    for token in tokens.values():
        answer = await provider.http.post(VERIFY, json={"token": token})
        assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("nobody", "alice"), ("", ""), ("alice\0", "alice"), ("alice", "a" * 5000)],
)
async def test_wrong_credentials_in_simplejwts_words(provider: Provider, username: str, password: str) -> None:
    answer = await provider.http.post(OBTAIN, json={"username": username, "password": password})
    assert answer.status_code == 401
    assert answer.json()["detail"] == "No active account found with the given credentials"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"[]", 400),
        (b'"alice"', 400),
        (b"{}", 400),
        (b'{"username": "alice"}', 400),
        (b'{"username": 7, "password": "alice"}', 400),
        (b'{"username": "alice", "username": "bob", "password": "alice"}', 400),
        (b"[" * 5000, 400),
        (b'{"username": "\xff", "password": "x"}', 400),
        (b'{"username": "\\ud800", "password": "x"}', 400),
    ],
)
async def test_a_bad_body_is_a_400(provider: Provider, body: bytes, status: int) -> None:
    answer = await provider.http.post(OBTAIN, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (status, 401) if b"ud800" in body else answer.status_code == status


async def test_missing_fields_are_named(provider: Provider) -> None:
    answer = await provider.http.post(OBTAIN, json={"username": "alice"})
    assert answer.json() == {"password": ["This field is required."]}


async def test_every_answer_says_that_it_is_deprecated(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "idp.deprecated"):
        tokens = await obtained(provider)
    answers = [
        await provider.http.post(OBTAIN, json={"username": "alice", "password": "alice"}),
        await provider.http.post(OBTAIN, json={"username": "alice", "password": "wrong"}),
        await provider.http.post(REFRESH, json={"refresh": tokens["refresh"]}),
        await provider.http.post(VERIFY, json={"token": tokens["access"]}),
        await provider.http.post(VERIFY, json={}),
    ]
    for answer in answers:
        assert answer.headers["deprecation"].startswith("@")
        assert answer.headers["deprecation"][1:].isdigit(), "RFC 9745 2.1: a date"
        assert "rel=" in answer.headers["link"]
        assert answer.headers["cache-control"] == "no-store"
    assert "deprecated" in caplog.text
    assert "docs/divergences.md" in caplog.text
    assert tokens["refresh"] not in caplog.text


async def test_a_disabled_person_is_out(provider: Provider) -> None:
    sub = await add_person(provider, "frank")
    tokens = await obtained(provider, "frank", PASSWORD)
    server = provider.server
    await server.database.write(accounts.set_disabled, server.journal, sub, server.now(), disabled=True)
    assert (await provider.http.post(REFRESH, json={"refresh": tokens["refresh"]})).status_code == 401
    assert (await provider.http.post(OBTAIN, json={"username": "frank", "password": PASSWORD})).status_code == 401
    assert (await provider.http.post(VERIFY, json={"token": tokens["access"]})).status_code == 401


async def test_a_new_password_ends_the_old_tokens(provider: Provider) -> None:
    await add_person(provider, "grace")
    tokens = await obtained(provider, "grace", PASSWORD)
    await provider.control("user.passwd", username="grace", password="another one")
    assert (await provider.http.post(REFRESH, json={"refresh": tokens["refresh"]})).status_code == 401
    assert (await userinfo(provider.http, tokens["access"])).status_code == 401


async def test_only_posts(provider: Provider) -> None:
    for path in (OBTAIN, REFRESH, VERIFY):
        answer = await provider.http.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# -- under serve


async def statuses(http: httpx2.AsyncClient) -> list[int]:
    bodies = ({"username": "alice", "password": "alice"}, {"refresh": "x"}, {"token": "x"})
    return [
        (await http.post(path, json=body)).status_code
        for path, body in zip((OBTAIN, REFRESH, VERIFY), bodies, strict=True)
    ]


async def test_a_deployment_has_it_not(tmp_path: Path) -> None:
    async with serving(tmp_path, manifest=COURSE) as (_, http):
        assert await statuses(http) == [404, 404, 404]


async def test_unless_the_operator_names_the_client_it_belongs_to(tmp_path: Path) -> None:
    async with serving(tmp_path, manifest=COURSE, password_exchange_client="course") as (_, http):
        tokens = (await http.post(OBTAIN, json={"username": "alice", "password": "alice"})).json()
        assert (await claims_of(http, tokens["access"]))["client_id"] == "course"
        assert await statuses(http) == [200, 401, 401]


async def test_a_named_client_that_is_not_there_is_404_too(tmp_path: Path) -> None:
    async with serving(tmp_path, manifest=COURSE, password_exchange_client="gone") as (_, http):
        assert await statuses(http) == [404, 404, 404]


async def test_it_belongs_to_one_client_alone(tmp_path: Path) -> None:
    """After the operator names another client, the first one's refresh tokens are worth nothing."""
    second = COURSE.replace('"course"', '"second"')
    async with serving(tmp_path, manifest=COURSE, password_exchange_client="course") as (_, http):
        tokens = (await http.post(OBTAIN, json={"username": "alice", "password": "alice"})).json()
    async with serving(tmp_path, manifest=second, password_exchange_client="second") as (_, http):
        answer = await http.post(REFRESH, json={"refresh": tokens["refresh"]})
        assert (answer.status_code, answer.json()) == (401, NOT_VALID)
