"""examples/desktop: the page followed; strangers at the loopback address; a key ring between two starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from following import Readme, Running, until, unused_port
from person import Person

START = "python examples/desktop/desktop.py"
# What `keyring` offers, in a file of this test: a machine's own key ring is nothing a test should write to.
KEYRING = '''
import pathlib
FILE = pathlib.Path(__file__).with_name("kept")
def set_password(service, name, password): FILE.write_text(password)
def get_password(service, name): return FILE.read_text() if FILE.exists() else None
def delete_password(service, name): FILE.unlink()
'''


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readme]:
    folder = tmp_path_factory.mktemp("desktop")
    page = Readme("desktop", folder, {8000: unused_port()})
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {folder}/opened\n')
    browser.chmod(0o700)
    page.environ["BROWSER"] = str(browser)
    # Authlib renews a token in its last minute: such short ones are renewed by every call.
    with page.dev(IDP_LIFETIMES_ACCESS_TOKEN="30"):
        yield page


@pytest.fixture
def opened(readme: Readme) -> Path:
    """What the person's browser was sent to, a line each."""
    found = readme.folder / "opened"
    found.write_text("")
    return found


def address(opened: Path, program: Running) -> str:
    until(opened.read_text, program.said)
    return opened.read_text().strip()


def callback(url: str) -> str:
    return parse_qs(urlsplit(url).query)["redirect_uri"][0]


def test_the_page_as_printed(readme: Readme, opened: Path) -> None:
    with readme.started(START) as program, Person() as alice:
        url = address(opened, program)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        page = alice.visit(url)
        assert "You can close this window" in page.text
        assert page.headers["referrer-policy"] == "no-referrer"
        program.says("memory until the program ends")
        program.says("Signed in as Alice Archer.")
        program.type("")
        until(lambda: program.said().count("Signed in as Alice Archer.") == 2, program.said)
        assert program.process.stdin is not None
        program.process.stdin.close()
        assert program.ends() == 0
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) == len(asked["code_challenge"]) == 43
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")


def test_a_stranger_at_the_address_is_waited_past(readme: Readme, opened: Path) -> None:
    with readme.started(START) as program, Person() as alice:
        url = address(opened, program)
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        issuer, state = f"http://localhost:{readme.ports[8000]}", query["state"]
        for stranger, why in [
            ({"code": "theirs", "state": "guessed", "iss": issuer}, "(state)"),
            ({"code": "theirs", "iss": issuer}, "(state)"),
            ({"code": "theirs", "state": state, "iss": "http://evil.localhost:8000"}, "(iss)"),
            ({"code": "theirs", "state": state}, "(iss)"),
        ]:
            answer = httpx2.get(callback(url), params=stranger)
            assert (answer.status_code, why in answer.text) == (400, True), stranger
        assert httpx2.get(callback(url).replace("/callback", "/other")).status_code == 404
        alice.visit(url)
        program.says("Signed in as Alice Archer.")


def test_a_sign_in_that_was_ended_elsewhere_is_told(readme: Readme, opened: Path) -> None:
    with readme.started(START) as program, Person() as alice:
        alice.visit(address(opened, program))
        program.says("Signed in as Alice Archer.")
        with readme.also("idp user logout alice") as command:
            readme.idp(command)
        program.type("")
        program.says("The sign-in has ended (invalid_grant). Start again.")
        assert program.ends() != 0


def test_a_no_is_told(readme: Readme, opened: Path) -> None:
    with readme.started(START) as program, Person() as alice:
        page = alice.visit(address(opened, program), decision="deny")
        assert "You are not signed in." in page.text
        assert program.ends() != 0
        assert "Not signed in: " in program.said()


def test_with_a_key_ring_the_second_start_asks_nobody(readme: Readme, opened: Path, tmp_path: Path) -> None:
    package = tmp_path / "keyring"
    package.mkdir()
    (package / "__init__.py").write_text(KEYRING)
    (package / "errors.py").write_text("class KeyringError(Exception): ...\n")
    python = {"PYTHONPATH": f"{tmp_path}:{readme.environ['PYTHONPATH']}"}
    with readme.started(START, **python) as program, Person() as alice:
        alice.visit(address(opened, program))
        program.says("kept in the key ring of this machine")
        program.says("Signed in as Alice Archer.")
        before = (package / "kept").read_text()
        program.type("")
        until(lambda: program.said().count("Signed in as Alice Archer.") == 2, program.said)
        assert (package / "kept").read_text() != before, "each renewal brings another refresh token"
    first = (package / "kept").read_text()
    opened.write_text("")
    with readme.started(START, "Signed in as Alice Archer.", **python):
        assert opened.read_text() == ""
    second = (package / "kept").read_text()
    assert second != first

    said = readme.run(f"{START} --forget", **python).stdout
    assert said == "Signed out.\n"
    assert not (package / "kept").exists()
    (package / "kept").write_text(second)
    with readme.started(START, "Signing in again: invalid_grant", **python) as program:
        address(opened, program)
    assert readme.run(f"{START} --forget", **python).stdout == "Nobody was signed in.\n"
