"""RO-06, RO-07, RO-09: a pushed request's handle is its client's, for a moment, and for one answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_refused, assert_sent
from attack_world import API, asking, credentials

pytestmark = pytest.mark.anyio

ONLY = """
[[clients]]
client_id = "only"
client_secret = "only-secret-0123456789abcdef012345678"
redirect_uris = ["https://rp.test/cb"]
scope = "openid"
require_pushed_authorization_requests = true
"""


async def push(world: World, client: str = "web", **changes: str | None) -> dict[str, str]:
    """What the browser carries afterwards."""
    response = await world.post("/par", asking(client, **changes), client if credentials(client) else None)
    assert response.status_code == 201, response.text
    uri = response.json()["request_uri"]
    world.issued.add(uri)
    return {"client_id": client, "request_uri": uri}


async def opened(browser: Browser, request: dict[str, Any]) -> Any:
    return await browser.http.get("/authorize", params=request)


async def finish(browser: Browser, request: dict[str, Any], person: str = "alice") -> dict[str, str]:
    response = await browser.follow(await opened(browser, request))
    if 'id="login"' in response.text:
        response = await browser.follow(await browser.log_in(response, person))
    if 'id="consent"' in response.text:
        response = await browser.submit(response, "/consent", decision="allow")
    return answer_of(response)


async def test_ro_06_a_handle_after_completion(world: World, browser: Browser) -> None:
    request = await push(world)
    for _ in range(3):  # reading the page again is no use
        page = await browser.follow(await opened(browser, request))
        assert 'id="login"' in page.text
    assert "code" in await finish(browser, request)
    async with world.unchanged():
        assert_page(await opened(browser, request))
        assert_page(await opened(world.browser(), request))
        assert_page(await browser.http.post("/authorize", data=request))


async def test_ro_06_a_handle_of_another_client(world: World, browser: Browser) -> None:
    request = await push(world)
    async with world.unchanged():
        for changes in ({"client_id": "web2"}, {"client_id": "spa"}, {"client_id": "nobody"}, {"client_id": ""}):
            assert_page(await opened(browser, {**request, **changes}))
            assert_page(await opened(browser, {**asking("web2"), **request, **changes}))


async def test_ro_06_an_expired_handle(fresh: World) -> None:
    browser = fresh.browser()
    request, late = await push(fresh), await push(fresh)
    fresh.provider.clock.advance(60)
    page = await browser.follow(await opened(browser, request))
    assert 'id="login"' in page.text
    fresh.provider.clock.advance(0.1)
    async with fresh.unchanged():
        assert_page(await opened(browser, late))


async def test_ro_06_two_pages_of_one_handle_in_two_browsers(world: World, browser: Browser) -> None:
    """A link that leaked: whoever is first has the answer, nobody has a second one."""
    request, other = await push(world), world.browser()
    pages = [await one.follow(await opened(one, request)) for one in (browser, other)]
    assert "code" in await finish(browser, request)
    response = await other.follow(await other.log_in(pages[1], "mallory"))
    assert_page(response)


async def test_ro_06_one_of_32_tries(world: World, browser: Browser) -> None:
    await browser.sign_on()
    request = await push(world)
    answers = await asyncio.gather(*(opened(browser, request) for _ in range(32)))
    assert [answer.status_code for answer in answers].count(303) == 1
    for answer in answers:
        if answer.status_code != 303:
            assert_page(answer)


async def test_ro_06_handles_are_not_guessed(world: World, browser: Browser) -> None:
    urn = "urn:ietf:params:oauth:request_uri:"
    async with world.unchanged():
        for tail in ("", "x", "A" * 43, "%00", "../", "A" * 4000, "\x00", "'--"):
            assert_page(await opened(browser, {"client_id": "web", "request_uri": urn + tail}))


async def test_ro_06_no_log_line_holds_a_handle(world: World, browser: Browser) -> None:
    """The fixture of every test here looks for it; these are the places where one strays."""
    request = await push(world)
    await opened(browser, {**request, "client_id": "web2"})
    await browser.ask("web", scope=request["request_uri"], request_uri="x")
    await browser.ask("web", response_type=request["request_uri"])
    await browser.ask(request["request_uri"])
    assert_refused(await world.post("/par", asking(**request), "web"), 400, "invalid_request")


@pytest.mark.parametrize("uri", ["urn:x", "urn:ietf:params:oauth:request_uri:x", "https://rp.test/r", "x"])
async def test_ro_07_request_uri_inside_a_pushed_body(world: World, uri: str) -> None:
    async with world.unchanged():
        for form in ({"request_uri": uri}, asking(request_uri=uri)):
            assert_refused(await world.post("/par", form, "web"), 400, "invalid_request")


async def test_ro_07_a_body_is_checked_as_a_request_is(world: World) -> None:
    async with world.unchanged():
        for changes in ({"redirect_uri": "https://evil.test/"}, {"resource": "https://evil.test/"}, {"scope": "admin"}):
            response = await world.post("/par", asking(**changes), "web")
            assert_refused(response, 400, "invalid_request", "invalid_target", "invalid_scope")
        assert_refused(await world.post("/par", asking(), None), 401, "invalid_client")
        assert_refused(await world.post("/par", asking("web2"), "web"), 400, "invalid_request")


async def test_ro_09_plain_requests_of_a_client_that_pushes(world: World, browser: Browser) -> None:
    await world.provider.apply(ONLY)
    async with world.unchanged():
        assert_sent(await browser.ask("only"), "invalid_request")
        answer = await browser.follow(await browser.http.post("/authorize", data=asking("only")))
        assert_sent(answer, "invalid_request")
        assert_page(await browser.ask("only", redirect_uri="https://evil.test/"))
        # Saying that it was pushed is not pushing.
        assert_sent(await browser.ask("only", via="pushed"), "invalid_request")
    auth = ("only", "only-secret-0123456789abcdef012345678")
    response = await world.api.http.post("/par", data=asking("only"), auth=auth)
    uri = response.json()["request_uri"]
    assert "code" in await finish(browser, {"client_id": "only", "request_uri": uri})


async def test_ro_10_resources_of_a_pushed_request(world: World, browser: Browser) -> None:
    members = await finish(browser, await push(world, resource=API, scope="openid orders"))
    tokens = (await world.redeem(members["code"])).json()
    assert not await world.active(tokens["access_token"], "web2")
