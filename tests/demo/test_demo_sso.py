"""The journey of examples/README.md in a real browser: sign in at A, walk into B, call the API, sign out of all."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from idp.testing import RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
FOLDER = Path(__file__).parents[2] / "examples" / "sso"


@dataclass(frozen=True)
class Demo:
    server: RunningServer
    a: str
    b: str


@pytest.fixture
def demo(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Demo]:
    """The real programs in a process of their own, as ``idp dev --demo`` starts them, on ports of this test."""
    text = (FOLDER / "demo.toml").read_text(encoding="utf-8")
    ports = {port: str(free_port()) for port in ("8001", "8002", "8003")}
    for port, ours in ports.items():
        text = text.replace(f"localhost:{port}", f"localhost:{ours}")
    manifest = tmp_path / "demo.toml"
    manifest.write_text(text, encoding="utf-8")
    with running_server() as server:
        server.apply(text)
        command = [sys.executable, str(FOLDER), "--until-eof", "--issuer", server.issuer, "--manifest", str(manifest)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sites:
            assert sites.stdin
            assert sites.stdout
            started = [sites.stdout.readline() for _ in ports]
            assert all(started), "the demo did not start"
            a, b = f"http://app-a.localhost:{ports['8001']}", f"http://app-b.localhost:{ports['8002']}"
            yield Demo(server, a, b)
            sites.stdin.close()
            assert sites.wait(10) == 0


def sign_in(page: Page, person: str = "alice") -> None:
    page.fill("[name=username]", person)
    page.fill("[name=password]", person)
    page.click("#login-submit")


def test_one_sign_in_one_sign_out(page: Page, demo: Demo) -> None:
    page.goto(demo.a)
    page.click("#login")
    assert page.url.startswith(demo.server.issuer)
    sign_in(page)
    page.wait_for_selector("body#consent")
    assert "Alder Books" in page.inner_text("body")
    page.click("#consent-allow")
    page.wait_for_selector("#user")
    assert page.url == f"{demo.a}/"
    assert page.inner_text("#user") == "Alice Archer"

    other = page.context.new_page()
    other.goto(demo.b)
    other.click("#login")
    other.click("#consent-allow")  # no password: only whether this site may know her
    other.wait_for_selector("#user")
    assert other.url == f"{demo.b}/"

    for site in (page, other):
        site.click("text=Call the API")
        assert site.inner_text("#status") == "200", site.inner_text("#answer")
        site.click("text=Back")

    page.click("#logout")
    page.wait_for_selector("body#signed-out")
    assert page.url.startswith(f"{demo.a}/signed-out")
    deadline = time.monotonic() + 2
    while not other.query_selector("#ended"):
        assert time.monotonic() < deadline, demo.server.control("logout.deliveries")
        other.reload()
    assert re.search(r"back-channel at \d\d:\d\d:\d\d", other.inner_text("#ended"))
    assert any("app-b" in str(row) for row in demo.server.control("logout.deliveries").values())

    other.click("#login")
    assert other.query_selector("[name=password]"), "the provider must ask for the password again"


def test_denied_consent_signs_nobody_in(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login")
    sign_in(page)
    page.click("#consent-deny")
    page.wait_for_selector("#error")
    assert page.inner_text("#error") == "access_denied"


def test_remembered_consent_is_silent(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login")
    sign_in(page)
    page.click("#consent-allow")
    page.wait_for_selector("#user")
    page.goto(f"{demo.a}/login?prompt=none")
    page.wait_for_selector("#user")
    assert page.url == f"{demo.a}/"


def test_prompt_none_without_a_session_says_so(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login?prompt=none")
    assert page.inner_text("#error") == "login_required"


def test_a_made_up_logout_token_ends_nothing(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.a}/login")
    sign_in(page)
    page.click("#consent-allow")
    page.wait_for_selector("#user")
    answer = page.request.post(f"{demo.a.replace('app-a.', '')}/backchannel-logout", form={"logout_token": "a.b.c"})
    assert answer.status == 400
    assert answer.headers["cache-control"] == "no-store"
    page.goto(demo.a)
    assert page.query_selector("#user")
