"""Front-channel logout (OpenID Connect Front-Channel Logout 1.0): frames on the page that follows a sign-out."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support import Answer, App, Page, Visitor, discovery, register, unverified

from idp.manifest import ManifestError
from idp.testing import Provider

pytestmark = pytest.mark.anyio

BYE = "https://mail.test/bye"


def app(name: str, **members: Any) -> App:
    return App(name, f"https://{name}.test/cb", f"secret-of-{name}-0123456789", members={"consent": "skip", **members})


MAIL = app("mail", frontchannel_logout_uri="https://mail.test/out?from=idp", post_logout_redirect_uris=[BYE])
CHAT = app("chat", frontchannel_logout_uri="https://chat.test/out", frontchannel_logout_session_required=True)
BLOG = app("blog")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, MAIL, CHAT, BLOG)


async def signed_on(provider: Provider, visitor: Visitor, *where: App) -> dict[str, dict[str, Any]]:
    """The tokens of alice at each app, in one session."""
    found = {}
    for each in where:
        stop = await visitor.authorize(each.request())
        code = (stop if isinstance(stop, Answer) else await visitor.sign_on(each.request())).code
        found[each.client_id] = dict((await each.redeem(provider.http, code)).json())
    return found


def frames(stop: Page | Answer) -> list[tuple[str, dict[str, list[str]]]]:
    assert isinstance(stop, Page), stop
    assert stop.id == "logged-out"
    addresses = [html.unescape(found) for found in re.findall(r'<iframe [^>]*src="([^"]+)"', stop.text)]
    return sorted((address.partition("?")[0], parse_qs(urlsplit(address).query)) for address in addresses)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["frontchannel_logout_supported"] is True
    assert document["frontchannel_logout_session_supported"] is True


async def test_each_app_of_the_session_is_told_by_a_frame(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor, MAIL, CHAT, BLOG)
    sids = {name: unverified(found["id_token"])[1]["sid"] for name, found in tokens.items()}
    request = {"id_token_hint": tokens["mail"]["id_token"], "post_logout_redirect_uri": BYE, "state": "s t"}
    stop = await visitor.open("/logout", request)
    assert frames(stop) == [
        ("https://chat.test/out", {"iss": [provider.issuer], "sid": [sids["chat"]]}),
        ("https://mail.test/out", {"from": ["idp"], "iss": [provider.issuer], "sid": [sids["mail"]]}),
    ]
    assert isinstance(stop, Page)
    policy = stop.headers["content-security-policy"]
    assert "frame-src https://chat.test https://mail.test;" in policy
    assert f'href="{BYE}?state=s+t"' in stop.text
    assert "idp" not in visitor.http.cookies
    answer = await visitor.authorize(MAIL.request(prompt="none"))
    assert isinstance(answer, Answer)
    assert answer.error == "login_required"


async def test_the_confirmed_sign_out_has_them_too(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor, CHAT)
    asked = await visitor.open("/logout")
    assert isinstance(asked, Page)
    stop = await visitor.submit(asked, decision="logout")
    assert [address for address, _ in frames(stop)] == ["https://chat.test/out"]
    assert isinstance(stop, Page)
    assert "<script" not in stop.text, "nowhere to go on to"


async def test_who_is_not_of_the_session_is_not_told(provider: Provider, visitor: Visitor) -> None:
    tokens = await signed_on(provider, visitor, BLOG)
    stop = await visitor.open("/logout", {"id_token_hint": tokens["blog"]["id_token"]})
    assert frames(stop) == []


async def test_a_disabled_app_is_not_told(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor, CHAT)
    await provider.control("client.disable", client_id="chat")
    try:
        asked = await visitor.open("/logout")
        assert isinstance(asked, Page)
        assert frames(await visitor.submit(asked, decision="logout")) == []
    finally:
        await provider.control("client.enable", client_id="chat")


async def test_ending_this_browser_on_the_account_page_has_them_too(provider: Provider, visitor: Visitor) -> None:
    await signed_on(provider, visitor, CHAT)
    shown = await visitor.open("/account")
    assert isinstance(shown, Page)
    headers = {"origin": visitor.origin, "sec-fetch-site": "same-origin"}
    stop = await visitor.post("/account/sessions", {"t": shown.fields["t"], "end": "all"}, **headers)
    assert [address for address, _ in frames(stop)] == ["https://chat.test/out"]


@pytest.mark.parametrize(
    "members",
    [
        {"frontchannel_logout_uri": "https://elsewhere.test/out"},  # LO-07
        {"frontchannel_logout_uri": "https://odd.test:8443/out"},
        {"frontchannel_logout_uri": "http://odd.test/out"},
        {"frontchannel_logout_uri": "javascript:alert(1)"},
        {"frontchannel_logout_uri": "https://odd.test/out#here"},
        {"frontchannel_logout_session_required": True},
    ],
)
async def test_the_frame_is_of_the_app_itself(provider: Provider, members: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="frontchannel_logout"):
        await register(provider, app("odd", **members))
