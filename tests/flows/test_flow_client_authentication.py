"""Client authentication (RFC 6749 2.3, RFC 7523 3, RFC 10070, OIDC Core 9): four methods, exactly one a request."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from support import App, discovery, register, sign_in

from idp.testing import Provider

pytestmark = [
    pytest.mark.anyio,
    # joserfc follows RFC 9864, which renames EdDSA to Ed25519; most clients still say EdDSA.
    pytest.mark.filterwarnings("ignore:EdDSA is deprecated"),
]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}
SECRET = "p%ss/w+rd=:&~*'(0123456789)"

KEYS: dict[str, Key] = {
    "RS256": RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig", "alg": "RS256"}),
    "ES256": ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig", "alg": "ES256"}),
    "EdDSA": OKPKey.generate_key("Ed25519", parameters={"kid": "ed", "use": "sig", "alg": "EdDSA"}),
}
STRANGER = RSAKey.generate_key(2048, parameters={"kid": "rsa"})


def service(client_id: str, method: str, secret: str | None = None, **members: Any) -> App:
    return App(client_id, "", secret, method, "", ("client_credentials",), members)


BASIC = service("basic", "client_secret_basic", SECRET)
POST = service("post:with/odd&id", "client_secret_post", SECRET)
SIGNED = service("signed", "private_key_jwt", jwks={"keys": [key.as_dict(private=False) for key in KEYS.values()]})
PINNED = service(
    "pinned",
    "private_key_jwt",
    jwks={"keys": [KEYS["RS256"].as_dict(private=False), KEYS["ES256"].as_dict(private=False)]},
    token_endpoint_auth_signing_alg="ES256",
)
ONE_KEY = service(
    "one-key",
    "private_key_jwt",
    jwks={"keys": [{k: v for k, v in KEYS["ES256"].as_dict(private=False).items() if k != "kid"}]},
)
PUBLIC = App("public", "https://public.test/cb", method="none")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, BASIC, POST, SIGNED, PINNED, ONE_KEY, PUBLIC)


def assertion(
    provider: Provider, alg: str = "RS256", key: Key | None = None, header: Any = None, **changes: Any
) -> str:
    """A good assertion of ``signed``; a change to None leaves the claim out."""
    now = int(provider.clock())
    claims = {
        "iss": "signed",
        "sub": "signed",
        "aud": provider.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": uuid.uuid4().hex,
    } | changes
    key = key or KEYS[alg]
    members = {"alg": alg, "typ": "JWT", "kid": key.kid} | (header or {})
    members = {name: value for name, value in members.items() if value is not None}
    return jwt.encode(
        members,
        {k: v for k, v in claims.items() if v is not None},
        key,
        algorithms=["RS256", "ES256", "EdDSA"],
    )


async def present(provider: Provider, text: str, **form: str) -> httpx2.Response:
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}
    return await provider.http.post("/token", data={**GRANT, **proof, **form})


def challenged(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    methods = ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]
    assert document["token_endpoint_auth_methods_supported"] == methods
    assert document["revocation_endpoint_auth_methods_supported"] == methods
    assert document["introspection_endpoint_auth_methods_supported"] == [m for m in methods if m != "none"]
    for endpoint in ("token", "introspection", "revocation"):
        algorithms = document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert algorithms == ["RS256", "PS256", "ES256", "EdDSA"]


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
    for _ in range(2):
        secrets.append((await provider.control("client.secret", client_id="changing"))["client_secret"])
        works = []
        for secret in secrets:
            header = {"authorization": basic("changing", secret)}
            works.append((await provider.http.post("/token", data=GRANT, headers=header)).status_code == 200)
        assert works == [*[False] * (len(secrets) - 2), True, True]


# -- none


async def test_a_public_client_only_names_itself(provider: Provider) -> None:
    tokens = await sign_in(provider, PUBLIC, scope="openid offline_access")
    assert (await PUBLIC.refresh(provider.http, tokens["refresh_token"])).status_code == 200


async def test_a_public_client_with_a_secret_is_wrong(provider: Provider) -> None:
    challenged(await provider.http.post("/token", data={**GRANT, "client_id": "public", "client_secret": "x" * 20}))


# -- private_key_jwt


@pytest.mark.parametrize("alg", KEYS)
async def test_a_registered_key_proves_the_client(provider: Provider, alg: str) -> None:
    assert (await present(provider, assertion(provider, alg))).status_code == 200
    assert (await present(provider, assertion(provider, alg), client_id="signed")).status_code == 200


async def test_at_every_endpoint_that_asks(provider: Provider) -> None:
    token = (await present(provider, assertion(provider))).json()["access_token"]
    for path in ("/introspect", "/revoke"):
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion(provider), "token": token}
        assert (await provider.http.post(path, data=form)).status_code == 200


async def test_typ_may_name_the_kind_of_jwt(provider: Provider) -> None:
    for typ in ("JWT", "client-authentication+jwt", None):
        assert (await present(provider, assertion(provider, header={"typ": typ}))).status_code == 200
    for typ in ("at+jwt", "dpop+jwt", "logout+jwt"):
        challenged(await present(provider, assertion(provider, header={"typ": typ})))


async def test_the_only_key_needs_no_kid(provider: Provider) -> None:
    text = assertion(provider, "ES256", header={"kid": None}, iss="one-key", sub="one-key")
    assert (await present(provider, text)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "http://localhost:8000/token"},
        {"aud": "http://localhost:8000/"},
        {"aud": ["http://localhost:8000", "https://other.test"]},
        {"aud": []},
        {"aud": None},
        {"iss": "basic"},
        {"iss": None},
        {"sub": "basic"},
        {"sub": None},
        {"sub": 7},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1_700_000_000},
        {"exp": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"jti": None},
        {"jti": ""},
        {"jti": "j" * 300},
        {"jti": 7},
    ],
    ids=str,
)
async def test_a_wrong_assertion_is_challenged(provider: Provider, changes: dict[str, Any]) -> None:
    challenged(await present(provider, assertion(provider, **changes)))


def by_hand(text: str, header: dict[str, Any], secret: bytes | None = None) -> str:
    """The claims of ``text`` under a header no decent library would write; HMAC with ``secret``, or no signature."""
    signed = f"{_part(json.dumps(header).encode())}.{text.split('.')[1]}"
    signature = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{_part(signature)}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


PUBLIC_PEM = KEYS["RS256"].as_pem(private=False)
FORGERIES: dict[str, Callable[[Provider], str]] = {
    "a stranger's key": lambda p: assertion(p, key=STRANGER),
    "an unknown kid": lambda p: assertion(p, header={"kid": "other"}),
    "the kid of another key": lambda p: assertion(p, header={"kid": "ec"}),
    "its own key in the header": lambda p: assertion(
        p, key=STRANGER, header={"jwk": STRANGER.as_dict(private=False), "kid": None}
    ),
    "the public key as HMAC secret": lambda p: by_hand(assertion(p), {"alg": "HS256", "kid": "rsa"}, PUBLIC_PEM),
    "no signature": lambda p: by_hand(assertion(p), {"alg": "none", "kid": "rsa"}),
    "a bent signature": lambda p: assertion(p)[:-4] + "AAAA",
    "a critical header": lambda p: by_hand(assertion(p), {"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": False}),
    "text": lambda p: "not-a-jwt",
    "empty objects": lambda p: "e30.e30.e30",
    "too large": lambda p: "a" * 20_000,
}


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forged_assertion_is_challenged(provider: Provider, kind: str) -> None:
    challenged(await present(provider, FORGERIES[kind](provider)))


async def test_the_pinned_algorithm_is_the_only_one(provider: Provider) -> None:
    mine = {"iss": "pinned", "sub": "pinned"}
    assert (await present(provider, assertion(provider, "ES256", **mine))).status_code == 200
    challenged(await present(provider, assertion(provider, "RS256", **mine)))


async def test_an_assertion_counts_once(provider: Provider) -> None:
    text = assertion(provider)
    assert (await present(provider, text)).status_code == 200
    challenged(await present(provider, text))
    provider.clock.advance(300)
    challenged(await present(provider, text))


async def test_of_thirty_two_at_once_one_counts(provider: Provider) -> None:
    text = assertion(provider)
    answers = await asyncio.gather(*(present(provider, text) for _ in range(32)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 31


async def test_sweeping_never_brings_an_assertion_back(provider: Provider) -> None:
    """A row may go only once the assertion is too old by the most lenient clock."""
    text = assertion(provider)
    assert (await present(provider, text)).status_code == 200
    for _ in range(10):
        await provider.advance(10)
        challenged(await present(provider, text))


async def test_clocks_may_differ_a_little(provider: Provider) -> None:
    now = int(provider.clock())
    assert (await present(provider, assertion(provider, iat=now + 25, nbf=now + 25, exp=now + 85))).status_code == 200
    assert (await present(provider, assertion(provider, exp=now - 25))).status_code == 200
    challenged(await present(provider, assertion(provider, exp=now - 31)))


async def test_the_assertion_type_is_required(provider: Provider) -> None:
    for kind in ("", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"):
        form = {**GRANT, "client_assertion": assertion(provider), "client_assertion_type": kind}
        challenged(await provider.http.post("/token", data=form))


async def test_naming_another_client_beside_the_assertion(provider: Provider) -> None:
    answer = await present(provider, assertion(provider), client_id="basic")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
