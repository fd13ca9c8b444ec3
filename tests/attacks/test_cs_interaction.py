"""CS: a page is answered by the browser it was made for, from our own page, once; nobody finishes another's request."""

from __future__ import annotations

import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_sent, field_of

pytestmark = pytest.mark.anyio
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost:8001"},
    {"Origin": "https://localhost:8000"},
]


async def forbidden(world: World, browser: Browser, path: str, form: dict[str, str], **headers: str) -> None:
    async with world.unchanged():
        response = await browser.http.post(path, data=form, headers=headers)
    assert_page(response)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_cs_01_login_from_another_site(world: World, browser: Browser, headers: dict[str, str]) -> None:
    page = await browser.follow(await browser.ask())
    form = {"t": field_of(page), "username": "mallory", "password": "mallory-password"}
    await forbidden(world, browser, "/login", form, **headers)


async def test_cs_01_login_without_or_with_a_foreign_form(world: World, browser: Browser) -> None:
    mallory = world.browser()
    theirs = field_of(await mallory.follow(await mallory.ask()))
    await browser.follow(await browser.ask())
    credentials = {"username": "mallory", "password": "mallory-password"}
    await forbidden(world, browser, "/login", credentials)
    for t in (theirs, "", "x", theirs[:-1], theirs + "A", "A" + theirs):
        await forbidden(world, browser, "/login", {"t": t, **credentials})


async def test_cs_01_login_without_the_browser_cookie(world: World, browser: Browser) -> None:
    page = await browser.follow(await browser.ask())
    form = {"t": field_of(page), "username": "mallory", "password": "mallory-password"}
    await forbidden(world, world.browser(), "/login", form)


async def at_consent(browser: Browser, person: str = "alice", client: str = "web", **changes: str) -> tuple[str, str]:
    """The consent form's hidden value, and the URL of the page."""
    page = await browser.follow(await browser.ask(client, prompt="consent", **changes))
    if 'id="login"' in page.text:
        page = await browser.follow(await browser.log_in(page, person))
    assert 'id="consent"' in page.text
    return field_of(page), str(page.url)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_cs_02_consent_from_another_site(world: World, browser: Browser, headers: dict[str, str]) -> None:
    t, _ = await at_consent(browser)
    await forbidden(world, browser, "/consent", {"t": t, "decision": "allow"}, **headers)


async def test_cs_02_consent_without_or_with_a_foreign_form(world: World, browser: Browser) -> None:
    mallory = world.browser()
    theirs, _ = await at_consent(mallory, "mallory")
    mine, url = await at_consent(browser)
    in_url = url.partition("t=")[2]
    stranger = world.browser()
    login = field_of(await stranger.follow(await stranger.ask()))
    for t in ("", theirs, mine[:-2], in_url, login):
        await forbidden(world, browser, "/consent", {"t": t, "decision": "allow"})
    await forbidden(world, browser, "/consent", {"decision": "allow"})
    await forbidden(world, mallory, "/consent", {"t": mine, "decision": "allow"})


async def test_cs_02_a_form_of_another_page_or_of_an_answered_one(world: World, browser: Browser) -> None:
    login_page = await browser.follow(await browser.ask())
    t, _ = await at_consent(browser)
    await forbidden(world, browser, "/consent", {"t": field_of(login_page), "decision": "allow"})
    await forbidden(world, browser, "/login", {"t": t, "username": "alice", "password": "alice"})
    await forbidden(world, browser, "/select-account", {"t": t, "choice": "current"})
    first = await browser.http.post("/consent", data={"t": t, "decision": "allow"})
    assert "code" in answer_of(first)
    await forbidden(world, browser, "/consent", {"t": t, "decision": "allow"})
    await forbidden(world, browser, "/consent", {"t": t, "decision": "deny"})


@pytest.mark.parametrize("decision", [None, "", "yes", "ALLOW", "allow deny"])
async def test_cs_02_only_the_button_says_yes(world: World, browser: Browser, decision: str | None) -> None:
    t, _ = await at_consent(browser)
    form = {"t": t} if decision is None else {"t": t, "decision": decision}
    await forbidden(world, browser, "/consent", form)


async def test_cs_05_victim_opens_the_attackers_page(world: World, browser: Browser) -> None:
    """Logged in or not: the address mallory copied is refused in any other browser."""
    mallory = world.browser()
    start = await mallory.ask(state="of-mallory")
    copied = start.headers["location"]
    page = await mallory.follow(start)
    for signed_in in (False, True):
        if signed_in:
            await browser.sign_on()
        async with world.unchanged():
            assert_page(await browser.http.get(copied))
            t = str(page.url.params["t"])
            for path in ("/authorize/resume", "/consent", "/select-account", "/login"):
                assert_page(await browser.http.get(path, params={"t": t}))
            response = await browser.http.post(
                "/login", data={"t": field_of(page), "username": "alice", "password": "alice"}
            )
            assert_page(response)


async def test_cs_05_a_request_without_a_signed_in_person_stores_nothing(world: World, browser: Browser) -> None:
    async with world.unchanged():
        await browser.follow(await browser.ask())


async def test_cs_05_a_page_is_good_for_an_hour(fresh: World, browser: Browser) -> None:
    page = await browser.follow(await browser.ask())
    fresh.provider.clock.advance(3601)
    async with fresh.unchanged():
        assert_page(await browser.http.get(str(page.url)))
        assert_page(await browser.log_in(page, "alice"))


async def every_page(browser: Browser, world: World) -> dict[str, object]:
    login = await browser.follow(await browser.ask())
    wrong = await browser.log_in(login, "alice", "wrong")
    consent = await browser.follow(await browser.log_in(login, "alice"))
    if 'id="consent"' not in consent.text:
        consent = await browser.follow(await browser.ask(prompt="consent"))
    select = await browser.follow(await browser.ask(prompt="select_account"))
    logout = await browser.http.get("/logout")
    logged_out = await browser.http.get("/logged-out")
    error = await browser.ask(redirect_uri="https://evil.example/")
    missing = await browser.http.get("/nowhere", headers={"Accept": "text/html"})
    method = await browser.http.put("/login", headers={"Accept": "text/html"})
    return {
        "login": login,
        "wrong": wrong,
        "consent": consent,
        "select": select,
        "logout": logout,
        "logged out": logged_out,
        "error": error,
        "missing": missing,
        "method": method,
    }


async def test_cs_07_no_page_can_be_framed(world: World, browser: Browser) -> None:
    for name, page in (await every_page(browser, world)).items():
        headers = page.headers  # type: ignore[attr-defined]
        assert headers["content-type"].startswith("text/html"), name
        assert "frame-ancestors 'none'" in headers["content-security-policy"], name
        assert headers["x-frame-options"] == "DENY", name


async def test_cs_08_policy_of_every_page(world: World, browser: Browser) -> None:
    for name, page in (await every_page(browser, world)).items():
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in page.headers["content-security-policy"].split(";")  # type: ignore[attr-defined]
        )
        assert policy["default-src"] == "'none'", name
        assert policy["base-uri"] == "'none'", name
        assert policy.get("object-src", policy["default-src"]) == "'none'", name
        assert not any("unsafe" in value or "*" in value for value in policy.values()), name
        # Chromium applies form-action to the whole redirect chain: named, it would break the way home (decision 21).
        assert "form-action" not in policy or name not in ("login", "wrong", "consent", "select", "logout"), name
        assert "script-src" not in policy, name
        assert "<script" not in page.text, name  # type: ignore[attr-defined]
        assert " style=" not in page.text, name  # type: ignore[attr-defined]
        assert " on" not in [word[:3] for word in page.text.split("<")], name  # type: ignore[attr-defined]


async def test_cs_02_refused_request_is_answered_at_its_own_client(world: World, browser: Browser) -> None:
    """Denied twice, or denied and then allowed: the second answer is an error page, not a second redirect."""
    t, _ = await at_consent(browser)
    assert_sent(await browser.http.post("/consent", data={"t": t, "decision": "deny"}), "access_denied")
    await forbidden(world, browser, "/consent", {"t": t, "decision": "allow"})
