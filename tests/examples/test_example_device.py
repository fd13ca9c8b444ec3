"""examples/device: the page followed, and what the program does when told to slow down."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from following import Readme, Running, unused_port
from person import Person


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readme]:
    page = Readme("device", tmp_path_factory.mktemp("device"), {8000: unused_port()})
    with page.dev():
        yield page


@pytest.fixture(scope="module")
def begun(readme: Readme) -> Iterator[Running]:
    """The program as printed. It sleeps five seconds before it asks; the other tests run meanwhile."""
    with readme.started("python examples/device/device.py") as program:
        link = program.told(r"or open both at once: (\S+)\n")
        with Person() as alice:
            page = alice.visit(link)
        assert program.told(r"type the code +(\S+)\n") in link
        assert 'id="device-done"' in page.text
        yield program


@pytest.fixture
def device(readme: Readme, begun: Running) -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_device", readme.here / "device.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False) as client:
        yield client


def test_it_obeys_slow_down(device: ModuleType, http: httpx2.Client) -> None:
    known = http.get(f"{device.ISSUER}/.well-known/openid-configuration").json()
    told, slept = device.ask(http, known), []

    def sleep(seconds: float) -> None:
        """Not at all, so the provider finds it too fast; before the fourth question the person has come."""
        slept.append(seconds)
        if len(slept) == 4:
            with Person() as alice:
                alice.visit(told["verification_uri_complete"])

    tokens = device.wait(http, known, told, sleep)
    assert slept == [5, 5, 10, 15]
    assert {"access_token", "refresh_token", "id_token"} <= set(tokens)


def test_a_no_ends_it(device: ModuleType, http: httpx2.Client) -> None:
    known = http.get(f"{device.ISSUER}/.well-known/openid-configuration").json()
    told = device.ask(http, known)
    with Person() as alice:
        alice.visit(told["verification_uri_complete"], decision="deny")
    with pytest.raises(device.NotSignedIn, match="said no"):
        device.wait(http, known, told, lambda seconds: None)


def test_a_provider_that_is_away_is_asked_less_often(device: ModuleType, http: httpx2.Client) -> None:
    known = http.get(f"{device.ISSUER}/.well-known/openid-configuration").json()
    told, slept = device.ask(http, known), []
    away = {**known, "token_endpoint": f"http://localhost:{unused_port()}/token"}

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.wait(http, away, told, sleep)
    assert slept == [5, 10, 20]


def test_the_page_as_printed(begun: Running) -> None:
    begun.says("Signed in as Alice Archer.")
    assert begun.ends() == 0
    assert Path(begun.log).read_text().count("Signed in") == 1
