"""Opaque tokens (RFC 7662): the issuer is asked once, its answer judged like a token's claims."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest
from support.dpop import ProofKey
from verify_loopback import Loopback, as_json, response
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, jwks, token

from idp.verify import Introspection, Refused, Response, SyncVerifier, Verifier

OPAQUE = "at.2YotnFZFEjr1zCsicMWpAA"
URL = "https://api.example.com/notes"
GOOD: dict[str, Any] = {
    "active": True,
    "scope": "read write",
    "client_id": "shop",
    "sub": "alice",
    "aud": AUDIENCE,
    "exp": NOW + 300,
    "iat": NOW - 5,
}


class Asked:
    """An issuer that answers what the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.now = NOW
        self.answer: Any = GOOD
        self.status = 200
        self.gate: threading.Event | None = None
        self.forms: list[dict[str, list[str]]] = []
        self.headers: list[Mapping[str, str]] = []

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        self.forms.append(parse_qs(body.decode(), strict_parsing=True))
        self.headers.append(headers)
        if self.gate is not None:
            self.gate.wait(10)
        said = self.answer if isinstance(self.answer, bytes) else as_json(self.answer)
        return Response(self.status, {}, said)

    def verifier(self, kind: Any = SyncVerifier, **options: Any) -> Any:
        asked = Introspection("notes-api", "s:cret ä", url=f"{ISSUER}/introspect", post=self.post, **options)
        return kind(ISSUER, AUDIENCE, jwks=jwks(ES), clock=lambda: self.now, introspection=asked, leeway=0)

    def refusal(self, text: str = OPAQUE, **options: Any) -> Refused:
        with pytest.raises(Refused) as first:
            self.verifier(**options).verify(text)
        with pytest.raises(Refused) as second:
            asyncio.run(self.verifier(Verifier, **options).verify(text))
        assert (first.value.reason, str(first.value)) == (second.value.reason, str(second.value))
        return first.value


def test_an_active_token() -> None:
    issuer = Asked()
    verified = issuer.verifier().verify(OPAQUE, ["read"])
    assert (verified.subject, verified.scopes, verified.expires_at) == ("alice", ("read", "write"), NOW + 300)
    assert verified.claims == GOOD
    assert asyncio.run(issuer.verifier(Verifier).verify(OPAQUE, ["read"])) == verified
    assert issuer.forms[0] == {"token": [OPAQUE], "token_type_hint": ["access_token"]}
    proof = base64.b64decode(issuer.headers[0]["Authorization"].removeprefix("Basic ")).decode()
    assert proof == "notes-api:s%3Acret+%C3%A4", "RFC 6749 section 2.3.1"


def test_a_jwt_is_read_here_and_not_asked_about() -> None:
    issuer = Asked()
    assert issuer.verifier().verify(token()).subject == "alice"
    assert issuer.forms == []


def test_without_introspection_an_opaque_token_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        SyncVerifier(ISSUER, AUDIENCE, jwks=jwks(ES), clock=lambda: NOW).verify(OPAQUE)
    assert refused.value.reason == "malformed"


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "inactive": ({"active": False}, "inactive", "not active: expired, revoked"),
    "for another API": ({"aud": "api-a"}, "audience", f"aud is api-a, this is {AUDIENCE}"),
    "for nobody": ({"aud": None}, "audience", "aud is None"),
    "of another issuer": ({"iss": "https://evil.example"}, "issuer", "iss is https://evil.example"),
    "expired": ({"exp": NOW - 12}, "expired", "expired 12 s ago"),
    "expired now": ({"exp": NOW}, "expired", "expired 0 s ago"),
    "of tomorrow": ({"nbf": NOW + 31}, "not_yet_valid", "valid only in 31 s"),
    "of nobody": ({"sub": ""}, "subject", "sub is , expected a text"),
    "a refresh token of ours": ({"token_type": "refresh_token"}, "typ", "token_type is refresh_token, expected an"),
    "a refresh token of Hydra": ({"token_use": "refresh_token"}, "typ", "token_use is refresh_token"),
    "a refresh token of Keycloak": ({"typ": "Refresh"}, "typ", "typ is Refresh"),
    "an ID token of Keycloak": ({"typ": "ID"}, "typ", "typ is ID"),
    "scope a list": ({"scope": ["read"]}, "claim", "scope is ["),
    "bound": ({"cnf": {"jkt": "x"}}, "bound", "bound to a key"),
}


@pytest.mark.parametrize(("changes", "reason", "words"), BAD.values(), ids=BAD)
def test_refused(changes: dict[str, Any], reason: str, words: str) -> None:
    issuer = Asked()
    issuer.answer = {**GOOD, **changes}
    refused = issuer.refusal()
    assert (refused.reason, refused.status, refused.error) == (reason, 401, "invalid_token")
    assert words in str(refused)
    assert OPAQUE not in refused.www_authenticate()


def test_an_answer_without_audience_is_taken_where_said_so() -> None:
    issuer = Asked()
    for nobody in (None, [], ""):
        issuer.answer = {**GOOD, "aud": nobody}
        assert issuer.refusal().reason == "audience"
        assert issuer.verifier(audience_optional=True).verify(OPAQUE).subject == "alice"
    issuer.answer = {**GOOD, "aud": "api-a"}
    assert issuer.refusal(audience_optional=True).reason == "audience"


def test_a_token_without_end() -> None:
    issuer = Asked()
    issuer.answer = {name: value for name, value in GOOD.items() if name != "exp"}
    assert issuer.verifier().verify(OPAQUE).expires_at == float("inf")


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (401, {}, "status 401, expected 200 (does the issuer know this API's client?)"),
        (500, {}, "status 500"),
        (302, {}, "status 302"),
        (200, b"<html>", "not JSON"),
        (200, b"[" * 60_000, "nested deeper"),
        (200, [], "did not say whether"),
        (200, {"active": "true"}, "did not say whether"),
        (200, {"active": 1}, "did not say whether"),
    ],
)
def test_an_issuer_that_does_not_say(status: int, answer: Any, words: str) -> None:
    issuer = Asked()
    issuer.status, issuer.answer = status, answer
    refused = issuer.refusal()
    assert (refused.reason, refused.status, refused.www_authenticate()) == ("introspection_unavailable", 503, "Bearer")
    assert words in str(refused)
    assert "s:cret" not in str(refused)


def test_trouble_is_not_remembered() -> None:
    issuer = Asked()
    verifier = issuer.verifier()
    issuer.status = 503
    with pytest.raises(Refused):
        verifier.verify(OPAQUE)
    issuer.status = 200
    assert verifier.verify(OPAQUE).subject == "alice"


def test_an_answer_counts_for_a_while_and_never_longer_than_its_token() -> None:
    issuer = Asked()
    issuer.answer = {**GOOD, "exp": NOW + 40}
    verifier = issuer.verifier(cache=30)
    verifier.verify(OPAQUE).claims["sub"] = "mallory"  # type: ignore[index]
    issuer.now += 29
    assert verifier.verify(OPAQUE).subject == "alice", "each has a value of their own"
    assert len(issuer.forms) == 1
    issuer.now += 1
    assert verifier.verify(OPAQUE).subject == "alice"
    assert len(issuer.forms) == 2
    issuer.now += 10
    with pytest.raises(Refused, match="expired 0 s ago"):
        verifier.verify(OPAQUE)
    assert len(issuer.forms) == 2, "known to be expired without asking"


def test_a_revoked_token_ends_with_the_cache() -> None:
    issuer = Asked()
    kept, asking = issuer.verifier(cache=30), issuer.verifier(cache=0)
    assert kept.verify(OPAQUE) == asking.verify(OPAQUE)
    issuer.answer = {"active": False}
    with pytest.raises(Refused):
        asking.verify(OPAQUE)
    assert kept.verify(OPAQUE)
    issuer.now += 30
    with pytest.raises(Refused) as refused:
        kept.verify(OPAQUE)
    assert refused.value.reason == "inactive"
    asked = len(issuer.forms)
    with pytest.raises(Refused):
        kept.verify(OPAQUE)
    assert len(issuer.forms) == asked, "remembered for a moment"
    issuer.answer = GOOD
    issuer.now += 5
    assert kept.verify(OPAQUE), "a new token that one node knew late"


def test_the_memory_is_bounded_and_strangers_push_nothing_out() -> None:
    issuer = Asked()
    verifier = issuer.verifier(most=10)
    verifier.verify(OPAQUE)
    issuer.answer = {"active": False}
    for number in range(50):
        with pytest.raises(Refused):
            verifier.verify(f"guess-{number}")
    assert verifier.verify(OPAQUE), "still known"
    issuer.answer = GOOD
    for number in range(50):
        verifier.verify(f"good-{number}")
    asked = len(issuer.forms)
    verifier.verify("good-49")
    assert len(issuer.forms) == asked
    verifier.verify("good-1")
    assert len(issuer.forms) == asked + 1, "forgotten, past what it holds"


def test_two_hundred_tasks_ask_once() -> None:
    issuer = Asked()
    issuer.gate = threading.Event()
    verifier = issuer.verifier(Verifier)

    async def main() -> int:
        callers = [asyncio.create_task(verifier.verify(OPAQUE)) for _ in range(200)]
        for _ in range(100):  # the loop runs on while the issuer thinks
            await asyncio.sleep(0)
        callers.pop().cancel()  # who goes away takes nobody's answer along
        for _ in range(10):
            await asyncio.sleep(0)
        assert issuer.gate is not None
        issuer.gate.set()
        return len(await asyncio.gather(*callers))

    assert asyncio.run(main()) == 199
    assert len(issuer.forms) == 1


def test_threads_ask_once_for_each_token() -> None:
    issuer = Asked()
    issuer.gate = threading.Event()
    verifier = issuer.verifier()

    def call(number: int) -> str:
        subject: str = verifier.verify(f"token-{number % 2}").subject
        return subject

    with ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(call, number) for number in range(40)]
        issuer.gate.set()
        assert [future.result(10) for future in calls] == ["alice"] * 40
    assert len(issuer.forms) == 2


def test_a_process_that_has_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Asked()
    verifier = issuer.verifier(Verifier)

    def submit(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(ThreadPoolExecutor, "submit", submit)
        with pytest.raises(Refused, match="can't start new thread") as refused:
            asyncio.run(verifier.verify(OPAQUE))
    assert refused.value.status == 503
    assert asyncio.run(verifier.verify(OPAQUE)).subject == "alice"


def test_a_bound_opaque_token_with_its_proof() -> None:
    issuer, key = Asked(), ProofKey(lambda: NOW)
    issuer.answer = {**GOOD, "token_type": "DPoP", "cnf": {"jkt": key.jkt}}
    headers = {"Authorization": f"DPoP {OPAQUE}", "DPoP": key.proof("GET", URL, OPAQUE)}
    assert issuer.verifier().verify_request("GET", URL, headers, "read").subject == "alice"
    with pytest.raises(Refused) as refused:
        issuer.verifier().verify_request("GET", URL, {"Authorization": f"Bearer {OPAQUE}"})
    assert refused.value.reason == "bound"


@pytest.mark.parametrize("text", ["", "ä", "a b\x00", "a\nb", "x" * 20_000])
def test_what_is_no_token_is_not_asked_about(text: str) -> None:
    issuer = Asked()
    assert issuer.refusal(text).reason == "malformed"
    assert issuer.forms == []


@pytest.mark.parametrize(
    "options", [{"cache": -1}, {"cache": 1e6}, {"most": 0}, {"url": "http://id.example.com/introspect"}, {"url": "x"}]
)
def test_wrong_arguments(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="introspection"):
        Introspection("a", "b", **options)


def test_the_secret_is_in_no_text() -> None:
    assert "s3cret" not in repr(Introspection("a", "s3cret"))


@pytest.fixture
def server() -> Iterator[Loopback]:
    def answer(connection: socket.socket, path: str) -> None:
        origin = f"http://127.0.0.1:{made.port}"
        if path == "/.well-known/openid-configuration":
            known = {"issuer": origin, "introspection_endpoint": f"{origin}/ask"}
            connection.sendall(response(200, as_json(known)))
        else:
            connection.sendall(response(200, as_json({**GOOD, "iss": origin})))

    made = Loopback(answer)
    yield made
    made.close()


@pytest.mark.parametrize("client", ["notes-api", None])
def test_over_a_socket_at_the_address_the_metadata_names(server: Loopback, client: str | None) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    verifier = SyncVerifier(
        origin, AUDIENCE, jwks=jwks(ES), clock=lambda: NOW, introspection=Introspection(client, "secret", cache=0)
    )
    for _ in range(2):
        assert verifier.verify(OPAQUE).subject == "alice"
    assert server.paths == ["/.well-known/openid-configuration", "/ask", "/ask"]
    head = server.heads[-1].lower()
    assert head.startswith("post /ask http/1.1\r\n")
    assert ("authorization: basic " in head) == (client is not None)
    assert "content-type: application/x-www-form-urlencoded\r\n" in head
