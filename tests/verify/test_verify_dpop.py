"""DPoP at a resource server (RFC 9449 7): bound tokens come with their key or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from support.dpop import ProofKey
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, jwks, token

from idp.verify import Dpop, MemoryReplays, Refused, Verifier

URL = "https://api.example.com/notes"
KEY = ProofKey(lambda: NOW)
BOUND = token(cnf={"jkt": KEY.jkt})


def verifier(**options: Any) -> Verifier:
    return Verifier(ISSUER, AUDIENCE, jwks=jwks(ES), clock=lambda: NOW, **options)


def shown(text: str = BOUND, proof: str | None = None, scheme: str = "DPoP") -> list[tuple[str, str]]:
    proof = KEY.proof("GET", URL, text) if proof is None else proof
    return [("Authorization", f"{scheme} {text}"), ("DPoP", proof)]


def refusal(headers: Any, scopes: tuple[str, ...] = (), **options: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        verifier(**options).verify_request_sync("GET", URL, headers, scopes)
    with pytest.raises(Refused) as again:
        asyncio.run(verifier(**options).verify_request("GET", URL, headers, scopes))
    assert (again.value.reason, str(again.value)) == (refused.value.reason, str(refused.value))
    return refused.value


def test_a_bound_token_with_its_proof() -> None:
    assert verifier().verify_request_sync("GET", URL, shown(), ["read"]).subject == "alice"
    assert asyncio.run(verifier().verify_request("GET", URL, shown(), ["read"])).subject == "alice"


@pytest.mark.parametrize("scheme", ["dpop", "DPOP", "DPoP "])
def test_in_any_case(scheme: str) -> None:
    assert verifier().verify_request_sync("GET", URL, shown(scheme=scheme)).subject == "alice"


def test_headers_of_asgi_and_of_a_mapping() -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in shown()]
    assert verifier().verify_request_sync("GET", URL, raw).subject == "alice"
    assert verifier().verify_request_sync("GET", f"{URL}?page=2", dict(shown())).subject == "alice"


def test_a_bearer_token_goes_as_before() -> None:
    headers = {"authorization": f"Bearer {token()}"}
    assert verifier().verify_request_sync("GET", URL, headers).subject == "alice"


@pytest.mark.parametrize("way", ["verify", "verify_sync"])
def test_a_bound_token_never_counts_without_its_key(way: str) -> None:
    """Whoever never heard of DPoP is safe too: cnf is not ignored."""
    async def call() -> None:
        answer: Any = getattr(verifier(), way)(BOUND)
        await answer

    with pytest.raises(Refused) as refused:
        asyncio.run(call())
    assert (refused.value.reason, refused.value.status, refused.value.error) == ("bound", 401, "invalid_token")


@pytest.mark.parametrize("cnf", [{"jkt": KEY.jkt, "x5t#S256": "x"}, {"x5t#S256": "x"}, {}, "x", None, [], {"jkt": 1}])
def test_what_is_bound_in_a_way_unknown_here(cnf: Any) -> None:
    text = token(cnf=cnf)
    for headers in (shown(text), {"Authorization": f"Bearer {text}"}):
        assert refusal(headers).reason == "bound"


@pytest.mark.parametrize(
    ("headers", "reason", "error"),
    [
        (shown(scheme="Bearer"), "bound", "invalid_token"),
        (shown(token()), "bound", "invalid_token"),
        (shown()[:1], "proof", "invalid_dpop_proof"),
        ([*shown(), shown()[1]], "proof", "invalid_dpop_proof"),
        (shown(proof=KEY.proof("POST", URL, BOUND)), "proof", "invalid_dpop_proof"),
        (shown(proof=KEY.proof("GET", f"{URL}/1", BOUND)), "proof", "invalid_dpop_proof"),
        (shown(proof=KEY.proof("GET", URL)), "proof", "invalid_dpop_proof"),
        (shown(proof=KEY.proof("GET", URL, token())), "proof", "invalid_dpop_proof"),
        (shown(proof=KEY.proof("GET", URL, BOUND, iat=NOW - 61)), "proof", "invalid_dpop_proof"),
        (shown(proof=ProofKey(lambda: NOW).proof("GET", URL, BOUND)), "proof", "invalid_dpop_proof"),
        (shown(token(cnf={"jkt": KEY.jkt}, exp=NOW - 60)), "expired", "invalid_token"),
        ([("authorization", "DPoP")], "malformed_request", "invalid_request"),
        ([shown()[0], shown()[0]], "malformed_request", "invalid_request"),
    ],
)
def test_refusals_say_why_in_the_scheme(headers: Any, reason: str, error: str) -> None:
    refused = refusal(headers)
    assert (refused.reason, refused.error) == (reason, error)
    challenge = refused.www_authenticate(realm="api")
    if len(headers) == 2 and headers[0] == headers[1]:
        assert challenge.startswith("Bearer ")
    else:
        assert challenge.startswith('DPoP realm="api", error="')
        assert challenge.endswith('algs="ES256 PS256 EdDSA Ed25519 RS256"')
    assert BOUND not in challenge


def test_a_missing_scope_is_told_after_the_proof() -> None:
    refused = refusal(shown(), ("admin",))
    assert (refused.status, refused.reason) == (403, "scope")


def test_a_step_up_is_asked_for_in_the_scheme() -> None:
    with pytest.raises(Refused) as refused:
        verifier().verify_request_sync("GET", URL, shown(), max_age=60, acr_values=["high"])
    assert refused.value.error == "insufficient_user_authentication"
    assert refused.value.www_authenticate().startswith('DPoP error="insufficient_user_authentication"')


def test_no_token_and_required() -> None:
    assert refusal({}).www_authenticate() == "Bearer"
    required = Dpop(required=True, algorithms=("ES256",))
    assert refusal({}, dpop=required).www_authenticate() == 'DPoP algs="ES256"'
    unbound = refusal({"authorization": f"Bearer {token()}"}, dpop=required)
    assert (unbound.reason, unbound.error) == ("bound", "invalid_token")
    assert verifier(dpop=required).verify_request_sync("GET", URL, shown()).subject == "alice"


def test_an_algorithm_that_is_not_taken() -> None:
    key = ProofKey(lambda: NOW, "RS256")
    text = token(cnf={"jkt": key.jkt})
    headers = shown(text, key.proof("GET", URL, text))
    assert verifier().verify_request_sync("GET", URL, headers).subject == "alice"
    assert refusal(headers, dpop=Dpop(algorithms=("ES256", "PS256"))).reason == "proof"


def test_each_proof_counts_once_for_threads_too() -> None:
    one, headers, found = verifier(), shown(), []

    def call() -> None:
        try:
            one.verify_request_sync("GET", URL, headers)
            found.append("ok")
        except Refused as refused:
            found.append(refused.reason)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["ok"] + ["replay"] * 15


def test_a_refused_request_uses_no_proof_up() -> None:
    one, headers = verifier(), shown()
    for bad in ([("authorization", "DPoP a.b.c"), headers[1]], shown(scheme="Bearer")):
        with pytest.raises(Refused):
            one.verify_request_sync("GET", URL, bad)
    assert one.verify_request_sync("GET", URL, headers).subject == "alice"


class Shared:
    """A memory elsewhere, as over a network."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}

    def first(self, name: str, until: float) -> Awaitable[bool]:
        async def answer() -> bool:
            await asyncio.sleep(0)
            return self.seen.setdefault(name, until) is until

        return answer()


def test_a_memory_of_ones_own() -> None:
    shared = Shared()
    one, two = (verifier(dpop=Dpop(replays=shared)) for _ in range(2))
    headers = shown()
    assert asyncio.run(one.verify_request("GET", URL, headers)).subject == "alice"
    with pytest.raises(Refused) as refused:
        asyncio.run(two.verify_request("GET", URL, headers))
    assert refused.value.reason == "replay"
    assert list(shared.seen.values()) == [int(NOW) + 75]
    with pytest.raises(TypeError, match="verify_request"):
        one.verify_request_sync("GET", URL, shown())


def test_the_memory_is_bounded() -> None:
    now = [0.0]
    memory = MemoryReplays(lambda: now[0], most=100)
    assert all(memory.first(f"proof {number}", 75) for number in range(500))
    assert len(memory._seen) == 100
    assert memory.first("proof 499", 75) is False
    assert memory.first("proof 1", 75) is True, "forgotten, past what it holds"
    now[0] = 80
    assert all(memory.first(f"later {number}", 155) for number in range(120))
    assert len(memory._seen) <= 100
    assert memory.first("proof 499", 155) is True


@pytest.mark.parametrize(
    "dpop", [Dpop(algorithms=()), Dpop(algorithms=("HS256",)), Dpop(max_age=0), Dpop(leeway=-1), Dpop(max_age=1e9)]
)
def test_wrong_arguments(dpop: Dpop) -> None:
    with pytest.raises(ValueError, match="dpop"):
        verifier(dpop=dpop)
