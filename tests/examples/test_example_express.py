"""examples/express: the page followed; the site's sign-in and the API's refusals from outside."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from following import ROOT, Readme, unused_port
from person import Person

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory, node: Path) -> Iterator[Readme]:
    if not (ROOT / "examples" / "express" / "node_modules").is_dir():
        pytest.skip("the packages of examples/express are missing: run make setup")
    page = Readme("express", tmp_path_factory.mktemp("express"), {8000: unused_port(), 3000: unused_port()})
    page.run("openssl rand")
    with page.dev(), page.started("node examples/express/server.js", "Corner shop at"):
        yield page


@pytest.fixture
def shop(readme: Readme) -> str:
    return f"http://localhost:{readme.ports[3000]}"


@pytest.fixture
def alice() -> Iterator[Person]:
    with Person() as found:
        yield found


def test_the_page_as_printed(readme: Readme, shop: str, alice: Person) -> None:
    assert 'id="nobody"' in alice.http.get(shop).text
    alice.http.get(f"{shop}/login", follow_redirects=False)
    before = alice.http.cookies["shop"]
    assert '<b id="user">Alice Archer</b>' in alice.visit(f"{shop}/login").text
    assert alice.http.cookies["shop"] != before, "another session than before the sign-in"
    assert "a kite for alice" in alice.http.get(f"{shop}/orders").text

    page = alice.http.post(f"{shop}/logout")
    assert str(page.url) == f"{shop}/"
    assert 'id="nobody"' in page.text
    assert 'id="login"' in alice.http.get(f"{shop}/login").text, "signed out at the provider too"

    said = [readme.run(command).stdout for command in readme.commands if command.startswith("curl -i")]
    assert [answer.split()[1] for answer in said] == ["401", "200", "401"]
    assert "error=" not in said[0]
    assert "a kite for alice" in said[1]
    assert "aud" in said[2]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(shop: str) -> None:
    [cookie] = SimpleCookie(httpx2.get(f"{shop}/login").headers["set-cookie"]).values()
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"


@pytest.mark.parametrize(
    "change",
    [
        {"state": "guessed"},
        {"iss": "http://evil.localhost:8000"},
        {"iss": None},
        {"code": "ac-of-somebody-else"},
    ],
    ids=str,
)
def test_an_answer_that_does_not_fit_signs_nobody_in(shop: str, alice: Person, change: dict[str, str | None]) -> None:
    alice.http.follow_redirects = False
    page = alice.http.get(f"{shop}/login")
    query = {name: values[0] for name, values in parse_qs(urlsplit(page.headers["location"]).query).items()}
    issuer = page.headers["location"].partition("/authorize")[0]
    answer = {"code": "ac-made-up", "state": query["state"], "iss": issuer, **change}
    said = alice.http.get(f"{shop}/callback", params={name: value for name, value in answer.items() if value})
    assert (said.status_code, 'id="failed"' in said.text) == (400, True)
    assert 'id="nobody"' in alice.http.get(shop).text


def test_a_no_is_told(shop: str) -> None:
    with Person("bob") as bob:
        assert "access_denied" in bob.visit(f"{shop}/login", decision="deny").text


def test_tokens_the_api_refuses(readme: Readme, shop: str) -> None:
    api = f"{shop}/api/orders"
    good = readme.token(client="express", resource=f"{shop}/api")
    without = readme.token(client="express", resource=f"{shop}/api", scope="openid")
    head, payload, signature = good.split(".")
    for token, status, error in [
        (good, 200, None),
        (without, 403, "insufficient_scope"),
        (f"{head}.{payload}.{signature[:-4]}AAAA", 401, "invalid_token"),
        (f"{head}.{payload[:-4]}AAAA.{signature}", 401, "invalid_token"),
        ("eyJhbGciOiJub25lIn0.e30.", 401, "invalid_token"),
        ("nonsense", 401, "invalid_token"),
    ]:
        answer = httpx2.get(api, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status, answer.text
        if error:
            assert f'error="{error}"' in answer.headers["www-authenticate"]


def test_an_id_token_is_no_access_token(readme: Readme, shop: str) -> None:
    """Same issuer, same keys; the type in its header says that it is none."""
    answer = httpx2.get(f"{shop}/api/orders", headers={"authorization": f"Bearer {id_token(readme, shop)}"})
    assert answer.status_code == 401
    assert "typ" in answer.json()["description"]


def id_token(readme: Readme, shop: str) -> str:
    """The site's, taken from the address it signs out with."""
    with Person() as alice:
        alice.visit(f"{shop}/login")
        leaving = alice.http.post(f"{shop}/logout", follow_redirects=False).headers["location"]
    return parse_qs(urlsplit(leaving).query)["id_token_hint"][0]
