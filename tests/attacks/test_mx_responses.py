"""MX: whose answer it is can be told, the issuer never moves, and no token leaves through the front."""

from __future__ import annotations

import pytest
from attack_support import Browser, World, answer_of, assert_sent
from attack_world import ISSUER, parts_of

pytestmark = pytest.mark.anyio
WELL_KNOWN = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


async def test_mx_01_iss_in_every_answer(world: World, browser: Browser) -> None:
    answers = [
        await browser.sign_on(),
        answer_of(await browser.ask()),
        answer_of(await browser.ask(scope="openid admin")),
    ]
    answers.append(answer_of(await world.browser().ask(prompt="none")))
    page = await browser.follow(await browser.ask(prompt="consent"))
    answers.append(answer_of(await browser.submit(page, "/consent", decision="deny")))
    assert [answer["iss"] for answer in answers] == [ISSUER] * 5
    assert [answer.get("error") for answer in answers] == [
        None,
        None,
        "invalid_scope",
        "login_required",
        "access_denied",
    ]
    assert all(answer["state"] == "state-1" for answer in answers)
    for path in WELL_KNOWN:
        assert (await browser.http.get(path)).json()["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "LOCALHOST:8000"},
        {"Host": "localhost:9"},
        {"Host": ""},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example;proto=https"},
    ],
    ids=str,
)
async def test_mx_02_the_issuer_is_constant(world: World, browser: Browser, headers: dict[str, str]) -> None:
    for path in WELL_KNOWN:
        response = await browser.http.get(path, headers=headers)
        assert "evil" not in response.text
        assert response.status_code in (400, 421) or response.json()["issuer"] == ISSUER
        assert (await browser.http.get(path + "/", headers=headers)).status_code in (400, 404, 421)
    response = await browser.http.get("/authorize", params={"client_id": "x"}, headers=headers)
    assert "evil" not in response.text
    response = await browser.ask(prompt="none")
    assert answer_of(response)["iss"] == ISSUER


async def test_mx_02_the_same_issuer_in_tokens(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    assert {parts_of(issued[name])[1]["iss"] for name in ("access_token", "id_token")} == {ISSUER}


@pytest.mark.parametrize(
    "mode", ["bogus", "web_message", "QUERY", "query ", "query fragment", "form_post.JWT", "none", "okta_post_message"]
)
async def test_mx_04_response_modes_not_offered(world: World, browser: Browser, mode: str) -> None:
    discovery = (await browser.http.get(WELL_KNOWN[0])).json()
    assert mode not in discovery["response_modes_supported"]
    async with world.unchanged():
        assert_sent(await browser.ask(response_mode=mode), "invalid_request")


TYPES = [
    "token",
    "id_token",
    "code token",
    "code id_token",
    "id_token token",
    "code id_token token",
    "none",
    "CODE",
    "code code",
    "code\n",
]


@pytest.mark.parametrize("response_type", TYPES)
async def test_mx_05_flows_that_are_off(world: World, browser: Browser, response_type: str) -> None:
    await browser.sign_on()
    for changes in ({}, {"response_mode": "query"}, {"response_mode": "fragment"}, {"prompt": "none"}):
        async with world.unchanged():
            response = await browser.ask(response_type=response_type, **changes)
        assert_sent(response, "unsupported_response_type", "unauthorized_client", "invalid_request")
        assert set(answer_of(response)) == {"error", "error_description", "state", "iss"}


async def test_mx_05_edited_while_waiting(world: World, browser: Browser) -> None:
    """The waiting request is sealed: members beside it change nothing."""
    page = await browser.follow(await browser.ask())
    assert page.status_code == 200
    t = str(page.url.params["t"])
    edited = await browser.http.get("/login", params={"t": t, "response_type": "token", "client_id": "spa"})
    assert edited.status_code == 200
    done = await browser.follow(
        await browser.submit(edited, "/login", username="alice", password="alice", response_type="token", scope="admin")
    )
    if done.status_code == 200:
        done = await browser.submit(done, "/consent", decision="allow", response_type="token", client_id="spa")
    answer = answer_of(done)
    assert set(answer) == {"code", "state", "iss"}
    assert done.headers["location"].startswith("https://rp.test/cb?")
