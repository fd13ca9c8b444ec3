"""The pages of the device flow in a real browser: by keyboard, without JavaScript, on a phone, in both colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from support.devices import DEVICE_GRANT, TV

from idp.testing import RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
SMALL = """[...document.querySelectorAll('main button, main input:not([type=hidden])')]
    .filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as started:
        started.apply(TV.toml())
        yield started


def ask(server: RunningServer) -> dict[str, Any]:
    form = {"client_id": "tv", "scope": "openid profile email"}
    return dict(httpx2.post(f"{server.issuer}/device_authorization", data=form).json())


def poll(server: RunningServer, told: dict[str, Any]) -> dict[str, Any]:
    form = {"client_id": "tv", "grant_type": DEVICE_GRANT, "device_code": told["device_code"]}
    return dict(httpx2.post(f"{server.issuer}/token", data=form).json())


def sign_in(page: Page) -> None:
    page.wait_for_selector("body#login")
    page.fill("#username", "alice")
    page.fill("#password", "alice")
    page.keyboard.press("Enter")
    page.wait_for_selector("body#device")


def test_by_keyboard_and_without_javascript(browser: Browser, server: RunningServer) -> None:
    page = browser.new_context(java_script_enabled=False, locale="en-GB").new_page()
    told = ask(server)
    page.goto(told["verification_uri"])
    sign_in(page)
    page.keyboard.type(told["user_code"].lower())  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("body#device-confirm")
    assert page.inner_text("#device-code") == told["user_code"]
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator("#device-allow:focus").count():
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("body#device-done")
    assert "access_token" in poll(server, told)
    page.reload()
    assert "Your device is connected" in page.inner_text("h1"), "a reload posts nothing and says it again"


def test_every_size_and_colour(browser: Browser, server: RunningServer) -> None:
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    told = ask(server)
    page.goto(told["verification_uri_complete"])
    sign_in(page)
    page.fill("#device-code", "BCDF-BCDF")
    page.click("#device-submit")
    page.wait_for_selector("#device-errors")
    looks(page)
    page.fill("#device-code", told["user_code"])
    page.click("#device-submit")
    page.wait_for_selector("body#device-confirm")
    looks(page)
    page.click("#device-deny")
    page.wait_for_selector("body#device-done")
    looks(page)
    assert poll(server, told)["error"] == "access_denied"


def looks(page: Page) -> None:
    for scheme in ("light", "dark"):
        for width, height in ((320, 640), (1280, 800)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (scheme, width)
            assert page.evaluate(SMALL) == []
    assert page.get_attribute("html", "lang") == "de"
