"""Points 10 to 18: the ID token. Each test names the suite's class."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

import pytest
from preflight_support import ALL_SCOPES, FIRST, SUITE, Tried
from support import Answer, Page, header_of

from idp.protocol.claims import CLAIMS

pytestmark = pytest.mark.anyio

# What the suite tolerates in an ID token nobody asked anything of.
TOLERATED = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash"}
TOLERATED |= {"s_hash", "nbf", "jti", "sid", "txn"}


async def test_10_it_is_rs256_with_a_kid_unless_a_client_says_otherwise(tried: Tried) -> None:
    """EnsureIdTokenContainsKid, EnsureIdTokenSignatureIsRS256."""
    header = header_of((await tried.tokens())["id_token"])
    assert header["alg"] == "RS256"
    assert header["kid"]


async def test_11_audience_times_and_acr_are_what_they_must_be(tried: Tried) -> None:
    """ValidateIdToken."""
    claims = await tried.id_token(max_age="3600")
    now = tried.provider.server.now()
    assert FIRST.client_id in ([claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"])
    assert all(type(claims[name]) is int for name in ("exp", "iat", "auth_time"))
    assert abs(claims["iat"] - now) < 300
    assert claims["exp"] > now
    assert claims["auth_time"] <= now
    assert claims.get("acr") != ""


async def test_12_the_subject_is_short_and_printable(tried: Tried) -> None:
    """CheckForSubjectInIdToken."""
    assert re.fullmatch(r"[\x20-\x7e]{1,255}", (await tried.id_token())["sub"])


@pytest.mark.parametrize("length", [43, 64])
async def test_13_the_nonce_comes_back_as_it_was(tried: Tried, length: int) -> None:
    """ValidateIdTokenNonce."""
    nonce = secrets.token_hex(length)[:length]
    assert (await tried.id_token(nonce=nonce))["nonce"] == nonce
    assert "nonce" not in await tried.id_token(nonce=None)


@pytest.mark.parametrize("scope", ["openid", ALL_SCOPES, f"{ALL_SCOPES} offline_access"])
async def test_14_it_holds_nothing_of_our_own(tried: Tried, scope: str) -> None:
    """EnsureIdTokenDoesNotContainNonRequestedClaims."""
    assert (await tried.id_token(scope=scope)).keys() <= TOLERATED


async def test_15_what_scopes_open_is_for_userinfo(tried: Tried) -> None:
    """EnsureIdTokenDoesNotContainEmailForScopeEmail, EnsureIdTokenDoesNotContainName."""
    assert not (await tried.id_token(scope=ALL_SCOPES)).keys() & set(CLAIMS)


async def test_16_its_hash_is_the_access_tokens(tried: Tried) -> None:
    """ValidateAtHash."""
    tokens = await tried.tokens()
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    expected = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert (await tried.claims(tokens["id_token"])).get("at_hash", expected) == expected


async def test_17_auth_time_stands_while_the_session_does_and_moves_with_a_new_login(tried: Tried) -> None:
    """CheckIdTokenAuthTimeClaimPresentDueToMaxAge, ...ClaimsSameIfPresent, CheckSecondIdTokenAuthTimeIsLater..."""
    first = (await tried.id_token(max_age="10000"))["auth_time"]
    await tried.provider.advance(2)
    assert (await tried.id_token(max_age="10000"))["auth_time"] == first
    assert (await tried.id_token(prompt="none"))["auth_time"] == first
    again = (await tried.id_token(prompt="login"))["auth_time"]
    assert again > first
    await tried.provider.advance(2)
    assert (await tried.id_token(max_age="1"))["auth_time"] > again


async def test_18_one_of_the_acr_values_asked_for_comes_back(tried: Tried) -> None:
    """ValidateIdTokenACRClaimAgainstAcrValuesRequest."""
    known = tried.metadata["acr_values_supported"]
    assert (await tried.id_token(acr_values=" ".join(known)))["acr"] in known


async def test_19_a_login_is_really_asked_for_again(tried: Tried) -> None:
    """oidcc-prompt-login, oidcc-max-age-1: the form, with the placeholder's sentence; and the session stays."""
    await tried.tokens()
    await tried.provider.advance(2)
    for changes in ({"prompt": "login"}, {"max_age": "1"}):
        stop = await tried.visitor.authorize(tried.request(**changes))
        assert isinstance(stop, Page)
        assert stop.url.startswith(f"{tried.provider.issuer}/login")
        assert re.search(r'id="login-title">Sign in<', stop.text)
        silent = await tried.visitor.authorize(tried.request(prompt="none"))
        assert isinstance(silent, Answer)
        assert silent.to.startswith(SUITE.address)
        assert "code" in silent.members
