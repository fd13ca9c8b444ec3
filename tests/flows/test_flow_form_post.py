"""OAuth 2.0 Form Post Response Mode, and the fragment (OAuth 2.0 Multiple Response Types 2.1)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from support import NATIVE, WEB, Answer, App, Page, Visitor, discovery, register

from idp.testing import Provider

pytestmark = pytest.mark.anyio

AWKWARD = "a&b=c#d\"'><script>alert(1)</script> ä 🙂 +%41"


async def test_is_announced_in_discovery(provider: Provider) -> None:
    modes = (await discovery(provider.http))["response_modes_supported"]
    assert {"query", "fragment", "form_post"} <= set(modes)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_answer_is_a_form_and_its_code_is_good(provider: Provider, visitor: Visitor, method: str) -> None:
    await visitor.arrive(WEB.request())
    page = await visitor.authorize(WEB.request(response_mode="form_post", state=AWKWARD), method)
    assert isinstance(page, Page)
    assert (page.id, page.status, page.action) == ("form-post", 200, WEB.redirect_uri)
    assert set(page.fields) == {"code", "state", "iss"}
    assert (page.fields["state"], page.fields["iss"]) == (AWKWARD, provider.issuer)
    assert page.headers["cache-control"] == "no-store"
    assert "form-action" not in page.headers["content-security-policy"]
    assert (await WEB.redeem(provider.http, page.fields["code"])).status_code == 200


async def test_after_login_and_consent_it_is_a_form_too(provider: Provider, visitor: Visitor) -> None:
    page = await visitor.arrive(WEB.request(response_mode="form_post", prompt="consent"))
    assert isinstance(page, Page)
    assert page.id == "form-post"
    assert (await WEB.redeem(provider.http, page.fields["code"])).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"prompt": "none"}, "login_required"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "openid phone"}, "invalid_scope"),
    ],
    ids=str,
)
async def test_errors_are_posted_too(visitor: Visitor, changes: dict[str, str | None], error: str) -> None:
    page = await visitor.authorize(WEB.request(response_mode="form_post", **changes))
    assert isinstance(page, Page)
    assert (page.id, page.action) == ("form-post", WEB.redirect_uri)
    assert set(page.fields) == {"error", "error_description", "state", "iss"}
    assert page.fields["error"] == error


@pytest.mark.parametrize("action", ["deny", "cancel"])
async def test_a_no_is_posted_too(visitor: Visitor, action: str) -> None:
    page = await visitor.authorize(WEB.request(response_mode="form_post", prompt="consent"))
    if action == "deny":
        page = await visitor.log_in(page)
    page = await visitor.submit(page, decision="deny")
    assert isinstance(page, Page)
    assert (page.id, page.fields["error"]) == ("form-post", "access_denied")


async def test_an_address_that_is_wrong_is_shown_and_never_posted_to(visitor: Visitor) -> None:
    page = await visitor.authorize(WEB.request(response_mode="form_post", redirect_uri="https://evil.test/cb"))
    assert isinstance(page, Page)
    assert (page.id, page.action) == ("error", "")


async def test_an_apps_own_scheme_takes_no_form(provider: Provider, visitor: Visitor) -> None:
    """A browser posts to http and https alone; the app hears of it the way that works."""
    app = App("own-scheme", "com.example.own:/cb", method="none", members={"application_type": "native"})
    await register(provider, app)
    answer = await visitor.authorize(app.request(response_mode="form_post"))
    assert isinstance(answer, Answer)
    assert (answer.to, answer.error) == (app.redirect_uri, "invalid_request")
    loopback = NATIVE.request(response_mode="form_post", redirect_uri="http://127.0.0.1:53124/cb", prompt="none")
    page = await visitor.authorize(loopback)
    assert isinstance(page, Page)
    assert (page.id, page.action) == ("form-post", "http://127.0.0.1:53124/cb")


async def test_the_page_speaks_german(provider: Provider) -> None:
    visitor = Visitor(provider, accept_language="de-AT")
    page = await visitor.authorize(WEB.request(response_mode="form_post", prompt="none"))
    assert isinstance(page, Page)
    assert page.lang == "de"
    assert "Zurück zu" in page.text
    assert "Weiter" in page.text


async def test_a_code_in_the_fragment(provider: Provider, visitor: Visitor) -> None:
    stop = await visitor.arrive(WEB.request(response_mode="fragment", state=AWKWARD))
    assert isinstance(stop, Answer)
    before, _, fragment = stop.url.partition("#")
    assert before == WEB.redirect_uri
    members = dict(parse_qsl(fragment, strict_parsing=True))
    assert (set(members), members["state"]) == ({"code", "state", "iss"}, AWKWARD)
    assert urlencode({"state": AWKWARD}) in fragment
    assert (await WEB.redeem(provider.http, members["code"])).status_code == 200


async def test_a_mode_that_is_not_there_is_refused_by_the_types_default(visitor: Visitor) -> None:
    for kind, mark in (("code", "?"), ("id_token", "#"), ("code token", "#")):
        answer = await visitor.authorize(WEB.request(response_mode="bogus", response_type=kind))
        assert isinstance(answer, Answer)
        assert answer.url.startswith(f"{WEB.redirect_uri}{mark}error=")
