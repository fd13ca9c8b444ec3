"""Single sign-on across domains and out again, in a real browser: the real provider, both example sites, the API.

Each test signs in a person of its own, so that no consent of another test is remembered.
"""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from idp.testing import RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser
SITES = Path(__file__).parents[2] / "examples" / "sso"
SECONDS_TO_HEAR = 2.0
VIEWS = {"phone": {"width": 320, "height": 640}, "desktop": {"width": 1280, "height": 800}}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Demo:
    """``a`` and ``b`` are the sites' addresses; each ``person`` is new, and their password is their name."""

    server: RunningServer
    a: str
    b: str

    def person(self) -> str:
        name = f"person{next(_numbers)}"
        names = {"name": "Alice Archer", "given_name": "Alice", "family_name": "Archer"}
        claims = {**names, "email": "alice@example.com", "email_verified": True}
        self.server.control("user.add", username=name, password=name, claims=claims)
        return name

    def deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.server.control("logout.deliveries")["deliveries"]
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.server.control("audit.tail", limit=50)["events"] if event["event"] == name]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """What ``idp dev --demo`` starts, on ports of this module's own: the sites are a process by themselves."""
    text = (SITES / "demo.toml").read_text(encoding="utf-8")
    ports = free_ports(3)
    for known, ours in zip((8001, 8002, 8003), ports, strict=True):
        text = text.replace(f"localhost:{known}", f"localhost:{ours}")
    manifest = tmp_path_factory.mktemp("demo") / "demo.toml"
    manifest.write_text(text, encoding="utf-8")
    with running_server() as server:
        server.apply(text)
        command = [sys.executable, str(SITES), "--until-eof", "--issuer", server.issuer, "--manifest", str(manifest)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sites:
            assert sites.stdin
            assert sites.stdout
            assert all(sites.stdout.readline() for _ in ports), "the sites did not start"
            yield Demo(server, f"http://app-a.localhost:{ports[0]}", f"http://app-b.localhost:{ports[1]}")
            sites.stdin.close()
            sites.wait(10)


def free_ports(count: int) -> list[int]:
    """All held at once, so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def sign_in(page: Page, person: str) -> None:
    page.fill("[name=username]", person)
    page.fill("[name=password]", person)
    page.click("#login-submit")


def signed_in(page: Page, demo: Demo, person: str, *, site: str = "") -> None:
    """From nothing to a site that knows the person."""
    page.goto(f"{site or demo.a}/login")
    sign_in(page, person)
    page.click("#consent-allow")
    page.wait_for_selector("#user")


def test_one_sign_in_for_both_sites_and_one_sign_out(page: Page, demo: Demo) -> None:
    person = demo.person()
    page.goto(demo.a)
    page.click("#login")
    assert page.url.startswith(f"{demo.server.issuer}/login")
    assert "Alder Books" in page.inner_text("main"), "who asks"
    sign_in(page, person)

    page.wait_for_selector("body#consent")
    words = page.inner_text("main")
    for said in ("Alder Books", "Alice Archer", "See your e-mail address", "alice@example.com", "Read the greeting"):
        assert said in words
    assert page.inner_text("#consent-destination") == demo.a.removeprefix("http://"), "where it is sent"
    page.click("#consent-allow")
    page.wait_for_selector("#user")
    assert page.inner_text("#user") == "Alice Archer"
    assert page.url.startswith(demo.a)

    other = page.context.new_page()
    other.goto(demo.b)
    other.click("#login")
    other.wait_for_selector("body#consent")  # no password: only whether this site, too, may know her
    assert "Birch Travel" in other.inner_text("main")
    other.click("#consent-allow")
    other.wait_for_selector("#user")
    assert other.inner_text("#user") == "Alice Archer"

    for site, algorithm in ((page, "RS256"), (other, "ES256")):
        site.click("text=Call the API")
        assert site.inner_text("#status") == "200", site.inner_text("#answer")
        assert algorithm in site.inner_text("#answer")
        site.click("text=Back")

    page.click("#logout")
    began = time.monotonic()
    while not other.query_selector("#ended") and time.monotonic() - began < SECONDS_TO_HEAR:
        other.reload()
    assert other.query_selector("#ended"), "the other site did not hear of it in time"
    assert other.query_selector("#user") is None
    page.wait_for_selector("body#signed-out")
    assert page.url.startswith(f"{demo.a}/signed-out")

    told = {row["client_id"]: row for row in demo.deliveries() if row["created_at"] > time.time() - 30}
    assert set(told) == {"app-a", "app-b"}
    assert all(row["delivered_at"] - row["created_at"] < SECONDS_TO_HEAR for row in told.values())
    assert {row["last_answer"] for row in told.values()} <= {"200", "204"}
    assert {event["client_id"] for event in demo.events("logout.delivered")} >= {"app-a", "app-b"}

    other.click("#login")
    assert other.query_selector("[name=password]"), "signed out everywhere: the password is asked for again"


def test_a_made_up_logout_token_ends_nothing(page: Page, demo: Demo) -> None:
    signed_in(page, demo, demo.person())
    address = f"{demo.a.replace('app-a.', '')}/backchannel-logout"
    answer = page.request.post(address, form={"logout_token": "a.b.c"})
    assert answer.status == 400
    assert answer.headers["cache-control"] == "no-store"
    page.goto(demo.a)
    assert page.query_selector("#user")


def test_denied_consent_is_access_denied_and_shares_nothing(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login")
    sign_in(page, demo.person())
    page.click("#consent-deny")
    page.wait_for_selector("#error")
    assert page.inner_text("#error") == "access_denied"
    page.goto(demo.a)
    assert page.query_selector("#nobody")
    assert demo.events("consent.denied")


def test_cancelled_sign_in_is_access_denied(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login")
    page.click("#login-cancel")
    page.wait_for_selector("#error")
    assert page.inner_text("#error") == "access_denied"


def test_remembered_consent_is_silent(page: Page, demo: Demo) -> None:
    signed_in(page, demo, demo.person())
    seen: list[str] = []
    page.on("framenavigated", lambda frame: seen.append(frame.url))
    page.goto(f"{demo.a}/login")
    page.wait_for_selector("#user")
    assert seen == [f"{demo.a}/"], "no page of the provider was shown on the way"
    page.goto(f"{demo.a}/login?prompt=none")
    page.wait_for_selector("#user")
    assert page.url == f"{demo.a}/"


def test_prompt_none_never_shows_a_page(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login?prompt=none")
    assert page.inner_text("#error") == "login_required"
    signed_in(page, demo, demo.person())
    page.goto(f"{demo.b}/login?prompt=none")
    assert page.inner_text("#error") == "consent_required"


def test_prompt_login_and_consent_ask_again(page: Page, demo: Demo) -> None:
    person = demo.person()
    signed_in(page, demo, person)
    page.goto(f"{demo.a}/login?prompt=login")
    sign_in(page, person)
    page.wait_for_selector("#user")
    page.goto(f"{demo.a}/login?max_age=0")
    sign_in(page, person)
    page.wait_for_selector("#user")
    page.goto(f"{demo.a}/login?prompt=consent")
    page.wait_for_selector("body#consent")


def test_another_account_takes_the_place_of_the_first(page: Page, demo: Demo) -> None:
    signed_in(page, demo, demo.person())
    other = page.context.new_page()
    other.goto(f"{demo.b}/login?prompt=select_account")
    other.wait_for_selector("body#select-account")
    other.click("#account-current")
    other.click("#consent-allow")
    other.wait_for_selector("#user")
    other.goto(f"{demo.b}/login?prompt=select_account")
    other.click("#account-another")
    sign_in(other, demo.person())
    other.click("#consent-allow")
    other.wait_for_selector("#user")
    began = time.monotonic()
    while not page.query_selector("#ended") and time.monotonic() - began < SECONDS_TO_HEAR:
        page.reload()
    assert page.query_selector("#ended"), "the first person's session ended, so their other site has to hear of it"


def test_the_hint_fills_in_the_name(page: Page, demo: Demo) -> None:
    person = demo.person()
    page.goto(f"{demo.a}/login?login_hint={person}")
    assert page.input_value("[name=username]") == person
    assert page.evaluate("document.activeElement.id") == "password"


def test_a_wrong_password_says_so_and_nothing_is_lost(page: Page, demo: Demo) -> None:
    person = demo.person()
    page.goto(f"{demo.a}/login")
    page.fill("#username", person)
    page.fill("#password", "something else")
    page.click("#login-submit")
    page.wait_for_selector("#login-errors")
    assert "do not belong together" in page.inner_text("#login-errors")
    assert page.input_value("#username") == person
    sign_in(page, person)
    page.click("#consent-allow")
    page.wait_for_selector("#user")


def test_german_pages_where_the_site_asks_for_german(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login?ui_locales=fr+de")
    assert page.get_attribute("html", "lang") == "de"
    assert page.inner_text("#login-submit") == "Anmelden"
    sign_in(page, demo.person())
    page.wait_for_selector("body#consent")
    assert page.get_attribute("html", "lang") == "de"
    words = page.inner_text("main")
    assert "Darf Alder Books Ihr Konto verwenden?" in words
    assert "Ihre E-Mail-Adresse sehen" in words
    assert (page.inner_text("#consent-allow"), page.inner_text("#consent-deny")) == ("Zulassen", "Ablehnen")


def test_the_keyboard_alone_is_enough(page: Page, demo: Demo) -> None:
    person = demo.person()
    page.goto(demo.a)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#username:focus")
    page.keyboard.type(person)
    page.keyboard.press("Tab")
    page.keyboard.type(person)
    page.keyboard.press("Enter")
    page.wait_for_selector("body#consent")
    reached = []
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "focus is visible"
        if reached[-1] == "consent-allow":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#user")


@pytest.fixture
def context_of(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """More contexts of the same browser, each with its own cookies."""
    with ExitStack() as opened:

        def make(**options: Any) -> BrowserContext:
            context = browser.new_context(locale="en-GB", **options)
            context.set_default_timeout(10_000)
            opened.callback(context.close)
            return context

        yield make


def test_everything_works_without_javascript(context_of: Callable[..., BrowserContext], demo: Demo) -> None:
    page = context_of(java_script_enabled=False).new_page()
    signed_in(page, demo, demo.person())
    page.goto(f"{demo.b}/login?prompt=select_account")
    page.click("#account-current")
    page.click("#consent-allow")
    page.wait_for_selector("#user")
    page.click("#logout")
    page.wait_for_selector("body#signed-out")


def test_a_sealed_page_is_worth_nothing_in_another_browser(
    context_of: Callable[..., BrowserContext], demo: Demo
) -> None:
    victim, thief = context_of().new_page(), context_of().new_page()
    victim.goto(f"{demo.a}/login")
    thief.goto(victim.url)
    assert thief.get_attribute("#oauth-error", "data-code") == "cookie"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_page_is_wider_than_its_window(
    context_of: Callable[..., BrowserContext], demo: Demo, view: str, scheme: Any
) -> None:
    """WCAG 1.4.10 at 320 pixels; and the provider's pages follow the colours the person set."""
    page = context_of(viewport=VIEWS[view], color_scheme=scheme).new_page()
    person = demo.person()
    for address, leave in walk(demo, person):
        if address:
            page.goto(address)
        page.wait_for_load_state()
        name = f"{page.get_attribute('body', 'id')} at {page.url}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] < 100")
        assert dark == (scheme == "dark"), name
        small = page.evaluate(SMALL_TARGETS)
        assert not small, f"{name}: {small} are smaller than 24 pixels (WCAG 2.5.8)"
        leave(page)


SMALL_TARGETS = """[...document.querySelectorAll('main button, main nav a, main input:not([type=hidden])')]
    .filter(e => e.getBoundingClientRect().height < 24 || e.getBoundingClientRect().width < 24).map(e => e.id)"""


def walk(demo: Demo, person: str) -> Iterator[tuple[str, Callable[[Page], object]]]:
    """Every kind of page: where to go first (empty: stay), and how to go on from there."""
    stay = lambda page: None  # noqa: E731 - the table below reads better so
    yield f"{demo.server.issuer}/", stay
    yield f"{demo.server.issuer}/nowhere", stay
    yield f"{demo.a}/", stay
    yield f"{demo.a}/login", lambda page: (page.fill("#password", "wrong"), page.click("#login-submit"))
    yield "", lambda page: sign_in(page, person)
    yield "", lambda page: (page.wait_for_selector("body#consent"), page.click("summary"))
    yield "", lambda page: (page.click("#consent-allow"), page.wait_for_selector("#user"))
    yield "", stay
    yield f"{demo.a}/api", stay
    yield f"{demo.b}/login?prompt=select_account", stay
    yield f"{demo.server.issuer}/logout", lambda page: page.click("#logout-stay")
    yield "", stay
    yield f"{demo.server.issuer}/authorize?client_id=app-a&redirect_uri={'x' * 300}", stay
    yield f"{demo.b}/login?prompt=none", stay
    yield f"{demo.a}/", lambda page: (page.click("#logout"), page.wait_for_selector("body#signed-out"))
    yield "", stay
    yield f"{demo.server.issuer}/logged-out", stay
