"""PKCE (RFC 7636, RFC 9700 2.1.1): S256 alone; required of public clients, or a nonce of confidential ones."""

from __future__ import annotations

import pytest
from support import SPA, WEB, Answer, App, Visitor, challenge, discovery, register

from idp.testing import Provider

pytestmark = pytest.mark.anyio

PLAIN = App("no-pkce", "https://old.test/cb", "secret-of-no-pkce-0123456789", members={"require_pkce": False})


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert (await discovery(provider.http))["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge": challenge() + "="},
        {"code_challenge": challenge()[:-1]},
        {"code_challenge": "+" * 43},
    ],
    ids=str,
)
async def test_a_public_client_sends_s256(visitor: Visitor, changes: dict[str, str | None]) -> None:
    answer = await visitor.authorize(SPA.request(**changes))
    assert isinstance(answer, Answer)
    assert answer.error == "invalid_request"
    assert "code" not in answer.members


async def test_a_confidential_client_sends_pkce_or_a_nonce(provider: Provider, visitor: Visitor) -> None:
    with_nonce = WEB.request(code_challenge=None, code_challenge_method=None)
    code = (await visitor.sign_on(with_nonce)).code
    # The other direction of a downgrade: a verifier nobody asked for.
    assert (await WEB.redeem(provider.http, code)).json()["error"] == "invalid_grant"
    assert (await WEB.redeem(provider.http, code, code_verifier=None)).status_code == 200

    neither = WEB.request(code_challenge=None, code_challenge_method=None, nonce=None)
    assert (await visitor.sign_on(neither)).error == "invalid_request"
    not_openid = WEB.request(code_challenge=None, code_challenge_method=None, scope="profile")
    assert (await visitor.sign_on(not_openid)).error == "invalid_request"


async def test_only_a_client_exempted_by_name_sends_neither(provider: Provider, visitor: Visitor) -> None:
    await register(provider, PLAIN)
    request = PLAIN.request(code_challenge=None, code_challenge_method=None, nonce=None)
    code = (await visitor.sign_on(request)).code
    assert (await PLAIN.redeem(provider.http, code, code_verifier=None)).status_code == 200
