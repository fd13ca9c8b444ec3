"""Front-channel logout in a real browser: the frames are loaded, then the person is back at the app they came from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from idp.testing import RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@dataclass
class Apps:
    """Two apps' pages on one port: what was asked of them, and whether the frame of app-b ever answers."""

    port: int
    seen: list[str] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def at(self, host: str, path: str = "") -> str:
        return f"http://{host}.localhost:{self.port}{path}"


@pytest.fixture
def apps() -> Iterator[Apps]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.seen.append(f"{self.headers['host'].partition('.')[0]}{self.path}")
            if self.path.startswith("/out") and self.headers["host"].startswith("app-b"):
                found.answers.wait(20)
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>app</title><p id=app>here")

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    found = Apps(http.server_port)
    found.answers.set()
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield found
    found.answers.set()
    http.shutdown()
    http.server_close()


@pytest.fixture
def server(apps: Apps) -> Iterator[RunningServer]:
    with running_server() as started:
        for name in ("app-a", "app-b"):
            started.apply(
                f"""
                [[clients]]
                client_id = "{name}"
                client_name = "{name}"
                token_endpoint_auth_method = "none"
                redirect_uris = ["{apps.at(name, "/cb")}"]
                post_logout_redirect_uris = ["{apps.at(name, "/bye")}"]
                frontchannel_logout_uri = "{apps.at(name, "/out")}"
                consent = "skip"
                """
            )
        yield started


def sign_in(page: Page, server: RunningServer, apps: Apps, app: str) -> None:
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    page.goto(
        f"{server.issuer}/authorize?client_id={app}&response_type=code&scope=openid&state=s"
        f"&redirect_uri={apps.at(app, '/cb')}&code_challenge={challenge}&code_challenge_method=S256"
    )
    if page.query_selector("#username"):
        page.fill("#username", "alice")
        page.fill("#password", "alice")
        page.click("#login-submit")
    page.wait_for_url("**/cb?*")


def sign_out(page: Page, server: RunningServer, apps: Apps) -> None:
    page.goto(f"{server.issuer}/logout?client_id=app-a&post_logout_redirect_uri={apps.at('app-a', '/bye')}")
    page.click("#logout-confirm", no_wait_after=True)


def outs(apps: Apps) -> list[str]:
    return sorted(path.partition("?")[0] for path in apps.seen if "/out?" in path)


def test_the_frames_are_loaded_and_the_person_is_back(browser: Browser, server: RunningServer, apps: Apps) -> None:
    page = browser.new_context(locale="en-GB").new_page()
    for app in ("app-a", "app-b"):
        sign_in(page, server, apps, app)
    sign_out(page, server, apps)
    page.wait_for_url(apps.at("app-a", "/bye"))
    assert outs(apps) == ["app-a/out", "app-b/out"]
    assert all(
        f"iss={server.issuer.replace(':', '%3A').replace('/', '%2F')}&sid=" in p for p in apps.seen if "/out" in p
    )


def test_a_frame_that_never_comes_holds_nobody(browser: Browser, server: RunningServer, apps: Apps) -> None:
    apps.answers.clear()
    page = browser.new_context(locale="en-GB").new_page()
    for app in ("app-a", "app-b"):
        sign_in(page, server, apps, app)
    sign_out(page, server, apps)
    page.wait_for_url(apps.at("app-a", "/bye"), timeout=9_000)


def test_without_javascript_a_link_leads_back(browser: Browser, server: RunningServer, apps: Apps) -> None:
    page = browser.new_context(java_script_enabled=False, locale="en-GB").new_page()
    sign_in(page, server, apps, "app-a")
    sign_out(page, server, apps)
    page.wait_for_selector("body#logged-out")
    page.click("#logged-out-continue")
    page.wait_for_url(apps.at("app-a", "/bye"))
    assert outs(apps) == ["app-a/out"]
