"""Pushed authorization requests over HTTP (RFC 9126)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from assertions import ASSERTION_TYPE, KEYS, assertion
from requesting import handle, pushed
from support import NATIVE, SPA, WEB, Answer, App, Page, Visitor, granted, register

from idp.store.pushed import KEPT
from idp.testing import Provider
from idp.web import interaction

pytestmark = pytest.mark.anyio

PUSHES = {"require_pushed_authorization_requests": True}
ONLY = App("only", "https://only.test/cb", "secret-of-only-0123456789", members=PUSHES)
KEYED = App(
    "signed",
    "https://signed.test/cb",
    method="private_key_jwt",
    members={"jwks": {"keys": [key.as_dict(private=False) for key in KEYS.values()]}},
)
# The client of RFC 9126 1.1 and 2.1.
RFC = App("s6BhdRkqt3", "https://client.example.org/cb", "7Fjfp0ZBr1KtDRbnfVdmIw", scope="account-information")
URN = "urn:ietf:params:oauth:request_uri:"


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply('[[scopes]]\nname = "account-information"\ndescription = "See accounts."\n')
    await register(provider, ONLY, KEYED, RFC)


@pytest.fixture
async def stranger(provider: Provider) -> AsyncIterator[Visitor]:
    visitor = Visitor(provider)
    yield visitor
    await visitor.aclose()


async def test_a_whole_sign_on_with_nothing_but_the_handle(provider: Provider, visitor: Visitor) -> None:
    answer = await pushed(provider, WEB)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    members = answer.json()
    assert members.keys() == {"request_uri", "expires_in"}
    assert members["expires_in"] == 60
    assert re.fullmatch(f"{URN}[A-Za-z0-9_-]{{43}}", members["request_uri"])
    back = await visitor.sign_on({"client_id": "web", "request_uri": members["request_uri"]})
    assert (back.to, back.members["state"]) == (WEB.redirect_uri, "state-of-the-app")
    assert (await WEB.redeem(provider.http, back.code)).status_code == 200


async def test_the_requests_of_the_rfc(provider: Provider, visitor: Visitor) -> None:
    """1.1 and 2.1: a body and Basic credentials as they stand there; 2.2's answer has the same members."""
    body = (
        "response_type=code&client_id=s6BhdRkqt3&state=af0ifjsldkj"
        "&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb"
        "&code_challenge=K2-ltc83acc4h0c9w6ESC_rEMTJ3bww-uCHaoeK1t8U&code_challenge_method=S256"
        "&scope=account-information"
    )
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "authorization": "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3",
    }
    answer = await provider.http.post("/par", content=body, headers=headers)
    assert (answer.status_code, answer.json()["expires_in"]) == (201, 60)
    stop = await visitor.open("/authorize", {"client_id": RFC.client_id, "request_uri": answer.json()["request_uri"]})
    back = await visitor.submit(await visitor.log_in(stop), decision="allow")
    assert isinstance(back, Answer)
    assert (back.to, back.members["state"], "code" in back.members) == (RFC.redirect_uri, "af0ifjsldkj", True)


@pytest.mark.parametrize("app", [SPA, NATIVE], ids=lambda app: app.client_id)
async def test_public_clients_push_too(provider: Provider, visitor: Visitor, app: App) -> None:
    back = await visitor.sign_on(await handle(provider, app))
    assert granted(back)
    assert (await app.redeem(provider.http, back.code)).status_code == 200


async def test_a_client_that_proves_a_key(provider: Provider, visitor: Visitor) -> None:
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(provider)}
    request = KEYED.request(client_id=None)
    answer = await provider.http.post("/par", data={**request, **proof})
    assert answer.status_code == 201, answer.text
    assert granted(await visitor.sign_on({"client_id": "signed", "request_uri": answer.json()["request_uri"]}))
    again = await provider.http.post("/par", data={**request, **proof})
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


async def test_the_database_keeps_neither_handle_nor_secret(provider: Provider) -> None:
    post = App("post", "https://post.test/cb", "secret-of-post-0123456789", "client_secret_post")
    await register(provider, post)
    uri = (await handle(provider, post))["request_uri"]
    kept = b"".join(path.read_bytes() for path in Path(provider.data_dir).glob("idp.sqlite3*"))
    assert b"https://post.test/cb" in kept
    assert uri.removeprefix(URN).encode() not in kept
    assert b"secret-of-post" not in kept


# -- who may push what


async def test_nobody_pushes_without_proof(provider: Provider) -> None:
    answer = await provider.http.post("/par", data=WEB.request())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = await provider.http.post("/par", data=WEB.request(), auth=("web", "wrong"))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = await WEB.call(provider.http, "/par", ONLY.request())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_refused(provider: Provider, method: str) -> None:
    answer = await provider.http.request(method, "/par", params=WEB.request(), auth=("web", WEB.secret or ""))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://elsewhere.test/cb"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_mode": "nonsense"}, "invalid_request"),
        ({"scope": "nosuch"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None, "nonce": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"nonce": "n" * 5000}, "invalid_request"),
        ({"resource": "https://unknown.test"}, "invalid_target"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"request_uri": "https://web.test/r"}, "invalid_request"),
        ({"request_uri": f"{URN}x"}, "invalid_request"),
        ({"id_token_hint": "x", "prompt": "none"}, "login_required"),
    ],
    ids=str,
)
async def test_what_authorize_refuses_is_refused_here_as_json(
    provider: Provider, changes: dict[str, str | None], error: str
) -> None:
    answer = await pushed(provider, WEB, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["content-type"] == "application/json"
    assert "location" not in answer.headers


async def test_browser_apps_may_read_the_answer(provider: Provider) -> None:
    answer = await SPA.call(provider.http, "/par", SPA.request(), origin="https://spa.test")
    assert answer.headers["access-control-allow-origin"] == "https://spa.test"


# -- the handle


async def test_parameters_beside_the_handle_mean_nothing(provider: Provider, visitor: Visitor) -> None:
    beside = {"redirect_uri": "https://evil.test/cb", "state": "theirs", "scope": "openid email", "prompt": "none"}
    back = await visitor.sign_on({**await handle(provider, WEB), **beside})
    assert (back.to, back.members["state"]) == (WEB.redirect_uri, "state-of-the-app")
    assert (await WEB.redeem(provider.http, back.code)).json()["scope"] == "openid"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_both_methods_of_authorize(provider: Provider, stranger: Visitor, method: str) -> None:
    assert granted(await stranger.sign_on(await handle(provider, WEB), method=method))


async def test_until_the_person_is_through_it_may_be_opened_again(provider: Provider, stranger: Visitor) -> None:
    request = await handle(provider, WEB)
    first = await stranger.authorize(request)
    second = await stranger.authorize(request)
    assert isinstance(first, Page)
    assert isinstance(second, Page)
    assert first.id == second.id == "login"
    back = await stranger.sign_on(request)
    assert granted(back)


async def test_it_gives_one_code(provider: Provider, stranger: Visitor) -> None:
    request = await handle(provider, WEB)
    assert granted(await stranger.sign_on(request))
    stop = await stranger.authorize(request)
    assert isinstance(stop, Page)
    assert (stop.id, stop.status) == ("error", 400)
    assert "invalid_request_uri" in stop.text


async def test_a_page_left_open_in_another_tab_gives_none(provider: Provider, stranger: Visitor) -> None:
    request = await handle(provider, WEB)
    left = await stranger.authorize(request)
    assert granted(await stranger.sign_on(request))
    stop = await stranger.log_in(left)
    assert isinstance(stop, Page)
    assert stop.id == "error"


@pytest.mark.parametrize("page", ["login", "consent"])
async def test_a_no_is_an_answer_too(provider: Provider, stranger: Visitor, page: str) -> None:
    request = await handle(provider, WEB, prompt="consent")
    stop = await stranger.authorize(request)
    if page == "consent":
        stop = await stranger.log_in(stop)
    assert getattr(stop, "id", None) == page
    back = await stranger.submit(stop, decision="deny")
    assert isinstance(back, Answer)
    assert back.error == "access_denied"
    stop = await stranger.authorize(request)
    assert isinstance(stop, Page)
    assert stop.id == "error"


async def test_prompt_none_that_fails_leaves_it_open(provider: Provider, stranger: Visitor) -> None:
    request = await handle(provider, WEB, prompt="none")
    for _ in range(2):
        back = await stranger.authorize(request)
        assert isinstance(back, Answer)
        assert back.error == "login_required"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_it_has_to_be_opened_in_time_and_then_the_person_has_time(
    provider: Provider, stranger: Visitor, method: str
) -> None:
    request, late = await handle(provider, WEB, prompt="consent"), await handle(provider, WEB)
    provider.clock.advance(60)
    page = await stranger.authorize(request, method)
    provider.clock.advance(interaction.LIFETIME - 1)
    back = await stranger.submit(await stranger.log_in(page), decision="allow")
    assert granted(back)
    stop = await stranger.authorize(late, method)
    assert isinstance(stop, Page)
    assert (stop.id, stop.status) == ("error", 400)
    assert interaction.LIFETIME + 300 + 60 < KEPT


async def test_what_came_in_time_stays_in_time_behind_a_post(provider: Provider, stranger: Visitor) -> None:
    """Between the POST and the page it leads to the handle expires: the browser came in time all the same."""
    request = await handle(provider, WEB, prompt="consent")
    provider.clock.advance(59)
    posted = await stranger.http.post("/authorize", data=request)
    provider.clock.advance(2)
    page = await stranger.open(posted.headers["location"].removeprefix(stranger.base))
    assert granted(await stranger.submit(await stranger.log_in(page), decision="allow"))


async def test_its_time_is_a_setting(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path, lifetimes__pushed_request=5) as provider:
        await register(provider, WEB)
        assert (await pushed(provider, WEB)).json()["expires_in"] == 5
        request = await handle(provider, WEB)
        provider.clock.advance(6)
        stop = await Visitor(provider).authorize(request)
        assert getattr(stop, "id", None) == "error"


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "spa"}, {"client_id": None}, {"request_uri": f"{URN}{'x' * 43}"}, {"request_uri": URN}],
    ids=str,
)
async def test_a_handle_of_somebody_else_is_told_on_our_page(
    provider: Provider, stranger: Visitor, changes: dict[str, str | None]
) -> None:
    request = {**await handle(provider, WEB), "redirect_uri": WEB.redirect_uri, **changes}
    stop = await stranger.authorize({name: value for name, value in request.items() if value is not None})
    assert isinstance(stop, Page)
    assert (stop.id, stop.status) == ("error", 400)


async def test_of_32_tries_with_a_session_one_brings_a_code(provider: Provider, visitor: Visitor) -> None:
    assert granted(await visitor.sign_on(WEB.request()))
    for _ in range(3):
        request = await handle(provider, WEB)
        answers = await asyncio.gather(*(visitor.authorize(request) for _ in range(32)))
        assert sum(map(granted, answers)) == 1
        assert {answer.id for answer in answers if isinstance(answer, Page)} == {"error"}


async def test_what_a_client_pushed_goes_with_it(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path) as provider:
        await register(provider, WEB)
        request = await handle(provider, WEB)
        await provider.control("client.remove", client_id="web")
        await register(provider, WEB)
        stop = await Visitor(provider).authorize(request)
        assert getattr(stop, "id", None) == "error"


# -- only pushed ones


async def test_a_client_that_says_so_gives_no_plain_request(provider: Provider, stranger: Visitor) -> None:
    back = await stranger.authorize(ONLY.request())
    assert isinstance(back, Answer)
    assert (back.to, back.error) == (ONLY.redirect_uri, "invalid_request")
    assert granted(await stranger.sign_on(await handle(provider, ONLY)))


async def test_a_server_that_says_so_takes_no_plain_request(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path, require_pushed_authorization_requests=True) as provider:
        await register(provider, WEB)
        visitor = Visitor(provider)
        document = (await provider.http.get("/.well-known/openid-configuration")).json()
        assert document["require_pushed_authorization_requests"] is True
        for method in ("GET", "POST"):
            back = await visitor.authorize(WEB.request(), method)
            assert isinstance(back, Answer)
            assert back.error == "invalid_request"
        assert granted(await visitor.sign_on(await handle(provider, WEB)))


async def test_discovery(provider: Provider) -> None:
    document = (await provider.http.get("/.well-known/openid-configuration")).json()
    assert document["pushed_authorization_request_endpoint"] == f"{provider.issuer}/par"
    assert document["require_pushed_authorization_requests"] is False


async def test_what_anybody_may_push_is_bounded() -> None:
    """A public client proves nothing, so its rows are limited by network; who proves something is not counted."""
    async with Provider(limits__pushed_requests=2) as few:
        await register(few, WEB, SPA)
        for app, statuses in ((SPA, [201, 201, 429]), (WEB, [201] * 3)):
            answers = [await app.call(few.http, "/par", app.request()) for _ in statuses]
            assert [answer.status_code for answer in answers] == statuses
        assert (await SPA.call(few.http, "/par", SPA.request())).headers["retry-after"] == "30"
        few.clock.advance(30)
        assert (await SPA.call(few.http, "/par", SPA.request())).status_code == 201
