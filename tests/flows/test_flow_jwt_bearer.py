"""JWT bearer grants (RFC 7523 2.1): another issuer's word for a person, from a client that may bring it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from support import App, claims_of, discovery, register, userinfo
from support.keyhost import key_host

from idp.manifest import ManifestError
from idp.testing import Provider

pytestmark = pytest.mark.anyio

BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PARTNER, API = "https://partner.test", "https://api.test"
KEY = ECKey.generate_key("P-256", parameters={"kid": "p1", "use": "sig", "alg": "ES256"})
OTHER = ECKey.generate_key("P-256", parameters={"kid": "p1", "use": "sig", "alg": "ES256"})
CATALOGUE = f"""
[[scopes]]
name = "see"
[[scopes]]
name = "move"
[[resources]]
uri = "{API}"
"""


def bridge(name: str, **issuer: Any) -> str:
    """A client with one trusted issuer, in the words of an apply file."""
    trusted = {"issuer": PARTNER, "jwks": {"keys": [KEY.as_dict(private=False)]}, **issuer}
    app = App(
        name,
        secret=f"secret-of-{name}-0123456789",
        scope="openid profile see",
        grant_types=(BEARER,),
        members={"resources": [API], "assertion_issuers": [{k: v for k, v in trusted.items() if v is not None}]},
    )
    return app.toml()


BY_NAME = App("by-name", secret="secret-of-by-name-0123456789", grant_types=(BEARER,))
BY_SUB = App("by-sub", secret="secret-of-by-sub-0123456789", grant_types=(BEARER,))
PLAIN = App("plain", secret="secret-of-plain-0123456789", scope="see", grant_types=("client_credentials",))


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await provider.apply(CATALOGUE)
    await provider.apply(bridge("by-name", subject="username"))
    await provider.apply(bridge("by-sub"))
    await register(provider, PLAIN)


def assertion(provider: Provider, key: ECKey = KEY, header: Any = None, **changes: Any) -> str:
    now = int(provider.clock())
    claims = {
        "iss": PARTNER,
        "sub": "alice",
        "aud": provider.issuer,
        "exp": now + 60,
        "iat": now,
        "jti": uuid.uuid4().hex,
        **changes,
    }
    said = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": "p1", "typ": "JWT", **(header or {})}, said, key)


async def bring(provider: Provider, app: App, text: str, **form: Any) -> Any:
    return await app.token(provider.http, BEARER, assertion=text, **form)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert BEARER in (await discovery(provider.http))["grant_types_supported"]


async def test_another_issuers_word_is_a_token(provider: Provider) -> None:
    answer = await bring(provider, BY_NAME, assertion(provider), resource=API)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "scope"}, "no refresh token (RFC 7521 4.1)"
    assert tokens["scope"] == "profile see", "openid speaks of a sign-on, and there was none"
    claims = await claims_of(provider.http, tokens["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("alice", "by-name", API)
    assert not claims.keys() & {"auth_time", "acr", "amr", "sid"}


async def test_by_sub_it_is_the_sub_of_here(provider: Provider) -> None:
    await provider.apply('[[people]]\nusername = "carla"\nsub = "c-17"\npassword = "carla"')
    assert (await bring(provider, BY_SUB, assertion(provider, sub="c-17"))).status_code == 200
    refused = await bring(provider, BY_SUB, assertion(provider, sub="carla"))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://stranger.test"},
        {"iss": None},
        {"sub": "nobody"},
        {"sub": None},
        {"sub": 7},
        {"aud": "https://another.test"},
        {"aud": ["http://localhost:8000", "https://another.test"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": 99_999_999_999},
        {"exp": True},
        {"nbf": 99_999_999_999},
        {"iat": 99_999_999_999},
        {"jti": None},
        {"jti": "x" * 256},
        {"header": {"typ": "at+jwt"}},
        {"header": {"kid": "unknown"}},
        {"key": OTHER},
    ],
    ids=lambda changes: " ".join(f"{name} {'' if name == 'key' else value}"[:30] for name, value in changes.items()),
)
async def test_what_does_not_count(provider: Provider, changes: dict[str, Any]) -> None:
    answer = await bring(provider, BY_NAME, assertion(provider, **changes))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), answer.text


async def test_unsigned_or_no_jwt_at_all(provider: Provider) -> None:
    head, body, _ = assertion(provider).split(".")
    for text in ("", "x", f"{head}.{body}.", f"eyJhbGciOiJub25lIn0.{body}."):
        answer = await bring(provider, BY_NAME, text or None)
        assert answer.json()["error"] in ("invalid_grant", "invalid_request")
        assert answer.status_code == 400


async def test_the_older_audience_counts_too(provider: Provider) -> None:
    for aud in (f"{provider.issuer}/token", [provider.issuer]):
        assert (await bring(provider, BY_NAME, assertion(provider, aud=aud))).status_code == 200


async def test_each_counts_once_of_many(provider: Provider) -> None:
    text = assertion(provider)
    answers = await asyncio.gather(*(bring(provider, BY_NAME, text) for _ in range(32)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 31


async def test_a_person_who_is_out_gets_nothing(provider: Provider) -> None:
    await provider.apply('[[people]]\nusername = "dora"\npassword = "dora"')
    first = await bring(provider, BY_NAME, assertion(provider, sub="dora"))
    await provider.control("user.disable", username="dora")
    refused = await bring(provider, BY_NAME, assertion(provider, sub="dora"))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    token = first.json()["access_token"]
    assert not (await BY_NAME.introspect(provider.http, token))["active"]


async def test_only_what_the_client_may_have(provider: Provider) -> None:
    wide = await bring(provider, BY_NAME, assertion(provider), scope="see move")
    assert wide.json()["error"] == "invalid_scope"
    far = await bring(provider, BY_NAME, assertion(provider), resource="https://elsewhere.test")
    assert far.json()["error"] == "invalid_target"
    token = (await bring(provider, BY_NAME, assertion(provider))).json()["access_token"]
    assert (await userinfo(provider.http, token)).status_code == 403


async def test_is_denied_by_default(provider: Provider) -> None:
    answer = await bring(provider, PLAIN, assertion(provider))
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def test_the_issuers_keys_may_be_where_it_keeps_them(provider: Provider) -> None:
    with key_host() as host:
        host.publish(KEY.as_dict(private=False))
        await provider.apply(bridge("fetched", jwks=None, jwks_uri=host.url, subject="username"))
        fetched = App("fetched", secret="secret-of-fetched-0123456789")
        assert (await bring(provider, fetched, assertion(provider))).status_code == 200


@pytest.mark.parametrize(
    "issuer",
    [{"jwks": None}, {"issuer": ""}, {"jwks": {"keys": []}}, {"subject": "email"}, {"jwks_uri": f"{PARTNER}/jwks"}],
    ids=str,
)
async def test_trust_is_said_in_full(provider: Provider, issuer: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="assertion_issuers"):
        await provider.apply(bridge("odd", **issuer))
