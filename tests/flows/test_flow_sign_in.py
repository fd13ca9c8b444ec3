"""Signing in and the session behind it (OIDC Core 3.1.2.3; RFC 9700 4.7, 4.16): cookies, whose page it is, who may."""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from support import (
    PASSWORD,
    SPA,
    WEB,
    Answer,
    App,
    Page,
    Visitor,
    add_person,
    discovery,
    granted,
    register,
    sign_in,
    userinfo,
)

from idp.control import ControlError
from idp.store import accounts
from idp.testing import Provider

pytestmark = pytest.mark.anyio


def page(stop: Page | Answer, name: str) -> Page:
    assert isinstance(stop, Page), stop
    assert stop.id == name
    return stop


def cookies(set_cookie: list[str]) -> dict[str, dict[str, str]]:
    found = {}
    for line in set_cookie:
        for name, morsel in SimpleCookie(line).items():
            found[name] = {"value": morsel.value, **{key: str(value) for key, value in morsel.items() if value}}
    return found


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["subject_types_supported"] == ["public", "pairwise"]
    assert document["acr_values_supported"] == ["urn:idp:acr:pwd"]


@pytest.mark.parametrize(("issuer", "prefix"), [("http://localhost:8000", ""), ("https://localhost", "__Host-")])
async def test_cookies_are_the_browsers_own(tmp_path: Path, issuer: str, prefix: str) -> None:
    async with Provider(issuer=issuer, data_dir=tmp_path) as provider:
        await register(provider, WEB)
        visitor = Visitor(provider)
        first = await visitor.http.get("/authorize", params=WEB.request())
        stop = page(await visitor.open(first.headers["location"]), "login")
        form = {**stop.fields, "username": "alice", "password": "alice"}
        second = await visitor.http.post("/login", data=form)
        set_cookie = cookies([*first.headers.get_list("set-cookie"), *second.headers.get_list("set-cookie")])
        assert set_cookie.keys() == {f"{prefix}idp", f"{prefix}idp-browser", f"{prefix}idp-device"}
        for cookie in set_cookie.values():
            assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == ("/", "lax", "True")
            assert ("secure" in cookie) is bool(prefix)
            assert "domain" not in cookie


async def test_every_sign_in_makes_a_new_cookie_and_kills_the_old(visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    old = visitor.http.cookies["idp"]
    stop = page(await visitor.authorize(WEB.request(prompt="login")), "login")
    await visitor.log_in(stop)
    assert visitor.http.cookies["idp"] != old
    visitor.http.cookies.clear()
    response = await visitor.http.get("/authorize", params=WEB.request(prompt="none"), headers={"cookie": f"idp={old}"})
    assert "error=login_required" in response.headers["location"]


async def test_a_cookie_tossed_by_a_neighbour_is_nobody(visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    mine = visitor.http.cookies["idp"]
    visitor.http.cookies.clear()
    request = WEB.request(prompt="none")
    alone = await visitor.http.get("/authorize", params=request, headers={"cookie": f"idp={mine}"})
    assert "code=" in alone.headers["location"]
    for number in range(10):
        line = f"idp={mine}; idp=other-{number}" if number % 2 else f"idp=other-{number}; idp={mine}"
        tossed = await visitor.http.get("/authorize", params=request, headers={"cookie": line})
        assert "error=login_required" in tossed.headers["location"]


async def test_unknown_person_and_wrong_password_look_the_same(visitor: Visitor) -> None:
    stop = await visitor.authorize(WEB.request())
    answers = []
    for username in ("alice", "nobody-of-that-name", "a" * 300):
        answer = page(await visitor.submit(stop, username=username, password="wrong"), "login")
        assert answer.inputs["username"] == username
        answers.append((answer.status, answer.text.replace(answer.fields["t"], "").replace(username, "")))
    assert len(set(answers)) == 1
    assert answers[0][0] == 401


async def test_a_page_belongs_to_the_browser_that_began(provider: Provider, visitor: Visitor) -> None:
    stop = page(await visitor.authorize(WEB.request()), "login")
    stranger = Visitor(provider)
    refused = page(await stranger.open(stop.url), "error")
    assert refused.status == 403
    refused = page(await stranger.log_in(stop), "error")
    assert refused.status == 403
    assert "idp" not in stranger.http.cookies
    await stranger.authorize(WEB.request())  # now it has a cookie of its own, still another's page
    assert page(await stranger.log_in(stop), "error").status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://localhost:8001"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["login", "consent", "select-account"])
async def test_forms_from_another_site_are_refused(
    provider: Provider, visitor: Visitor, name: str, headers: dict[str, str]
) -> None:
    prompts = {"login": "login", "consent": "consent", "select-account": "select_account"}
    if name != "login":
        await visitor.sign_on(WEB.request())
    stop = page(await visitor.authorize(WEB.request(prompt=prompts[name])), name)
    form = {**stop.fields, "username": "alice", "password": "alice", "decision": "allow", "choice": "current"}
    refused = page(await visitor.post(stop.url.partition("?")[0], form, **headers), "error")
    assert refused.status == 403


async def test_the_hidden_field_of_one_page_is_none_of_another(visitor: Visitor) -> None:
    login = page(await visitor.authorize(WEB.request()), "login")
    await visitor.sign_on(SPA.request())
    consent = page(await visitor.authorize(WEB.request(prompt="consent")), "consent")
    for path, field in (("/consent", login.fields["t"]), ("/login", consent.fields["t"]), ("/consent", _sealed(login))):
        form = {"t": field, "decision": "allow", "username": "alice", "password": "alice"}
        refused = page(await visitor.post(path, form, origin=visitor.origin), "error")
        assert refused.status == 400


async def test_a_page_waits_an_hour(provider: Provider, visitor: Visitor) -> None:
    stop = page(await visitor.authorize(WEB.request()), "login")
    provider.clock.advance(3601)
    assert page(await visitor.log_in(stop), "error").status == 400


async def test_an_answered_page_counts_once(visitor: Visitor) -> None:
    stop = page(await visitor.authorize(WEB.request(prompt="consent login")), "login")
    stop = page(await visitor.log_in(stop), "consent")
    assert granted(await visitor.submit(stop, decision="allow"))
    for decision in ("allow", "deny"):
        assert page(await visitor.submit(stop, decision=decision), "error").status == 400


async def test_consent_is_answered_by_whom_it_was_shown_to(provider: Provider, visitor: Visitor) -> None:
    """alice saw the page, bob signed in in another tab: her page does not allow anything for him."""
    await visitor.sign_on(WEB.request())
    shown = page(await visitor.authorize(WEB.request(prompt="consent")), "consent")
    await visitor.sign_on(SPA.request(prompt="login"), "bob")
    stop = page(await visitor.submit(shown, decision="allow"), "consent")
    assert "Bob Baker" in stop.text


async def test_a_disabled_person_is_out_at_once(provider: Provider, visitor: Visitor) -> None:
    sub = await add_person(provider, "carol")
    tokens = await sign_in(provider, WEB, "carol", PASSWORD, scope="openid offline_access")
    await visitor.sign_on(WEB.request(), "carol", PASSWORD)
    code = (await visitor.sign_on(WEB.request())).code
    await _disable(provider, sub)
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert await WEB.introspect(provider.http, tokens["access_token"]) == {"active": False}
    assert (await WEB.refresh(provider.http, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await WEB.redeem(provider.http, code)).json()["error"] == "invalid_grant"
    silent = await visitor.authorize(WEB.request(prompt="none"))
    assert isinstance(silent, Answer)
    assert silent.error == "login_required"
    stop = page(await visitor.authorize(WEB.request()), "login")
    assert page(await visitor.log_in(stop, "carol", PASSWORD), "login").status == 401


async def test_a_new_password_ends_every_session_and_grant(provider: Provider, visitor: Visitor) -> None:
    await add_person(provider, "dave")
    tokens = await sign_in(provider, WEB, "dave", PASSWORD, scope="openid offline_access")
    await visitor.sign_on(WEB.request(), "dave", PASSWORD)
    await provider.control("user.passwd", username="dave", password="another one")
    silent = await visitor.authorize(WEB.request(prompt="none"))
    assert isinstance(silent, Answer)
    assert silent.error == "login_required"
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert (await WEB.refresh(provider.http, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    stop = page(await visitor.authorize(WEB.request()), "login")
    assert page(await visitor.log_in(stop, "dave", PASSWORD), "login").status == 401
    assert granted(await visitor.log_in(stop, "dave", "another one"))


async def test_a_disabled_app_gets_nothing(provider: Provider, visitor: Visitor) -> None:
    app = App("leaving", "https://leaving.test/cb", "secret-of-leaving-0123456789")
    await register(provider, app)
    tokens = await sign_in(provider, app, scope="openid offline_access")
    await visitor.sign_on(app.request())
    await register(provider, App(app.client_id, app.redirect_uri, app.secret, members={"disabled": True}))
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    refused = await app.refresh(provider.http, tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert page(await visitor.authorize(app.request()), "error").status == 400


def _sealed(stop: Page) -> str:
    return stop.url.partition("?t=")[2]


async def _disable(provider: Provider, sub: str) -> None:
    server = provider.server
    await server.database.write(accounts.set_disabled, server.journal, sub, server.now(), disabled=True)


async def test_an_operator_disables_and_enables_a_person(provider: Provider) -> None:
    """TS-08, SE-09: out everywhere at once, in again only by a new sign-in."""
    name = "disabled-for-a-while"
    await add_person(provider, name)
    tokens = await sign_in(provider, WEB, name, PASSWORD, scope="openid profile offline_access")
    assert (await provider.control("user.disable", username=name))["sessions_ended"] == 1
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert (await WEB.refresh(provider.http, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    visitor = Visitor(provider)
    page = await visitor.log_in(await visitor.authorize(WEB.request()), name, PASSWORD)
    assert isinstance(page, Page)
    assert page.id == "login"
    await visitor.aclose()
    await provider.control("user.enable", username=name)
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401, "what ended stays ended"
    assert "id_token" in await sign_in(provider, WEB, name, PASSWORD)


async def test_nobody_unknown_is_disabled(provider: Provider) -> None:
    for operation in ("user.disable", "user.enable", "user.passwd"):
        more = {"password": "a new password"} if operation == "user.passwd" else {}
        with pytest.raises(ControlError, match="the person exists"):
            await provider.control(operation, username="nobody-here", **more)
