"""Points 32 to 40: tokens, UserInfo, registration and logout. Each test names the suite's class."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from preflight_support import ALL_SCOPES, CALLBACK, DESCRIPTION, FIRST, SECOND, SUITE, Tried, client, entropy
from support import Answer, App, Page
from support.apps import register

from idp.protocol.claims import CLAIMS
from idp.testing import Provider

pytestmark = pytest.mark.anyio
BYE = f"{SUITE.address}/post_logout_redirect"


async def test_32_codes_and_tokens_cannot_be_guessed(tried: Tried) -> None:
    """EnsureMinimumAuthorizationCodeLength, ...Entropy, and of access and refresh tokens."""
    code = (await tried.callback()).code
    tokens = await tried.tokens(scope="openid offline_access", prompt="consent")
    for text in (code, tokens["access_token"], tokens["refresh_token"]):
        assert len(text) * 8 >= 128
        assert entropy(text) > 96


async def test_33_an_id_and_a_secret_come_urlencoded_inside_basic(provider: Provider, tried: Tried) -> None:
    """AddBasicAuthClientSecretToRequest (RFC 6749 2.3.1)."""
    odd = App("cts:odd/1", CALLBACK, "a-secret+with%odd:signs/0123456789", members={"require_pkce": False})
    await register(provider, odd)
    code = (await tried.callback(odd)).code
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    auth = (quote(odd.client_id, safe=""), quote(odd.secret or "", safe=""))
    assert (await tried.http.post("/token", data=form, auth=auth)).status_code == 200
    assert (await tried.tokens(client("cts-post")))["id_token"]


@pytest.mark.parametrize("seconds", [0, 30])
async def test_34_a_code_is_good_once_and_its_token_dies_with_the_second_try(tried: Tried, seconds: int) -> None:
    """CheckErrorFromTokenEndpointResponseErrorInvalidGrant, EnsureHttpStatusCodeIs4xx."""
    code = (await tried.callback()).code
    first = (await FIRST.redeem(tried.http, code, code_verifier=None)).json()
    await tried.provider.advance(seconds)
    again = await FIRST.redeem(tried.http, code, code_verifier=None)
    assert again.status_code == 400
    assert again.headers["content-type"] == "application/json"
    assert again.json()["error"] == "invalid_grant"
    assert DESCRIPTION.fullmatch(again.json()["error_description"])
    dead = await tried.http.get("/userinfo", headers={"authorization": f"Bearer {first['access_token']}"})
    assert dead.status_code == 401


async def test_35_a_token_answer_is_not_kept_and_says_its_type_and_life(tried: Tried) -> None:
    """CheckTokenEndpointCacheHeaders, ExtractExpiresInFromTokenEndpointResponse, CheckTokenTypeIsBearer."""
    code = (await tried.callback(scope="openid offline_access", prompt="consent")).code
    fresh = await FIRST.redeem(tried.http, code, code_verifier=None)
    refreshed = await FIRST.refresh(tried.http, fresh.json()["refresh_token"])
    refused = await FIRST.refresh(tried.http, "nobody's")
    for answer in (fresh, refreshed, refused):
        assert "no-store" in re.split(r",\s*", answer.headers["cache-control"])
    for answer in (fresh, refreshed):
        assert answer.json()["token_type"].lower() == "bearer"
        assert answer.json()["expires_in"] > 0


async def test_36_a_refreshed_id_token_speaks_of_the_same_sign_in(tried: Tried) -> None:
    """CompareIdTokenClaims, EnsureServerConfigurationSupportsRefreshToken."""
    tokens = await tried.tokens(scope="openid offline_access", prompt="consent")
    await tried.provider.advance(1)
    stranger = await SECOND.refresh(tried.http, tokens["refresh_token"])
    assert (stranger.status_code, stranger.json()["error"]) == (400, "invalid_grant")
    answer = (await FIRST.refresh(tried.http, tokens["refresh_token"], scope="openid offline_access")).json()
    before, after = await tried.claims(tokens["id_token"]), await tried.claims(answer["id_token"])
    same = ("iss", "sub", "aud", "azp", "auth_time")
    assert {name: before.get(name) for name in same} == {name: after.get(name) for name in same}
    assert after["iat"] > before["iat"]
    assert "refresh_token" in tried.metadata["grant_types_supported"]


async def test_37_casey_has_every_claim_in_its_form(tried: Tried) -> None:
    """VerifyScopesReturnedInUserInfoClaims, ValidateUserInfoStandardClaims."""
    told = await tried.person(await tried.tokens(scope=ALL_SCOPES))
    assert told.keys() == {"sub", *CLAIMS}
    for name, value in told.items():
        if name.endswith("_verified"):
            assert isinstance(value, bool), name
        elif name == "updated_at":
            assert type(value) is int
            assert 631_152_000 < value <= tried.provider.server.now()
        elif name == "address":
            assert value
            assert all(isinstance(part, str) and part for part in value.values())
        else:
            assert isinstance(value, str), name
            assert value not in ("", "null"), name


async def test_38_userinfo_answers_each_way_it_may_be_asked(tried: Tried) -> None:
    """EnsureContentTypeJson, oidcc-userinfo-get, -post-header, -post-body, EnsureUserInfoDoesNotContainName."""
    tokens = await tried.tokens(scope="openid email")
    subject = (await tried.claims(tokens["id_token"]))["sub"]
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    answers = [
        await tried.http.get("/userinfo", headers=bearer),
        await tried.http.post("/userinfo", headers=bearer),
        await tried.http.post("/userinfo", data={"access_token": tokens["access_token"]}),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == "application/json"
        assert answer.json()["sub"] == subject
        assert "name" not in answer.json()


async def test_39_registration_is_there_where_it_is_announced(tried: Tried) -> None:
    """oidcc-dynamic: 201 with an end to the secret's life, 400 with its registered words; else no such address."""
    asked = {"redirect_uris": [CALLBACK], "client_name": "Registered", "contacts": ["casey@example.com"], "odd": 1}
    where = tried.metadata.get("registration_endpoint", f"{tried.provider.issuer}/register")
    answer = await tried.http.post(where, json=asked)
    if "registration_endpoint" not in tried.metadata:
        assert answer.status_code == 404
        return
    assert answer.status_code == 201
    made = answer.json()
    assert {"client_id", "client_secret_expires_at"} <= made.keys()
    assert ("registration_client_uri" in made) == ("registration_access_token" in made)
    bad = await tried.http.post(where, json={**asked, "redirect_uris": [f"{CALLBACK}#fragment"]})
    assert (bad.status_code, bad.json()["error"]) == (400, "invalid_redirect_uri")


async def test_40_a_logout_goes_back_where_it_may_and_nowhere_else(tried: Tried) -> None:
    """oidcc-rp-initiated-logout and its ways to be wrong: the state echoed and nothing added, or a page."""
    tokens = await tried.tokens()
    hint = tokens["id_token"]
    unsigned = f"eyJhbGciOiJub25lIn0.{hint.split('.')[1]}."
    foreign = hint[:-8] + ("A" * 8 if not hint.endswith("A" * 8) else "B" * 8)
    for changes in (
        {"post_logout_redirect_uri": f"{BYE}/other"},
        {"post_logout_redirect_uri": f"{BYE}?foo=bar"},
        {"id_token_hint": unsigned},
        {"id_token_hint": foreign},
        {"id_token_hint": ""},
    ):
        asked = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "s", **changes}
        await tried.shown({name: value for name, value in asked.items() if value}, "/logout")
    stop = await tried.visitor.open("/logout", {"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "a b"})
    assert isinstance(stop, Answer)
    assert (stop.to, stop.members) == (BYE, {"state": "a b"})
    assert (await tried.redirected(prompt="none")).error == "login_required"


async def test_40_without_a_hint_the_person_is_asked_and_is_out(tried: Tried) -> None:
    """oidcc-rp-initiated-logout-no-params, -only-state."""
    for parameters in ({}, {"state": "s"}):
        await tried.tokens()
        asked = await tried.visitor.open("/logout", parameters)
        assert isinstance(asked, Page)
        assert 'id="logout-confirm"' in asked.text
        done = await tried.visitor.submit(asked, decision="logout")
        assert isinstance(done, Page)
        assert done.id == "logged-out"
        assert (await tried.redirected(prompt="none")).error == "login_required"


async def test_40_the_ways_out_are_announced_and_an_id_token_names_its_session(tried: Tried) -> None:
    """The logout plans' discovery modules; `tests/flows/test_flow_backchannel_logout.py` has the logout token."""
    for channel in ("backchannel", "frontchannel"):
        assert tried.metadata[f"{channel}_logout_supported"] is True
        assert tried.metadata[f"{channel}_logout_session_supported"] is True
    assert tried.metadata["end_session_endpoint"].startswith(tried.provider.issuer)
    assert (await tried.id_token())["sid"]
