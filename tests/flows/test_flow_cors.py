"""CORS (Fetch; RFC 9700 2.6): public documents for anyone, calls for the calling client's own origins."""

from __future__ import annotations

import httpx2
import pytest
from support import SPA, WEB, App, Visitor, discovery, register, sign_in

from idp.testing import Provider

pytestmark = pytest.mark.anyio

MINE, OTHERS, STRANGER = "https://spa.test", "https://web.test", "https://evil.test"
NAMED = App("named", "https://named.test/cb", method="none", members={"allowed_origins": ["https://app.named.test"]})
CALLED = ("/token", "/userinfo", "/revoke")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, NAMED)


def allowed(answer: httpx2.Response) -> str | None:
    assert "access-control-allow-credentials" not in answer.headers
    found: str | None = answer.headers.get("access-control-allow-origin")
    return found


async def preflight(provider: Provider, path: str, origin: str) -> httpx2.Response:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    return await provider.http.options(path, headers=asked)


async def test_what_is_called_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    named = (document["token_endpoint"], document["userinfo_endpoint"], document["revocation_endpoint"])
    assert named == tuple(provider.issuer + path for path in CALLED)


# -- public documents


@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"]
)
async def test_public_documents_are_anyones(provider: Provider, path: str) -> None:
    answer = await provider.http.get(path, headers={"origin": STRANGER})
    assert allowed(answer) == "*"
    asked = await preflight(provider, path, STRANGER)
    assert (asked.status_code, allowed(asked)) == (204, "*")
    unchanged = await provider.http.get(path, headers={"origin": STRANGER, "if-none-match": answer.headers["etag"]})
    assert (unchanged.status_code, allowed(unchanged)) == (304, "*")


# -- preflight


@pytest.mark.parametrize("path", CALLED)
@pytest.mark.parametrize(
    ("origin", "known"),
    [
        (MINE, True),
        (OTHERS, True),
        ("https://app.named.test", True),
        (STRANGER, False),
        ("http://spa.test", False),
        ("https://spa.test:8443", False),
        ("https://spa.test.evil.test", False),
        ("https://SPA.test", False),
        ("null", False),
        ("https://spa.test/", False),
    ],
)
async def test_a_preflight_is_answered_for_registered_origins(
    provider: Provider, path: str, origin: str, known: bool
) -> None:
    """A preflight names no client, so any registered origin may go on; the answer itself is then the client's."""
    answer = await preflight(provider, path, origin)
    assert answer.status_code == 204
    assert allowed(answer) == (origin if known else None)
    assert "Origin" in answer.headers["vary"]
    if known:
        assert "POST" in answer.headers["access-control-allow-methods"]
        headers = answer.headers["access-control-allow-headers"].lower()
        assert "authorization" in headers
        assert "content-type" in headers


@pytest.mark.parametrize("path", ["/authorize", "/introspect", "/login", "/consent", "/logout", "/api/token/"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_elsewhere_there_is_no_cors(provider: Provider, path: str, method: str) -> None:
    answer = await provider.http.request(method, path, headers={"origin": MINE})
    assert allowed(answer) is None
    if method == "OPTIONS":
        assert answer.status_code == 405


# -- the calls themselves


@pytest.mark.parametrize(("origin", "readable"), [(MINE, True), (OTHERS, False), (STRANGER, False), ("null", False)])
async def test_an_answer_is_the_calling_clients(
    provider: Provider, visitor: Visitor, origin: str, readable: bool
) -> None:
    expected = origin if readable else None
    code = (await visitor.sign_on(SPA.request(scope="openid offline_access"))).code
    form = {"code": code, "redirect_uri": SPA.redirect_uri, "code_verifier": "wrong" * 10}
    refused = await SPA.call(provider.http, "/token", {"grant_type": "authorization_code", **form}, origin=origin)
    assert (refused.status_code, allowed(refused)) == (400, expected)

    tokens = await sign_in(provider, SPA, scope="openid offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    answer = await SPA.call(provider.http, "/token", form, origin=origin)
    assert (answer.status_code, allowed(answer)) == (200, expected)
    assert "Origin" in answer.headers["vary"]

    access = {"authorization": f"Bearer {answer.json()['access_token']}", "origin": origin}
    seen = await provider.http.get("/userinfo", headers=access)
    assert (seen.status_code, allowed(seen)) == (200, expected)

    revoked = await SPA.call(provider.http, "/revoke", {"token": answer.json()["access_token"]}, origin=origin)
    assert (revoked.status_code, allowed(revoked)) == (200, expected)


async def test_an_origin_named_beside_the_redirect_uri(provider: Provider) -> None:
    tokens = await sign_in(provider, NAMED)
    for origin in ("https://app.named.test", "https://named.test"):
        headers = {"authorization": f"Bearer {tokens['access_token']}", "origin": origin}
        assert allowed(await provider.http.get("/userinfo", headers=headers)) == origin


async def test_nobody_known_no_origin(provider: Provider) -> None:
    answers = [
        await provider.http.post("/token", data={"client_id": "nobody"}, headers={"origin": MINE}),
        await provider.http.post("/token", data={}, headers={"origin": MINE}),
        await provider.http.get("/userinfo", headers={"origin": MINE}),
        await provider.http.get("/userinfo", headers={"origin": MINE, "authorization": "Bearer junk"}),
    ]
    assert [allowed(answer) for answer in answers] == [None] * 4


async def test_a_wrong_secret_can_still_be_read_by_its_own_app(provider: Provider) -> None:
    answer = await provider.http.post(
        "/token", data={"grant_type": "refresh_token"}, auth=("web", "wrong-0123456789"), headers={"origin": OTHERS}
    )
    assert (answer.status_code, allowed(answer)) == (401, OTHERS)


async def test_without_an_origin_nothing_is_said(provider: Provider) -> None:
    answer = await WEB.call(provider.http, "/token", {"grant_type": "refresh_token"})
    assert allowed(answer) is None
