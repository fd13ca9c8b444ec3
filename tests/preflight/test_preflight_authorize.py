"""Points 20 to 31: the authorization endpoint. Each test names the suite's class or module."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from preflight_support import CALLBACK, DESCRIPTION, FIRST, SECOND, SUITE, Tried
from support import Answer, App, Page
from support.apps import register

from idp.testing import Provider

pytestmark = pytest.mark.anyio
LONG_STATE = ("~!@#$^*()_+-=[]{}|;:,./<>?'`" * 5)[:128]
MEMBERS = {"error", "error_description", "error_uri", "state", "iss"}
UNSIGNED = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwudGVzdCJ9."
# What goes wrong and is told to the client.
REFUSED: Mapping[str, dict[str, str | None]] = {
    "nobody signed in": {"prompt": "none"},
    "no response type": {"response_type": None},
    "an unknown response type": {"response_type": 'code "and" \\more\n'},
    "prompts that exclude one another": {"prompt": "none login"},
    "a max_age that is no number": {"max_age": '"1"'},
    "an unsigned request object": {"request": UNSIGNED},
    "a request object of an unknown place": {"request_uri": "https://elsewhere.test/object"},
    "a response mode that is none": {"response_mode": "pigeon"},
    "half a code challenge": {"code_challenge_method": "S256"},
}


@pytest.mark.parametrize("name", REFUSED)
async def test_20_to_23_an_error_is_registered_words_with_state_and_issuer(tried: Tried, name: str) -> None:
    """CheckStateInAuthorizationResponse, CheckForUnexpectedParametersInErrorResponse..., ValidateErrorDescription...,
    ValidateIssIfPresentInAuthorizationResponse."""
    answer = await tried.redirected(**{"state": LONG_STATE, **REFUSED[name]})
    assert answer.to == CALLBACK
    assert answer.members.keys() <= MEMBERS
    assert answer.members["state"] == LONG_STATE
    assert answer.members["iss"] == tried.metadata["issuer"]
    assert answer.error
    assert DESCRIPTION.fullmatch(answer.members["error_description"])


async def test_20_without_a_page_there_is_no_page(tried: Tried) -> None:
    """CheckErrorFromAuthorizationEndpointIsOneThatRequiredAUserInterface: before a login, and after a logout."""
    assert (await tried.redirected(prompt="none")).error == "login_required"
    tokens = await tried.tokens()
    await tried.visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
    assert (await tried.redirected(prompt="none")).error == "login_required"


async def test_21_a_state_comes_back_as_it_was_and_none_where_none_was(tried: Tried) -> None:
    """CheckStateInAuthorizationResponse."""
    assert (await tried.callback(state=LONG_STATE)).members["state"] == LONG_STATE
    assert "state" not in (await tried.callback(state=None)).members
    assert "state" not in (await tried.redirected(state=None, response_type=None)).members


async def test_23_a_good_answer_names_its_issuer(tried: Tried) -> None:
    """ValidateIssIfPresentInAuthorizationResponse, RequireIssInAuthorizationResponse."""
    answer = await tried.callback()
    assert answer.members["iss"] == tried.metadata["issuer"]
    assert tried.metadata["authorization_response_iss_parameter_supported"] is True


async def test_24_only_the_registered_address_as_it_is_written(tried: Tried) -> None:
    """oidcc-ensure-registered-redirect-uri, oidcc-redirect-uri-query-added and -mismatch."""
    wrong = (f"{CALLBACK}/", f"{CALLBACK}?a=b", f"{CALLBACK}?dummy1=lorem", f"{CALLBACK}#", "https://suite.test/other")
    for uri in wrong:
        page = await tried.shown(tried.request(redirect_uri=uri))
        assert "cannot continue this request" in page.text
    two = tried.request(SECOND, redirect_uri=None)
    await tried.shown(two)


async def test_24_a_registered_query_stays(tried: Tried) -> None:
    """CheckMatchingCallbackParameters."""
    app = App(SECOND.client_id, f"{CALLBACK}?dummy1=lorem&dummy2=ipsum", SECOND.secret)
    answer = await tried.callback(app)
    assert answer.members["dummy1"] == "lorem"
    assert answer.members["dummy2"] == "ipsum"
    assert answer.url.startswith(f"{CALLBACK}?dummy1=lorem&dummy2=ipsum&")


async def test_25_a_bad_address_beside_a_request_object_is_not_replaced_by_the_registered_one(tried: Tried) -> None:
    """EnsureOPDoesNotUseDefaultRedirectUriInCaseOfInvalidRedirectUri."""
    await tried.shown(tried.request(redirect_uri="https://elsewhere.test/cb", request=UNSIGNED))


async def test_26_an_object_nobody_signed_is_never_read(tried: Tried) -> None:
    """oidcc-unsigned-request-object-...: refused by name, not ignored."""
    assert (await tried.redirected(request=UNSIGNED)).error in ("request_not_supported", "invalid_request_object")
    by_reference = (await tried.redirected(request_uri="https://elsewhere.test/object")).error
    assert by_reference in ("request_uri_not_supported", "invalid_request_uri")


async def test_27_what_is_missing_is_said_by_redirect(tried: Tried) -> None:
    """oidcc-response-type-missing, oidcc-ensure-request-without-nonce-fails."""
    assert (await tried.redirected(response_type=None)).error in ("invalid_request", "unsupported_response_type")


async def test_28_a_post_from_another_site_ends_at_the_callback(tried: Tried) -> None:
    """oidcc-ensure-post-request-succeeds."""
    answer = await tried.visitor.sign_on(tried.request(), "casey", "casey-password", method="POST")
    assert answer.code


@pytest.mark.parametrize(
    "changes",
    [
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"display": "page"},
        {"display": "popup"},
        {"login_hint": "casey"},
        {"extra": "foobar"},
        {"acr_values": "1 2"},
        {"nonce": None},
        {"scope": "phone address email profile openid"},
    ],
    ids=str,
)
async def test_29_what_we_need_not_know_disturbs_nothing(tried: Tried, changes: dict[str, str | None]) -> None:
    """oidcc-ui-locales, -claims-locales, -display-..., -login-hint, -ensure-request-with-...-succeeds."""
    assert (await tried.callback(**changes)).code


async def test_29_pkce_unasked_is_welcome_and_a_login_hint_is_filled_in(tried: Tried) -> None:
    """oidcc-ensure-request-with-valid-pkce-succeeds."""
    answer = await tried.visitor.sign_on(FIRST.request(), "casey", "casey-password")
    assert (await FIRST.redeem(tried.http, answer.code)).status_code == 200
    page = await tried.visitor.authorize(tried.request(prompt="login", login_hint="casey"))
    assert isinstance(page, Page)
    assert page.inputs["username"] == "casey"


async def test_30_a_name_asked_for_by_claims_comes_without_its_scope(tried: Tried) -> None:
    """OIDCCClaimsEssential (EnsureUserInfoContainsName), where the parameter is announced."""
    asked = '{"userinfo":{"name":{"essential":true}}}'
    tokens = await tried.tokens(claims=asked)
    told = await tried.person(tokens)
    assert ("name" in told) is tried.metadata["claims_parameter_supported"]
    assert "name" not in await tried.claims(tokens["id_token"])


async def test_31_a_form_post_holds_everything_in_its_body(tried: Tried) -> None:
    """CheckCallbackHttpMethodIsPost, RejectAuthCodeInUrlQuery, RejectErrorInUrlQuery: where the mode is announced."""
    stop = await tried.visitor.authorize(tried.request(response_mode="form_post", prompt="none"))
    if "form_post" not in tried.metadata["response_modes_supported"]:
        assert isinstance(stop, Answer)
        assert stop.error == "invalid_request"
        return
    assert isinstance(stop, Page)
    assert stop.status == 200
    assert stop.action == CALLBACK
    assert stop.fields["error"] == "login_required"
    assert "<noscript>" in stop.text or "<button" in stop.text


async def test_a_consent_that_is_denied_is_access_denied(tried: Tried) -> None:
    """fapi2-...-user-rejects-authentication."""
    answer = await tried.visitor.sign_on(
        tried.request(prompt="consent"), "casey", "casey-password", decision="deny"
    )
    assert answer.error == "access_denied"


async def test_the_second_time_nothing_is_asked(tried: Tried) -> None:
    """oidcc-prompt-none-logged-in, oidcc-id-token-hint: session and remembered consent suffice."""
    tokens = await tried.tokens()
    assert isinstance(await tried.visitor.authorize(tried.request()), Answer)
    hinted = await tried.redirected(prompt="none", id_token_hint=tokens["id_token"])
    assert "code" in hinted.members


async def test_the_login_page_shows_what_the_client_says_about_itself(provider: Provider, tried: Tried) -> None:
    """ExpectLoginPageWithLogo, ...WithPolicyLink, ...WithTosLink."""
    about = {name: f"{SUITE.base_url}/{name}" for name in ("logo_uri", "policy_uri", "tos_uri")}
    shown = App("cts-shown", CALLBACK, "cts-shown-secret-0123456789abcdef", members={**about, "require_pkce": False})
    await register(provider, shown)
    page = await tried.visitor.authorize(tried.request(shown))
    assert isinstance(page, Page)
    assert page.id == "login"
    assert all(uri in page.text for uri in about.values())
