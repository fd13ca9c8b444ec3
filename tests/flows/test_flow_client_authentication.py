"""Client authentication (RFC 6749 2.3, RFC 7617, OIDC Core 9): secrets and ``none``, exactly one method a request."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

import httpx2
import pytest
from assertions import ASSERTION_TYPE, GRANT, SIGNED, assertion, challenged, service
from support import App, discovery, register, sign_in

from idp.control import ControlError
from idp.testing import Provider

pytestmark = pytest.mark.anyio

SECRET = "p%ss/w+rd=:&~*'(0123456789)"
BASIC = service("basic", "client_secret_basic", SECRET)
POST = service("post:with/odd&id", "client_secret_post", SECRET)
PUBLIC = App("public", "https://public.test/cb", method="none")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, BASIC, POST, SIGNED, PUBLIC)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    methods = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt", "client_secret_jwt"]
    assert document["token_endpoint_auth_methods_supported"] == methods
    assert document["revocation_endpoint_auth_methods_supported"] == methods
    assert document["introspection_endpoint_auth_methods_supported"] == [m for m in methods if m != "none"]


# -- secrets


@pytest.mark.parametrize("app", [BASIC, POST], ids=lambda app: app.method)
async def test_a_secret_by_its_registered_method(provider: Provider, app: App) -> None:
    form: dict[str, str] = dict(GRANT)
    headers = {}
    if app is BASIC:
        headers["authorization"] = basic(app.client_id, SECRET)
    else:
        form |= {"client_id": app.client_id, "client_secret": SECRET}
    assert (await provider.http.post("/token", data=form, headers=headers)).status_code == 200


def basic(client_id: str, secret: str) -> str:
    """RFC 6749 2.3.1: both halves form-encoded, then joined; the encoding is written here by hand."""
    joined = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(joined.encode()).decode()}"


@pytest.mark.parametrize(
    "header",
    [
        basic("basic", "wrong-secret-0123456789"),
        basic("basic", SECRET + "x"),
        basic("basic", SECRET[:-1]),
        basic("nobody", SECRET),
        basic("post:with/odd&id", SECRET),
        basic("public", SECRET),
        basic("signed", SECRET),
        "Basic !!!",
        "Basic " + base64.b64encode(b"basic").decode(),
        "Basic " + base64.b64encode(b"basic:").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Bearer abc",
        "Basic",
    ],
)
async def test_a_wrong_header_is_challenged(provider: Provider, header: str) -> None:
    challenged(await provider.http.post("/token", data=GRANT, headers={"authorization": header}))


@pytest.mark.parametrize(
    "form",
    [
        {"client_id": "post:with/odd&id", "client_secret": "wrong-secret-0123456789"},
        {"client_id": "basic", "client_secret": SECRET},
        {"client_id": "nobody", "client_secret": SECRET},
        {"client_id": "post:with/odd&id"},
        {"client_id": "signed"},
        {"client_secret": SECRET},
        {},
    ],
    ids=str,
)
async def test_a_wrong_form_is_challenged(provider: Provider, form: dict[str, str]) -> None:
    challenged(await provider.http.post("/token", data={**GRANT, **form}))


async def test_unknown_and_wrong_say_the_same(provider: Provider) -> None:
    answers = [
        await provider.http.post("/token", data=GRANT, headers={"authorization": basic(name, "wrong-0123456789")})
        for name in ("basic", "nobody")
    ]
    assert answers[0].content == answers[1].content


async def test_credentials_in_the_query_are_not_read(provider: Provider) -> None:
    query = {"client_id": "post:with/odd&id", "client_secret": SECRET}
    challenged(await provider.http.post("/token", params=query, data=GRANT))


async def test_two_methods_at_once_are_refused(provider: Provider) -> None:
    good = {"authorization": basic("basic", SECRET)}
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(provider)}
    posted = {"client_id": "basic", "client_secret": SECRET}
    answers = [
        await provider.http.post("/token", data={**GRANT, **posted}, headers=good),
        await provider.http.post("/token", data={**GRANT, **proof}, headers=good),
        await provider.http.post("/token", data={**GRANT, **proof, **posted}),
        await provider.http.post("/token", data={**GRANT, "client_id": "post:with/odd&id"}, headers=good),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    twice = httpx2.Headers([("authorization", good["authorization"])] * 2)
    answer = await provider.http.post("/token", data=GRANT, headers=twice)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_naming_oneself_beside_the_header_is_fine(provider: Provider) -> None:
    headers = {"authorization": basic("basic", SECRET)}
    answer = await provider.http.post("/token", data={**GRANT, "client_id": "basic"}, headers=headers)
    assert answer.status_code == 200


async def test_two_secrets_live_during_a_change_and_no_third(provider: Provider) -> None:
    app = service("changing", "client_secret_basic", "first-secret-0123456789")
    await register(provider, app)
    secrets = ["first-secret-0123456789"]

    async def working() -> list[bool]:
        headers = [{"authorization": basic("changing", secret)} for secret in secrets]
        answers = [await provider.http.post("/token", data=GRANT, headers=header) for header in headers]
        return [answer.status_code == 200 for answer in answers]

    for _ in range(2):
        secrets.append((await provider.control("client.secret.add", client_id="changing"))["client_secret"])
        assert await working() == [*[False] * (len(secrets) - 2), True, True]
        with pytest.raises(ControlError, match="two secrets at a time"):
            await provider.control("client.secret.add", client_id="changing")
        await provider.control("client.secret.retire", client_id="changing")
        assert await working() == [*[False] * (len(secrets) - 1), True]
    with pytest.raises(ControlError, match="the only one"):
        await provider.control("client.secret.retire", client_id="changing")
    assert await working() == [False, False, True]


# -- none


async def test_a_public_client_only_names_itself(provider: Provider) -> None:
    tokens = await sign_in(provider, PUBLIC, scope="openid offline_access")
    assert (await PUBLIC.refresh(provider.http, tokens["refresh_token"])).status_code == 200


async def test_a_public_client_with_a_secret_is_wrong(provider: Provider) -> None:
    challenged(await provider.http.post("/token", data={**GRANT, "client_id": "public", "client_secret": "x" * 20}))
