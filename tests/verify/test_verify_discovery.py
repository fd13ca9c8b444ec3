"""An issuer's metadata: kept for a day, and an issuer in trouble is not asked with every token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from verify_loopback import as_json
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, jwks

from idp.verify import FetchError, Introspection, Refused, Response, SyncVerifier
from idp.verify.discovery import discovery_urls

DAY = 86_400


class Issuer:
    """Metadata and their trouble as the test sets them; every token is active."""

    def __init__(self) -> None:
        self.now = NOW
        self.metadata: dict[str, Any] = {"issuer": ISSUER, "introspection_endpoint": f"{ISSUER}/a"}
        self.status = 200
        self.looked: list[str] = []
        self.posted: list[str] = []
        asked = Introspection("api", "secret", cache=0, post=self.post)
        self.verifier = SyncVerifier(
            ISSUER, AUDIENCE, jwks=jwks(ES), fetch=self.fetch, clock=lambda: self.now, introspection=asked
        )

    def fetch(self, url: str, headers: Mapping[str, str]) -> Response:
        self.looked.append(url)
        if self.status == 0:
            raise FetchError("connection refused")
        return Response(self.status, {}, as_json(self.metadata))

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        self.posted.append(url)
        return Response(200, {}, as_json({"active": True, "sub": "alice", "aud": AUDIENCE}))

    def ask(self) -> str:
        try:
            return self.verifier.verify("opaque").subject
        except Refused as refused:
            return str(refused)


def test_it_is_looked_up_once_a_day() -> None:
    issuer = Issuer()
    for hour in range(25):
        issuer.now = NOW + hour * 3600
        assert issuer.ask() == "alice"
    assert len(issuer.looked) == 2


def test_what_is_known_outlasts_its_issuer_and_moves_with_it() -> None:
    issuer = Issuer()
    issuer.ask()
    issuer.status, issuer.now = 0, NOW + DAY
    assert issuer.ask() == "alice"
    issuer.status, issuer.metadata["introspection_endpoint"] = 200, f"{ISSUER}/b"
    issuer.now += 1
    issuer.ask()
    assert issuer.posted == [f"{ISSUER}/a", f"{ISSUER}/a", f"{ISSUER}/b"]


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_an_issuer_in_trouble_is_asked_again_after_a_while(status: int) -> None:
    issuer = Issuer()
    issuer.status = status
    looked = []
    for second in range(120):
        issuer.now = NOW + second
        for _ in range(10):
            assert "could not be asked" in issuer.ask()
        if len(issuer.looked) > len(looked):
            looked.append(second)
    assert looked == [0, 1, 3, 7, 15, 31, 61, 91]
    issuer.status, issuer.now = 200, NOW + 121
    assert issuer.ask() == "alice"


def test_a_clock_that_was_set_back_does_not_keep_it_waiting() -> None:
    issuer = Issuer()
    issuer.status = 0
    issuer.ask()
    issuer.status, issuer.now = 200, NOW - 3600
    assert issuer.ask() == "alice"


def test_an_endpoint_that_was_missing_is_looked_for_again() -> None:
    issuer = Issuer()
    endpoint = issuer.metadata.pop("introspection_endpoint")
    for _ in range(5):
        assert "names no introspection_endpoint" in issuer.ask()
    issuer.metadata["introspection_endpoint"] = endpoint
    issuer.now += 29
    assert "names no introspection_endpoint" in issuer.ask()
    assert len(issuer.looked) == 1
    issuer.now += 1
    assert issuer.ask() == "alice"


@pytest.mark.parametrize(("status", "places"), [(404, 2), (403, 2), (400, 2), (429, 1), (500, 1), (301, 1)])
def test_another_place_only_where_it_is_not_there(status: int, places: int) -> None:
    issuer = Issuer()
    issuer.status = status
    issuer.ask()
    assert len(issuer.looked) == places


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        ("https://a.example", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]),
        ("https://a.example/", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]),
        (
            # The examples of RFC 8414 sections 3.1 and 5.
            "https://a.example/issuer1",
            [
                "/issuer1/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server/issuer1",
                "/.well-known/openid-configuration/issuer1",
            ],
        ),
    ],
)
def test_the_places(issuer: str, urls: list[str]) -> None:
    assert discovery_urls(issuer) == tuple(f"https://a.example{url}" for url in urls)
