"""The first page of ``idp dev``: for a browser a page, for programs the same as JSON, and true in what it says."""

from __future__ import annotations

import re
import shlex
from html import unescape
from pathlib import Path

import pytest

from idp.cli.group import COMMANDS
from idp.manifest import read_manifest
from idp.testing import Provider
from idp.web.sample import PEOPLE

pytestmark = pytest.mark.anyio
SEED = Path(__file__).parents[2] / "idp" / "cli" / "dev_seed.toml"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("issuer", ["http://localhost:8000", "http://id.localhost:8000/tenant"])
async def test_a_browser_gets_a_page_and_a_program_json(issuer: str) -> None:
    async with Provider(issuer=issuer) as provider:
        members = (await provider.http.get(f"{issuer}/")).json()
        assert members["issuer"] == issuer
        page = await provider.http.get(f"{issuer}/", headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        text = unescape(page.text)
        assert '<body id="welcome">' in text
        assert f'id="welcome-issuer">{issuer}<' in text
        for command in members["try"]:
            assert command in text
        discovery, jwks = re.findall(r'id="welcome-(?:discovery|jwks)" href="([^"]+)"', text)
        assert (await provider.http.get(page.url.join(discovery))).json()["issuer"] == issuer
        shown = await provider.http.get(page.url.join(jwks))
        assert shown.json() == (await provider.http.get(members["keys"])).json()


async def test_german_browsers_are_spoken_to_in_german() -> None:
    async with Provider() as provider:
        page = await provider.http.get("/", headers={**BROWSER, "accept-language": "de-AT,de;q=0.9"})
        assert '<html lang="de">' in page.text
        assert "Zum Ausprobieren im Terminal" in page.text


async def test_the_commands_are_commands_and_the_people_can_sign_in() -> None:
    async with Provider() as provider:
        commands = (await provider.http.get("/")).json()["try"]
        named = re.findall(r"\bidp ([a-z]+)", "\n".join(commands))
        assert len(named) >= 4
        assert set(named) <= set(COMMANDS)
        *_, authorization, address = shlex.split(commands[2])
        assert (await provider.http.get(address)).status_code == 401
        for person in PEOPLE:
            token = await provider.token_for(person.username)
            name, _, value = authorization.replace("$T", token).partition(": ")
            assert (await provider.http.get(address, headers={name: value})).status_code == 200
            asked = {"username": person.username, "password": person.username}
            assert (await provider.http.post("/api/token/", json=asked)).status_code == 200
    seeded = read_manifest(SEED).people
    assert {(person.username, person.claims["name"]) for person in seeded} == {(p.username, p.name) for p in PEOPLE}


async def test_an_address_without_a_page_is_headed_so() -> None:
    async with Provider() as provider:
        lost = await provider.http.get("/nowhere", headers=BROWSER)
        assert lost.status_code == 404
        assert re.search(r'<h1 id="oauth-error" data-code="not_found">There is no page here</h1>', lost.text)
        stopped = await provider.http.get("/authorize?client_id=nobody", headers=BROWSER)
        assert "We cannot continue this request</h1>" in stopped.text
