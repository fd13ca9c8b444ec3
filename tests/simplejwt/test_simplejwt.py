"""An unmodified Django REST framework + simplejwt project verifies our tokens with eight settings at most."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from simplejwt_project import configure, simple_jwt

from idp.testing import RunningServer, running_server

LONGEST_CACHE = 10  # seconds, what the test server plans its keys with


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Django can be set up only once in a process, so the module shares one provider."""
    with running_server(keys__longest_cache=LONGEST_CACHE) as found:
        configure(found.issuer, audience=found.issuer)
        yield found


def whoami(token: str) -> Any:
    return Client().get("/whoami", headers={"authorization": f"Bearer {token}"})


def signed(server: RunningServer, alg: str = "RS256", **changed: Any) -> str:
    """A token with claims of the test's choice under the server's own current key."""
    now = int(server.clock())
    claims = {
        "iss": server.issuer,
        "sub": "alice",
        "aud": server.issuer,
        "iat": now,
        "exp": now + 300,
        "jti": "t1",
        "scope": "hello:read",
    } | changed
    work = server.application.server.keyring.sign(alg, "at+jwt", claims)
    return asyncio.run_coroutine_threadsafe(work, server.loop).result(30)


def test_at_most_eight_settings_lines() -> None:
    assert len(simple_jwt("https://id.example", "https://id.example")) <= 8


def test_our_token_is_accepted(server: RunningServer) -> None:
    answer = whoami(server.token_for("alice"))
    assert answer.status_code == 200, answer.content
    assert answer.json()["id"] == "alice"


def test_a_rotation_is_not_noticed(server: RunningServer) -> None:
    """Its client asks for unknown keys at most every 30 s: only a key published before it signs is sure to be known."""
    before = server.token_for("alice")
    assert whoami(before).status_code == 200
    server.advance(LONGEST_CACHE + 1)
    server.control("keys.rotate")
    after = server.token_for("alice")
    assert before.split(".")[0] != after.split(".")[0], "the key did not change"
    assert whoami(before).status_code == 200
    assert whoami(after).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://other.example"},
        {"iss": "https://other.example"},
        {"exp": 1},
        {"sub": None},
        {"alg": "ES256"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_not_for_this_project_is_refused(server: RunningServer, changed: dict[str, Any]) -> None:
    assert whoami(signed(server)).status_code == 200
    assert whoami(signed(server, **changed)).status_code == 401


def test_a_changed_token_is_refused(server: RunningServer) -> None:
    head, body, signature = server.token_for("alice").split(".")
    assert whoami(f"{head}.{body}.{signature[:-6]}AAAAAA").status_code == 401
    assert Client().get("/whoami").status_code == 401
