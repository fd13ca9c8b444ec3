"""Where answers go (RFC 9700 2.1, RFC 8252 7.3, RFC 6749 4.1.2.1): exact addresses, and what is shown or sent."""

from __future__ import annotations

import pytest
from support import NATIVE, WEB, Answer, App, Page, Visitor, discovery, register

from idp.testing import Provider

pytestmark = pytest.mark.anyio


async def test_how_answers_come_is_announced_in_discovery(provider: Provider) -> None:
    assert (await discovery(provider.http))["response_modes_supported"] == [
        "query",
        "fragment",
        "form_post",
        "jwt",
        "query.jwt",
        "fragment.jwt",
        "form_post.jwt",
    ]


@pytest.mark.parametrize(
    "uri",
    [
        "https://web.test/cb/",
        "https://web.test/cb?x=1",
        "https://web.test:443/cb",
        "https://web.test:8443/cb",
        "http://web.test/cb",
        "https://web.test/CB",
        "https://web.test.evil.test/cb",
        "https://web.test@evil.test/cb",
        "https://web.test/cb/../x",
        "https://web.test/%63b",
        "https://web.test/cb#",
        " https://web.test/cb",
        "https://evil.test/",
        None,
    ],
)
@pytest.mark.parametrize("changes", [{}, {"prompt": "none"}, {"response_type": "bogus"}, {"scope": "nosuch"}], ids=str)
async def test_an_unregistered_address_is_never_followed(
    visitor: Visitor, uri: str | None, changes: dict[str, str]
) -> None:
    response = await visitor.http.get("/authorize", params=WEB.request(redirect_uri=uri, **changes))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert 'id="oauth-error"' in response.text


@pytest.mark.parametrize(
    ("uri", "accepted"),
    [
        ("http://127.0.0.1:53124/cb", True),
        ("http://127.0.0.1/cb", True),
        ("http://127.0.0.1:53124/other", False),
        ("http://localhost:53124/cb", False),
        ("http://127.0.0.2/cb", False),
        ("http://[::1]:1/cb", False),
        ("http://127.0.0.1.evil.test/cb", False),
        ("http://127.0.0.1:80@evil.test/cb", False),
        ("https://127.0.0.1:53124/cb", False),
        ("http://127.0.0.1:99999/cb", False),
    ],
)
async def test_only_the_port_of_a_loopback_address_varies(visitor: Visitor, uri: str, accepted: bool) -> None:
    stop = await visitor.authorize(NATIVE.request(redirect_uri=uri))
    assert isinstance(stop, Page)
    assert stop.id == ("login" if accepted else "error")


async def test_the_port_of_the_request_is_the_port_of_the_redemption(provider: Provider, visitor: Visitor) -> None:
    answer = await visitor.sign_on(NATIVE.request(redirect_uri="http://127.0.0.1:53124/cb"))
    assert answer.to == "http://127.0.0.1:53124/cb"
    other = await NATIVE.redeem(provider.http, answer.code, redirect_uri="http://127.0.0.1:53125/cb")
    assert other.json()["error"] == "invalid_grant"
    same = await NATIVE.redeem(provider.http, answer.code, redirect_uri="http://127.0.0.1:53124/cb")
    assert same.status_code == 200


async def test_an_address_with_a_query_keeps_it(provider: Provider, visitor: Visitor) -> None:
    app = App("queried", "https://queried.test/cb?tenant=7", "secret-of-queried-0123456789")
    await register(provider, app)
    answer = await visitor.sign_on(app.request())
    assert answer.to == "https://queried.test/cb"
    assert answer.members["tenant"] == "7"
    assert (await app.redeem(provider.http, answer.code)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"response_mode": "bogus", "response_type": "id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment", "prompt": "none"}, "login_required"),
        ({"scope": "openid admin", "prompt": "none"}, "login_required"),
        ({"scope": "nosuch"}, "invalid_scope"),
        ({"scope": "openid phone"}, "invalid_scope"),
        ({"request": "e30.e30."}, "invalid_request_object"),
        ({"request_uri": "https://web.test/r"}, "invalid_request_uri"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"nonce": "n" * 5000}, "invalid_request"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_after_that_the_app_is_told(visitor: Visitor, changes: dict[str, str | None], error: str) -> None:
    answer = await visitor.authorize(WEB.request(**changes))
    assert isinstance(answer, Answer)
    assert (answer.to, answer.error) == (WEB.redirect_uri, error)
    assert answer.members["state"] == "state-of-the-app"
    assert answer.members["iss"] == f"{visitor.origin}{visitor.base}"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope", "state", "response_type", "nonce", "prompt"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_repeated_parameter_is_shown(provider: Provider, name: str, method: str) -> None:
    body = "&".join(f"{key}={value}" for key, value in [*WEB.request().items(), (name, "again"), (name, "again")])
    form = {"content-type": "application/x-www-form-urlencoded"}
    if method == "POST":
        response = await provider.http.post("/authorize", content=body, headers=form)
    else:
        response = await provider.http.get(f"/authorize?{body}")
    assert response.status_code == 400
    assert "location" not in response.headers
