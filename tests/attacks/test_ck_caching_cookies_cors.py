"""CK: nothing private is cached, cookies are as narrow as they can be, and scripts of strangers read nothing."""

from __future__ import annotations

import pytest
from attack_raw import request, talk
from attack_support import Browser, World, assert_sent, field_of
from attack_world import MANIFEST, asking, redeeming

from idp.manifest import ManifestError
from idp.testing import RunningServer

pytestmark = pytest.mark.anyio
DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json")


async def test_ck_01_no_store(world: World, browser: Browser) -> None:
    answers = [await browser.ask()]
    login = await browser.follow(answers[0])
    wrong = await browser.log_in(login, "bob", "wrong")
    signed_in = await browser.log_in(login, "bob")
    resumed = await browser.http.get(signed_in.headers["location"])
    consent = await browser.http.get(resumed.headers["location"])
    granted = await browser.submit(consent, "/consent", decision="allow")
    with_code = await browser.ask(prompt="none")
    code = with_code.headers["location"].partition("code=")[2].partition("&")[0]
    token = await world.redeem(code)
    access = token.json()["access_token"]
    answers += [login, wrong, signed_in, resumed, consent, granted, with_code, token]
    answers.append(await world.redeem(code))
    access = (await browser.tokens(person="bob"))["access_token"]
    answers += [await world.userinfo(access), await world.userinfo("x")]
    answers += [
        await world.post("/introspect", {"token": access}, "web"),
        await world.post("/introspect", {"token": "x"}, "web"),
    ]
    answers += [await world.post("/revoke", {"token": "x"}, "web"), await world.post("/token", {}, "web")]
    answers += [
        await browser.http.post("/api/token/", json={"username": "bob", "password": password})
        for password in ("bob", "x")
    ]
    answers += [
        await browser.http.get("/logout"),
        await browser.http.get("/logged-out"),
        await browser.ask(redirect_uri="x"),
    ]
    answers += [await browser.http.post("/authorize", data=asking()), await browser.ask(scope="admin")]
    answers.append(await browser.submit(await browser.http.get("/logout"), "/logout"))
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", f"{answer.request.method} {answer.request.url.path}"
        assert "etag" not in answer.headers
    for redirect in (granted, with_code):
        assert redirect.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_ck_03_public_documents_cannot_be_poisoned(world: World, browser: Browser, path: str) -> None:
    plain = await browser.http.get(path)
    variants = [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "1"},
        {"Accept-Language": "de"},
        {"Accept": "text/html"},
        {"Origin": "https://evil.example"},
        {"Cookie": "idp=x; idp-browser=y"},
        {"Authorization": "Bearer x"},
        {"Accept-Encoding": "gzip"},
        {"User-Agent": "evil"},
    ]
    for headers in variants:
        answer = await browser.http.get(path, headers=headers)
        assert answer.content == plain.content
        assert answer.headers == plain.headers, headers
    for query in ("?x=1", "?callback=evil", "?cb[]=1", "?%0d%0aX: y"):
        answer = await browser.http.get(path + query)
        assert answer.content == plain.content
        assert answer.headers == plain.headers, query
    assert plain.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in plain.headers
    assert "set-cookie" not in plain.headers


async def test_ck_04_cookie_flags_over_https(production: World, browser: Browser) -> None:
    first = await browser.ask()
    login = await browser.follow(first)
    signed_in = await browser.log_in(login, "alice")
    lines = first.headers.get_list("set-cookie") + signed_in.headers.get_list("set-cookie")
    assert [line.partition("=")[0] for line in lines] == ["__Host-idp-browser", "__Host-idp", "__Host-idp-device"]
    for line in lines:
        flags = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= flags
        assert not any(flag.startswith("domain") for flag in flags)
    issued = await browser.tokens()
    quiet = [await browser.http.get(path) for path in DOCUMENTS]
    quiet += [await production.redeem("x"), await production.userinfo(issued["access_token"])]
    quiet += [await production.post("/introspect", {"token": "x"}, "web"), await production.refresh("x")]
    assert not any("set-cookie" in answer.headers for answer in quiet)
    left = await browser.submit(await browser.http.get("/logout"), "/logout")
    gone = left.headers["set-cookie"].lower()
    assert gone.startswith("__host-idp=")
    assert "max-age=0" in gone
    assert "secure" in gone


async def test_ck_04_only_the_loopback_name_goes_without_secure(world: World, browser: Browser) -> None:
    lines = (await browser.ask()).headers.get_list("set-cookie")
    assert len(lines) == 1
    assert "httponly" in lines[0].lower()
    assert "samesite=lax" in lines[0].lower()


async def test_ck_05_tossed_cookies(world: World, browser: Browser) -> None:
    await browser.sign_on()
    mallory = world.browser()
    await mallory.sign_on(person="mallory")
    mine, theirs = browser.http.cookies["idp"], mallory.http.cookies["idp"]
    lines = [
        f"idp={theirs}; idp={mine}",
        f"idp={mine}; idp={theirs}",
        f"idp=; idp={mine}",
        f"idp={mine}; idp=",
    ]
    for line in lines:
        response = await world.browser().http.get("/authorize", params=asking(prompt="none"), headers={"Cookie": line})
        assert_sent(response, "login_required")
    headers = [("Cookie", f"idp={theirs}"), ("Cookie", f"idp={mine}")]
    response = await world.browser().http.get("/authorize", params=asking(prompt="none"), headers=headers)
    assert_sent(response, "login_required")
    junk = "; ".join([*(f"junk{number}=x" for number in range(60)), f"idp={mine}", "=", ";", "idp", "IDP=x", " idp2=y"])
    response = await world.browser().http.get("/authorize", params=asking(prompt="none"), headers={"Cookie": junk})
    assert "code=" in response.headers["location"]


async def test_ck_05_a_tossed_browser_cookie(world: World, browser: Browser) -> None:
    """The page's own cookie beside mallory's: the page is refused, not finished in mallory's name."""
    page = await browser.follow(await browser.ask())
    mine = browser.http.cookies["idp-browser"]
    line = {"Cookie": f"idp-browser=mallory; idp-browser={mine}"}
    form = {"t": field_of(page), "username": "alice", "password": "alice"}
    async with world.unchanged():
        assert (await world.browser().http.post("/login", data=form, headers=line)).status_code == 403


ORIGINS = [
    "https://evil.example",
    "null",
    "https://rp.test.evil.example",
    "http://rp.test",
    "https://rp.test:443",
    "https://RP.TEST",
    "*",
    "",
    "https://spa.test",
]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_ck_06_cors(world: World, browser: Browser, origin: str) -> None:
    """Pages never; /token, /userinfo and /revoke only for the calling client's own origin."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    issued = await browser.tokens()
    answers = [
        await browser.http.request(method, path, headers=headers)
        for path in (
            "/authorize",
            "/login",
            "/consent",
            "/select-account",
            "/logout",
            "/introspect",
            "/hello",
            "/api/token/",
        )
        for method in ("GET", "POST", "OPTIONS")
    ]
    answers.append(await world.post("/token", {"grant_type": "client_credentials"}, "web", Origin=origin))
    answers.append(await world.post("/token", {"grant_type": "bogus"}, "web", Origin=origin))
    answers.append(await world.post("/token", {"grant_type": "x", "client_id": "unknown"}, Origin=origin))
    answers.append(await world.post("/revoke", {"token": "x"}, "web", Origin=origin))
    answers.append(await world.userinfo(issued["access_token"], Origin=origin))
    answers.append(await world.userinfo("x", Origin=origin))
    for answer in answers:
        path = answer.request.url.path
        assert "access-control-allow-credentials" not in answer.headers, path
        assert "access-control-allow-origin" not in answer.headers, path
    for path in ("/token", "/userinfo", "/revoke"):
        preflight = await browser.http.request("OPTIONS", path, headers=headers)
        allowed = preflight.headers.get("access-control-allow-origin")
        # A preflight names no client: any registered origin is answered, no other.
        assert allowed == (origin if origin == "https://spa.test" else None)


async def test_ck_06_the_calling_clients_own_origin(world: World, browser: Browser) -> None:
    code = await browser.code("spa")
    answer = await world.api.http.post("/token", data=redeeming(code, "spa"), headers={"Origin": "https://spa.test"})
    assert answer.headers["access-control-allow-origin"] == "https://spa.test"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "uri", ["http://rp.test/cb", "http://id.test/cb", "http://10.0.0.1/cb", "http://localhost.evil.example/cb"]
)
async def test_ck_08_plain_http_for_web_clients(world: World, uri: str) -> None:
    before, entry, after = MANIFEST.partition('redirect_uris = ["https://rp.test/cb", ')
    async with world.unchanged():
        with pytest.raises(ManifestError):
            await world.provider.apply(f'{before}{entry}"{uri}", {after}')


async def test_ck_08_an_https_cookie_is_not_sent_in_the_clear(production: World, browser: Browser) -> None:
    await browser.sign_on()
    assert all(cookie.secure for cookie in browser.http.cookies.jar)
    assert browser.http.cookies.jar


async def test_ck_09_headers_of_pages(world: World, browser: Browser) -> None:
    pages = [
        await browser.follow(await browser.ask()),
        await browser.ask(redirect_uri="x"),
        await browser.http.get("/logged-out"),
        await browser.http.get("/nowhere", headers={"Accept": "text/html"}),
    ]
    for page in pages:
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert page.headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in page.headers["permissions-policy"]


def test_ck_09_no_banner(socket_server: RunningServer) -> None:
    for path in ("/healthz", "/nowhere", "/logout", "/.well-known/jwks.json"):
        heard = talk(socket_server, request("GET", path))
        assert heard.header("server") is None
        assert heard.header("x-powered-by") is None
