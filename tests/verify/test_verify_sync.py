"""``SyncVerifier``: the blocking twin has the same face and the same rules."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import pytest
from support.dpop import ProofKey
from verify_loopback import as_json, response, serving
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, jwks, token

from idp.verify import Dpop, Refused, SyncVerifier, Verifier

STATIC: dict[str, Any] = {"jwks": jwks(ES), "clock": lambda: NOW}
URL = "https://api.example.com/notes"


@pytest.mark.parametrize("name", ["__init__", "verify", "verify_request", "resource_metadata"])
def test_the_same_arguments(name: str) -> None:
    assert inspect.signature(getattr(SyncVerifier, name)) == inspect.signature(getattr(Verifier, name))


def test_no_method_of_one_is_missing_in_the_other() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_") and not name.endswith("_sync")}

    assert public(SyncVerifier) == public(Verifier)


def test_a_token_and_a_refusal() -> None:
    verifier = SyncVerifier(ISSUER, AUDIENCE, **STATIC)
    assert verifier.verify(token(), ["read"]).subject == "alice"
    with pytest.raises(Refused, match=r"aud is api-a, this is https://api\.example\.com") as refused:
        verifier.verify(token(aud="api-a"))
    assert refused.value.status == 401
    with pytest.raises(Refused) as lacking:
        verifier.verify(token(), "admin")
    assert (lacking.value.status, lacking.value.error) == (403, "insufficient_scope")
    with pytest.raises(Refused) as again:
        verifier.verify(token(), acr_values="gold", max_age=5)
    assert again.value.error == "insufficient_user_authentication"


def test_a_request() -> None:
    key = ProofKey(lambda: NOW)
    bound = token(cnf={"jkt": key.jkt})
    verifier = SyncVerifier(ISSUER, AUDIENCE, **STATIC, dpop=Dpop(required=True))
    headers = {"Authorization": f"DPoP {bound}", "DPoP": key.proof("GET", URL, bound)}
    assert verifier.verify_request("GET", URL, headers, "read").subject == "alice"
    with pytest.raises(Refused) as refused:
        verifier.verify_request("GET", URL, headers)
    assert refused.value.reason == "replay"


def test_two_hundred_threads_cost_one_fetch() -> None:
    gate, ready = threading.Event(), threading.Barrier(201)
    found: list[str] = []

    def answer(connection: Any, path: str) -> None:
        gate.wait(10)
        body = as_json(jwks(ES))
        connection.sendall(response(200, body))

    with serving(answer) as server:
        uri = f"http://127.0.0.1:{server.port}/jwks"
        verifier = SyncVerifier(ISSUER, AUDIENCE, jwks_uri=uri, clock=lambda: NOW)
        text = token()

        def call() -> None:
            ready.wait(10)
            found.append(verifier.verify(text).subject)

        threads = [threading.Thread(target=call) for _ in range(200)]
        for thread in threads:
            thread.start()
        ready.wait(10)
        gate.set()
        for thread in threads:
            thread.join(10)
        assert found == ["alice"] * 200
        assert len(server.heads) == 1
