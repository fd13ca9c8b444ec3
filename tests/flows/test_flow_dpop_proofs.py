"""What makes a DPoP proof a bad one (RFC 9449 4.3), each alone: at UserInfo, and what of it applies at /token.

The list holds every variant of the conformance suite's ``dpop-negative-tests``, and some more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from support import App, register, sign_in
from support.dpop import ProofKey, b64url

from idp.testing import Provider

pytestmark = pytest.mark.anyio

WEB = App("web2", "https://web2.test/cb", "secret-of-web2-0123456789abcdef")
SERVICE = App("svc", "", "secret-of-svc-0123456789abcdef", scope="", grant_types=("client_credentials",))
Bad = Callable[[ProofKey, str, str, str], "str | list[str]"]  # key, method, url, token


def claims(**changes: Any) -> Bad:
    return lambda key, method, url, token: key.proof(method, url, token or None, **changes)


def header(**changes: Any) -> Bad:
    return lambda key, method, url, token: key.proof(method, url, token or None, header=changes)


def late(seconds: int, name: str = "iat") -> Bad:
    return lambda key, method, url, token: key.proof(
        method, url, token or None, **{name: int(key.clock()) + seconds}
    )


def other_key_in_header(key: ProofKey, method: str, url: str, token: str) -> str:
    return key.proof(method, url, token or None, header={"jwk": ProofKey(key.clock).jwk})


def private_key(key: ProofKey, method: str, url: str, token: str) -> str:
    return key.proof(method, url, token or None, header={"jwk": {**key.jwk, "d": key.key.as_dict(private=True)["d"]}})


def symmetric_key(key: ProofKey, method: str, url: str, token: str) -> str:
    return unsigned(key, method, url, token, {"alg": "HS256", "jwk": {"kty": "oct", "k": b64url(b"k" * 32)}})


def alg_none(key: ProofKey, method: str, url: str, token: str) -> str:
    return unsigned(key, method, url, token, {"alg": "none", "jwk": key.jwk})


def unsigned(key: ProofKey, method: str, url: str, token: str, members: dict[str, Any]) -> str:
    good = key.proof(method, url, token or None).split(".")
    return f"{b64url(json.dumps({'typ': 'dpop+jwt', **members}).encode())}.{good[1]}."


def broken_signature(key: ProofKey, method: str, url: str, token: str) -> str:
    good = key.proof(method, url, token or None)
    return good[:-8] + ("AAAAAAAA" if not good.endswith("AAAAAAAA") else "BBBBBBBB")


def weak_rsa(key: ProofKey, method: str, url: str, token: str) -> str:
    weak = {"kty": "RSA", "n": "AQAB" * 20, "e": "AQAB"}
    return key.proof(method, url, token or None, header={"alg": "RS256", "jwk": weak})


def two(key: ProofKey, method: str, url: str, token: str) -> list[str]:
    return [key.proof(method, url, token or None) for _ in range(2)]


def too_large(key: ProofKey, method: str, url: str, token: str) -> str:
    return key.proof(method, url, token or None, padding="x" * 9000)


def long_header(key: ProofKey, method: str, url: str, token: str) -> str:
    return key.proof(method, url, token or None, header={"jwk": {**key.jwk, "x5c": ["A" * 4096]}})


BAD: dict[str, Bad] = {
    "no typ": header(typ=None),
    "typ JWT": header(typ="JWT"),
    "typ of an access token": header(typ="at+jwt"),
    "no alg": header(alg=None),
    "alg none": alg_none,
    "alg HS256, symmetric key": symmetric_key,
    "alg of another kind than the key": header(alg="PS256"),
    "alg nobody offers": lambda key, method, url, token: ProofKey(key.clock, "ES384").proof(method, url, token or None),
    "no jwk": header(jwk=None),
    "jwk is no object": header(jwk="key"),
    "jwk empty": header(jwk={}),
    "private jwk": private_key,
    "RSA of too few bits": weak_rsa,
    "another key than signed": other_key_in_header,
    "broken signature": broken_signature,
    "crit": header(crit=["b64"], b64=False),
    "no jti": claims(jti=None),
    "jti empty": claims(jti=""),
    "jti is a number": claims(jti=7),
    "jti too long": claims(jti="x" * 256),
    "no htm": claims(htm=None),
    "htm of another method": claims(htm="PUT"),
    "htm in lower case": lambda key, method, url, token: key.proof(method.lower(), url, token or None),
    "no htu": claims(htu=None),
    "htu of another path": lambda key, method, url, token: key.proof(method, url + "/more", token or None),
    "htu of another host": lambda key, method, url, token: key.proof(
        method, url.replace("localhost", "evil.test"), token or None
    ),
    "htu of another scheme": lambda key, method, url, token: key.proof(
        method, url.replace("http:", "https:"), token or None
    ),
    "htu is no address": claims(htu="userinfo"),
    "htu is a number": claims(htu=1),
    "no iat": claims(iat=None),
    "iat is a text": claims(iat="now"),
    "iat is true": claims(iat=True),
    "iat an hour ago": late(-3600),
    "iat 61 s ago": late(-61),
    "iat in an hour": late(3600),
    "iat in 60 s": late(60),
    "nbf in an hour": late(3600, "nbf"),
    "exp an hour ago": late(-3600, "exp"),
    "nonce is a number": claims(nonce=5),
    "two headers": two,
    "two in one header": lambda key, method, url, token: ", ".join(two(key, method, url, token)),
    "too large": too_large,
    "header too large": long_header,
    "no JWT": lambda key, method, url, token: "proof",
    "empty": lambda key, method, url, token: "",
}
ONLY_AT_A_RESOURCE: dict[str, Bad] = {
    "no ath": claims(ath=None),
    "ath of another token": claims(ath=b64url(b"x" * 32)),
    "ath is a number": claims(ath=1),
    "ath in hexadecimal": claims(ath="7d51f23b6af6"),
    "another key than the token's": lambda key, method, url, token: ProofKey(key.clock).proof(method, url, token),
    "no proof": lambda key, method, url, token: [],
}
GOOD: dict[str, Bad] = {
    "iat 10 s ago": late(-10),
    "iat in 10 s": late(10),
    "nbf now and exp to come": lambda key, method, url, token: key.proof(
        method, url, token or None, nbf=int(key.clock()), exp=int(key.clock()) + 60
    ),
    "htu in another spelling": lambda key, method, url, token: key.proof(
        method, url.replace("http://localhost", "HTTP://LocalHost").replace("/userinfo", "/./%75serinfo"), token or None
    ),
    "htu with a query and a fragment": lambda key, method, url, token: key.proof(method, url + "?a=b#c", token or None),
    "typ in another spelling": header(typ="application/DPoP+JWT"),
    "a kid and an alg in the key": lambda key, method, url, token: key.proof(
        method, url, token or None, header={"jwk": {**key.jwk, "kid": "k", "alg": key.alg, "use": "sig"}}
    ),
    "a nonce nobody asked for": claims(nonce="whatever"),
}


@pytest.fixture(scope="module", autouse=True)
async def apps(provider: Provider) -> None:
    await register(provider, WEB, SERVICE)


@pytest.fixture(scope="module")
async def key(provider: Provider) -> ProofKey:
    return ProofKey(provider.clock)


@pytest.fixture(scope="module")
async def bound(provider: Provider, key: ProofKey, apps: None) -> str:
    """One access token for all of them; the clock stands still."""
    from support import VERIFIER, Visitor

    visitor = Visitor(provider)
    code = (await visitor.sign_on(WEB.request())).code
    form = {"code": code, "redirect_uri": WEB.redirect_uri, "code_verifier": VERIFIER}
    form["grant_type"] = "authorization_code"
    proof = key.proof("POST", f"{provider.issuer}/token")
    answer = await WEB.call(provider.http, "/token", form, **{"DPoP": proof})
    await visitor.aclose()
    return str(answer.json()["access_token"])


def headers(proofs: str | list[str], **others: str) -> list[tuple[str, str]]:
    return [*others.items(), *(("DPoP", proof) for proof in ([proofs] if isinstance(proofs, str) else proofs))]


async def at_userinfo(provider: Provider, key: ProofKey, token: str, make: Bad) -> httpx2.Response:
    proofs = make(key, "GET", f"{provider.issuer}/userinfo", token)
    return await provider.http.get("/userinfo", headers=headers(proofs, Authorization=f"DPoP {token}"))


async def at_token(provider: Provider, key: ProofKey, make: Bad) -> httpx2.Response:
    proofs = make(key, "POST", f"{provider.issuer}/token", "")
    data = {"grant_type": "client_credentials"}
    auth = (SERVICE.client_id, SERVICE.secret or "")
    return await provider.http.post("/token", data=data, auth=auth, headers=headers(proofs))


@pytest.mark.parametrize("name", [*BAD, *ONLY_AT_A_RESOURCE])
async def test_refused_at_userinfo(provider: Provider, key: ProofKey, bound: str, name: str) -> None:
    answer = await at_userinfo(provider, key, bound, (BAD | ONLY_AT_A_RESOURCE)[name])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")
    assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    assert bound not in answer.text


@pytest.mark.parametrize("name", BAD)
async def test_refused_at_the_token_endpoint(provider: Provider, key: ProofKey, name: str) -> None:
    answer = await at_token(provider, key, BAD[name])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("name", GOOD)
async def test_taken(provider: Provider, key: ProofKey, bound: str, name: str) -> None:
    assert (await at_userinfo(provider, key, bound, GOOD[name])).status_code == 200
    assert (await at_token(provider, key, GOOD[name])).json()["token_type"] == "DPoP"


async def test_a_refused_proof_was_not_used(provider: Provider, key: ProofKey, bound: str) -> None:
    """A proof for another key's token does not count as seen, or anybody could use up another's."""
    url = f"{provider.issuer}/userinfo"
    proof = key.proof("GET", url, bound)
    stranger = await provider.http.get("/userinfo", headers=headers(proof, Authorization="DPoP x.y.z"))
    assert stranger.status_code == 401
    assert (await at_userinfo(provider, key, bound, lambda *_: proof)).status_code == 200


async def test_whatever_host_the_request_says(provider: Provider, key: ProofKey, bound: str) -> None:
    """htu is compared with the issuer's own address (decision 13)."""
    for host, at, status in (("127.0.0.1:9", "127.0.0.1:9", 401), ("127.0.0.1:9", "localhost:8000", 200)):
        proof = key.proof("GET", f"http://{at}/userinfo", bound)
        there = headers(proof, Authorization=f"DPoP {bound}", Host=host)
        assert (await provider.http.get("/userinfo", headers=there)).status_code == status


async def test_under_an_issuer_with_a_path() -> None:
    async with Provider(issuer="http://localhost:8000/tenant") as provider:
        await register(provider, SERVICE)
        key = ProofKey(provider.clock)
        for url, status in ((f"{provider.issuer}/token", 200), ("http://localhost:8000/token", 400)):
            answer = await provider.http.post(
                f"{provider.issuer}/token",
                data={"grant_type": "client_credentials"},
                auth=(SERVICE.client_id, SERVICE.secret or ""),
                headers={"DPoP": key.proof("POST", url)},
            )
            assert answer.status_code == status, answer.text


async def test_a_plain_sign_in_still_works(provider: Provider) -> None:
    assert (await sign_in(provider, WEB))["token_type"] == "Bearer"
