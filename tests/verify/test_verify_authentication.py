"""A resource that asks how and when the person signed in (RFC 9470 section 3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, RS, jwks, token

from idp.verify import Refused, Verifier

VERIFIER = Verifier(ISSUER, AUDIENCE, jwks=jwks(ES, RS), clock=lambda: NOW, leeway=10)


def refusal(text: str, **asked: Any) -> Refused:
    """The same refusal from both doors."""
    with pytest.raises(Refused) as first:
        VERIFIER.verify_sync(text, **asked)
    with pytest.raises(Refused) as second:
        asyncio.run(VERIFIER.verify(text, **asked))
    assert (first.value.reason, str(first.value)) == (second.value.reason, str(second.value))
    return first.value


@pytest.mark.parametrize(
    ("claims", "asked"),
    [
        ({}, {}),
        ({"acr": "a"}, {"acr_values": ["a", "b"]}),
        ({"acr": "b"}, {"acr_values": "b"}),
        ({"auth_time": NOW - 60}, {"max_age": 60}),
        ({"auth_time": NOW - 70}, {"max_age": 60}),
        ({"auth_time": NOW + 5}, {"max_age": 0}),
        ({"auth_time": NOW, "acr": "a"}, {"max_age": 5, "acr_values": ("a",)}),
    ],
)
def test_content(claims: dict[str, Any], asked: dict[str, Any]) -> None:
    assert VERIFIER.verify_sync(token(**claims), **asked) == asyncio.run(VERIFIER.verify(token(**claims), **asked))


@pytest.mark.parametrize(
    ("claims", "asked", "words"),
    [
        ({}, {"acr_values": ["a"]}, "acr missing, this needs a"),
        ({"acr": "b"}, {"acr_values": ["a", "c"]}, "acr b, this needs a or c"),
        ({"acr": ["a"]}, {"acr_values": ["a"]}, "this needs a"),
        ({"acr": "a"}, {"max_age": 5, "acr_values": ("a",)}, "the sign-in was missing"),
        ({"auth_time": NOW - 71}, {"max_age": 60}, "1 min 11 s ago, this needs one of the last 1 min"),
        ({"auth_time": NOW - 11}, {"max_age": 0}, "11 s ago"),
    ],
)
def test_not_content(claims: dict[str, Any], asked: dict[str, Any], words: str) -> None:
    found = refusal(token(**claims), **asked)
    assert (found.reason, found.status, found.error) == ("authentication", 401, "insufficient_user_authentication")
    assert words in str(found)


def test_a_true_that_poses_as_a_time_is_a_fault_of_the_token() -> None:
    assert refusal(token(auth_time=True), max_age=5).reason == "claim"


def test_the_challenge_is_that_of_the_rfc() -> None:
    """RFC 9470 section 3, figures 2 and 3: the members a client takes into its next request."""
    by_level = refusal(token(acr="other"), acr_values=["myACR"]).www_authenticate()
    assert by_level.startswith('Bearer error="insufficient_user_authentication", error_description="')
    assert by_level.endswith('", acr_values="myACR"')
    by_age = refusal(token(auth_time=NOW - 100), max_age=5).www_authenticate()
    assert by_age.endswith('", max_age="5"')
    both = refusal(token(), acr_values=["a", "b"], max_age=5.0).www_authenticate(realm="api")
    assert both.startswith('Bearer realm="api", error=')
    assert both.endswith('acr_values="a b", max_age="5"')


def test_scopes_are_asked_for_first_and_nothing_of_it_where_nothing_was_asked() -> None:
    assert refusal(token(scope="read"), scopes=["write"], max_age=5).reason == "scope"
    assert "max_age" not in refusal(token(scope="read"), scopes=["write"], max_age=5).www_authenticate()
