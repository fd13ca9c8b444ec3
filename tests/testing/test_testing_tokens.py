"""Tokens in one line, and people, apps and APIs to go with them; each as the real server gives it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from idp.control.errors import ControlError
from idp.testing import Idp, started
from idp.verify import Refused

API = "https://api.example.com"


def claims_of(idp: Idp, token: str, **options: Any) -> dict[str, Any]:
    """As PyJWT reads it, with the published keys and the real time."""
    key = jwt.PyJWKSet.from_dict(idp.jwks())[jwt.get_unverified_header(token)["kid"]]
    found: dict[str, Any] = jwt.decode(token, key, options={"verify_aud": False}, **options)
    return found


def test_a_token_is_one_a_foreign_verifier_takes(idp: Idp) -> None:
    claims = claims_of(idp, idp.token_for("alice"))
    assert (claims["sub"], claims["aud"], claims["client_id"]) == ("alice", idp.issuer, "sample")
    assert abs(claims["iat"] - time.time()) < 5


def test_audience_and_scopes_nobody_registered(idp: Idp) -> None:
    token = idp.token_for("bob", scope="read write", audience=API)
    assert idp.verifier(API).verify_sync(token, scopes=["read", "write"]).subject == "bob"
    assert idp.control("resource.list")["resources"][0]["uri"] == API
    both = claims_of(idp, idp.token_for("bob", audience=[API, "https://other.example.com"]))
    assert both["aud"] == [API, "https://other.example.com"]


def test_a_named_client_gets_what_it_may_have(idp: Idp) -> None:
    idp.add_resource(API, "read")
    idp.add_client("shop", "https://shop.example/cb", scope="openid")
    with pytest.raises(ControlError, match="may not ask for that scope"):
        idp.token_for("alice", client="shop", scope="read")
    with pytest.raises(ControlError, match="not one this client may use"):
        idp.token_for("alice", client="shop", audience=API)
    idp.add_client("till", "https://till.example/cb", scope="openid read", resources=[API])
    assert claims_of(idp, idp.token_for("alice", client="till", audience=API))["client_id"] == "till"
    with pytest.raises(ControlError, match="the person exists"):
        idp.token_for("nobody")


@pytest.mark.parametrize(("lifetime", "left"), [(5, 5), (90_000, 90_000), (-30, -30), (0, 0)])
def test_a_lifetime_of_the_tests_choice(idp: Idp, lifetime: int, left: int) -> None:
    token = idp.token_for("alice", lifetime=lifetime)
    claims = claims_of(idp, token, leeway=60)
    assert abs(claims["exp"] - time.time() - left) < 5
    assert claims["iat"] < claims["exp"]
    if lifetime <= 0:
        with pytest.raises(jwt.ExpiredSignatureError):
            claims_of(idp, token)


def test_claims_are_put_in_and_taken_out(idp: Idp) -> None:
    token = idp.token_for("alice", claims={"roles": ["admin"], "aud": "https://elsewhere.example", "jti": None})
    claims = claims_of(idp, token)
    assert (claims["roles"], claims["aud"], "jti" in claims) == (["admin"], "https://elsewhere.example", False)
    with pytest.raises(Refused, match="aud"):
        idp.verifier().verify_sync(token)


def test_a_refresh_token_works(idp: Idp) -> None:
    tokens = idp.tokens_for("alice", scope="openid offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "sample"}
    assert idp.http.post("/token", data=form).status_code == 200


def test_a_service_for_itself(idp: Idp) -> None:
    client = idp.add_client("robot", service=True, scope="read", resources=[API])
    claims = claims_of(idp, idp.service_token("robot", scope="read", audience=API, claims={"tier": 1}))
    assert (claims["sub"], claims["aud"], claims["tier"]) == ("robot", API, 1)
    form = {"grant_type": "client_credentials", "resource": API}
    assert idp.http.post("/token", data=form, auth=client.auth).status_code == 200
    with pytest.raises(ControlError, match="may not use that grant_type"):
        idp.service_token("sample")


def test_people_with_claims_and_passwords_of_their_own(idp: Idp) -> None:
    sub = idp.add_person("carol", "a password", email="carol@example.com")
    shop = idp.add_client("shop", "https://shop.example/cb", scope="openid email")
    tokens = idp.sign_in("carol", client=shop, browser=idp.browser("carol", "a password"))
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert idp.http.get("/userinfo", headers=headers).json() == {"sub": sub, "email": "carol@example.com"}


def test_an_apply_file_and_what_stands_beside_it(idp: Idp, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a-secret-of-this-test-long-enough")
    file = tmp_path / "clients.toml"
    file.write_text('[[clients]]\nclient_id = "job"\ngrant_types = ["client_credentials"]\nscope = ""\n'
                    'client_secret_file = "secret"\n')
    assert idp.apply(file)["changed"] == 1
    assert idp.apply('[[scopes]]\nname = "books"\n')["changed"] == 1
    auth = ("job", "a-secret-of-this-test-long-enough")
    assert idp.http.post("/token", data={"grant_type": "client_credentials"}, auth=auth).status_code == 200


@pytest.mark.anyio
async def test_everything_works_in_an_async_test_too(idp: Idp) -> None:
    token = idp.token_for("alice", scope="read", audience=API)
    assert (await idp.verifier(API).verify(token)).subject == "alice"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=idp.asgi), base_url=idp.issuer) as foreign:
        assert (await foreign.get("/.well-known/jwks.json")).json() == idp.jwks()
    assert (await idp.async_http.get("/healthz")).status_code == 200
    with pytest.raises(httpx2.ConnectError, match="reaches nothing else"):
        await idp.async_http.get("http://localhost:9/")
    with pytest.raises(httpx2.ConnectError, match="reaches nothing else"):
        idp.http.get("https://example.com/")


def test_a_path_in_the_issuer() -> None:
    with started(issuer="http://localhost:8000/auth") as under_a_path:
        token = under_a_path.token_for("alice")
        assert under_a_path.verifier().verify_sync(token).subject == "alice"
        with under_a_path.broken("jwks"), pytest.raises(Refused):
            under_a_path.verifier().verify_sync(token)
        assert under_a_path.sign_in("bob")["token_type"] == "Bearer"
