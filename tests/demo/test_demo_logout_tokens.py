"""The demo believes a logout token only when each check of OIDC Back-Channel Logout 1.0, 2.6 holds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from logout_token import EVENT, LogoutTokens, NotALogout, Repeated

ISSUER = "http://localhost:8000"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig", "alg": "ES256"})
LATER = RSAKey.generate_key(2048, {"kid": "later", "use": "sig", "alg": "RS256"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"})

pytestmark = pytest.mark.anyio


class Provider:
    """Publishes keys; a second asking finds those that came meanwhile."""

    def __init__(self) -> None:
        self.asked = [False]

    async def keys(self, force: bool) -> Mapping[str, Any]:
        self.asked.append(force)
        return KeySet([RSA, EC, LATER] if force else [RSA, EC]).as_dict(private=False)


def reader(provider: Provider | None = None) -> LogoutTokens:
    return LogoutTokens(ISSUER, "app-a", (provider or Provider()).keys, ["RS256", "ES256"])


def token(key: Any = RSA, header: Mapping[str, Any] = {}, **changed: Any) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "app-a",
        "iat": now,
        "exp": now + 120,
        "jti": "j1",
        "sid": "s1",
        "sub": "u1",
        "events": {EVENT: {}},
    } | changed
    alg = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key.key_type]
    head = {"alg": alg, "kid": key.kid, "typ": "logout+jwt"} | dict(header)
    head = {name: value for name, value in head.items() if value is not None}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(head, claims, key, algorithms=[alg], default_type=None)


@pytest.mark.parametrize("key", [RSA, EC])
async def test_a_true_token_says_who_is_out(key: Any) -> None:
    logout = await reader().read(token(key))
    assert (logout.sid, logout.sub) == ("s1", "u1")


async def test_a_person_everywhere_has_no_sid() -> None:
    logout = await reader().read(token(sid=None))
    assert (logout.sid, logout.sub) == (None, "u1")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"iss": ISSUER + "/"}, "iss is"),
        ({"aud": "app-b"}, "aud is"),
        ({"aud": None}, "aud is"),
        ({"iat": None}, "iat"),
        ({"iat": time.time() - 3600}, "iat"),
        ({"iat": time.time() + 3600}, "iat"),
        ({"iat": True}, "iat"),
        ({"exp": None}, "exp"),
        ({"exp": time.time() - 3600}, "exp"),
        ({"nonce": "n"}, "nonce"),
        ({"events": None}, "events"),
        ({"events": {"http://schemas.openid.net/event/other": {}}}, "events"),
        ({"events": {EVENT: "yes"}}, "events"),
        ({"jti": None}, "jti"),
        ({"sid": None, "sub": None}, "neither"),
        ({"sid": 7}, "neither"),
    ],
)
async def test_a_claim_that_does_not_fit_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(NotALogout, match=said):
        await reader().read(token(**changed))


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (token(header={"typ": "JWT"}), "typ is"),
        (token(header={"typ": None}), "typ is"),
        (token(header={"kid": None}), "key"),
        (token(STRANGER), "signature"),
        (token(OctKey.import_key("x" * 32, {"kid": "rsa"})), "signature"),
        (token(header={"kid": "unknown"}), "signature"),
        (".".join([token().split(".")[0], token(EC).split(".")[1], token().split(".")[2]])[:-8], "signature"),
        ("", "missing"),
        ("a.b", "signature"),
        ("x" * 20_000, "too long"),
    ],
)
async def test_a_token_that_proves_nothing_is_refused(forged: str, said: str) -> None:
    with pytest.raises(NotALogout, match=said):
        await reader().read(forged)


async def test_an_unsigned_token_is_refused() -> None:
    none = "eyJhbGciOiJub25lIiwia2lkIjoicnNhIiwidHlwIjoibG9nb3V0K2p3dCJ9"
    with pytest.raises(NotALogout, match="signature"):
        await reader().read(f"{none}.{token().split('.')[1]}.")


async def test_a_token_counts_once() -> None:
    tokens = reader()
    await tokens.read(token())
    with pytest.raises(Repeated):
        await tokens.read(token(iat=int(time.time()) - 1))
    assert await tokens.read(token(jti="j2"))


async def test_a_refused_token_spends_nothing() -> None:
    tokens = reader()
    with pytest.raises(NotALogout):
        await tokens.read(token(aud="app-b"))
    assert await tokens.read(token())


async def test_a_new_key_is_fetched_and_unknown_ones_do_not_become_a_stream() -> None:
    provider = Provider()
    tokens = reader(provider)
    assert await tokens.read(token(LATER))
    for number in range(20):
        with pytest.raises(NotALogout):
            await tokens.read(token(header={"kid": f"made-up-{number}"}))
    assert provider.asked.count(True) == 1
