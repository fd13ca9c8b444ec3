"""Verified tokens remembered by their hash: quicker, and never more than asking again would say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from support.dpop import ProofKey
from verify_loopback import as_json
from verify_tokens import AUDIENCE, ES, ISSUER, NEXT, NOW, RS, jwks, token

from idp.jose.compact import SignedToken, Token
from idp.jose.public import PublicKey
from idp.verify import Dpop, Refused, Response, SyncVerifier, Verifier

URL = "https://api.example.com/notes"


class Issuer:
    """Keys and a clock that the test sets, brought by an injected fetch."""

    def __init__(self) -> None:
        self.now = NOW
        self.keys: dict[str, Any] = jwks(ES, RS)
        self.fetches = 0

    def fetch(self, url: str, headers: Mapping[str, str]) -> Response:
        self.fetches += 1
        return Response(200, {"cache-control": "max-age=300"}, as_json(self.keys))

    def verifier(self, kind: Any = SyncVerifier, most: int = 100, **options: Any) -> Any:
        return kind(
            ISSUER,
            AUDIENCE,
            jwks_uri=f"{ISSUER}/jwks",
            fetch=self.fetch,
            clock=lambda: self.now,
            leeway=0,
            cached_tokens=most,
            **options,
        )


@pytest.fixture
def arithmetic(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every signature that is checked, by the token's jti."""
    done: list[str] = []
    proved_by = SignedToken.proved_by

    def counted(self: SignedToken, key: PublicKey) -> Token:
        done.append(self.token.claims["jti"])
        return proved_by(self, key)

    monkeypatch.setattr(SignedToken, "proved_by", counted)
    return done


@pytest.mark.parametrize("kind", [SyncVerifier, Verifier])
def test_arithmetic_is_done_once(kind: Any, arithmetic: list[str]) -> None:
    verifier, text = Issuer().verifier(kind), token()

    async def verified() -> Any:
        answer = verifier.verify(text, "read")
        return await answer if kind is Verifier else answer

    found = [asyncio.run(verified()) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert arithmetic == ["t-1"]


def test_off_by_default(arithmetic: list[str]) -> None:
    verifier = SyncVerifier(ISSUER, AUDIENCE, jwks=jwks(ES), clock=lambda: NOW)
    for _ in range(2):
        verifier.verify(token())
    assert len(arithmetic) == 2


def test_it_ends_with_the_token() -> None:
    issuer = Issuer()
    verifier, text = issuer.verifier(), token(exp=NOW + 60)
    verifier.verify(text)
    issuer.now += 59
    assert verifier.verify(text)
    issuer.now += 1
    for _ in range(2):
        with pytest.raises(Refused, match="expired 0 s ago"):
            verifier.verify(text)


def test_a_token_whose_key_was_taken_back_is_not_served() -> None:
    issuer = Issuer()
    verifier, text = issuer.verifier(), token(exp=NOW + 900)
    verifier.verify(text)
    issuer.keys = jwks(RS, NEXT)
    issuer.now += 301
    with pytest.raises(Refused) as refused:
        verifier.verify(text)
    assert refused.value.reason == "unknown_key"


def test_nor_one_whose_kid_is_another_key_now() -> None:
    issuer = Issuer()
    verifier, text = issuer.verifier(), token(exp=NOW + 900)
    verifier.verify(text)
    issuer.keys = {"keys": [{**NEXT.jwk(), "kid": "es-1"}]}
    issuer.now += 301
    with pytest.raises(Refused) as refused:
        verifier.verify(text)
    assert refused.value.reason == "signature"


def test_the_same_key_fetched_again_serves_on(arithmetic: list[str]) -> None:
    issuer = Issuer()
    verifier, text = issuer.verifier(), token(exp=NOW + 900)
    verifier.verify(text)
    issuer.now += 301
    assert verifier.verify(text)
    assert (issuer.fetches, len(arithmetic)) == (2, 1), "keys are renewed under cached tokens too"


def test_a_clock_that_was_set_back_is_no_reason_to_trust(arithmetic: list[str]) -> None:
    issuer = Issuer()
    verifier, text = issuer.verifier(), token(nbf=NOW - 5, iat=NOW - 5)
    verifier.verify(text)
    issuer.now -= 60
    with pytest.raises(Refused, match="valid only in 55 s"):
        verifier.verify(text)


def test_what_was_refused_is_not_remembered(arithmetic: list[str]) -> None:
    verifier = Issuer().verifier()
    forged = token()[:-4] + "AAAA"
    for _ in range(2):
        with pytest.raises(Refused):
            verifier.verify(forged)
    assert len(arithmetic) == 2


def test_scopes_and_sign_in_are_judged_for_each_request() -> None:
    verifier, text = Issuer().verifier(), token(auth_time=NOW - 100)
    verifier.verify(text, "read")
    with pytest.raises(Refused) as refused:
        verifier.verify(text, "admin")
    assert refused.value.status == 403
    with pytest.raises(Refused, match="1 min 40 s ago"):
        verifier.verify(text, max_age=60)


def test_a_proof_counts_once_for_a_remembered_token() -> None:
    key = ProofKey(lambda: NOW)
    verifier, text = Issuer().verifier(dpop=Dpop(required=True)), token(cnf={"jkt": key.jkt})

    def ask(proof: str) -> str:
        subject: str = verifier.verify_request("GET", URL, {"Authorization": f"DPoP {text}", "DPoP": proof}).subject
        return subject

    first = key.proof("GET", URL, text)
    assert ask(first) == ask(key.proof("GET", URL, text)) == "alice"
    for proof, reason in ((first, "replay"), (ProofKey(lambda: NOW).proof("GET", URL, text), "proof")):
        with pytest.raises(Refused) as refused:
            ask(proof)
        assert refused.value.reason == reason


def test_what_one_caller_changes_no_other_sees() -> None:
    verifier, text = Issuer().verifier(), token(roles=["reader"], deep={"a": [{"b": 1}]})
    for _ in range(3):
        found = verifier.verify(text)
        assert (found.claims["roles"], found.claims["deep"]) == (["reader"], {"a": [{"b": 1}]})
        found.claims["roles"].append("admin")
        found.claims["deep"]["a"][0]["b"] = 2
        found.claims["sub"] = "mallory"
        assert verifier.verify(text).subject == "alice"


def test_it_is_bounded(arithmetic: list[str]) -> None:
    verifier = Issuer().verifier(most=10)
    texts = [token(jti=str(number)) for number in range(30)]
    for text in texts:
        verifier.verify(text)
    assert len(verifier._cache) == 10
    verifier.verify(texts[29])
    assert len(arithmetic) == 30
    verifier.verify(texts[0])
    assert arithmetic[30:] == ["0"], "forgotten, past what it holds"


@pytest.mark.parametrize("text", [None, "", "é.a.b", "a" * 1_000_000 + ".b.c"])
def test_what_is_no_token_is_refused_as_ever(text: Any) -> None:
    with pytest.raises(Refused) as refused:
        Issuer().verifier().verify(text)
    assert refused.value.reason in ("malformed", "too_large")


@pytest.mark.parametrize("most", [-1, 10**9])
def test_wrong_numbers(most: int) -> None:
    with pytest.raises(ValueError, match="cached_tokens"):
        Issuer().verifier(most=most)
