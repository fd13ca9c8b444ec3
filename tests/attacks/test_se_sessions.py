"""SE: a session is a row behind a random cookie: new at each sign-in, dead at sign-out, nobody else's ever."""

from __future__ import annotations

import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_refused, assert_sent, field_of
from attack_world import asking, parts_of

from idp.store.accounts import set_disabled
from idp.store.sessions import end_all
from idp.web.logout import Leaving

pytestmark = pytest.mark.anyio


async def anonymous(browser: Browser, **headers: str) -> None:
    """prompt=none finds nobody."""
    response = await browser.http.get("/authorize", params=_silent(), headers=headers)
    assert_sent(response, "login_required")


def _silent() -> dict[str, str]:
    return asking(prompt="none")


async def with_cookie(world: World, value: str) -> Browser:
    other = world.browser()
    other.http.cookies.set("idp", value, domain="localhost.local", path="/")
    return other


async def test_se_01_fixation(world: World, browser: Browser) -> None:
    planted = "A" * 43
    page = await browser.follow(await browser.ask())
    browser.http.cookies.set("idp", planted, domain="localhost.local", path="/")
    response = await browser.log_in(page, "alice")
    first = response.headers["set-cookie"].partition("idp=")[2].partition(";")[0]
    assert first
    assert first != planted
    await anonymous(world.browser(), Cookie=f"idp={planted}")


async def test_se_01_a_new_value_at_every_sign_in(world: World, browser: Browser) -> None:
    await browser.sign_on()
    old = browser.http.cookies["idp"]
    page = await browser.follow(await browser.ask(prompt="login"))
    assert 'id="login"' in page.text
    await browser.log_in(page, "alice")
    assert browser.http.cookies["idp"] != old
    await anonymous(world.browser(), Cookie=f"idp={old}")


async def test_se_02_logout_ends_the_copied_cookie(world: World, browser: Browser) -> None:
    await browser.sign_on()
    copied = browser.http.cookies["idp"]
    assert "code" in answer_of(
        await world.browser().http.get("/authorize", params=_silent(), headers={"Cookie": f"idp={copied}"})
    )
    page = await browser.http.get("/logout")
    await browser.submit(page, "/logout")
    assert "idp" not in browser.http.cookies
    await anonymous(world.browser(), Cookie=f"idp={copied}")


@pytest.mark.parametrize(
    "kind", ["flipped", "shorter", "longer", "case", "empty", "quoted", "huge", "binary", "sealed", "id"]
)
async def test_se_03_edited_cookie(world: World, browser: Browser, kind: str) -> None:
    await browser.sign_on()
    good = browser.http.cookies["idp"]
    session = world.server.database.read_now(lambda c: c.exec_driver_sql("SELECT id FROM sessions").scalars().all())[-1]
    value = {
        "flipped": good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
        "shorter": good[:-1],
        "longer": good + "A",
        "case": good.swapcase(),
        "empty": "",
        "quoted": f'"{good[:-1]}"',
        "huge": "A" * 1_000_000,
        "binary": "\xff\xfe",
        "sealed": world.server.seal("interaction", Leaving()),
        "id": str(session),
    }[kind]
    async with world.unchanged():
        headers = [("Cookie", f"idp={value}".encode("latin-1"))]
        response = await world.browser().http.get("/authorize", params=_silent(), headers=headers)
    assert_sent(response, "login_required")


async def test_se_03_halves_of_two_cookies(world: World, browser: Browser) -> None:
    bob = world.browser()
    await browser.sign_on()
    await bob.sign_on(person="bob")
    one, two = browser.http.cookies["idp"], bob.http.cookies["idp"]
    await anonymous(world.browser(), Cookie=f"idp={one[:20]}{two[20:]}")


async def test_se_05_prompt_login_and_max_age(fresh: World, browser: Browser) -> None:
    first = await fresh.redeem(await browser.code())
    old_time = parts_of(first.json()["id_token"])[1]["auth_time"]
    fresh.provider.clock.advance(100)
    for changes in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "60"}):
        page = await browser.follow(await browser.ask(**changes))
        assert 'id="login"' in page.text, changes
        # Leaving the page alone gives no code, and the old session goes on.
        assert "code" in answer_of(await browser.ask(prompt="none"))
        # Coming home without having signed in asks again.
        t = str(page.url.params["t"])
        again = await browser.http.get("/authorize/resume", params={"t": t})
        assert again.headers["location"].startswith("/login")
        silent = await browser.ask(prompt="none", **{key: value for key, value in changes.items() if key != "prompt"})
        expected = None if "prompt" in changes else "login_required"
        assert answer_of(silent).get("error") == expected
    page = await browser.follow(await browser.ask(max_age="60"))
    fresh.provider.clock.advance(5)
    code = answer_of(await browser.follow(await browser.log_in(page, "alice")))["code"]
    new_time = parts_of((await fresh.redeem(code)).json()["id_token"])[1]["auth_time"]
    assert new_time == old_time + 105
    assert "code" in answer_of(await browser.ask(max_age="60"))


async def test_se_05_a_wrong_password_changes_nothing(fresh: World, browser: Browser) -> None:
    await browser.sign_on()
    page = await browser.follow(await browser.ask(prompt="login"))
    async with fresh.unchanged():
        assert (await browser.log_in(page, "alice", "wrong")).status_code == 401
    assert "code" in answer_of(await browser.ask(prompt="none"))


async def test_se_06_prompt_none(world: World, browser: Browser) -> None:
    async with world.unchanged():
        await anonymous(browser)
    page = await browser.follow(await browser.ask("web2"))
    await browser.log_in(page, "bob")
    async with world.unchanged():
        assert_sent(await browser.ask("web2", prompt="none"), "consent_required", "interaction_required")
    await browser.sign_on("web2", "bob")
    assert "code" in answer_of(await browser.ask("web2", prompt="none"))
    async with world.unchanged():
        assert_sent(await browser.ask("web2", prompt="none", scope="openid email"), "consent_required")


async def test_se_07_user_switch(fresh: World, browser: Browser) -> None:
    first = (await fresh.redeem(await browser.code(scope="openid offline_access"))).json()
    consent = await browser.follow(await browser.ask(prompt="consent", scope="openid email"))
    alices_form = field_of(consent)
    select = field_of(await browser.follow(await browser.ask(prompt="select_account")))
    cookie_of_alice = browser.http.cookies["idp"]
    page = await browser.follow(await browser.ask(prompt="login"))
    response = await browser.follow(await browser.log_in(page, "bob"))
    assert 'id="consent"' in response.text, "alice's consent is not bob's"
    assert "Alice" not in response.text
    # The back button: alice's forms lead to a fresh decision as bob, never to a code of alice's.
    answered = await browser.http.post("/consent", data={"t": alices_form, "decision": "allow"})
    assert "code=" not in answered.headers["location"]
    back = await browser.follow(answered)
    assert 'id="consent"' in back.text
    assert "Alice" not in back.text
    chosen = await browser.follow(await browser.http.post("/select-account", data={"t": select, "choice": "current"}))
    assert "Alice" not in chosen.text
    await anonymous(fresh.browser(), Cookie=f"idp={cookie_of_alice}")
    sid = parts_of(first["id_token"])[1]["sid"]
    code = answer_of(await browser.submit(response, "/consent", decision="allow"))["code"]
    bobs = parts_of((await fresh.redeem(code)).json()["id_token"])[1]
    assert bobs["sub"] == "bob"
    assert bobs["sid"] != sid


async def test_se_09_everything_ends_everywhere(fresh: World) -> None:
    browsers = [fresh.browser() for _ in range(5)]
    issued = [await each.tokens() for each in browsers]
    pending = await browsers[0].code(scope="openid")
    await fresh.server.database.write(end_all, fresh.server.journal, "alice", fresh.now, reason="operator")
    for each, answer in zip(browsers, issued, strict=True):
        await anonymous(each)
        assert_refused(await fresh.refresh(answer["refresh_token"]), 400, "invalid_grant")
        assert_refused(await fresh.userinfo(answer["access_token"]), 401, "invalid_token")
        assert not await fresh.active(answer["access_token"])
    assert_refused(await fresh.redeem(pending), 400, "invalid_grant")


async def test_se_09_a_disabled_person_gets_nothing(fresh: World, browser: Browser) -> None:
    page = await fresh.browser().follow(await fresh.browser().ask())
    assert page.status_code in (200, 403)
    await browser.sign_on()
    await fresh.server.database.write(set_disabled, fresh.server.journal, "alice", fresh.now, disabled=True)
    await anonymous(browser)
    login = await browser.follow(await browser.ask())
    assert 'id="login"' in login.text
    assert (await browser.log_in(login, "alice")).status_code == 401
    assert_page(await browser.http.get("/consent", params={"t": "x"}))


async def test_se_09_idle_and_absolute_ends(fresh: World, browser: Browser) -> None:
    lifetimes = fresh.server.settings.lifetimes
    await browser.sign_on()
    for _ in range(int(lifetimes.session_absolute // lifetimes.session_idle)):
        fresh.provider.clock.advance(lifetimes.session_idle - 10)
        assert "code" in answer_of(await browser.ask(prompt="none"))
    fresh.provider.clock.advance(lifetimes.session_idle - 10)
    await anonymous(browser)
    other = fresh.browser()
    await other.sign_on()
    fresh.provider.clock.advance(lifetimes.session_idle)
    await anonymous(other)
