"""The backend for a frontend in a real browser, against ``idp dev`` and the API: a cookie out here, tokens in there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from example_world import World
from test_browser_apps import STORED, sign_in, without_a_complaint

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
OURS = {"X-BFF": "1"}


@pytest.fixture(scope="module")
def browser(shared_browser: Browser) -> Browser:
    return shared_browser


def session_cookie(page: Page) -> Any:
    (found,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "__Host-bff"]
    return found


def answer_of(page: Page, app: str, path: str = "/api/notes", **headers: str) -> int:
    """With the browser's cookies, from outside its pages, with just these headers."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    found = httpx2.get(f"{app}{path}", headers=headers, cookies=cookies, trust_env=False)
    return found.status_code


def test_from_the_first_visit_to_signing_out(page: Page, world: World) -> None:
    app = world.app("bff")
    heard: list[str] = []
    page.on("response", lambda answer: heard.append(answer.url))
    with without_a_complaint(page.context):
        sign_in(page, app, world.person())
        assert page.inner_text("#user") == "Alice Archer"
        cookie = session_cookie(page)
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
        assert (cookie["path"], cookie["domain"]) == ("/", "localhost")
        assert [c["name"] for c in page.context.cookies() if "sign-in" in c["name"]] == [], "spent"

        page.fill("#text", "through the backend")
        page.click("#add")
        page.wait_for_selector("#notes li")
        assert "eyJ" not in page.evaluate(STORED)
        assert not [url for url in heard if "/token" in url], "the browser saw no token request"
        page.reload()
        page.wait_for_selector("#notes li")
        assert session_cookie(page)["value"] == cookie["value"]

        page.click("#sign-out")
        page.wait_for_selector("#nobody")
        assert page.url == f"{app}/"
    kept = {"__Host-bff": cookie["value"]}
    answer = httpx2.get(f"{app}/api/notes", headers=OURS, cookies=kept, trust_env=False)
    assert answer.status_code == 401, "the old cookie is worth nothing"
    page.click("#sign-in")
    page.wait_for_selector("[name=password]")


def test_only_its_own_pages_may_call(page: Page, world: World) -> None:
    app = world.app("bff")
    sign_in(page, app, world.person())
    assert answer_of(page, app, **OURS) == 200
    assert answer_of(page, app, **OURS, Origin=app) == 200
    for headers in (
        {},
        {"X-BFF": "2"},
        OURS | {"Origin": "http://localhost:1"},
        OURS | {"Origin": "null"},
        OURS | {"Sec-Fetch-Site": "same-site"},
        OURS | {"Sec-Fetch-Site": "cross-site"},
        OURS | {"Sec-Fetch-Site": "none"},
    ):
        assert answer_of(page, app, **headers) == 403, headers
        assert answer_of(page, app, "/bff/user", **headers) == 403, headers


def test_another_site_in_the_same_browser_reaches_nothing(page: Page, world: World) -> None:
    """Another port of this machine is the same site, so even a Strict cookie goes along: the header must not."""
    app = world.app("bff")
    sign_in(page, app, world.person())
    page.goto(f"{world.issuer}/.well-known/openid-configuration")
    before = len(world.api.tokens)
    script = """async ([app, headers]) => {
        try { return (await fetch(app + '/api/notes', {method: 'POST', credentials: 'include', headers,
            mode: Object.keys(headers).length ? 'cors' : 'no-cors', body: '{"text": "forged"}'})).type }
        catch { return 'refused' } }"""
    assert page.evaluate(script, [app, OURS]) == "refused"
    assert page.evaluate(script, [app, {}]) == "opaque"
    assert len(world.api.tokens) == before, "neither came as far as the API"


def test_calls_at_the_same_time_refresh_once(page: Page, world: World) -> None:
    """The API takes the token no more: one refresh for all of them, and each is repeated with the new one."""
    app = world.app("bff")
    sign_in(page, app, world.person())
    page.wait_for_selector("#notes + form")
    page.wait_for_load_state("networkidle")
    seen = len(world.api.tokens)
    world.api.refused.add(world.api.tokens[-1])
    world.api.together = asyncio.Barrier(5)
    script = """() => Promise.all([1, 2, 3, 4, 5].map(async () =>
        (await fetch('/api/notes', {cache: 'no-store', headers: {'X-BFF': '1'}})).status))"""
    answers = page.evaluate(script)
    world.api.together = None
    assert answers == [200] * 5
    assert len(set(world.api.tokens[seen:])) == 2


def test_a_sign_out_elsewhere_reaches_it(page: Page, world: World) -> None:
    app = world.app("bff")
    sign_in(page, app, world.person())
    elsewhere = page.context.new_page()
    elsewhere.goto(f"{world.issuer}/logout")
    elsewhere.click("#logout-confirm")
    elsewhere.wait_for_selector("body#logged-out")
    for _ in range(40):
        if answer_of(page, app, **OURS) == 401:
            break
        page.wait_for_timeout(50)
    page.click("#reload")
    page.wait_for_selector("#nobody")
    assert page.inner_text("[role=alert]") == "You have been signed out."


def test_a_made_up_logout_token_ends_nothing(page: Page, world: World) -> None:
    app = world.app("bff")
    sign_in(page, app, world.person())
    for token in ("", "a.b.c", world.api.tokens[-1]):
        answer = httpx2.post(f"{app}/backchannel-logout", data={"logout_token": token}, trust_env=False)
        assert answer.status_code == 400
    assert answer_of(page, app, **OURS) == 200


def test_an_answer_this_browser_did_not_ask_for_signs_nobody_in(page: Page, world: World) -> None:
    app = world.app("bff")
    page.goto(f"{app}/callback?code=theirs&state=theirs&iss={world.issuer}")
    page.wait_for_selector("[role=alert]")
    assert page.inner_text("[role=alert]") == "Nobody was signed in: not_begun_here."
    page.goto(f"{app}/sign-in")
    (state,) = [c["name"].removeprefix("__Host-bff-sign-in-") for c in page.context.cookies() if "sign-in" in c["name"]]
    page.goto(f"{app}/callback?code=theirs&state={state}&iss=https://id.example.com")
    page.wait_for_selector("[role=alert]")
    assert page.inner_text("[role=alert]") == "Nobody was signed in: wrong_issuer."


def test_two_tabs_may_sign_in_at_once(page: Page, world: World) -> None:
    app, person = world.app("bff"), world.person()
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{app}/sign-in")
    for tab in (page, other):
        if tab.query_selector("[name=password]"):
            tab.fill("[name=username]", person)
            tab.fill("[name=password]", person)
            tab.click("#login-submit")
            tab.wait_for_selector("#user, body#consent")
        if tab.query_selector("body#consent"):
            tab.click("#consent-allow")
        tab.wait_for_selector("#user")
