"""The account page in a real browser: by hand, by keyboard, without JavaScript, on a phone, in both colours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from idp.testing import RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
PASSWORD, FRESH = "correct horse", "four quiet lanterns"
# Names for every field, button, landmark and table of facts: what a screen reader says of them.
UNNAMED = """[...document.querySelectorAll('main button, main input:not([type=hidden]):not([hidden]), main section')]
    .filter(e => !(e.labels?.length || e.textContent.trim()) ||
        (e.getAttribute('aria-labelledby') && !document.getElementById(e.getAttribute('aria-labelledby'))))
    .map(e => e.outerHTML.slice(0, 80))"""
ALIKE = """(() => { const names = [...document.querySelectorAll('main .rows button')].map(b => b.textContent);
    return names.filter((name, i) => names.indexOf(name) !== i) })()"""
SMALL = """[...document.querySelectorAll('main button, main summary, main input:not([type=hidden]):not([hidden])')]
    .filter(e => e.checkVisibility())
    .filter(e => e.getBoundingClientRect().height < 24 || e.getBoundingClientRect().width < 24).map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as started:
        yield started


@pytest.fixture
def person(server: RunningServer) -> str:
    name = f"person{len(server.control('user.list')['people'])}"
    server.control("user.add", username=name, password=PASSWORD, claims={"name": "Alice Archer"})
    return name


def sign_in(page: Page, server: RunningServer, person: str, password: str = PASSWORD) -> None:
    page.goto(f"{server.issuer}/account")
    page.fill("#username", person)
    page.fill("#password", password)
    page.click("#login-submit")
    page.wait_for_selector("body#account")


def test_a_password_is_changed_by_keyboard_and_without_javascript(
    browser: Browser, server: RunningServer, person: str
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page, other = context.new_page(), browser.new_context(locale="en-GB").new_page()
    sign_in(other, server, person)
    sign_in(page, server, person)
    for attempt, errors in (("password1", True), (FRESH, False)):
        if not errors:
            page.focus("#current-password")
        else:
            page.focus("#account-password-open")
            page.keyboard.press("Enter")
            page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        for _ in range(2):
            page.keyboard.press("Tab")
            page.keyboard.type(attempt)
        page.keyboard.press("Enter")
        page.wait_for_selector("#account-errors" if errors else "#account-done")
    assert "Your password is changed." in page.inner_text("#account-done")
    assert page.locator("#account-sessions + ul h3").count() == 1
    other.goto(f"{server.issuer}/account")
    other.wait_for_selector("body#login")
    sign_in(other, server, person, FRESH)


def test_a_sign_in_elsewhere_is_ended(browser: Browser, server: RunningServer, person: str) -> None:
    phone = browser.new_context(
        locale="en-GB",
        user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605 Version/17.5 Safari/604",
    ).new_page()
    sign_in(phone, server, person)
    page = browser.new_context(locale="en-GB").new_page()
    sign_in(page, server, person)
    page.click("li:has-text('Safari on iPhone') button")
    page.wait_for_selector("#account-done")
    assert page.locator("li:has-text('Safari on iPhone')").count() == 0
    phone.goto(f"{server.issuer}/account")
    phone.wait_for_selector("body#login")
    page.click("#account-end-all")
    page.wait_for_selector("body#logged-out")


def test_every_size_and_colour(browser: Browser, server: RunningServer, person: str) -> None:
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    for _ in range(2):
        context.clear_cookies()
        sign_in(page, server, person)
        server.clock.advance(60)
    for scheme in ("light", "dark"):
        for width, height in ((320, 640), (390, 844), (1280, 800)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{server.issuer}/account")
            page.click("#account-password-open")
            name = f"{scheme} {width}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert page.evaluate(SMALL) == [], name
            dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] < 100")
            assert dark == (scheme == "dark")
    assert page.get_attribute("html", "lang") == "de"
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(ALIKE) == [], "buttons that do different things are named differently"
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert page.locator("main h1").count() == 1
