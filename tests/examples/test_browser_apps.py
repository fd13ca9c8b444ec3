"""The React, Vue and Angular examples in a real browser, against ``idp dev`` and an API on other ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from example_world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.node]
APPS = ("react", "vue", "angular")
STORED = """async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,
    await indexedDB.databases(), await caches.keys()])"""


@pytest.fixture(scope="module")
def browser(shared_browser: Browser) -> Browser:
    return shared_browser


def sign_in(page: Page, app: str, person: str) -> None:
    page.goto(app)
    page.click("#sign-in")
    page.fill("[name=username]", person)
    page.fill("[name=password]", person)
    page.click("#login-submit")
    page.click("#consent-allow")
    page.wait_for_selector("#user")


@contextmanager
def without_a_complaint(context: BrowserContext) -> Iterator[None]:
    """No error in any page's console: no refused CORS request, no broken policy, no exception."""
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    context.on("weberror", lambda error: said.append(str(error.error)))
    yield
    assert not said


def called(tab: Page) -> str:
    """The Authorization header of a call of the API that was answered."""
    with tab.expect_response(lambda answer: answer.url.endswith("/notes") and answer.ok) as answered:
        tab.click("#reload")
    return answered.value.request.all_headers()["authorization"]


def token_requests(page: Page, world: World) -> list[str]:
    """The bodies of what the page posts to the token endpoint from now on."""
    found: list[str] = []
    address = f"{world.issuer}/token"
    page.on("request", lambda r: found.append(r.post_data or "") if (r.url, r.method) == (address, "POST") else None)
    return found


@pytest.mark.parametrize("name", APPS)
def test_from_the_first_visit_to_signing_out(name: str, page: Page, world: World) -> None:
    app, person = world.app(name), world.person()
    page.clock.install()
    with without_a_complaint(page.context):
        sign_in(page, app, person)
        assert page.inner_text("#user") == "Alice Archer"
        assert page.url == f"{app}/", "the code has left the address bar"
        page.fill("#text", f"written in {name}")
        page.click("#add")
        page.wait_for_selector("#notes li")
        assert page.inner_text("#notes li") == f"written in {name}"
        assert page.input_value("#text") == ""

        assert "eyJ" not in page.evaluate(STORED), "no token is kept anywhere but in memory"

        posts = token_requests(page, world)
        for count in (2, 3, 4):  # a token lives 300 seconds
            page.clock.fast_forward("04:45")
            page.click("#reload")
            page.wait_for_selector(f"#tokens:has-text('had {count} access')")
        assert len({post for post in posts if "refresh_token=" in post}) == 3, "each time another refresh token"

        shown: list[str] = []
        page.on("framenavigated", lambda frame: shown.append(frame.url) if frame == page.main_frame else None)
        page.reload()
        page.wait_for_selector("#notes li")
        assert shown == [f"{app}/"], "signed in again without leaving the page"

        other = page.context.new_page()
        other.goto(app)
        other.wait_for_selector("#notes li")
        page.clock.fast_forward("04:45")
        first, second, third = (called(tab) for tab in (page, other, page))
        assert first != second, "each tab has tokens of its own"
        assert first == third, "renewing in one tab ended nothing in the other"

        page.click("#sign-out")
        page.wait_for_selector("#nobody")
        other.wait_for_selector("#nobody")
        assert page.url == f"{app}/"
        page.reload()
        page.wait_for_selector("#nobody")
        page.click("#sign-in")
        page.wait_for_selector("[name=password]")


def test_calls_at_the_same_time_renew_once(page: Page, world: World) -> None:
    page.clock.install()
    sign_in(page, world.app("react"), world.person())
    page.wait_for_selector("#notes + form")
    posts = token_requests(page, world)
    page.clock.fast_forward("04:45")
    page.evaluate("for (let i = 0; i < 5; i++) document.querySelector('#reload').click()")
    page.wait_for_selector("#tokens:has-text('had 2 access')")
    page.click("#reload")
    page.wait_for_load_state("networkidle")
    assert len(posts) == 1


def test_a_token_the_api_refuses_is_replaced_once(page: Page, world: World) -> None:
    sign_in(page, world.app("react"), world.person())
    page.wait_for_selector("#tokens:has-text('had 1 access')")
    world.api.refuse = 1
    page.click("#reload")
    page.wait_for_selector("#tokens:has-text('had 2 access')")
    assert not page.query_selector("[role=alert]")
    world.api.refuse = 2
    page.click("#reload")
    page.wait_for_selector("[role=alert]")
    assert page.inner_text("[role=alert]") == "The API answered 401."


def test_a_sign_in_ended_elsewhere_is_noticed_at_the_next_renewal(page: Page, world: World) -> None:
    page.clock.install()
    sign_in(page, world.app("react"), world.person())
    page.wait_for_selector("#notes + form")
    elsewhere = page.context.new_page()
    elsewhere.goto(f"{world.issuer}/logout")
    elsewhere.click("#logout-confirm")
    elsewhere.wait_for_selector("body#logged-out")
    page.clock.fast_forward("04:45")
    page.click("#reload")
    page.wait_for_selector("#nobody")
    assert page.inner_text("[role=alert]") == "You have been signed out."


def test_a_refresh_token_that_ran_out_is_no_sign_out(page: Page, world: World) -> None:
    """What happens after a night: the refresh token is gone, the sign-in at the provider is not."""
    page.clock.install()
    sign_in(page, world.app("react"), world.person())
    page.wait_for_selector("#notes + form")
    page.route(f"{world.issuer}/token", with_a_dead_refresh_token)
    page.clock.fast_forward("04:45")
    page.click("#reload")
    page.wait_for_selector("#tokens:has-text('had 2 access')")
    assert not page.query_selector("[role=alert]")


def test_a_busy_provider_is_no_sign_out(page: Page, world: World) -> None:
    page.clock.install()
    sign_in(page, world.app("react"), world.person())
    page.wait_for_selector("#notes + form")
    busy = {"access-control-allow-origin": "*", "content-type": "application/json"}
    body = '{"error": "temporarily_unavailable", "error_description": "Try again in a moment."}'
    page.route(f"{world.issuer}/token", lambda route: route.fulfill(status=503, headers=busy, body=body))
    page.clock.fast_forward("04:45")
    page.click("#reload")
    page.wait_for_selector("[role=alert]")
    assert page.query_selector("#user")
    page.unroute(f"{world.issuer}/token")
    page.click("#reload")
    page.wait_for_selector("#tokens:has-text('had 2 access')")


def with_a_dead_refresh_token(route: Route) -> None:
    body = route.request.post_data or ""
    route.continue_(post_data=body.replace("refresh_token=", "refresh_token=x") if "=refresh_token" in body else body)


def test_a_reload_signs_in_where_the_provider_is_another_site(page: Page, world: World) -> None:
    """``elsewhere.localhost`` and ``localhost`` are two sites: the provider's cookie is not in the hidden frame."""
    app = world.app("react", "elsewhere.localhost")
    with without_a_complaint(page.context):
        sign_in(page, app, world.person())
        page.goto(f"{app}/?list=7")
        page.wait_for_selector("#user")
        assert page.url == f"{app}/?list=7"
        page.context.clear_cookies()
        page.reload()
        page.wait_for_selector("#nobody")
        assert not page.query_selector("[role=alert]")
        assert page.evaluate("localStorage.length") == 0, "nobody is asked for again until somebody signs in"


def test_an_answer_that_is_not_the_providers_signs_nobody_in(page: Page, world: World) -> None:
    """RFC 9207: the app waits for this very state, but another issuer names itself."""
    app = world.app("react")
    page.goto(app)
    with page.expect_request(f"{world.issuer}/authorize?**") as asked:
        page.click("#sign-in")
    page.wait_for_selector("body#login")
    state = parse_qs(urlsplit(asked.value.url).query)["state"][0]
    posts = token_requests(page, world)
    page.goto(f"{app}/callback?code=theirs&state={state}&iss=https://id.example.com")
    page.wait_for_selector("[role=alert]")
    assert page.inner_text("[role=alert]") == "Another provider answered."
    assert page.url == f"{app}/"
    assert posts == [], "the code was not sent anywhere"


def test_a_made_up_answer_signs_nobody_in(page: Page, world: World) -> None:
    app = world.app("react")
    page.goto(f"{app}/callback?code=theirs&state=theirs&iss={world.issuer}")
    page.wait_for_selector("[role=alert]")
    assert page.query_selector("#nobody")


def test_saying_no_is_said(page: Page, world: World) -> None:
    page.goto(world.app("react"))
    page.click("#sign-in")
    page.click("#login-cancel")
    page.wait_for_selector("[role=alert]")
    assert page.inner_text("[role=alert]") == "The person did not sign in."
    assert page.query_selector("#nobody")


def test_in_a_frame_it_shows_nothing(page: Page, world: World) -> None:
    app = world.app("react")
    page.goto(app)
    page.evaluate("document.body.append(Object.assign(document.createElement('iframe'), {src: '/'}))")
    frame = page.wait_for_selector("iframe").content_frame()
    assert frame
    frame.wait_for_load_state("networkidle")
    assert frame.inner_text("body").strip() == ""


def test_a_provider_that_is_away_is_said(page: Page, world: World) -> None:
    page.goto(world.app("react"))
    page.route(f"{world.issuer}/**", lambda route: route.abort())
    page.evaluate("localStorage.setItem('signed-in-before', 'yes')")
    page.reload()
    page.wait_for_selector("[role=alert]")
    assert "Is it running?" in page.inner_text("[role=alert]")
    assert page.evaluate("localStorage.length") == 1, "a lost connection is no sign-out"
