"""Answers on their way (RFC 6749 4.1.2, RFC 9207), discovery's merging (RFC 8414 2), what a refusal may say (5.2)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_values import ISSUER, target

from idp.protocol.errors import Refused, Sent, registered_characters, visible
from idp.protocol.metadata import merge
from idp.protocol.request import Target
from idp.protocol.responses import answer, error_members, with_query


def success_url(where: Target, members: dict[str, str]) -> str:
    return with_query(where.redirect_uri, answer(where, ISSUER, members))


def error_url(refusal: Sent) -> str:
    return success_url(target(), error_members(refusal))


@pytest.mark.parametrize(
    ("uri", "state", "expected"),
    [
        ("https://a.test/cb", "s", "https://a.test/cb?code=c&state=s&iss=https%3A%2F%2Fid.test"),
        ("https://a.test/cb", None, "https://a.test/cb?code=c&iss=https%3A%2F%2Fid.test"),
        ("https://a.test/cb?x=1", "s", "https://a.test/cb?x=1&code=c&state=s&iss=https%3A%2F%2Fid.test"),
        ("https://a.test/cb?", "s", "https://a.test/cb?code=c&state=s&iss=https%3A%2F%2Fid.test"),
        ("com.a:/cb", "s", "com.a:/cb?code=c&state=s&iss=https%3A%2F%2Fid.test"),
        ("https://a.test/cb", "a b&c=d", "https://a.test/cb?code=c&state=a+b%26c%3Dd&iss=https%3A%2F%2Fid.test"),
    ],
)
def test_success(uri: str, state: str | None, expected: str) -> None:
    assert success_url(target(uri=uri, state=state), {"code": "c"}) == expected


def test_error() -> None:
    found = parse_qs(urlsplit(error_url(Sent("access_denied", "No."))).query)
    assert found == {"error": ["access_denied"], "error_description": ["No."], "state": ["s"], "iss": [ISSUER]}


def test_what_the_operator_reads_is_not_sent() -> None:
    refusal = Sent("invalid_scope", "No.", rule="R", received="private", expected="E", mend="M")
    assert "private" not in error_url(refusal)


@given(st.text(max_size=100).filter(lambda text: not any(0xD800 <= ord(c) <= 0xDFFF for c in text)))
def test_any_state_comes_back(state: str) -> None:
    url = success_url(target(state=state), {"code": "c"})
    assert url.isascii()
    assert url.isprintable()
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))["state"] == state


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([], {}),
        ([{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
        ([{"a": ["x"]}, {"a": ["x", "y"]}], {"a": ["x", "y"]}),
        ([{"a": True}, {"a": True}], {"a": True}),
    ],
)
def test_documents_are_merged(documents: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert merge(documents) == expected


def test_features_that_disagree_stop_the_start() -> None:
    with pytest.raises(ValueError, match="disagree about a"):
        merge([{"a": 1}, {"a": 2}])


@given(st.text(max_size=100))
def test_a_description_holds_registered_characters_only(text: str) -> None:
    found = registered_characters(text)
    assert all(" " <= c <= "~" and c not in '"\\' for c in found)
    assert len(found) == len(text)


@given(st.text(max_size=300))
def test_what_a_log_shows_is_bounded_and_printable(text: str) -> None:
    found = visible(text, 50)
    assert found.isprintable()
    assert len(found) <= 51 * 10


def test_a_refusal_tells_its_story() -> None:
    refusal = Refused("invalid_scope", "No.", rule="R", received="X")
    assert refusal.story() == {"error": "invalid_scope", "description": "No.", "rule": "R", "received": "X"}
    assert refusal.status == 400
