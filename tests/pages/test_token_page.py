"""``/dev/token`` in a real browser: a token taken apart there, its signature checked there, nothing sent anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from idp.testing import Provider, RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
PHONE = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as started:
        yield started


@pytest.fixture
def opened(browser: Browser, server: RunningServer) -> Iterator[Callable[..., Page]]:
    """``opened(locale=..., viewport=..., fragment=...)``: the page, in a context of its own."""
    contexts = []

    def open_page(fragment: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"locale": "en-GB", **options})
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{server.issuer}/dev/token{fragment}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def verdict(page: Page, words: str) -> str:
    page.get_by_text(words).first.wait_for()
    return page.locator("#token-verdict").inner_text()


def row(page: Page, name: str) -> str:
    found = page.locator("#token-result dl > div", has=page.locator("dt", has_text=name))
    return next(text for text in found.all_inner_texts() if text.startswith(f"{name}\n"))


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_token_is_taken_apart_and_its_signature_checked(
    opened: Callable[..., Page], server: RunningServer, alg: str
) -> None:
    server.apply(
        f'[[resources]]\nuri = "https://{alg}.test"\naccess_token_signed_response_alg = "{alg}"\nscopes = []\n'
        '[[clients]]\nclient_id = "app"\ntoken_endpoint_auth_method = "none"\napplication_type = "native"\n'
        f'redirect_uris = ["http://127.0.0.1/cb"]\nresources = ["https://{alg}.test"]\nscope = "openid"\n'
    )
    token = server.token_for("alice", client="app", resource=[f"https://{alg}.test"], ttl=270)
    page = opened()
    assert not page.locator("#token-result").is_visible()
    page.get_by_label("Token").fill(f"Authorization: Bearer {token}\n")
    assert "matches this provider's public key" in verdict(page, "matches this provider")
    parts = [page.locator(f"#token-{name}") for name in ("header", "payload", "signature")]
    assert ".".join(part.inner_text() for part in parts) == token
    assert len({part.evaluate("one => getComputedStyle(one).color") for part in parts}) == 3
    assert alg in row(page, "alg")
    assert "in 4 minutes" in row(page, "exp")
    assert "RFC 7519 4.1.4" in row(page, "exp")
    assert str(time.localtime().tm_year) in row(page, "exp")
    changed = token[:-20] + ("A" if token[-20] != "A" else "B") + token[-19:]
    page.get_by_label("Token").fill(changed)
    assert "does not match" in verdict(page, "does not match")


def test_nothing_leaves_the_page_and_nothing_could(opened: Callable[..., Page], server: RunningServer) -> None:
    page = opened()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.wait_for_load_state("networkidle")  # the browser's own, for the picture in its tab
    sent.clear()
    page.get_by_label("Token").fill(server.token_for("alice"))
    verdict(page, "matches this provider")
    page.keyboard.press("Enter")
    assert sent == []
    blocked = page.evaluate("async () => { try { await fetch('/healthz'); return false } catch { return true } }")
    assert blocked is True
    assert page.evaluate("() => [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_a_fragment_is_read_and_gone_from_the_address(opened: Callable[..., Page], server: RunningServer) -> None:
    page = opened(f"#{server.token_for('bob')}")
    verdict(page, "matches this provider")
    assert page.url == f"{server.issuer}/dev/token"
    page.get_by_role("button", name="Forget it").click()
    assert page.get_by_label("Token").input_value() == ""
    assert not page.locator("#token-result").is_visible()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("abcdef", "one piece without dots"),
        ("a.b.c", "no whole token"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiI8aW1nIHNyYz14IG9uZXJyb3I9YWxlcnQoMSk-In0.", "There is no signature"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "shared secret"),
        ("eyJhbGciOiJSUzI1NiIsImtpZCI6Im90aGVyIn0.e30.AAAA", "publishes no such key"),
        ("eyJhbGciOiJYIn0.e30.AAAA", "does not check signatures of the kind X"),
    ],
)
def test_what_is_no_good_token_is_told(opened: Callable[..., Page], text: str, words: str) -> None:
    page = opened()
    page.get_by_label("Token").fill(text)
    page.locator("#token-tool").get_by_text(words).wait_for()
    assert page.locator("#token-result img").count() == 0


def test_in_german_on_a_phone_by_keyboard(opened: Callable[..., Page], server: RunningServer) -> None:
    page = opened(locale="de-DE", viewport=PHONE, color_scheme="dark")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "token-text"
    page.keyboard.insert_text(server.token_for("alice", ttl=270))
    assert "passt zum öffentlichen Schlüssel" in verdict(page, "passt zum")
    assert "in 4 Minuten" in row(page, "exp")
    assert "Wer es ausgestellt hat" in row(page, "iss")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "token-forget"
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.anyio
async def test_the_script_is_a_file_of_the_page_alone_and_a_stale_copy_is_asked_for() -> None:
    async with Provider(issuer="http://id.localhost:8000/tenant") as provider:
        page = await provider.http.get(f"{provider.issuer}/dev/token")
        assert '<script src="/tenant/dev/token.js" defer>' in page.text
        script = await provider.http.get(f"{provider.issuer}/dev/token.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert (script.headers["x-content-type-options"], script.headers["cache-control"]) == ("nosniff", "no-cache")
        for way_out in ("fetch(", "XMLHttpRequest", "sendBeacon", "WebSocket", "innerHTML", "localStorage"):
            assert way_out not in script.text
