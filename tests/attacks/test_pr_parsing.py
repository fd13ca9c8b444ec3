"""PR: every parameter once, in one encoding, by one method; identity strings are what they are."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_refused, assert_sent, field_of
from attack_world import SECRETS, asking, redeeming

pytestmark = pytest.mark.anyio
FORM = "application/x-www-form-urlencoded"

ONCE_AT_AUTHORIZE = [
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "response_type",
    "nonce",
    "code_challenge",
    "prompt",
    "max_age",
]


@pytest.mark.parametrize("name", ONCE_AT_AUTHORIZE)
async def test_pr_01_repeated_at_the_authorization_endpoint(world: World, browser: Browser, name: str) -> None:
    members = asking(prompt="login", max_age="60")
    for value in (members[name], "other", ""):
        pairs = [*members.items(), (name, value)]
        async with world.unchanged():
            assert_page(await browser.http.get("/authorize", params=pairs))
            assert_page(await browser.http.get("/authorize", params=pairs[::-1]))
            response = await browser.http.post("/authorize", content=urlencode(pairs), headers={"Content-Type": FORM})
            assert_page(response)


async def test_pr_01_repeated_at_the_token_endpoint(world: World, browser: Browser) -> None:
    code = await browser.code()
    refresh = (await browser.tokens())["refresh_token"]
    forms = [redeeming(code), {"grant_type": "refresh_token", "refresh_token": refresh, "scope": "openid"}]
    async with world.unchanged():
        for form in forms:
            for name, value in form.items():
                for other in (value, "other"):
                    pairs = [*form.items(), (name, other)]
                    assert_refused(await world.post("/token", urlencode(pairs), "web"), 400, "invalid_request")
                    assert_refused(await world.post("/token", urlencode(pairs[::-1]), "web"), 400, "invalid_request")
        secret = urlencode({"client_id": "post", "client_secret": SECRETS["post"], "grant_type": "client_credentials"})
        for again in ("client_id=post", "client_secret=x", f"client_secret={SECRETS['post']}"):
            assert_refused(await world.post("/token", f"{secret}&{again}"), 400, "invalid_request")
        for path in ("/introspect", "/revoke"):
            assert_refused(await world.post(path, f"token={refresh}&token=x", "web"), 400, "invalid_request")
    assert (await world.redeem(code)).status_code == 200


async def test_pr_02_empty_equals_absent(world: World, browser: Browser) -> None:
    optional = (
        "nonce",
        "prompt",
        "max_age",
        "display",
        "ui_locales",
        "login_hint",
        "acr_values",
        "resource",
        "response_mode",
    )
    empty = dict.fromkeys((*optional, "id_token_hint", "request", "request_uri"), "")
    code = (await browser.sign_on(**empty))["code"]
    for name in ("response_type", "scope"):
        with_empty = answer_of(await browser.ask(**{name: ""}, prompt="none"))
        without = answer_of(await browser.ask(**{name: None}, prompt="none"))
        with_empty.pop("code", None), without.pop("code", None)
        assert with_empty == without
    assert "state" not in answer_of(await browser.ask(state=""))
    for name in ("client_id", "redirect_uri"):
        assert_page(await browser.ask(**{name: ""}))
    answer = await world.redeem(code, scope="", resource="", client_id="", client_secret="", client_assertion="")
    assert answer.status_code == 200
    assert_refused(await world.redeem(""), 400, "invalid_request")


@pytest.mark.parametrize("name", ["client_id", "scope", "state", "redirect_uri", "nonce", "login_hint", "x"])
async def test_pr_03_nul_at_the_authorization_endpoint(world: World, browser: Browser, name: str) -> None:
    for value in ("a\x00", "\x00", "\x00a", "web\x00"):
        async with world.unchanged():
            assert_page(await browser.ask(**{name: value}))


async def test_pr_03_nul_elsewhere(world: World, browser: Browser) -> None:
    page = await browser.follow(await browser.ask())
    async with world.unchanged():
        for fields in ({"username": "alice\x00", "password": "alice"}, {"username": "alice", "password": "alice\x00"}):
            assert (await browser.submit(page, "/login", **fields)).status_code in (400, 401)
        for form in (
            redeeming("a\x00"),
            {"grant_type": "refresh_token\x00"},
            {"grant_type": "refresh_token", "refresh_token": "\x00"},
        ):
            assert_refused(await world.post("/token", form, "web"), 400, "invalid_request")
        assert_refused(await world.post("/introspect", {"token": "\x00"}, "web"), 400, "invalid_request")
        assert_refused(
            await world.post("/revoke", {"token": "x", "token_type_hint": "\x00"}, "web"), 400, "invalid_request"
        )
    assert (await browser.http.get("/%00")).status_code == 404
    assert (await browser.http.get("/authorize%00", params=asking())).status_code == 404


BROKEN = [
    "%ff",
    "%c0%af",
    "%c3",
    "%ed%a0%80",
    "%f8%88%80%80%80",
    "%fe%ff%00a",
    "\u00e9",
    "a=%ff&b=%00",
]


@pytest.mark.parametrize("text", BROKEN)
async def test_pr_04_broken_encodings(world: World, browser: Browser, text: str) -> None:
    query = urlencode(asking(state=None))
    raw = text if text.isascii() else quote(text, encoding="latin-1")
    async with world.unchanged():
        assert_page(await browser.http.get(f"/authorize?{query}&state={raw}"))
        assert_page(await browser.http.get(f"/authorize?{query}&{raw}=x"))
        for path in ("/token", "/introspect", "/revoke"):
            for content in (f"token=x&grant_type={raw}", f"{raw}=x", f"token={raw}"):
                assert_refused(await world.post(path, content, "web"), 400, "invalid_request")
        for path in ("/authorize", "/login", "/consent", "/logout", "/select-account"):
            answer = await browser.http.post(path, content=f"t=x&username={raw}", headers={"Content-Type": FORM})
            assert_page(answer)


@pytest.mark.parametrize("text", ["%u0041", "%zz", "%", "%4", "a;b=c", "a+b", "%252f"])
async def test_pr_04_what_looks_like_an_escape_is_text(world: World, browser: Browser, text: str) -> None:
    response = await browser.http.get(f"/authorize?{urlencode(asking(state=None, prompt='none'))}&state={text}")
    state = answer_of(response)["state"]
    assert state == text.replace("+", " ").replace("%252f", "%2f")


@pytest.mark.parametrize("kind", ["utf-16", "utf-7", "latin-1", "bogus"])
async def test_pr_04_charset_of_a_form_is_utf_8(world: World, kind: str) -> None:
    """Whatever the charset says: bytes that are not ASCII refuse the form, ASCII is read as ASCII."""
    headers = {"Content-Type": f"{FORM}; charset={kind}"}
    body = "grant_type=client_credentials&scope=\u00e9".encode("utf-16" if kind == "utf-16" else "latin-1")
    async with world.unchanged():
        answer = await world.api.http.post("/token", content=body, headers=headers, auth=("svc", SECRETS["svc"]))
        assert_refused(answer, 400, "invalid_request")


async def test_pr_04_json_encodings(world: World) -> None:
    for body in (
        b'{"username": "\xff", "password": "x"}',
        b'{"username": "\\ud800", "password": "x"}',
        '{"username": "alice", "password": "alice"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"username": "alice", "password": "alice"}',
        b"\xff\xfe",
        b'{"username": "\\u0000", "password": "x"}',
    ):
        answer = await world.api.http.post("/api/token/", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 401), body


TWINS = [
    "Alice",
    "ALICE",
    "alice ",
    " alice",
    "alice\t",
    "\uff41lice",
    "al\u0131ce",
    "\u0430lice",
    "alice\u200b",
    "alice@example.com",
    "a" * 300,
    "alice\u0301",
]


@pytest.mark.parametrize("name", TWINS)
async def test_pr_06_no_twin_of_a_user_name_is_that_user(world: World, browser: Browser, name: str) -> None:
    """One rule: a user name is the exact text it was registered as."""
    page = await browser.follow(await browser.ask())
    assert (await browser.submit(page, "/login", username=name, password="alice")).status_code == 401
    answer = await browser.http.post("/api/token/", json={"username": name, "password": "alice"})
    assert answer.status_code == 401


async def test_pr_10_structured_names(world: World, browser: Browser) -> None:
    strange = {
        "client_id[]": "spa",
        "scope[0]": "admin",
        "user.name": "bob",
        "__proto__": "x",
        "constructor": "x",
        "$ne": "1",
    }
    assert_sent(await browser.ask(prompt="none", **strange), "login_required")
    assert_page(await browser.ask(client_id=None, **strange))
    answer = await world.post(
        "/token", {"grant_type": "client_credentials", "scope[0]": "admin", "scope[]": "admin"}, "svc"
    )
    assert answer.json()["scope"] == "orders"
    page = await browser.follow(await browser.ask())
    answer = await browser.http.post("/login", data={"t": field_of(page), "username[]": "alice", "password[]": "alice"})
    assert answer.status_code in (400, 401)


UGLY = [
    'quote"s',
    "back\\slash",
    "line\r\nbreak: x",
    "caf\u00e9",
    "\u202egnp",
    "\x7f",
    "tab\there",
    "<b>",
    "\ud83d\ude00",
]


@pytest.mark.parametrize("text", UGLY)
async def test_pr_14_only_allowed_characters_in_errors(world: World, browser: Browser, text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    answers = [
        await world.post("/token", {"grant_type": text}, "web"),
        await world.post("/token", {"grant_type": "x", "client_id": text}),
        await world.post("/token", {text: "x", "grant_type": "authorization_code"}, "web"),
        await world.post("/token", {"grant_type": "client_credentials", "scope": text}, "svc"),
        await world.post("/token", f"{quote(text)}=1&{quote(text)}=2", "web"),
        await world.api.http.post(
            "/token", content=b"x", headers=[("Content-Type", text.replace("\r\n", " ").encode())]
        ),
        await world.userinfo("x.y.z", Accept=text.replace("\r\n", " ").encode("ascii", "ignore").decode() or "x"),
    ]
    for answer in answers:
        assert answer.status_code in (400, 401, 415)
        description = answer.json()["error_description"]
        assert all(" " <= character <= "~" and character not in '"\\' for character in description), description
        for line in answer.headers.get_list("www-authenticate"):
            assert line.isascii()
            assert line.isprintable()
            assert line.count('"') % 2 == 0
    for name in ("scope", "response_type", "prompt", "max_age", "response_mode", "resource"):
        response = await browser.ask(**{name: text})
        description = answer_of(response).get("error_description", "")
        assert all(" " <= character <= "~" and character not in '"\\' for character in description), description
