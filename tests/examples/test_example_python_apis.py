"""examples/fastapi, flask, drf and drf-simplejwt, each as its README says, over one ``idp dev``."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

import httpx2
import pytest
from python_apis import EXAMPLES, ROOT, Example, Ports, Terminals, answers, token_of_old

sys.path.insert(0, str(ROOT / "tests" / "docs"))
from doc_blocks import missing

NAMES = ("fastapi", "flask", "drf", "drf-simplejwt")
OURS = NAMES[:3]


class World(NamedTuple):
    terminals: Terminals
    expired: str


class Api(NamedTuple):
    name: str
    http: httpx2.Client
    good: str
    expired: str


def test_all_tell_the_provider_the_same() -> None:
    """One ``notes.toml`` is applied below, in the name of all."""
    assert len({(EXAMPLES / name / "notes.toml").read_text(encoding="utf-8") for name in NAMES}) == 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    ports = Ports.free()
    terminals = Terminals.in_folder(tmp_path_factory.mktemp("examples"), ports)
    one = terminals.example(NAMES[0])
    expired = token_of_old(terminals, (one.here / "notes.toml").read_text(encoding="utf-8"))
    ready = answers(f"http://localhost:{ports.provider}/readyz")
    with terminals.running(one.terminal("first"), one.here, ready):
        yield World(terminals, expired)


@pytest.fixture(scope="module", params=NAMES)
def followed(world: World, request: pytest.FixtureRequest) -> Iterator[Example]:
    """The API of the page, started as it says."""
    example = world.terminals.example(request.param)
    with world.terminals.running(
        example.terminal("second"), example.here, answers(f"http://localhost:{world.terminals.ports.api}/notes")
    ):
        yield example


@pytest.fixture(scope="module")
def typed(followed: Example) -> list[tuple[list[str], list[str]]]:
    return list(followed.typed())


@pytest.fixture
def api(world: World, followed: Example, typed: object) -> Iterator[Api]:
    base = f"http://localhost:{world.terminals.ports.api}"
    good = world.terminals.remembered(f"token alice --client notes-cli --resource {base}")
    with httpx2.Client(base_url=base, trust_env=False) as http:
        yield Api(followed.here.name, http, good, world.expired)


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def test_every_answer_is_as_the_page_shows_it(typed: list[tuple[list[str], list[str]]]) -> None:
    assert len(typed) == 3
    for shown, came in typed:
        lacking = missing(shown, came, {})
        assert lacking is None, f"{lacking!r} is not in\n" + "\n".join(came)


def test_a_good_token_reads_what_was_written(api: Api) -> None:
    found = api.http.get("/notes", headers=bearer(api.good))
    assert (found.status_code, found.json()[0]) == (200, {"id": 1, "text": "Buy milk"})
    added = api.http.post("/notes", headers=bearer(api.good), json={"text": "Water plants"})
    assert (added.status_code, added.json()) == (201, {"id": len(found.json()) + 1, "text": "Water plants"})


def test_nonsense_is_refused_as_such(api: Api) -> None:
    for nonsense in ({"text": ""}, {"text": 7 * ["x"]}, {}, ["text"]):
        answer = api.http.post("/notes", headers=bearer(api.good), json=nonsense)
        assert answer.status_code in (400, 422), answer.text


def test_what_is_no_good_token(api: Api) -> None:
    head, body, signature = api.good.split(".")
    for text in (api.expired, f"{head}.{body}.{signature[:-6]}AAAAAA", "x"):
        for method in ("GET", "POST"):
            answer = api.http.request(method, "/notes", headers=bearer(text))
            assert answer.status_code == 401, answer.text
            assert answer.headers["www-authenticate"].startswith("Bearer ")
    if api.name in OURS:
        answer = api.http.get("/notes", headers=bearer(api.expired))
        assert re.search(r"expired \d+ min", answer.headers["www-authenticate"])


def test_the_refusal_leads_to_the_provider(api: Api) -> None:
    if api.name not in OURS:
        return
    challenge = api.http.get("/notes").headers["www-authenticate"]
    found = api.http.get(challenge.partition('resource_metadata="')[2].rstrip('"')).json()
    assert found["resource"] == str(api.http.base_url).rstrip("/")
    assert found["authorization_servers"] == [json.loads(_payload(api.good))["iss"]]


def test_no_token_is_in_the_programs_log(api: Api, world: World) -> None:
    said = (world.terminals.folder / api.name / "said.log").read_text(encoding="utf-8")
    assert "/notes" in said
    assert not [part for text in (api.good, api.expired) for part in text.split(".")[1:] if part in said]


def test_pages_of_the_browser_apps_may_call(api: Api) -> None:
    if api.name != "fastapi":
        return
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    for page, allowed in (("http://localhost:5173", True), ("http://localhost:5175", False)):
        preflight = api.http.options("/notes", headers={"origin": page, **asks})
        refused = api.http.get("/notes", headers={"origin": page})
        assert preflight.status_code == (200 if allowed else 400)
        for answer in (preflight, refused):
            assert (answer.headers.get("access-control-allow-origin") == page) is allowed
        assert refused.status_code == 401


def test_swagger_has_its_button(api: Api) -> None:
    if api.name != "fastapi":
        return
    described = api.http.get("/openapi.json").json()
    assert described["paths"]["/notes"]["post"]["security"] == [{"access token": ["notes:write"]}]
    assert list(described["paths"]) == ["/notes"]


def _payload(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.split(".")[1] + "==")
