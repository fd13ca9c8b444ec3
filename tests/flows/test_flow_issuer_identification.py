"""``iss`` in every authorization response (RFC 9207), errors included."""

from __future__ import annotations

from typing import Any

import pytest
from support import WEB, Answer, App, Page, Visitor, discovery, register

from idp.testing import Provider

pytestmark = pytest.mark.anyio

QUERY = App("query", "https://query.test/cb?a=1", "secret-of-query-0123456789")


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert (await discovery(provider.http))["authorization_response_iss_parameter_supported"] is True


REQUESTS: dict[str, dict[str, Any]] = {
    "success": {},
    "login_required": {"prompt": "none"},
    "invalid_request": {"prompt": "none login"},
    "invalid_scope": {"scope": "nosuch"},
    "invalid_target": {"resource": "https://nowhere.test"},
    "unsupported_response_type": {"response_type": "token"},
    "request_not_supported": {"request": "x"},
    "no pkce": {"code_challenge": None, "code_challenge_method": None, "nonce": None},
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("state", ["state-of-the-app", None])
async def test_every_answer_names_its_issuer(
    provider: Provider, visitor: Visitor, kind: str, method: str, state: str | None
) -> None:
    answer = await visitor.sign_on(WEB.request(**REQUESTS[kind], state=state), method=method)
    assert answer.members["iss"] == provider.issuer
    assert answer.url.count("iss=") == 1
    assert answer.members.get("state") == state
    assert answer.status == 303
    assert ("code" in answer.members) is (kind == "success")


async def test_a_denied_consent_too(provider: Provider, visitor: Visitor) -> None:
    answer = await visitor.sign_on(WEB.request(prompt="consent"), decision="deny")
    assert (answer.error, answer.members["iss"]) == ("access_denied", provider.issuer)


async def test_a_consent_that_is_missing_too(provider: Provider, visitor: Visitor) -> None:
    await register(provider, QUERY)
    await visitor.sign_on(WEB.request())
    answer = await visitor.authorize(QUERY.request(prompt="none"))
    assert isinstance(answer, Answer)
    assert answer.members == {
        "a": "1",
        "error": "consent_required",
        "error_description": "The person has to act first.",
        "state": "state-of-the-app",
        "iss": provider.issuer,
    }


async def test_a_hint_that_was_not_met_too(provider: Provider, visitor: Visitor) -> None:
    bob = Visitor(provider)
    hint = (await WEB.redeem(provider.http, (await bob.sign_on(WEB.request(), "bob")).code)).json()["id_token"]
    stop = await visitor.authorize(WEB.request(id_token_hint=hint))
    answer = await visitor.log_in(stop, "alice")
    assert isinstance(answer, Answer)
    assert (answer.error, answer.members["iss"]) == ("login_required", provider.issuer)


async def test_what_is_shown_goes_nowhere(visitor: Visitor) -> None:
    stop = await visitor.authorize(WEB.request(redirect_uri="https://evil.test/cb"))
    assert isinstance(stop, Page)
    assert stop.id == "error"


@pytest.mark.parametrize("state", ["a b&c=d#e%20+", "\u00fc\u20ac\U0001f600", "'\"<>\\", "x" * 4000])
async def test_state_comes_back_unchanged(visitor: Visitor, state: str) -> None:
    for prompt in ("consent", "none"):
        answer = await visitor.sign_on(WEB.request(state=state, prompt=prompt))
        assert answer.members["state"] == state
