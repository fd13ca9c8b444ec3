"""Making an account in a real browser: by keyboard, without JavaScript, on a phone; what password managers read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from support import NATIVE

from idp.testing import RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
PASSWORD = "marble lantern drizzle"
SMALL = """[...document.querySelectorAll('main button, main input:not([type=hidden])')]
    .filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(sign_up__open=True) as started:
        started.apply(NATIVE.toml())
        yield started


def address(server: RunningServer, **more: str) -> str:
    return f"{server.issuer}/authorize?{urlencode(NATIVE.request(**more))}"


def test_by_keyboard_and_without_javascript(browser: Browser, server: RunningServer) -> None:
    page = browser.new_context(java_script_enabled=False, locale="en-GB").new_page()
    page.goto(address(server))
    page.wait_for_selector("body#login")
    page.locator("#login-create").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("body#sign-up")
    page.keyboard.type("Anna")  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("#sign-up-submit")
    assert re.fullmatch("anna-[0-9]{4}", page.input_value("#username"))
    page.keyboard.type(PASSWORD)  # so has this one
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("body#consent")


def test_what_a_password_manager_reads(browser: Browser, server: RunningServer) -> None:
    page = browser.new_context(locale="de-DE").new_page()
    page.goto(address(server, prompt="create"))
    assert page.get_attribute("#username", "autocomplete") == "nickname", "a wish is not kept as the name"
    page.fill("#username", "anna")
    page.click("#sign-up-name")
    page.wait_for_selector("#password")
    kinds = page.eval_on_selector_all("main input:not([type=hidden])", "all => all.map(e => e.autocomplete)")
    assert kinds == ["username", "new-password", "new-password"]
    assert "Konto anlegen" in page.inner_text("h1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_with_every_mistake(browser: Browser, server: RunningServer, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 320, "height": 640}, color_scheme=scheme, locale="en-GB"  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(address(server, prompt="create"))
    page.fill("#username", "a<b")
    page.click("#sign-up-name")
    page.wait_for_selector("#sign-up-errors:focus")
    assert page.evaluate(SMALL) == []
    page.fill("#username", "a long name of someone")
    page.click("#sign-up-name")
    page.wait_for_selector("#password")
    page.fill("#password", "password1")
    page.fill("#repeat-password", "password1")
    page.click("#sign-up-submit")
    page.wait_for_selector("#password-mistake")
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
