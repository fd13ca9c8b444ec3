"""CN: what is granted is what was shown and allowed; nothing later makes it more."""

from __future__ import annotations

import httpx2
import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_refused, assert_sent, field_of
from attack_world import API, OTHER_API, asking, parts_of

pytestmark = pytest.mark.anyio


async def at_consent(browser: Browser, client: str = "web", person: str = "alice", **changes: str) -> httpx2.Response:
    page = await browser.follow(await browser.ask(client, **changes))
    if 'id="login"' in page.text:
        page = await browser.follow(await browser.log_in(page, person))
    assert 'id="consent"' in page.text
    return page


async def test_cn_01_edited_form(world: World, browser: Browser) -> None:
    page = await at_consent(browser, scope="openid profile", prompt="consent")
    edits = {
        "scope": "openid profile email orders offline_access admin",
        "client_id": "spa",
        "redirect_uri": "https://evil.example/",
        "claims": "{}",
        "state": "other",
        "resource": API,
        "person": "bob",
    }
    form = {"t": field_of(page), "decision": "allow", **edits}
    response = await browser.http.post("/consent", params=edits, data=form)
    assert response.headers["location"].startswith("https://rp.test/cb?")
    answer = answer_of(response)
    assert answer["state"] == "state-1"
    tokens = (await world.redeem(answer["code"])).json()
    assert tokens["scope"] == "openid profile"
    assert "refresh_token" not in tokens
    assert parts_of(tokens["access_token"])[1]["aud"] == world.provider.issuer
    again = await browser.http.post("/consent", data={"t": form["t"], "decision": "allow"})
    assert_page(again)


async def test_cn_02_consent_is_not_skipped(world: World, browser: Browser) -> None:
    await browser.sign_on("web2", "bob")
    assert "code" in answer_of(await browser.ask("web2"))
    for changes in ({"prompt": "consent"}, {"scope": "openid email"}, {"scope": "openid offline_access"}):
        page = await browser.follow(await browser.ask("web2", **changes))
        assert 'id="consent"' in page.text, changes
    assert_sent(
        await browser.ask("web2", prompt="none", scope="openid email"), "consent_required", "interaction_required"
    )
    page = await browser.follow(await browser.ask("web", resource=API))
    assert 'id="consent"' in page.text


async def test_cn_02_going_straight_home_grants_nothing(world: World, browser: Browser) -> None:
    """Opening the address a page leads to, without answering the page, leads back to the page."""
    page = await at_consent(browser, prompt="consent")
    t = str(page.url.params["t"])
    async with world.unchanged():
        response = await browser.http.get(
            "/authorize/resume", params={"t": t, "decision": "allow", "consented": "true"}
        )
        assert response.headers["location"].startswith("/consent?t=")
        assert_page(await browser.http.get("/authorize/resume", params={"t": field_of(page)}))


async def test_cn_03_apps_that_cannot_prove_themselves_are_asked_for_each_time(world: World, browser: Browser) -> None:
    await browser.sign_on("native")
    again = await browser.follow(await browser.ask("native"))
    assert 'id="consent"' in again.text
    assert_sent(
        await browser.ask("native", prompt="none"),
        "consent_required",
        "interaction_required",
        to="http://127.0.0.1:49152/cb",
    )
    await browser.sign_on("native", redirect_uri="com.example.app:/cb")
    again = await browser.follow(await browser.ask("native", redirect_uri="com.example.app:/cb"))
    assert 'id="consent"' in again.text
    await browser.sign_on("web2")
    assert "code" in answer_of(await browser.ask("web2"))


async def test_cn_04_scope_beyond_the_client(world: World, browser: Browser) -> None:
    async with world.unchanged():
        assert_sent(await browser.ask(scope="openid admin"), "invalid_scope")
        assert_sent(await browser.ask(scope="admin"), "invalid_scope")
        posted = await browser.http.post("/authorize", data=asking(scope="openid admin"))
        assert_sent(posted, "invalid_scope")
        for client in ("web", "svc"):
            form = {"grant_type": "client_credentials", "scope": "admin"}
            assert_refused(await world.post("/token", form, client), 400, "invalid_scope")
    token = (await browser.tokens())["refresh_token"]
    async with world.unchanged():
        assert_refused(await world.refresh(token, scope="openid admin"), 400, "invalid_scope")
    code = await browser.code(scope="openid")
    async with world.unchanged():
        assert_refused(await world.redeem(code, scope="openid profile"), 400, "invalid_scope")
    answer = (await world.redeem(code, scope="openid")).json()
    assert answer["scope"] == "openid"


async def test_cn_04_a_service_gets_nothing_personal(world: World) -> None:
    form = {"grant_type": "client_credentials", "scope": "openid profile orders offline_access"}
    answer = await world.post("/token", form, "web")
    assert answer.json()["scope"] == "orders"
    assert not {"refresh_token", "id_token"} & answer.json().keys()
    assert (await world.userinfo(answer.json()["access_token"])).status_code in (401, 403)


WISH = (
    '{"userinfo": {"email": {"essential": true}, "phone_number": null}, "id_token": {"email": null, "address": null}}'
)


async def test_cn_06_only_what_was_allowed_and_what_the_client_may_ask_for(world: World, browser: Browser) -> None:
    """``phone`` and ``address`` are no scopes of this client, so the parameter gets no further than its scopes do."""
    page = await browser.follow(await browser.ask(claims=WISH))
    if 'id="login"' in page.text:
        page = await browser.follow(await browser.log_in(page, "alice"))
    assert 'id="consent"' in page.text
    assert "alice@example.com" in page.text
    code = answer_of(await browser.submit(page, "/consent", decision="allow"))["code"]
    issued = (await world.redeem(code)).json()
    told = (await world.userinfo(issued["access_token"])).json()
    assert set(told) == {"sub", "email"}
    claims = parts_of(issued["id_token"])[1]
    assert claims["email"] == told["email"]
    assert not {"phone_number", "address"} & claims.keys()


async def test_cn_06_without_consent_nothing_is_told(world: World, browser: Browser) -> None:
    await browser.code("web2")
    async with world.unchanged():
        assert_sent(await browser.ask("web2", claims=WISH, prompt="none"), "consent_required")
    page = await browser.follow(await browser.ask("web2", claims=WISH))
    denied = await browser.submit(page, "/consent", decision="deny")
    assert answer_of(denied)["error"] == "access_denied"
    issued = (await world.redeem(await browser.code("web2"), "web2")).json()
    assert set((await world.userinfo(issued["access_token"])).json()) == {"sub"}


async def test_cn_07_resource_widening(world: World, browser: Browser) -> None:
    code = await browser.code(scope="openid orders offline_access", resource=API)
    async with world.unchanged():
        assert_refused(await world.redeem(code, resource=OTHER_API), 400, "invalid_target")
        assert_refused(await world.redeem(code, resource=world.provider.issuer), 400, "invalid_target")
    issued = (await world.redeem(code, resource=API)).json()
    assert parts_of(issued["access_token"])[1]["aud"] == API
    async with world.unchanged():
        assert_refused(await world.refresh(issued["refresh_token"], resource=OTHER_API), 400, "invalid_target")
        several = (
            f"grant_type=refresh_token&refresh_token={issued['refresh_token']}&resource={API}&resource={OTHER_API}"
        )
        assert_refused(await world.post("/token", several, "web"), 400, "invalid_target")
    plain = await browser.code(scope="openid orders")
    async with world.unchanged():
        assert_refused(await world.redeem(plain, resource=API), 400, "invalid_target")


GRANTS = [
    "password",
    "implicit",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    "urn:openid:params:grant-type:ciba",
    "unknown",
    "Authorization_Code",
    "authorization_code ",
    "__class__",
    "operator",
    "password_exchange",
]


@pytest.mark.parametrize("grant_type", GRANTS)
async def test_cn_08_grants_that_do_not_exist(world: World, grant_type: str) -> None:
    form = {"grant_type": grant_type, "username": "alice", "password": "alice", "assertion": "x", "subject_token": "x"}
    async with world.unchanged():
        assert_refused(await world.post("/token", form, "web"), 400, "unsupported_grant_type", "unauthorized_client")
    discovery = (await world.api.http.get("/.well-known/openid-configuration")).json()
    assert grant_type not in discovery["grant_types_supported"]


async def test_cn_08_grants_of_other_clients(world: World) -> None:
    async with world.unchanged():
        for client in ("spa", "native"):
            form = {"grant_type": "client_credentials", "client_id": client}
            assert_refused(await world.post("/token", form), 400, "unauthorized_client")
        assert_refused(
            await world.post("/token", {"grant_type": "client_credentials"}, "web2"), 400, "unauthorized_client"
        )
        form = {"grant_type": "authorization_code", "code": "x"}
        assert_refused(await world.post("/token", form, "svc"), 400, "unauthorized_client")


async def test_cn_08_the_password_exchange_is_off_under_serve(production: World) -> None:
    for path in ("/api/token/", "/api/token/refresh/", "/api/token/verify/"):
        response = await production.api.http.post(path, json={"username": "alice", "password": "alice"})
        assert response.status_code == 404


async def test_cn_09_refused_by_the_person(world: World, browser: Browser) -> None:
    """A no uses its page up, so it leaves one spent value; no grant, code or consent."""
    page = await at_consent(browser, prompt="consent", scope="openid email")
    before = world.dump()
    assert_sent(await browser.submit(page, "/consent", decision="deny"), "access_denied")
    after = world.dump()
    assert [name for name in after if after[name] != before[name]] == ["spent_values"]
    assert_page(await browser.submit(page, "/consent", decision="allow"))
    again = await browser.follow(await browser.ask(scope="openid email"))
    assert 'id="consent"' in again.text, "a no is not remembered as a yes"
