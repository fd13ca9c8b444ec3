"""The form-post page in a browser: it posts itself, and its button does where scripts do not run."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from support import App
from support.loopback import Sink, sink

from idp.testing import RunningServer, running_server

pytestmark = pytest.mark.browser

STATE = "a\"'><script>document.title='owned'</script> & é"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def site() -> Iterator[Sink]:
    """The app's own address, on another origin."""
    with sink() as started:
        yield started


@pytest.fixture(scope="module")
def app(running: RunningServer, site: Sink) -> App:
    members = {"client_name": "Photo album", "consent": "skip"}
    registered = App("posted", site.url, "secret-of-posted-0123456789", members=members)
    running.apply(registered.toml())
    return registered


def address(running: RunningServer, app: App, **changes: str) -> str:
    query = httpx2.QueryParams(app.request(response_mode="form_post", state=STATE, **changes))
    return f"{running.issuer}/authorize?{query}"


def sign_in(page: Page) -> None:
    page.fill("#username", "alice")
    page.fill("#password", "alice")
    page.click("#login-submit")


def test_it_posts_itself_to_the_app(page: Page, running: RunningServer, site: Sink, app: App) -> None:
    said: list[str] = []
    sent: list[dict[str, str]] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: sent.append(request.headers) if request.url == site.url else None)
    page.goto(address(running, app))
    sign_in(page)
    page.wait_for_url(site.url)
    form = site.take()
    assert set(form) == {"code", "state", "iss"}
    assert (form["state"], form["iss"]) == (STATE, running.issuer)
    assert site.content_types[-1] == "application/x-www-form-urlencoded"
    assert sent[0]["origin"] == running.issuer, "the app can tell from whom"
    assert sent[0].get("referer", running.issuer + "/") == running.issuer + "/", "and nothing of the address"
    assert not [text for text in said if "Content Security Policy" in text or "Refused" in text]


def test_an_error_posts_itself_too(page: Page, running: RunningServer, site: Sink, app: App) -> None:
    page.goto(address(running, app, prompt="none"))
    page.wait_for_url(site.url)
    assert site.take()["error"] == "login_required"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 640), (1280, 800)], ids=["phone", "desktop"])
def test_without_scripts_the_button_does_it(
    browser: Browser, running: RunningServer, site: Sink, app: App, size: tuple[int, int], scheme: str
) -> None:
    width, height = size
    context = browser.new_context(
        locale="en-GB",
        java_script_enabled=False,
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(address(running, app))
    sign_in(page)
    expect(page.locator("body")).to_have_id("form-post")
    expect(page.locator("h1")).to_have_text("Back to Photo album")
    expect(page.locator("#form-post-submit")).to_be_visible()
    box = page.locator("#form-post-submit").bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["x"] + box["width"] <= width
    assert site.empty, "nothing is sent before"
    page.keyboard.press("Tab")
    expect(page.locator("#form-post-submit")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(site.url)
    assert site.take()["state"] == STATE
    context.close()


def test_a_script_of_anybody_else_does_not_run(page: Page, running: RunningServer, site: Sink, app: App) -> None:
    """The policy names the one line by its hash: markup beside it, should any ever get in, stays dead."""

    def with_more_script(route: Route) -> None:
        answer = route.fetch()
        script = "<script>document.forms[0].elements['state'].value = 'owned'</script>"
        route.fulfill(response=answer, body=answer.text().replace("</form>", script + "</form>"))

    page.route("**/authorize*", with_more_script)
    page.goto(address(running, app, prompt="none"))
    page.wait_for_url(site.url)
    form = site.take()
    assert (form["error"], form["state"]) == ("login_required", STATE)
