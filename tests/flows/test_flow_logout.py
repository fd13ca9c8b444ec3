"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): with a hint at once, else the person is asked."""

from __future__ import annotations

from typing import Any

import pytest
from support import SPA, WEB, Answer, App, Page, Visitor, discovery, register, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

BYE = "https://shop.test/bye"
SHOP = App(
    "shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789",
    members={"client_name": "Corner shop", "post_logout_redirect_uris": [BYE, "https://shop.test/out?from=idp"]},
)


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, SHOP)


def page(stop: Page | Answer, name: str) -> Page:
    assert isinstance(stop, Page), stop
    assert stop.id == name
    return stop


async def signed_on(provider: Provider, visitor: Visitor, person: str = "alice", **changes: str) -> dict[str, Any]:
    answer = await visitor.sign_on(SHOP.request(**changes), person)
    return dict((await SHOP.redeem(provider.http, answer.code)).json())


async def is_signed_on(visitor: Visitor) -> bool:
    answer = await visitor.authorize(SHOP.request(prompt="none"))
    assert isinstance(answer, Answer)
    return "code" in answer.members


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert (await discovery(provider.http))["end_session_endpoint"] == f"{provider.issuer}/logout"


# -- with a hint


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_with_a_hint_it_is_done_at_once(provider: Provider, visitor: Visitor, method: str) -> None:
    tokens = await signed_on(provider, visitor)
    request = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "a b&c"}
    if method == "GET":
        answer = await visitor.open("/logout", request)
    else:
        answer = await visitor.post("/logout", request, origin="https://shop.test")
    assert isinstance(answer, Answer)
    assert (answer.to, answer.members, answer.status) == (BYE, {"state": "a b&c"}, 303)
    assert "idp" not in visitor.http.cookies
    assert not await is_signed_on(visitor)
    page(await visitor.authorize(SHOP.request()), "login")


async def test_an_address_with_a_query_keeps_it(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor)
    request = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://shop.test/out?from=idp"}
    answer = await visitor.open("/logout", {**request, "state": "s"})
    assert isinstance(answer, Answer)
    assert answer.url == "https://shop.test/out?from=idp&state=s"


async def test_without_an_address_our_page_says_so(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor)
    stop = page(await visitor.open("/logout", {"id_token_hint": tokens["id_token"]}), "logged-out")
    assert stop.status == 200
    assert not await is_signed_on(visitor)


async def test_the_hint_may_be_as_old_as_the_session(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor)
    provider.clock.advance(5 * 86_400)
    page(await visitor.open("/logout", {"id_token_hint": tokens["id_token"], "client_id": "shop"}), "logged-out")
    assert not await is_signed_on(visitor)


async def test_the_hint_may_be_of_a_retired_key(tmp_path: Any) -> None:
    async with Provider(data_dir=tmp_path) as provider:
        await register(provider, SHOP)
        visitor = Visitor(provider)
        tokens = await signed_on(provider, visitor)
        for _ in range(3):
            await provider.advance(11)
            await provider.control("keys.rotate")
        await provider.advance(1000)
        page(await visitor.open("/logout", {"id_token_hint": tokens["id_token"]}), "logged-out")


async def test_a_hint_of_another_person_asks(provider: Provider, visitor: Visitor) -> None:
    """LO-01: a link with somebody's ID token must not sign this person out."""
    bobs = (await sign_in(provider, SHOP, "bob"))["id_token"]
    await signed_on(provider, visitor)
    page(await visitor.open("/logout", {"id_token_hint": bobs}), "logout")
    assert await is_signed_on(visitor)


async def test_a_hint_of_another_session_asks(provider: Provider, visitor: Visitor) -> None:
    elsewhere = (await sign_in(provider, SHOP))["id_token"]
    await signed_on(provider, visitor)
    page(await visitor.open("/logout", {"id_token_hint": elsewhere}), "logout")
    assert await is_signed_on(visitor)


@pytest.mark.parametrize("kind", ["access token", "bent", "text", "other client", "unsigned"])
async def test_what_is_no_hint_is_shown(provider: Provider, visitor: Visitor, kind: str) -> None:
    tokens = await signed_on(provider, visitor)
    request = {
        "access token": {"id_token_hint": tokens["access_token"]},
        "bent": {"id_token_hint": tokens["id_token"][:-4] + "AAAA"},
        "text": {"id_token_hint": "junk"},
        "other client": {"id_token_hint": tokens["id_token"], "client_id": "web"},
        "unsigned": {"id_token_hint": "eyJhbGciOiJub25lIn0." + tokens["id_token"].split(".")[1] + "."},
    }[kind]
    stop = page(await visitor.open("/logout", {**request, "post_logout_redirect_uri": BYE}), "error")
    assert stop.status == 400
    assert await is_signed_on(visitor)


# -- without


async def test_without_a_hint_the_person_is_asked(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor)
    stop = page(await visitor.open("/logout"), "logout")
    assert "Alice Archer" in stop.text
    assert await is_signed_on(visitor)
    page(await visitor.submit(stop, decision="logout"), "logged-out")
    assert not await is_signed_on(visitor)


async def test_staying_changes_nothing(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor)
    stop = page(await visitor.open("/logout"), "logout")
    assert page(await visitor.submit(stop, decision="stay"), "home").status == 200
    assert await is_signed_on(visitor)


async def test_the_app_by_its_name_and_back_to_it(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor)
    request = {"client_id": "shop", "post_logout_redirect_uri": BYE, "state": "s"}
    stop = page(await visitor.open("/logout", request), "logout")
    assert "Corner shop" in stop.text
    answer = await visitor.submit(stop, decision="logout")
    assert isinstance(answer, Answer)
    assert (answer.to, answer.members) == (BYE, {"state": "s"})


async def test_nobody_signed_in_goes_straight_back(visitor: Visitor) -> None:
    answer = await visitor.open("/logout", {"client_id": "shop", "post_logout_redirect_uri": BYE})
    assert isinstance(answer, Answer)
    assert answer.url == BYE
    page(await visitor.open("/logout"), "logged-out")


async def test_twice_is_harmless(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor)
    for _ in range(2):
        answer = await visitor.open("/logout", {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE})
        assert isinstance(answer, Answer)


async def test_the_page_speaks_german(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor)
    stop = page(await visitor.open("/logout", {"ui_locales": "de"}), "logout")
    assert stop.lang == "de"


# -- addresses


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/",
        f"{BYE}/",
        f"{BYE}?x=1",
        "http://shop.test/bye",
        "https://shop.test/cb",
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize("by", ["id_token_hint", "client_id", "nobody"])
async def test_an_unregistered_address_is_never_followed(
    provider: Provider, visitor: Visitor, address: str, by: str
) -> None:
    tokens = await signed_on(provider, visitor)
    request = {"id_token_hint": {"id_token_hint": tokens["id_token"]}, "client_id": {"client_id": "shop"}, "nobody": {}}
    stop = page(await visitor.open("/logout", {**request[by], "post_logout_redirect_uri": address}), "error")
    assert stop.status == 400
    assert await is_signed_on(visitor), "and nothing was ended"


async def test_a_good_address_needs_its_app(provider: Provider, visitor: Visitor) -> None:
    for request in ({}, {"client_id": "web"}, {"client_id": "nobody"}):
        stop = await visitor.open("/logout", {**request, "post_logout_redirect_uri": BYE})
        assert page(stop, "error").status == 400


# -- whose form it is


@pytest.mark.parametrize("headers", [{"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}], ids=str)
async def test_a_form_from_another_site_signs_nobody_out(
    provider: Provider, visitor: Visitor, headers: dict[str, str]
) -> None:
    await signed_on(provider, visitor)
    stop = page(await visitor.open("/logout"), "logout")
    assert page(await visitor.post("/logout", stop.fields, **headers), "error").status == 403
    assert await is_signed_on(visitor)


async def test_a_form_shown_to_another_signs_nobody_out(provider: Provider, visitor: Visitor) -> None:
    mallory = Visitor(provider)
    await mallory.sign_on(WEB.request(), "bob")
    hers = page(await mallory.open("/logout"), "logout")
    await signed_on(provider, visitor)
    await visitor.submit(hers, decision="logout")
    assert await is_signed_on(visitor)


async def test_a_forged_form_signs_nobody_out(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor)
    for sealed in ("junk", page(await visitor.authorize(WEB.request(prompt="consent")), "consent").fields["t"]):
        assert page(await visitor.post("/logout", {"t": sealed}, origin=visitor.origin), "error").status == 400
    assert await is_signed_on(visitor)


# -- what it ends


async def test_every_app_of_the_session_is_out(provider: Provider, visitor: Visitor) -> None:
    shop = await signed_on(provider, visitor)
    web = (await WEB.redeem(provider.http, (await visitor.sign_on(WEB.request())).code)).json()
    elsewhere = await sign_in(provider, WEB)
    await visitor.open("/logout", {"id_token_hint": web["id_token"]})
    for tokens in (shop, web):
        assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert (await userinfo(provider.http, elsewhere["access_token"])).status_code == 200, "another browser goes on"


@pytest.mark.parametrize("scope", ["openid", "openid offline_access"])
async def test_a_code_on_its_way_is_worth_nothing(provider: Provider, visitor: Visitor, scope: str) -> None:
    tokens = await signed_on(provider, visitor)
    code = (await visitor.sign_on(SPA.request(scope=scope))).code
    await visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
    assert (await SPA.redeem(provider.http, code)).json()["error"] == "invalid_grant"


async def test_a_stolen_cookie_is_worth_nothing(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor)
    stolen = visitor.http.cookies["idp"]
    await visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
    response = await provider.http.get(
        "/authorize", params=SHOP.request(prompt="none"), headers={"cookie": f"idp={stolen}"}
    )
    assert "error=login_required" in response.headers["location"]


async def test_it_is_in_the_audit(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor)
    await visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
    events = (await provider.control("audit.tail", limit=100))["events"]
    last = [line for line in events if line["event"] == "session.ended"][-1]
    assert (last["account_id"], last["at"]) == ("alice", provider.clock())
    assert last["detail"]["reason"] == "the person signed out"
