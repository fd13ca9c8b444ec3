"""DV: the device flow (RFC 8628 5): guessing the short code, another one's approval, links sent to a victim."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from attack_support import Browser, World, field_of
from attack_world import PASSWORDS

from idp.protocol.device import CODES, LONGEST_INTERVAL, shown, user_code
from idp.settings import SettingsError, load
from idp.settings_limits import Limits

pytestmark = pytest.mark.anyio

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CLIENTS = f"""
[[clients]]
client_id = "dev"
client_name = "Living room TV"
client_uri = "https://tv.example/about"
token_endpoint_auth_method = "none"
grant_types = ["{DEVICE_GRANT}", "refresh_token"]
scope = "openid profile email offline_access"
consent = "skip"

[[clients]]
client_id = "dev2"
token_endpoint_auth_method = "none"
grant_types = ["{DEVICE_GRANT}"]
scope = "openid"
"""
PROXIED: dict[str, Any] = {"trusted_proxies": ["127.0.0.0/8"]}


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    async with World(**PROXIED) as started:
        await started.provider.apply(CLIENTS)
        yield started


@pytest.fixture
async def fresh() -> AsyncIterator[World]:
    """For what fills buckets of everybody's."""
    async with World(**PROXIED) as started:
        await started.provider.apply(CLIENTS)
        yield started


def from_network(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"203.{number // 250}.{number % 250}.7"}


async def ask(world: World, client: str = "dev", **headers: str) -> dict[str, Any]:
    form = {"client_id": client, "scope": "openid"}
    answer = await world.post("/device_authorization", form, **headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def poll(world: World, code: str, client: str = "dev") -> tuple[int, str]:
    form = {"grant_type": DEVICE_GRANT, "device_code": code, "client_id": client}
    answer = await world.post("/token", form)
    return answer.status_code, answer.json().get("error", "")


async def at_device(browser: Browser, person: str = "alice", query: str = "") -> httpx2.Response:
    page = await browser.follow(await browser.http.get(f"/device{query}"))
    if 'id="login"' in page.text:
        page = await browser.follow(await browser.log_in(page, person))
    assert 'id="device"' in page.text, page.text
    return page


async def confirmation(browser: Browser, code: str, person: str = "alice") -> httpx2.Response:
    page = await at_device(browser, person)
    answer = await browser.follow(await browser.submit(page, "/device", user_code=code))
    assert 'id="device-confirm"' in answer.text, answer.text
    return answer


# -- DV-01


async def guess(browser: Browser, page: httpx2.Response, seed: int) -> int:
    code = shown(user_code((seed * 104_729 + 11).to_bytes(16)))
    return (await browser.submit(page, "/device", user_code=code)).status_code


async def test_dv_01_a_thousand_codes_from_one_session(fresh: World) -> None:
    browser = fresh.browser(**from_network(1))
    page = await at_device(browser, "mallory")
    answers = []
    for seed in range(1000):
        answers.append(await guess(browser, page, seed))
        fresh.provider.clock.advance(0.06)
    assert answers.count(400) == 10, "ten are looked at; a minute gives two thirds of one back"
    assert set(answers) == {400, 429}
    device = await ask(fresh)
    right = await browser.submit(page, "/device", user_code=device["user_code"])
    assert (right.status_code, int(right.headers["retry-after"]) > 0) == (429, True), "nor is the right one"
    other = fresh.browser(**from_network(2))
    await confirmation(other, device["user_code"], "alice")


async def test_dv_01_from_many_people_and_networks() -> None:
    """One person in many browsers is one person still, many people in one network one network; and then all of them."""
    small = {"limits__user_codes": 3, "limits__user_codes_network": 5, "limits__user_codes_overall": 11}
    async with World(**PROXIED, **small) as world:
        looked_at = []
        for number in range(8):
            name = f"person{number // 2}"
            PASSWORDS[name] = name
            if number % 2 == 0:
                await world.provider.control("user.add", username=name, password=name)
            browser = world.browser(**from_network(number // 4))
            page = await at_device(browser, name)
            answers = [await guess(browser, page, number * 5 + seed) for seed in range(5)]
            assert set(answers) <= {400, 429}
            looked_at.append(answers.count(400))
        # Two browsers each; the second person of a network finds only what the first left; and 11 are 11.
        assert looked_at == [3, 0, 2, 0, 3, 0, 2, 0]
        PASSWORDS["last"] = "last"
        await world.provider.control("user.add", username="last", password="last")
        browser = world.browser(**from_network(5))
        page = await at_device(browser, "last")
        assert [await guess(browser, page, 900 + seed) for seed in range(3)] == [400, 429, 429]


def test_dv_01_what_guessing_may_find() -> None:
    """Everything full at once and emptying meanwhile, over a quarter of an hour."""
    limits = Limits()
    guesses = 2 * limits.user_codes_overall
    waiting = 2 * limits.device_codes_overall
    assert guesses * waiting / CODES < 1e-4
    with pytest.raises(SettingsError, match="unguessable"):
        load(None, {"IDP_LIMITS_USER_CODES_OVERALL": "1000"}, "dev")


async def test_dv_01_how_many_devices_may_wait(fresh: World) -> None:
    """A row for each stranger who asks: bounded by network, by app with credentials, and over all."""
    answers: list[int] = []
    form = {"client_id": "dev"}
    for number in range(60):
        answer = await fresh.post("/device_authorization", form, **from_network(1 if number < 55 else 2))
        answers.append(answer.status_code)
    assert answers == [200] * 50 + [429] * 5 + [200] * 5
    async with fresh.unchanged():
        answer = await fresh.post("/device_authorization", form, **from_network(1))
        assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) <= 600 / 50 + 1
    fresh.provider.clock.advance(601)
    assert (await fresh.post("/device_authorization", form, **from_network(1))).status_code == 200


# -- DV-02


async def test_dv_02_polling_too_fast(world: World) -> None:
    code = (await ask(world))["device_code"]
    assert await poll(world, code) == (400, "authorization_pending")
    for _ in range(3):
        world.provider.clock.advance(0.2)
        assert await poll(world, code) == (400, "slow_down")
    world.provider.clock.advance(19)
    assert await poll(world, code) == (400, "slow_down"), "three times five seconds more, for good"
    world.provider.clock.advance(25)
    assert await poll(world, code) == (400, "authorization_pending")
    world.provider.clock.advance(20)
    assert await poll(world, code) == (400, "slow_down")


async def test_dv_02_a_flood_writes_nothing_and_ends_no_wait(world: World) -> None:
    told = await ask(world)
    code = told["device_code"]
    for _ in range(LONGEST_INTERVAL // 5 + 1):
        await poll(world, code)
    async with world.unchanged():
        for _ in range(50):
            world.provider.clock.advance(0.01)
            assert await poll(world, code) == (400, "slow_down")
    browser = world.browser()
    await browser.submit(await confirmation(browser, told["user_code"]), "/device/confirm", decision="allow")
    assert (await poll(world, code))[0] == 200, "an answer is given at once, however fast it is asked for"


# -- DV-04


async def test_dv_04_another_person_decides(world: World) -> None:
    told = await ask(world)
    alice, mallory = world.browser(), world.browser()
    page = await confirmation(alice, told["user_code"])
    await at_device(mallory, "mallory")
    async with world.unchanged():
        shown_to_mallory = await mallory.http.get(page.url)
        assert (shown_to_mallory.status_code, "Living room" in shown_to_mallory.text) == (403, False)
        for decision in ("allow", "deny"):
            answer = await mallory.submit(page, "/device/confirm", decision=decision)
            assert answer.status_code == 403
    assert await poll(world, told["device_code"]) == (400, "authorization_pending")


async def test_dv_04_another_person_in_the_same_browser(world: World) -> None:
    told = await ask(world)
    browser = world.browser()
    page = await confirmation(browser, told["user_code"])
    other = await browser.http.get(str(await _other_account(browser)))
    await browser.log_in(other, "mallory")
    async with world.unchanged():
        assert (await browser.http.get(page.url)).status_code == 403
        assert (await browser.submit(page, "/device/confirm", decision="allow")).status_code == 403
    assert await poll(world, told["device_code"]) == (400, "authorization_pending")


async def _other_account(browser: Browser) -> str:
    page = await at_device(browser)
    return page.text.partition('id="device-other" href="')[2].partition('"')[0]


async def test_dv_04_nobody_entered_the_code(world: World) -> None:
    told = await ask(world)
    browser = world.browser()
    page = await at_device(browser)
    async with world.unchanged():
        for path in ("/device/confirm", f"/device/confirm?user_code={told['user_code']}"):
            assert (await browser.http.get(path)).status_code in (400, 403, 404)
            form = {"user_code": told["user_code"], "decision": "allow"}
            assert (await browser.http.post(path, data=form)).status_code in (400, 403, 404)
        # A sealed field of the page before, and of another page, is none of this one.
        answer = await browser.submit(page, "/device/confirm", user_code=told["user_code"], decision="allow")
        assert answer.status_code in (400, 403)
        consent = await browser.follow(await browser.ask(user_code=told["user_code"]))
        answer = await browser.submit(consent, "/device/confirm", decision="allow")
        assert answer.status_code in (400, 403)
        answer = await browser.http.get("/device/confirm", params={"t": str(consent.url.params["t"])})
        assert answer.status_code in (400, 403)
    assert await poll(world, told["device_code"]) == (400, "authorization_pending")


# -- DV-05


async def test_dv_05_a_link_with_the_code_decides_nothing(world: World) -> None:
    """With a live session, an app that needs no consent, and an approval of the same app a moment before."""
    alice = world.browser(**from_network(7))
    first = await ask(world, **from_network(7))
    page = await confirmation(alice, first["user_code"])
    assert "the same network as this browser" in page.text
    await alice.submit(page, "/device/confirm", decision="allow")
    told = await ask(world, **from_network(9))
    world.provider.clock.advance(125)
    async with world.unchanged():
        page = await at_device(alice, query=f"?user_code={told['user_code']}")
        assert 'id="device-submit"' in page.text, "the link fills the field and no more"
        assert "Living room TV" not in page.text
    page = await alice.follow(await alice.submit(page, "/device", user_code=told["user_code"]))
    for words in (
        told["user_code"],
        "Living room TV",
        "tv.example",
        "2 minutes ago",
        "another network than this browser",
        "203.0.9.0/24",
        "Only continue if you started this yourself",
        "Alice Archer",
        "Recognise you",
    ):
        assert words in page.text, words
    assert await poll(world, told["device_code"]) == (400, "authorization_pending")
    answer = await alice.submit(page, "/device/confirm")
    assert answer.status_code == 400, "no decision is none"
    assert await poll(world, told["device_code"]) == (400, "slow_down")
    assert [row for row in world.dump()["consents"] if "'dev'" in row] == [], "and none is remembered"


# -- DV-06, DV-07


async def test_dv_06_redeemed_by_another_client(world: World) -> None:
    told = await ask(world)
    browser = world.browser()
    await browser.submit(await confirmation(browser, told["user_code"]), "/device/confirm", decision="allow")
    async with world.unchanged():
        assert await poll(world, told["device_code"], "dev2") == (400, "invalid_grant")
        assert (await poll(world, told["device_code"], "spa"))[1] in ("unauthorized_client", "invalid_grant")
    assert (await poll(world, told["device_code"]))[0] == 200


async def test_dv_07_how_it_ends(world: World) -> None:
    browser = world.browser()
    denied, late, used = [await ask(world) for _ in range(3)]
    await browser.submit(await confirmation(browser, denied["user_code"]), "/device/confirm", decision="deny")
    assert await poll(world, denied["device_code"]) == (400, "access_denied")
    await browser.submit(await confirmation(browser, used["user_code"]), "/device/confirm", decision="allow")
    assert (await poll(world, used["device_code"]))[0] == 200
    page = await confirmation(browser, late["user_code"])
    world.provider.clock.advance(601)
    async with world.unchanged():
        answer = await browser.submit(page, "/device/confirm", decision="allow")
        assert "waited for too long" in answer.text
        assert await poll(world, late["device_code"]) == (400, "expired_token")
        assert await poll(world, used["device_code"]) == (400, "invalid_grant")
        for unknown in ("dc." + "A" * 43, "x", late["device_code"][:-1], "ac." + late["device_code"][3:]):
            assert await poll(world, unknown) == (400, "invalid_grant")


async def test_dv_07_many_polls_at_once_have_one_success(world: World) -> None:
    browser = world.browser()
    for _ in range(5):
        told = await ask(world)
        await browser.submit(await confirmation(browser, told["user_code"]), "/device/confirm", decision="allow")
        answers = await asyncio.gather(*(poll(world, told["device_code"]) for _ in range(32)))
        assert sorted(answers) == [(200, "")] + [(400, "invalid_grant")] * 31


# -- DV-09


async def test_dv_09_a_form_of_another_site(world: World) -> None:
    told = await ask(world)
    browser = world.browser()
    entered = await at_device(browser)
    page = await confirmation(browser, told["user_code"])
    async with world.unchanged():
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            for path, t in (("/device", field_of(entered)), ("/device/confirm", field_of(page))):
                form = {"t": t, "decision": "allow", "user_code": told["user_code"]}
                answer = await browser.http.post(path, data=form, headers=headers)
                assert answer.status_code == 403
        without = await browser.http.post("/device/confirm", data={"decision": "allow"})
        assert without.status_code in (400, 403)
    assert await poll(world, told["device_code"]) == (400, "authorization_pending")
    await browser.submit(page, "/device/confirm", decision="allow")
    assert (await poll(world, told["device_code"]))[0] == 200, "the person's own click still counts"
