"""XS: text from outside is text, links go nowhere of a stranger's choosing, and SQL only ever sees parameters."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_sent, field_of
from attack_world import MANIFEST, asking

from idp.manifest import ManifestError

pytestmark = pytest.mark.anyio
MARKUP = "\"><svg/onload=1>'</title><script>alert(1)</script>{{1337*1337}}${1337*1337}"


def assert_harmless(text: str) -> None:
    assert "<svg/onload" not in text
    assert "<script" not in text
    assert "</title><" not in text
    assert "1787569" not in text, "a template was evaluated"


@pytest.mark.parametrize(
    "name",
    [
        "error",
        "error_description",
        "error_hint",
        "scope",
        "client_id",
        "state",
        "response_mode",
        "redirect_uri",
        "prompt",
        "nonce",
    ],
)
async def test_xs_01_reflected_on_error_pages(world: World, browser: Browser, name: str) -> None:
    for changes in ({name: MARKUP}, {name: MARKUP, "redirect_uri": f"https://evil.example/{MARKUP}"}):
        async with world.unchanged():
            response = await browser.ask(**changes)
        assert_harmless(response.text)
        if "location" in response.headers:
            assert "<" not in response.headers["location"]
        else:
            assert_page(response)
    response = await browser.http.get("/authorize", params={name: MARKUP, "ui_locales": MARKUP})
    assert_harmless(response.text)


async def test_xs_01_reflected_on_the_login_page(world: World, browser: Browser) -> None:
    page = await browser.follow(await browser.ask(login_hint=MARKUP, ui_locales=MARKUP, state=MARKUP))
    assert_harmless(page.text)
    again = await browser.submit(page, "/login", username=MARKUP, password=MARKUP)
    assert again.status_code == 401
    assert_harmless(again.text)
    for path in ("/login", "/consent", "/logout", "/logged-out", "/authorize/resume", "/nowhere"):
        response = await browser.http.get(path, params={"t": MARKUP, "error": MARKUP}, headers={"Accept": "text/html"})
        assert_harmless(response.text)
    assert_harmless((await browser.http.get("/" + quote(MARKUP), headers={"Accept": "text/html"})).text)


@pytest.mark.parametrize("mode", ["query", "fragment"])
async def test_xs_02_state_is_encoded_in_an_address(world: World, browser: Browser, mode: str) -> None:
    answer = await browser.sign_on(state=MARKUP, response_mode=mode)
    assert answer["state"] == MARKUP
    location = (await browser.ask(state=MARKUP, response_mode=mode)).headers["location"]
    assert not set("\"'<> {}") & set(location)


class Form(HTMLParser):
    """The form as a browser reads it, and every script with its attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action = ""
        self.members: dict[str, str] = {}
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = {name: value or "" for name, value in attrs}
        assert not [name for name in given if name.startswith("on")]
        if tag == "form":
            self.action = given["action"]
        elif tag == "input":
            self.members[given["name"]] = given["value"]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script":
            self.scripts.append(data)


@pytest.mark.parametrize(
    "text",
    [MARKUP, "</script><script>alert(1)</script>", "' onfocus=alert(1) x='", "&quot;&lt;b&gt;", '" -->', "{{7*7}}"],
)
async def test_xs_02_values_in_the_form_post_page_are_text(world: World, browser: Browser, text: str) -> None:
    await browser.sign_on()
    plain = Form((await browser.ask(response_mode="form_post")).text)
    for changes in ({}, {"prompt": "none login"}, {"scope": f"nosuch{text}"}):
        response = await browser.ask(response_mode="form_post", state=text, **changes)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        form = Form(response.text)
        assert (form.action, form.members["state"]) == ("https://rp.test/cb", text)
        assert form.tags.count("script") == 1
        assert "".join(form.scripts).strip() == "document.forms[0].submit()"
        if not changes:
            assert form.tags == plain.tags
        policy = response.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}=';", policy)


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        'https://rp.test/cb"><script>alert(1)</script>',
        "https://evil.example/",
        "//evil.example/",
    ],
)
async def test_xs_02_only_a_registered_target_is_posted_to(world: World, browser: Browser, uri: str) -> None:
    async with world.unchanged():
        response = await browser.ask(response_mode="form_post", redirect_uri=uri)
    assert_page(response)
    assert_harmless(response.text)
    assert "<form" not in response.text


async def test_xs_02_an_apps_scheme_is_never_a_forms_action(world: World, browser: Browser) -> None:
    for mode in ("form_post", "form_post.jwt"):
        response = await browser.ask("native", redirect_uri="com.example.app:/cb", response_mode=mode)
        assert_sent(response, "invalid_request", to="com.example.app:/cb")
    for scheme in ("javascript:x", "data:text/html,x", "vbscript:x"):
        entry = f'[[clients]]\nclient_id = "x"\nclient_secret = "{"s" * 40}"\nredirect_uris = ["{scheme}"]\n'
        with pytest.raises(ManifestError):
            await world.provider.apply(entry)


async def test_xs_03_stored_in_client_metadata(fresh: World) -> None:
    before, entry, after = MANIFEST.partition('client_name = "Web shop"')
    for member in ("client_uri", "logo_uri", "tos_uri", "policy_uri"):
        for bad in ("javascript:alert(1)", 'https://x.test/\\"onload=1', "data:text/html,x"):
            with pytest.raises(ManifestError):
                await fresh.provider.apply(f'{before}{entry}\n{member} = "{bad}"{after}')
    name = MARKUP.replace('"', '\\"')
    extra = 'client_uri = "https://rp.test/?a=1&b=\'x\'"\nlogo_uri = "https://rp.test/logo.png"'
    await fresh.provider.apply(f'{before}client_name = "{name}"\n{extra}\ncontacts = ["{name}"]{after}')
    browser = fresh.browser()
    page = await browser.follow(await browser.ask())
    assert_harmless(page.text)
    consent = await browser.follow(await browser.log_in(page, "alice"))
    assert 'id="consent"' in consent.text
    assert_harmless(consent.text)
    for link in re.findall(r'(?:href|src)="([^"]*)"', consent.text):
        assert link.startswith(("https://", "/static/")), link


async def test_xs_03_stored_in_a_persons_claims(fresh: World) -> None:
    await fresh.provider.control("user.add", username="eve", password="eve", claims={"name": MARKUP, "email": MARKUP})
    browser = fresh.browser()
    page = await browser.follow(await browser.ask(scope="openid profile email"))
    consent = await browser.follow(await browser.submit(page, "/login", username="eve", password="eve"))
    assert 'id="consent"' in consent.text
    assert_harmless(consent.text)
    logout = await browser.http.get("/logout")
    assert_harmless(logout.text)


EVIL_PLACES = ["//evil", "https:evil", "/\\evil", "///evil", "/%09/evil", "https://op@evil", "https://evil.example/"]


@pytest.mark.parametrize("place", EVIL_PLACES)
async def test_xs_05_no_parameter_says_where_to_go(world: World, browser: Browser, place: str) -> None:
    names = ("next", "return_to", "redirect", "url", "continue", "post_logout_redirect_uri", "RelayState", "service")
    page = await browser.follow(await browser.ask())
    there = dict.fromkeys(names, place)
    del there["post_logout_redirect_uri"]
    landed = await browser.http.post(
        "/login", params=there, data={"t": field_of(page), "username": "alice", "password": "alice", **there}
    )
    assert landed.headers["location"].startswith("/authorize/resume?t=")
    assert "evil" not in landed.headers["location"]
    for path in ("/logout", "/logged-out", "/login", "/consent", "/select-account", "/"):
        for name in names:
            response = await browser.http.get(path, params={name: place})
            assert "evil" not in response.headers.get("location", "")


async def test_xs_07_every_redirect_after_a_post_is_303(world: World, browser: Browser) -> None:
    posted = await browser.http.post("/authorize", data={"client_id": "web"})
    assert posted.status_code == 400
    statuses = []
    page = await browser.follow(await browser.ask())
    answer = await browser.log_in(page, "alice")
    statuses.append(answer.status_code)
    page = await browser.follow(await browser.ask(prompt="select_account"))
    statuses.append((await browser.submit(page, "/select-account", choice="current")).status_code)
    page = await browser.follow(await browser.ask(prompt="consent"))
    statuses.append((await browser.submit(page, "/consent", decision="allow")).status_code)
    page = await browser.follow(await browser.ask(prompt="consent"))
    statuses.append((await browser.submit(page, "/consent", decision="deny")).status_code)
    statuses.append((await browser.http.post("/logout", data={"client_id": "web"})).status_code)
    page = await browser.http.get("/logout")
    statuses.append((await browser.submit(page, "/logout")).status_code)
    statuses.append((await browser.http.post("/authorize", data=asking())).status_code)
    statuses.append((await browser.http.post("/authorize", data=asking(scope="admin"))).status_code)
    assert statuses == [303] * 8


async def test_xs_07_no_slash_redirect_repeats_a_body(world: World) -> None:
    """Starlette answers a missing or extra slash with 307, which would send the form again to wherever it points."""
    for path in ("/token/", "/login/", "/consent/", "/logout/", "/revoke/", "/introspect/", "/userinfo/", "/api/token"):
        response = await world.api.http.post(path, data={"client_secret": "x"})
        assert response.status_code in (404, 405), f"{path}: {response.status_code} {response.headers.get('location')}"


SQL = [
    "'",
    "' OR 1=1--",
    '" OR ""="',
    "'; DROP TABLE clients;--",
    "1) UNION SELECT 1--",
    "%' OR 'a'='a",
    "\\'",
    "a'||'b",
    "*/",
]


@pytest.mark.parametrize("text", SQL)
async def test_xs_08_sql_in_every_parameter(world: World, browser: Browser, text: str) -> None:
    page = await browser.follow(await browser.ask())
    async with world.unchanged():
        for name in (
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "nonce",
            "resource",
            "prompt",
            "login_hint",
            "id_token_hint",
        ):
            assert (await browser.ask(**{name: text})).status_code in (303, 400)
        for path, form in (
            (
                "/token",
                {"grant_type": "authorization_code", "code": text, "redirect_uri": text, "code_verifier": "v" * 43},
            ),
            ("/token", {"grant_type": "refresh_token", "refresh_token": text}),
            ("/token", {"grant_type": "client_credentials", "scope": text}),
            ("/token", {"grant_type": text}),
        ):
            assert (await world.post(path, form, "web")).status_code == 400
        assert not await world.active(text)
        assert (await world.post("/revoke", {"token": text, "token_type_hint": text}, "web")).status_code == 200
        for header in ("Authorization", "Cookie", "Accept-Language", "User-Agent", "Origin", "If-None-Match"):
            value = {"Authorization": f"Bearer {text}", "Cookie": f"idp={text}; idp-browser={text}"}.get(header, text)
            assert (await world.api.http.get("/userinfo", headers={header: value})).status_code == 401
        assert_page(await browser.http.get("/consent", params={"t": text}))
    # The one place that records a failed sign-in: an unknown name stays unknown whatever it holds.
    for name in (f"alice{text}", f"alice'--{text}", text):
        answer = await browser.submit(page, "/login", username=name, password="alice")
        assert answer.status_code == 401
    answer = await browser.submit(page, "/login", username="alice", password=text)
    assert answer.status_code == 401


async def test_xs_12_content_types(world: World, browser: Browser) -> None:
    issued = await browser.tokens()
    html = {"Accept": "text/html"}
    machine = [
        await world.post("/token", {"grant_type": "<b>"}, "web", **html),
        await world.post("/token", {"grant_type": "x"}, **html),
        await world.post("/introspect", {"token": MARKUP}, "web", **html),
        await world.post("/introspect", {"token": issued["access_token"]}, "web", **html),
        await world.userinfo(issued["access_token"], **html),
        await world.userinfo("<b>", **html),
        await browser.http.get("/.well-known/openid-configuration", headers=html),
        await browser.http.get("/.well-known/jwks.json", headers=html),
        await browser.http.get("/hello", headers=html),
        await browser.http.get("/healthz", headers=html),
        await browser.http.get("/readyz", headers=html),
    ]
    for response in machine:
        assert response.headers["content-type"] == "application/json", response.url
        assert response.headers["x-content-type-options"] == "nosniff", response.url
        assert "<" not in response.text, response.url
    for path in ("/nowhere", "/token"):
        response = await browser.http.get(path, headers={"Accept": "application/json"})
        assert response.headers["content-type"].startswith(("application/json", "text/plain"))
    assert "code" in answer_of(await browser.ask(scope="openid profile"))


async def test_rg_01_nobody_registers_over_http(world: World, production: World) -> None:
    client = {"client_name": MARKUP, "redirect_uris": ["https://evil.example/"], "client_uri": "javascript:alert(1)"}
    for place in (world, production):
        async with place.unchanged():
            response = await place.api.http.post("/register", json=client)
            assert response.status_code == 404
            assert "registration_endpoint" not in (await place.api.http.get("/.well-known/openid-configuration")).json()


async def test_rg_09_client_secrets_at_rest(world: World) -> None:
    secret = (
        await world.provider.control("client.add", client={"client_id": "made", "redirect_uris": ["https://m.test/cb"]})
    )["client_secret"]
    content = b"".join(path.read_bytes() for path in world.provider.data_dir.glob("idp.sqlite3*"))
    assert b"https://m.test/cb" in content
    assert secret.encode() not in content
