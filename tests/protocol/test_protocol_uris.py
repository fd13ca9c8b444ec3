"""Redirect URIs (RFC 9700 2.1, RFC 8252 7.3) and origins (RFC 6454): exact strings, one exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.client import Client
from idp.protocol.uris import first_difference, origin_of, redirect_uri_matches

WEB, LOOPBACK, LOOPBACK6 = "https://rp.test/cb", "http://127.0.0.1/cb", "http://[::1]:8000/cb"


@pytest.mark.parametrize(
    ("registered", "sent", "matches"),
    [
        (WEB, WEB, True),
        (WEB, "https://rp.test/cb/", False),
        (WEB, "https://rp.test:443/cb", False),
        (WEB, "https://RP.test/cb", False),
        (WEB, "HTTPS://rp.test/cb", False),
        (WEB, "https://rp.test/cb?", False),
        (WEB, "https://rp.test/cb#", False),
        (WEB, "https://rp.test/%63b", False),
        (WEB, "https://rp.test/cb/../cb", False),
        (WEB, "https://rp.test.evil.test/cb", False),
        (WEB, "https://evil.test/https://rp.test/cb", False),
        (WEB, "", False),
        ("https://rp.test/cb?a=1&b=2", "https://rp.test/cb?b=2&a=1", False),
        ("com.example:/cb", "com.example:/cb", True),
        ("com.example:/cb", "com.example:/cb2", False),
        (LOOPBACK, "http://127.0.0.1:1/cb", True),
        (LOOPBACK, "http://127.0.0.1:65535/cb", True),
        (LOOPBACK, "http://127.0.0.1:65536/cb", False),
        (LOOPBACK, "http://127.0.0.1:/cb", False),
        (LOOPBACK, "http://127.0.0.1:80x/cb", False),
        (LOOPBACK, "http://127.0.0.1:\u0661/cb", False),
        (LOOPBACK, "http://127.0.0.1:80/cb?x=1", False),
        (LOOPBACK, "http://127.0.0.1:80/cb#x", False),
        (LOOPBACK, "http://127.0.0.1:80/CB", False),
        (LOOPBACK, "http://127.0.0.1:80/cb\n", False),
        (LOOPBACK, "http://127.0.0.1:80/cb\nx", False),
        (LOOPBACK, "http://127.0.0.1:80@evil.test/cb", False),
        (LOOPBACK, "http://127.0.0.1.evil.test/cb", False),
        (LOOPBACK, "http://127.0.0.2:80/cb", False),
        (LOOPBACK, "http://localhost:80/cb", False),
        (LOOPBACK, "https://127.0.0.1:80/cb", False),
        (LOOPBACK, "HTTP://127.0.0.1:80/cb", False),
        (LOOPBACK, "http://[::1]:80/cb", False),
        (LOOPBACK6, "http://[::1]:9000/cb", True),
        (LOOPBACK6, "http://[::1]/cb", True),
        (LOOPBACK6, "http://127.0.0.1:8000/cb", False),
        ("http://127.0.0.1", "http://127.0.0.1:80", True),
        ("http://127.0.0.1", "http://127.0.0.1:80/", False),
        ("http://localhost/cb", "http://localhost:9000/cb", False),
        ("https://127.0.0.1/cb", "https://127.0.0.1:9000/cb", False),
    ],
)
def test_matching(registered: str, sent: str, matches: bool) -> None:
    assert redirect_uri_matches(registered, sent) is matches


@given(st.text(max_size=60))
def test_nothing_but_itself_matches_a_web_address(sent: str) -> None:
    assert redirect_uri_matches(WEB, sent) is (sent == WEB)
    assert redirect_uri_matches(WEB, WEB + sent) is (sent == "")


@given(st.text(max_size=20))
def test_between_address_and_path_only_a_port_fits(inserted: str) -> None:
    sent = f"http://127.0.0.1{inserted}/cb"
    digits = inserted[1:]
    is_port = (
        inserted[:1] == ":" and digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) < 65_536
    )
    assert redirect_uri_matches(LOOPBACK, sent) is (inserted == "" or is_port)


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        (WEB, "https://rp.test"),
        ("https://RP.test:8443/x?y", "https://rp.test:8443"),
        ("http://127.0.0.1/cb", "http://127.0.0.1"),
        ("http://[::1]:80/cb", "http://[::1]:80"),
        ("com.example:/cb", None),
        ("urn:x", None),
        ("https:///cb", None),
    ],
)
def test_origins(uri: str, origin: str | None) -> None:
    assert origin_of(uri) == origin


def test_the_origins_of_a_client() -> None:
    client = Client(client_id="c", redirect_uris=(WEB, "com.example:/cb"), allowed_origins=("https://app.rp.test",))
    assert client.origins == {"https://rp.test", "https://app.rp.test"}


@pytest.mark.parametrize(
    ("one", "other", "index"), [("abc", "abd", 2), ("abc", "abc", 3), ("ab", "abc", 2), ("", "x", 0)]
)
def test_the_first_difference(one: str, other: str, index: int) -> None:
    assert first_difference(one, other) == index


@pytest.mark.parametrize(
    ("members", "remembered"),
    [
        ({"token_endpoint_auth_method": "client_secret_basic"}, True),
        ({"token_endpoint_auth_method": "none"}, True),
        ({"token_endpoint_auth_method": "none", "application_type": "native"}, False),
        ({"token_endpoint_auth_method": "none", "redirect_uris": ("com.example:/cb",)}, False),
        ({"token_endpoint_auth_method": "none", "redirect_uris": ("http://127.0.0.1/cb",)}, False),
        ({"token_endpoint_auth_method": "none", "application_type": "native", "remember_consent": True}, True),
        ({"token_endpoint_auth_method": "client_secret_basic", "remember_consent": False}, False),
    ],
)
def test_whose_consent_is_remembered(members: dict[str, object], remembered: bool) -> None:
    """RFC 8252 8.6."""
    client = Client(**{"client_id": "c", "redirect_uris": (WEB,), **members})
    assert client.remembers_consent is remembered
