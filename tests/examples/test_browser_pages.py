"""The pages of the browser examples, seen: on a phone, in the dark, by the keyboard alone; and their texts, read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from built_apps import EXAMPLES
from example_world import API, PORTS, World
from test_browser_apps import APPS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# The pages of all four are made of the same elements and one style sheet, so each is seen in one way.
VIEWS = {
    "react": (320, 640, "light"),
    "vue": (1280, 800, "dark"),
    "angular": (320, 640, "dark"),
    "bff": (1280, 800, "light"),
}
SMALL_TARGETS = """[...document.querySelectorAll('main button, main a, main input')].filter(e => e.offsetParent)
    .filter(e => e.getBoundingClientRect().height < 24 || e.getBoundingClientRect().width < 24).map(e => e.id)"""
FAINT = """[...document.querySelectorAll('main p, main li, main button, main a, main label, main h1')]
    .filter(e => e.offsetParent && e.innerText).map(e => {
        const light = (text) => { const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b }
        let back = e; while (getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)') back = back.parentElement
        const both = [light(getComputedStyle(e).color), light(getComputedStyle(back).backgroundColor)].sort()
        return [e.innerText, (Math.max(...both) + .05) / (Math.min(...both) + .05)]
    }).filter(([, contrast]) => contrast < 4.5)"""


@pytest.fixture(scope="module")
def browser(shared_browser: Browser) -> Browser:
    return shared_browser


@pytest.mark.browser
@pytest.mark.node
@pytest.mark.parametrize("name", VIEWS)
def test_every_page_can_be_read_and_the_keyboard_is_enough(name: str, browser: Browser, world: World) -> None:
    """WCAG 1.4.10 at 320 pixels, 1.4.3 contrast, 2.5.8 targets, 2.4.7 focus; and the colours the person set."""
    width, height, scheme = VIEWS[name]
    app, person = world.app(name), world.person()
    options: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    context = browser.new_context(locale="en-GB", **options)
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(app)
    page.wait_for_selector("#sign-in")
    looked_at(page, scheme)
    press_at(page, "sign-in")
    page.wait_for_selector("#username:focus")
    page.click("#login-cancel")
    page.wait_for_selector("[role=alert]")
    looked_at(page, scheme)

    press_at(page, "sign-in")
    page.wait_for_selector("#username:focus")
    page.keyboard.type(person)
    page.keyboard.press("Tab")
    page.keyboard.type(person)
    page.keyboard.press("Enter")
    page.wait_for_selector("body#consent")
    press_at(page, "consent-allow")
    page.wait_for_selector("#text")
    reach(page, "text")
    page.keyboard.type("averyverylongword" * 9)
    page.keyboard.press("Enter")
    page.wait_for_selector("#notes li")
    assert page.evaluate("document.activeElement.id") == "text", "ready for the next one"
    looked_at(page, scheme)
    press_at(page, "sign-out")
    page.wait_for_selector("#nobody")
    context.close()


def looked_at(page: Page, scheme: str) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "too wide"
    assert page.evaluate(SMALL_TARGETS) == []
    assert page.evaluate(FAINT) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] < 100")
    assert dark == (scheme == "dark")


def press_at(page: Page, wanted: str) -> None:
    reach(page, wanted)
    page.keyboard.press("Enter")


def reach(page: Page, wanted: str) -> None:
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == wanted:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "focus is visible"
            return
    raise AssertionError(f"{wanted} is out of the keyboard's reach")


@pytest.mark.parametrize("name", ["session.ts", "notes.ts", "style.css"])
def test_the_shared_files_are_the_same(name: str) -> None:
    """Each example is whole by itself, so what they share is there three times: change one, copy it to the others."""
    texts = {(EXAMPLES / app / "src" / name).read_text(encoding="utf-8") for app in APPS}
    if name == "style.css":
        texts.add((EXAMPLES / "bff" / "site" / name).read_text(encoding="utf-8"))
    assert len(texts) == 1


@pytest.mark.parametrize("name", PORTS)
def test_the_files_and_the_readme_say_the_same(name: str) -> None:
    """Addresses, client and commands: what a reader types is what the files mean."""
    folder, port = EXAMPLES / name, PORTS[name]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    registered = (folder / "idp.toml").read_text(encoding="utf-8")
    assert f"<http://localhost:{port}>" in readme
    assert "idp dev --apply idp.toml" in readme
    assert f'redirect_uris = ["http://localhost:{port}/callback"]' in registered
    assert f'resources = ["{API}"]' in registered
    for linked in re.findall(r"\]\((\.\./[^)#]+)", readme):
        assert (folder / linked).exists(), linked
    if name == "bff":
        return
    settings = json.loads((folder / "public" / "config.json").read_text(encoding="utf-8"))
    assert f'client_id = "{settings["client_id"]}"' in registered
    assert (settings["api"], settings["resource"]) == (API, API)
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert {"dev", "build"} <= package["scripts"].keys()
    assert "npm install\nnpm run dev" in readme
    versions = {**package["dependencies"], **package.get("devDependencies", {})}
    assert [name for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert not list(folder.glob("*lock*"))
