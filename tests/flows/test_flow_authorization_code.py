"""Authorization code with PKCE (RFC 6749 4.1, RFC 7636, OAuth 2.1; RFC 9700 2.1)."""

from __future__ import annotations

import asyncio

import pytest
from support import NATIVE, SPA, WEB, Answer, App, Page, Visitor, discovery, register, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio

OTHER = App("other-web", WEB.redirect_uri, "secret-of-other-web-0123456789")


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["authorization_endpoint"] == f"{provider.issuer}/authorize"
    assert document["token_endpoint"] == f"{provider.issuer}/token"
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"][0] == "query"
    assert "authorization_code" in document["grant_types_supported"]
    assert document["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("app", [WEB, SPA], ids=lambda app: app.client_id)
async def test_a_person_signs_on_and_the_app_gets_tokens(
    provider: Provider, visitor: Visitor, app: App, method: str
) -> None:
    answer = await visitor.sign_on(app.request(scope="openid offline_access"), method=method)
    assert answer.to == app.redirect_uri
    assert set(answer.members) == {"code", "state", "iss"}
    assert answer.members["state"] == "state-of-the-app"
    assert answer.status == 303

    response = await app.redeem(provider.http, answer.code)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    tokens = response.json()
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 300, "openid offline_access")


async def test_login_then_consent_then_back(visitor: Visitor) -> None:
    stop = await visitor.authorize(NATIVE.request(scope="openid email"))
    assert isinstance(stop, Page)
    assert (stop.id, stop.status) == ("login", 200)
    stop = await visitor.log_in(stop)
    assert isinstance(stop, Page)
    assert (stop.id, stop.status) == ("consent", 200)
    stop = await visitor.submit(stop, decision="allow")
    assert isinstance(stop, Answer)


async def test_with_a_session_the_answer_is_immediate(visitor: Visitor) -> None:
    await visitor.sign_on(WEB.request())
    response = await visitor.http.get("/authorize", params=WEB.request())
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{WEB.redirect_uri}?code=")


async def test_post_never_reads_the_session(visitor: Visitor) -> None:
    """A cross-site POST carries no Lax cookie, so it must not matter whether one is there: always 303 to our GET."""
    await visitor.sign_on(WEB.request())
    response = await visitor.http.post("/authorize", data=WEB.request())
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{visitor.base}/authorize?t=")
    refused = await visitor.http.post("/authorize", data=WEB.request(prompt="bogus"))
    assert refused.headers["location"].startswith(f"{WEB.redirect_uri}?error=invalid_request")


async def test_a_posted_request_waits_five_minutes(visitor: Visitor) -> None:
    response = await visitor.http.post("/authorize", data=WEB.request())
    follow = response.headers["location"].removeprefix(visitor.base)
    assert isinstance(stop := await visitor.open(follow), Page)
    assert stop.id == "login"
    forged = await visitor.open(follow[:-2] + "xx")
    assert isinstance(forged, Page)
    assert (forged.id, forged.status) == ("error", 400)


async def test_two_tabs_finish_side_by_side(provider: Provider, visitor: Visitor) -> None:
    first = await visitor.authorize(WEB.request(state="first"))
    second = await visitor.authorize(SPA.request(state="second"))
    answers = []
    for stop in (await visitor.log_in(first), await visitor.log_in(second)):
        answers.append(stop if isinstance(stop, Answer) else await visitor.submit(stop, decision="allow"))
    assert [answer.members["state"] for answer in answers if isinstance(answer, Answer) and answer.code] == [
        "first",
        "second",
    ]


async def test_first_answers_of_one_session_at_the_same_moment(provider: Provider, visitor: Visitor) -> None:
    """Both find the app new to this session: one sid, no fault."""
    trusted = App("trusted", "https://trusted.test/cb", "secret-of-trusted-0123456789", members={"consent": "skip"})
    await register(provider, trusted)
    await visitor.sign_on(WEB.request())
    responses = await asyncio.gather(*(visitor.http.get("/authorize", params=trusted.request()) for _ in range(5)))
    assert [response.status_code for response in responses] == [303] * 5
    codes = [response.headers["location"].split("code=")[1].split("&")[0] for response in responses]
    tokens = [(await trusted.redeem(provider.http, code)).json() for code in codes]
    sids = {(await trusted.introspect(provider.http, answer["access_token"]))["sid"] for answer in tokens}
    assert len(sids) == 1


# -- redeeming


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://web.test/cb/"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"code": "ac.never-issued"}, "invalid_grant"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"resource": "https://api.test"}, "invalid_target"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_redemption_changes_nothing(
    provider: Provider, visitor: Visitor, changes: dict[str, str], error: str
) -> None:
    code = (await visitor.sign_on(WEB.request())).code
    refused = await WEB.redeem(provider.http, code, **changes)
    assert (refused.status_code, refused.json()["error"]) == (400, error)
    assert refused.headers["cache-control"] == "no-store"
    assert (await WEB.redeem(provider.http, code)).status_code == 200


async def test_another_client_gets_nothing_and_harms_nobody(provider: Provider, visitor: Visitor) -> None:
    await register(provider, OTHER)
    code = (await visitor.sign_on(WEB.request())).code
    stolen = await OTHER.redeem(provider.http, code)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert (await WEB.redeem(provider.http, code)).status_code == 200


async def test_of_fifty_at_once_one_succeeds_and_the_replay_revokes_it(provider: Provider, visitor: Visitor) -> None:
    code = (await visitor.sign_on(WEB.request(scope="openid offline_access"))).code
    answers = await asyncio.gather(*(WEB.redeem(provider.http, code) for _ in range(50)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    assert {answer.json()["error"] for answer in answers if answer not in good} == {"invalid_grant"}
    access = good[0].json()["access_token"]
    assert await WEB.introspect(provider.http, access) == {"active": False}


async def test_a_replayed_code_ends_all_it_bought_at_once(provider: Provider, visitor: Visitor) -> None:
    code = (await visitor.sign_on(WEB.request(scope="openid offline_access"))).code
    bought = (await WEB.redeem(provider.http, code)).json()
    renewed = (await WEB.refresh(provider.http, bought["refresh_token"])).json()
    for tokens in (bought, renewed):
        assert (await userinfo(provider.http, tokens["access_token"])).status_code == 200

    replay = await WEB.redeem(provider.http, code)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")

    for tokens in (bought, renewed):
        assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
        assert await WEB.introspect(provider.http, tokens["access_token"]) == {"active": False}
        assert await WEB.introspect(provider.http, tokens["refresh_token"]) == {"active": False}
    assert (await WEB.refresh(provider.http, renewed["refresh_token"])).json()["error"] == "invalid_grant"
    event = (await provider.control("audit.tail"))["events"]
    assert [line["client_id"] for line in event if line["event"] == "code.replayed"].count("web") >= 1


@pytest.mark.parametrize("changes", [{}, {"code_verifier": "x" * 43}, {"redirect_uri": "https://x.test/"}], ids=str)
@pytest.mark.parametrize("wait", [0, 59, 600, 86_000])
async def test_a_replay_counts_however_late_and_wrong_it_is(
    provider: Provider, visitor: Visitor, changes: dict[str, str], wait: int
) -> None:
    code = (await visitor.sign_on(WEB.request(scope="openid offline_access"))).code
    tokens = (await WEB.redeem(provider.http, code)).json()
    await provider.advance(wait)
    assert (await WEB.redeem(provider.http, code, **changes)).json()["error"] == "invalid_grant"
    assert (await WEB.refresh(provider.http, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_replay_by_a_stranger_ends_nothing(provider: Provider, visitor: Visitor) -> None:
    await register(provider, OTHER)
    code = (await visitor.sign_on(WEB.request())).code
    access = (await WEB.redeem(provider.http, code)).json()["access_token"]
    assert (await OTHER.redeem(provider.http, code)).status_code == 400
    assert (await userinfo(provider.http, access)).status_code == 200


async def test_a_code_lives_a_minute(provider: Provider) -> None:
    visitor = Visitor(provider)
    early, late = [(await visitor.sign_on(WEB.request())).code for _ in range(2)]
    provider.clock.advance(59)
    assert (await WEB.redeem(provider.http, early)).status_code == 200
    provider.clock.advance(1)
    refused = await WEB.redeem(provider.http, late)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert "expired" in refused.json()["error_description"]


async def test_the_whole_grant_without_openid_is_plain_oauth(provider: Provider) -> None:
    tokens = await sign_in(provider, WEB, scope="profile")
    assert "id_token" not in tokens
    assert tokens["scope"] == "profile"
