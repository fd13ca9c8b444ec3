"""private_key_jwt (RFC 7523 2.2, 3; RFC 10070; OIDC Core 9): the client proves a key, each assertion counts once."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from assertions import ASSERTION_TYPE, GRANT, KEYS, SIGNED, assertion, challenged, present, service
from joserfc.jwk import RSAKey
from support import discovery, register

from idp.testing import Provider

pytestmark = [
    pytest.mark.anyio,
    # joserfc follows RFC 9864, which renames EdDSA to Ed25519; most clients still say EdDSA.
    pytest.mark.filterwarnings("ignore:EdDSA is deprecated"),
]


STRANGER = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
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


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, service("basic", "client_secret_basic", "a-secret-0123456789"), SIGNED, PINNED, ONE_KEY)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    for endpoint in ("token", "introspection", "revocation"):
        assert "private_key_jwt" in document[f"{endpoint}_endpoint_auth_methods_supported"]
        algorithms = document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert algorithms[:4] == ["RS256", "PS256", "ES256", "EdDSA"]


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


async def test_the_older_audience_is_accepted_where_a_client_is_registered_for_it(provider: Provider) -> None:
    """RFC 10070 wants the issuer alone; a library of RFC 7523's rule names the token endpoint."""
    keys = {"keys": [KEYS["RS256"].as_dict(private=False)]}
    await register(provider, service("older", "private_key_jwt", jwks=keys, assertion_audience="token_endpoint"))
    endpoint = f"{provider.issuer}/token"
    for audience in (provider.issuer, endpoint, [endpoint]):
        text = assertion(provider, iss="older", sub="older", aud=audience)
        assert (await present(provider, text)).status_code == 200
    both = assertion(provider, iss="older", sub="older", aud=[provider.issuer, endpoint])
    challenged(await present(provider, both))
    challenged(await present(provider, assertion(provider, aud=endpoint)))


async def test_an_hour_ahead_is_the_longest_life(provider: Provider) -> None:
    now = int(provider.clock())
    assert (await present(provider, assertion(provider, exp=now + 3600))).status_code == 200
    challenged(await present(provider, assertion(provider, exp=now + 3700)))
