"""JWT Secured Authorization Response Mode: the whole answer in one signed JWT, verified with joserfc."""

from __future__ import annotations

import re

import pytest
from support import WEB, Answer, App, Page, Visitor, claims_of, discovery, header_of, register

from idp.testing import Provider

pytestmark = pytest.mark.anyio

ES = App(
    "es",
    "https://es.test/cb?tenant=7",
    "secret-of-es-0123456789abcdef",
    members={"authorization_signed_response_alg": "ES256"},
)
MODES = ("jwt", "query.jwt", "fragment.jwt", "form_post.jwt")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, ES)


def response_of(stop: Page | Answer) -> str:
    """The one member the answer has."""
    members = dict(stop.fields) if isinstance(stop, Page) else dict(stop.members)
    members.pop("tenant", None)
    assert list(members) == ["response"]
    return members["response"]


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert set(MODES) <= set(document["response_modes_supported"])
    assert document["authorization_signing_alg_values_supported"] == ["RS256", "ES256"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("app", "alg"), [(WEB, "RS256"), (ES, "ES256")], ids=["RS256", "ES256"])
async def test_the_answer_is_signed_for_this_client(
    provider: Provider, visitor: Visitor, mode: str, app: App, alg: str
) -> None:
    stop = await visitor.arrive(app.request(response_mode=mode))
    response = response_of(stop)
    if isinstance(stop, Page):
        assert (stop.id, stop.action, mode) == ("form-post", app.redirect_uri, "form_post.jwt")
    else:
        mark = "#" if mode == "fragment.jwt" else "&" if app is ES else "?"
        assert stop.url.startswith(f"{app.redirect_uri}{mark}response=")
    assert header_of(response)["alg"] == alg
    claims = await claims_of(provider.http, response, alg)
    assert set(claims) == {"iss", "aud", "exp", "code", "state"}
    assert (claims["iss"], claims["aud"]) == (provider.issuer, app.client_id)
    assert claims["exp"] == int(provider.clock()) + 600
    assert claims["state"] == "state-of-the-app"
    assert (await app.redeem(provider.http, claims["code"])).status_code == 200


@pytest.mark.parametrize("mode", MODES)
async def test_errors_are_signed_too(provider: Provider, visitor: Visitor, mode: str) -> None:
    for changes, error in (
        ({"prompt": "none"}, "login_required"),
        ({"scope": "openid phone"}, "invalid_scope"),
        ({"max_age": "soon"}, "invalid_request"),
    ):
        stop = await visitor.authorize(WEB.request(response_mode=mode, **changes))
        claims = await claims_of(provider.http, response_of(stop), "RS256")
        assert set(claims) == {"iss", "aud", "exp", "error", "error_description", "state"}
        assert claims["error"] == error


async def test_jwt_is_a_fragment_where_a_token_was_asked_for(visitor: Visitor) -> None:
    stop = await visitor.authorize(WEB.request(response_mode="jwt", response_type="id_token"))
    assert isinstance(stop, Answer)
    assert re.match(re.escape(WEB.redirect_uri) + "#response=ey", stop.url)


async def test_a_signed_answer_is_no_id_token(provider: Provider, visitor: Visitor) -> None:
    """Signed by the same keys: it must not do where an ID token is asked for."""
    response = response_of(await visitor.arrive(WEB.request(response_mode="jwt")))
    claims = await claims_of(provider.http, response, "RS256")
    assert "sub" not in claims
    stop = await visitor.authorize(WEB.request(prompt="none", id_token_hint=response))
    assert isinstance(stop, Answer)
    assert stop.error == "login_required"
    page = await visitor.open("/logout", {"id_token_hint": response})
    assert isinstance(page, Page)
    assert page.id == "error"
    answer = await provider.http.get("/userinfo", headers={"authorization": f"Bearer {response}"})
    assert answer.status_code == 401
