"""RU: redirect URIs are exact strings; nothing but a proved one is ever redirected to."""

from __future__ import annotations

import json

import pytest
from attack_support import Browser, World, assert_page, assert_refused, assert_sent
from attack_world import asking

from idp.manifest import ManifestError

pytestmark = pytest.mark.anyio
EVIL = "https://evil.example/"


async def refused_with(world: World, browser: Browser, uri: str, client: str = "web") -> None:
    async with world.unchanged():
        assert_page(await browser.ask(client, redirect_uri=uri))


async def refused_registration(world: World, **members: object) -> None:
    """The same value in a registration: nothing is stored."""
    given = {
        "client_id": "new",
        "client_secret": "x" * 32,
        "redirect_uris": ["https://new.test/cb"],
        **members,
    }
    text = "[[clients]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in given.items())
    async with world.unchanged():
        with pytest.raises(ManifestError):
            await world.provider.apply(text)


@pytest.mark.parametrize(
    "uri",
    [
        "https://rp.test.evil.example/cb",
        "https://evilrp.test/cb",
        "https://rp.testevil/cb",
        "https://rp.test.evil.example/cb?x=https://rp.test/cb",
        "https://evil.example/https://rp.test/cb",
        "http://rp.test/cb",
        "https://RP.TEST/cb",
        "https://rp.test./cb",
        "https://rp\u3002test/cb",
    ],
)
async def test_ru_01_look_alike_hosts(world: World, browser: Browser, uri: str) -> None:
    await refused_with(world, browser, uri)


@pytest.mark.parametrize(
    ("uri", "client"),
    [
        ("https://rp.test@evil.example/cb", "web"),
        ("https://rp.test:443@evil.example/cb", "web"),
        ("https://user@rp.test/cb", "web"),
        ("https://evil.example\\@rp.test/cb", "web"),
        ("http://127.0.0.1:80@evil.example/cb", "native"),
        ("http://127.0.0.1@evil.example:80/cb", "native"),
        ("http://127.0.0.1:@evil.example/cb", "native"),
    ],
)
async def test_ru_02_userinfo(world: World, browser: Browser, uri: str, client: str) -> None:
    await refused_with(world, browser, uri, client)
    await refused_registration(world, redirect_uris=[uri])


@pytest.mark.parametrize(
    "path", ["/cb/../x", "/cb/..;/x", "/cb%2f..%2fx", "/cb%252f..%252fx", "/cb/./", "/./cb", "/x/../cb", "/cb\\..\\x"]
)
async def test_ru_04_path_traversal(world: World, browser: Browser, path: str) -> None:
    await refused_with(world, browser, f"https://rp.test{path}")
    await refused_with(world, browser, f"http://127.0.0.1:4000{path}", "native")


@pytest.mark.parametrize(
    "uri",
    [
        "https://rp.test/query?b=2&a=1",
        "https://rp.test/query?a=1",
        "https://rp.test/query?a=1&b=2&x=1",
        "https://rp.test/query?a=1&b=2&",
        "https://rp.test/query",
        "https://rp.test/cb?x=1",
        "https://rp.test/cb?",
    ],
)
async def test_ru_06_query(world: World, browser: Browser, uri: str) -> None:
    await refused_with(world, browser, uri)


async def test_ru_06_a_registered_query_is_kept(world: World, browser: Browser) -> None:
    response = await browser.ask(redirect_uri="https://rp.test/query?a=1&b=2", prompt="none")
    assert response.headers["location"].startswith("https://rp.test/query?a=1&b=2&error=login_required&")


@pytest.mark.parametrize("uri", ["https://rp.test/cb#", "https://rp.test/cb#x", "https://rp.test/cb%23"])
async def test_ru_08_fragment(world: World, browser: Browser, uri: str) -> None:
    await refused_with(world, browser, uri)
    if "#" in uri:
        await refused_registration(world, redirect_uris=[uri])


@pytest.mark.parametrize(
    "uri",
    [
        "https://rp.test:443/cb",
        "https://rp.test/cb/",
        "https://rp.test//cb",
        "https://rp.test/%63b",
        "HTTPS://rp.test/cb",
    ],
)
async def test_ru_09_equivalent_spellings(world: World, browser: Browser, uri: str) -> None:
    await refused_with(world, browser, uri)


@pytest.mark.parametrize("dirt", ["\r\nSet-Cookie:x=1", "\n", "\t", "\x00", "\x7f", "\x0b", "\u2028"])
async def test_ru_10_control_characters(world: World, browser: Browser, dirt: str) -> None:
    await refused_with(world, browser, f"https://rp.test/cb{dirt}")
    await refused_with(world, browser, f"{dirt}https://rp.test/cb")
    await refused_with(world, browser, " https://rp.test/cb")
    await refused_with(world, browser, f"http://127.0.0.1:4000/cb{dirt}", "native")
    # In state: an error page, an error sent, or the value percent-encoded; one Location, no header of the attacker's.
    async with world.unchanged():
        response = await browser.ask(state=f"a{dirt}b", prompt="none")
    assert "set-cookie" not in response.headers
    lines = response.headers.get_list("location")
    assert len(lines) <= 1
    assert all(line.isprintable() and line.isascii() for line in lines)


SCRIPTS = [
    "javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "JavaScript:alert(1)",
    "java\tscript:alert(1)",
    "blob:x",
]


@pytest.mark.parametrize("uri", SCRIPTS)
async def test_ru_12_script_schemes(world: World, uri: str) -> None:
    for kind in ("web", "native"):
        await refused_registration(world, redirect_uris=[uri], application_type=kind)
        await refused_registration(world, post_logout_redirect_uris=[uri], application_type=kind)
    for member in ("client_uri", "logo_uri", "tos_uri", "policy_uri", "initiate_login_uri", "backchannel_logout_uri"):
        await refused_registration(world, **{member: uri})


EARLY_ERRORS: list[dict[str, str | None]] = [
    {"response_type": "bogus"},
    {"response_type": None},
    {"client_id": None},
    {"client_id": "unknown"},
    {"client_id": ""},
    {"prompt": "none"},
    {"prompt": "none login"},
    {"scope": "nosuch"},
    {"scope": "admin"},
    {"response_mode": "bogus"},
    {"response_mode": "form_post"},
    {"request": "garbage"},
    {"request_uri": "https://evil.example/r"},
    {"code_challenge": None},
    {"max_age": "x"},
    {"id_token_hint": "x"},
    {"resource": "x"},
    {"state": "\n"},
]


@pytest.mark.parametrize("changes", EARLY_ERRORS, ids=[str(change) for change in EARLY_ERRORS])
async def test_ru_14_no_error_leaves_before_the_target_is_proved(
    world: World, browser: Browser, changes: dict[str, str | None]
) -> None:
    for method in ("GET", "POST"):
        async with world.unchanged():
            members = asking(redirect_uri=EVIL, **changes)
            kind = {"params": members} if method == "GET" else {"data": members}
            assert_page(await browser.http.request(method, "/authorize", **kind))


async def test_ru_14_a_repeated_redirect_uri_is_shown(world: World, browser: Browser) -> None:
    pairs = [*asking().items(), ("redirect_uri", EVIL)]
    async with world.unchanged():
        assert_page(await browser.http.get("/authorize", params=pairs))
        assert_page(await browser.http.get("/authorize", params=pairs[::-1]))


async def test_ru_15_loopback_exception(world: World, browser: Browser) -> None:
    good = "http://127.0.0.1:53124/cb"
    assert_sent(await browser.ask("native", redirect_uri=good, prompt="none"), "login_required", to=good)
    for uri in (
        "http://127.0.0.1:53124/other",
        "http://localhost:53124/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.2/cb",
        "http://[::1]:1/cb",
        "https://127.0.0.1:53124/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:53124/cb?x=1",
        "http://127.0.0.1:53124/cb#x",
        "http://127.1:53124/cb",
        "http://2130706433/cb",
        "http://127.0.0.1:\u0665\u0663/cb",
        "com.example.app:/cb/",
        "com.example.app://cb",
    ):
        await refused_with(world, browser, uri, "native")
    await refused_with(world, browser, "https://rp.test:8443/cb", "web")


@pytest.mark.parametrize("uri", ["https://rp.test/other", None, "https://rp.test/cb/", "", "https://rp.test/cb?"])
async def test_ru_17_another_uri_at_the_token_endpoint(world: World, browser: Browser, uri: str | None) -> None:
    code = await browser.code()
    async with world.unchanged():
        assert_refused(await world.redeem(code, redirect_uri=uri), 400, "invalid_grant", "invalid_request")
