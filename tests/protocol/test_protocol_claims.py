"""Claims by document: UserInfo (OIDC Core 5.4), access tokens (RFC 9068 2.2), ID tokens (OIDC Core 2)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from protocol_values import ALICE, ISSUER, NOW, client

from idp.protocol import claims
from idp.protocol.authorization import Authorization
from idp.protocol.client import Account, Scope

PERSON = Account(
    id="a1",
    username="alice",
    claims={
        "name": "Alice",
        "email": "a@x.test",
        "email_verified": False,
        "address": {"country": "DE"},
        "secret": "no",
    },
)
ADDED = {"plan": Scope(name="plan", claims=("nickname", "email")), "bare": Scope(name="bare")}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ((), {}),
        (("openid",), {}),
        (("openid", "profile"), {"name": "Alice", "preferred_username": "alice"}),
        (("email",), {"email": "a@x.test", "email_verified": False}),
        (("address",), {"address": {"country": "DE"}}),
        (("phone",), {}),
        (("plan",), {"email": "a@x.test"}),
        (("bare", "unknown", "offline_access"), {}),
        (
            ("profile", "email"),
            {"name": "Alice", "preferred_username": "alice", "email": "a@x.test", "email_verified": False},
        ),
    ],
)
def test_userinfo(scope: tuple[str, ...], expected: dict[str, Any]) -> None:
    assert claims.userinfo(PERSON, scope, ADDED, subject="a1") == {"sub": "a1", **expected}


def test_a_name_the_person_chose_wins_over_the_user_name() -> None:
    account = Account(id="a1", username="alice", claims={"preferred_username": "al"})
    assert claims.userinfo(account, ("profile",), {}, subject="a1")["preferred_username"] == "al"


def test_sub_is_never_overwritten() -> None:
    account = Account(id="a1", username="alice", claims={"sub": "other"})
    assert claims.userinfo(account, ("profile", "email", "plan"), ADDED, subject="a1")["sub"] == "a1"


def authorization(**changes: Any) -> Authorization:
    members = {
        "client": client(),
        "scope": ("openid", "email"),
        "audience": (),
        "now": NOW + 0.9,
        "grant_type": "authorization_code",
        "account": ALICE,
    }
    return Authorization(**{**members, **changes})


def access(**changes: Any) -> dict[str, Any]:
    return claims.access_token(
        authorization(**{name: value for name, value in changes.items() if name not in ("subject", "level")}),
        issuer=ISSUER,
        jti="j",
        expires_at=int(NOW) + 300,
        subject=changes.get("subject", "alice"),
        acr=changes.get("level"),
    )


BARE = {
    "iss": ISSUER,
    "sub": "alice",
    "aud": ISSUER,
    "client_id": "app",
    "iat": int(NOW),
    "exp": int(NOW) + 300,
    "jti": "j",
    "scope": "openid email",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"subject": "another"}, {"sub": "another"}),
        ({"level": "urn:a"}, {"acr": "urn:a"}),
        ({"audience": ("https://api.test",)}, {"aud": "https://api.test"}),
        ({"audience": ("https://api.test", ISSUER)}, {"aud": ["https://api.test", ISSUER]}),
        ({"grant_id": "g", "sid": "s", "auth_time": NOW - 0.5}, {"grant": "g", "sid": "s", "auth_time": int(NOW) - 1}),
        ({"scope": ()}, {"scope": ""}),
    ],
)
def test_access_tokens(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert access(**changes) == BARE | expected


def id_token(alg: str = "RS256", acr: str | None = None, **changes: Any) -> dict[str, Any]:
    made = authorization(**changes)
    return claims.id_token(
        made, issuer=ISSUER, expires_at=int(NOW) + 300, subject="alice", acr=acr, alg=alg, access_token="token"
    )


def half(name: str, text: str = "token") -> str:
    digest = hashlib.new(name, text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"nonce": "n"}, {"nonce": "n"}),
        ({"acr": "urn:a", "amr": ("pwd", "otp")}, {"acr": "urn:a", "amr": ["pwd", "otp"]}),
        ({"auth_time": NOW - 10.5, "sid": "s"}, {"auth_time": int(NOW) - 11, "sid": "s"}),
        ({"audience": ("https://api.test",), "grant_id": "g"}, {}),
    ],
)
def test_id_tokens(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    bare = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": "app",
        "iat": int(NOW),
        "exp": int(NOW) + 300,
        "at_hash": half("sha256"),
    }
    assert id_token(**changes) == bare | expected


@pytest.mark.parametrize(
    ("alg", "hash_name"), [("RS256", "sha256"), ("PS256", "sha256"), ("ES256", "sha256"), ("EdDSA", "sha512")]
)
def test_at_hash_belongs_to_the_algorithm(alg: str, hash_name: str) -> None:
    assert id_token(alg)["at_hash"] == half(hash_name)


def test_at_hash_as_published() -> None:
    """OIDC Core A.3's access token and its hash."""
    made = claims.id_token(
        authorization(),
        issuer=ISSUER,
        expires_at=1,
        subject="alice",
        acr=None,
        alg="RS256",
        access_token="jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
    )
    assert made["at_hash"] == "77QmUPtjPfzWtF2AnpK9RQ"
