"""A verifier that finds and keeps an issuer's keys: discovery, and the cache at work over a real socket."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from verify_loopback import Loopback, as_json, response, serving
from verify_tokens import AUDIENCE, ES, NEXT, NOW, RS, jwks, token

from idp.verify import Refused, Response, Verifier

WELL_KNOWN = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"


class Issuer:
    """A small issuer on loopback whose keys, documents and health the test sets."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.now = NOW
        self.signers = [ES, RS]
        self.metadata: dict[str, Any] = {}
        self.status: dict[str, int] = {}
        self.max_age = 300
        self.gate: threading.Event | None = None
        self.server = Loopback(self.answer)
        self.url = f"http://id.localhost:{self.server.port}{path}"

    def answer(self, connection: socket.socket, path: str) -> None:
        if self.gate is not None:
            self.gate.wait(10)
        if path in self.status:
            connection.sendall(response(self.status[path], b"{}"))
        elif path in (f"{self.path}{WELL_KNOWN}", f"{OAUTH}{self.path}"):
            known = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **self.metadata}
            connection.sendall(response(200, as_json(known)))
        elif path == f"{self.path}/jwks":
            connection.sendall(self.key_set())
        else:
            connection.sendall(response(404))

    def key_set(self) -> bytes:
        tag = '"' + "-".join(signer.jwk()["kid"] for signer in self.signers) + '"'
        headers = {"ETag": tag, "Cache_Control": f"public, max-age={self.max_age}"}
        if f"if-none-match: {tag}" in self.server.heads[-1].lower():
            return response(304, b"", **headers)
        return response(200, as_json(jwks(*self.signers)), **headers)

    def fetches(self) -> int:
        return self.server.paths.count(f"{self.path}/jwks")

    def verifier(self, **options: Any) -> Verifier:
        return Verifier(self.url, AUDIENCE, clock=lambda: self.now, **options)

    def token(self, signer: Any = ES, **changes: Any) -> str:
        return token(signer, iss=self.url, exp=self.now + 60, **changes)


@pytest.fixture(params=["", "/tenant/one"])
def issuer(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    made = Issuer(request.param)
    yield made
    made.server.close()


def reason(verifier: Verifier, text: str) -> str:
    with pytest.raises(Refused) as refusal:
        verifier.verify_sync(text)
    return refusal.value.reason


def test_keys_are_found_by_discovery(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    assert issuer.server.heads == [], "nothing before the first token"
    assert verifier.verify_sync(issuer.token()).subject == "alice"
    assert verifier.verify_sync(issuer.token(RS)).subject == "alice"
    assert issuer.server.paths == [f"{issuer.path}{WELL_KNOWN}", f"{issuer.path}/jwks"]


def test_an_oauth_server_without_openid_is_found(issuer: Issuer) -> None:
    issuer.status[f"{issuer.path}{WELL_KNOWN}"] = 404
    assert issuer.verifier().verify_sync(issuer.token())
    assert issuer.server.paths[1] == f"{OAUTH}{issuer.path}"


def test_a_given_address_needs_no_discovery(issuer: Issuer) -> None:
    assert issuer.verifier(jwks_uri=f"{issuer.url}/jwks").verify_sync(issuer.token())
    assert issuer.server.paths == [f"{issuer.path}/jwks"]


def test_two_hundred_cold_requests_cost_one_fetch(issuer: Issuer) -> None:
    issuer.gate = threading.Event()
    verifier, text = issuer.verifier(), issuer.token()

    async def main() -> int:
        callers = [asyncio.create_task(verifier.verify(text)) for _ in range(200)]
        await asyncio.sleep(0)
        assert issuer.gate is not None
        issuer.gate.set()
        return len(await asyncio.gather(*callers))

    assert asyncio.run(main()) == 200
    assert len(issuer.server.heads) == 2


def test_threads_share_a_fetch_with_a_loop(issuer: Issuer) -> None:
    verifier, text = issuer.verifier(), issuer.token()
    with ThreadPoolExecutor(20) as pool:
        threads = [pool.submit(verifier.verify_sync, text) for _ in range(20)]
        assert asyncio.run(verifier.verify(text)).subject == "alice"
        assert {future.result(10).subject for future in threads} == {"alice"}
    assert issuer.fetches() == 1


def test_the_event_loop_runs_on_while_keys_are_fetched(issuer: Issuer) -> None:
    issuer.gate = threading.Event()
    verifier, text = issuer.verifier(), issuer.token()

    async def main() -> None:
        caller = asyncio.create_task(verifier.verify(text))
        for _ in range(1000):  # turns of the loop while the server holds its answer back
            await asyncio.sleep(0)
        assert not caller.done()
        assert issuer.gate is not None
        issuer.gate.set()
        assert (await caller).subject == "alice"

    asyncio.run(main())


def test_a_thousand_unknown_kids_cost_one_fetch(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.now += 31
    text = issuer.token(NEXT)
    for _ in range(1000):
        assert reason(verifier, text) == "unknown_key"
    assert issuer.fetches() == 2
    assert verifier.verify_sync(issuer.token())


def test_a_rotation_is_followed(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.signers.append(NEXT)
    issuer.now += 31
    assert verifier.verify_sync(issuer.token(NEXT))
    assert verifier.verify_sync(issuer.token(ES))
    issuer.signers.remove(ES)
    issuer.now += 301
    assert reason(verifier, issuer.token(ES)) == "unknown_key"


def test_an_hour_without_the_issuer_refuses_nobody(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.server.close()
    for minute in range(60):
        issuer.now += 60
        assert verifier.verify_sync(issuer.token()).subject == "alice"
        # A key nobody knows must not spoil the ones that are known.
        assert reason(verifier, issuer.token(NEXT)) == "unknown_key", minute


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_an_issuer_in_trouble_refuses_nobody(issuer: Issuer, status: int) -> None:
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.status = {f"{issuer.path}/jwks": status, f"{issuer.path}{WELL_KNOWN}": status}
    for _ in range(60):
        issuer.now += 60
        assert verifier.verify_sync(issuer.token()).subject == "alice"


def test_an_emptied_key_set_replaces_nothing(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.signers = []
    issuer.now += 301
    assert verifier.verify_sync(issuer.token())


def test_unchanged_keys_come_as_304(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    for _ in range(3):
        assert verifier.verify_sync(issuer.token())
        issuer.now += 301
    assert ["if-none-match" in head.lower() for head in issuer.server.heads] == [False, False, True, True]


def test_keys_that_move_are_followed(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    with serving(lambda connection, _: connection.sendall(response(200, as_json(jwks(NEXT))))) as elsewhere:
        issuer.status[f"{issuer.path}/jwks"] = 410
        issuer.metadata["jwks_uri"] = f"http://127.0.0.1:{elsewhere.port}/"
        issuer.now += 301
        verifier.verify_sync(issuer.token())  # fails to renew, keeps the old keys
        issuer.now += 31
        assert verifier.verify_sync(issuer.token(NEXT))


def test_a_cold_start_without_the_issuer(issuer: Issuer) -> None:
    issuer.status[f"{issuer.path}{WELL_KNOWN}"] = 503
    verifier = issuer.verifier()
    with pytest.raises(Refused) as refusal:
        asyncio.run(verifier.verify(issuer.token()))
    refused = refusal.value
    assert (refused.reason, refused.status, refused.www_authenticate()) == ("keys_unavailable", 503, "Bearer")
    assert "status 503, expected 200" in str(refused)
    issuer.status.clear()
    issuer.now += 1
    assert verifier.verify_sync(issuer.token())


BAD_METADATA: dict[str, tuple[dict[str, Any], str]] = {
    "of another issuer": ({"issuer": "https://evil.example"}, "metadata is of issuer https://evil.example"),
    "without issuer": ({"issuer": None}, "metadata is of issuer None"),
    "without jwks_uri": ({"jwks_uri": None}, "names no jwks_uri"),
    "with a list": ({"jwks_uri": []}, "names no jwks_uri"),
    "with plain http elsewhere": ({"jwks_uri": "http://10.0.0.1/"}, "not https"),
    "with a file": ({"jwks_uri": "file:///etc/passwd"}, "no address"),
}


@pytest.mark.parametrize(("metadata", "words"), BAD_METADATA.values(), ids=BAD_METADATA)
def test_bad_metadata(issuer: Issuer, metadata: dict[str, Any], words: str) -> None:
    issuer.metadata = metadata
    with pytest.raises(Refused, match=words) as refusal:
        issuer.verifier().verify_sync(issuer.token())
    assert refusal.value.reason == "keys_unavailable"
    assert issuer.fetches() == 0


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"issuer":1,"issuer":2}', b"[" * 60_000], ids=lambda body: str(body[:9])
)
def test_metadata_that_is_no_document(body: bytes) -> None:
    verifier = Verifier("https://id.example.com", AUDIENCE, clock=lambda: NOW, fetch=lambda *_: Response(200, {}, body))
    assert reason(verifier, token()) == "keys_unavailable"


def test_keys_of_an_https_issuer_come_by_https() -> None:
    asked = []

    def fetch(url: str, headers: Mapping[str, str]) -> Response:
        asked.append(url)
        known = {"issuer": "https://id.example.com", "jwks_uri": "http://localhost:1/jwks"}
        return Response(200, {}, as_json(known))

    verifier = Verifier("https://id.example.com", AUDIENCE, clock=lambda: NOW, fetch=fetch)
    with pytest.raises(Refused, match="a jwks_uri that is not https"):
        verifier.verify_sync(token())
    assert asked == [f"https://id.example.com{WELL_KNOWN}"]


def test_whatever_an_own_fetch_raises_is_a_failed_fetch() -> None:
    def fetch(url: str, headers: Mapping[str, str]) -> Response:
        raise ZeroDivisionError("surprise")

    verifier = Verifier("https://id.example.com", AUDIENCE, clock=lambda: NOW, fetch=fetch)
    with pytest.raises(Refused, match="surprise") as refusal:
        asyncio.run(verifier.verify(token()))
    assert refusal.value.status == 503


def test_tokens_that_fail_anyway_cost_no_fetch(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    for changes in ({"aud": "x"}, {"sub": 1}, {"typ": "JWT"}, {"nbf": NOW + 999}):
        with pytest.raises(Refused):
            verifier.verify_sync(issuer.token(**changes))
    assert reason(verifier, token(iss="https://evil.example")) == "issuer"
    assert reason(verifier, token(iss=issuer.url, exp=NOW - 99)) == "expired"
    assert issuer.server.heads == []


def test_a_key_without_alg_is_meant_for_what_the_verifier_accepts() -> None:
    bare = {name: value for name, value in RS.jwk().items() if name not in ("alg", "use")}
    answer = Response(200, {}, as_json({"keys": [bare]}))
    options: dict[str, Any] = {"jwks_uri": "https://id.example.com/jwks", "fetch": lambda *_: answer}
    assert Verifier("https://id.example.com", AUDIENCE, clock=lambda: NOW, **options).verify_sync(token(RS))
    picky = Verifier("https://id.example.com", AUDIENCE, algorithms=["PS256", "RS256"], clock=lambda: NOW, **options)
    assert reason(picky, token(RS)) == "algorithm", "one key, one algorithm"


def test_importing_the_verifier_loads_nothing_of_the_server() -> None:
    program = (
        "import sys, idp.verify\n"
        "heavy = {'starlette', 'sqlalchemy', 'msgspec', 'httpx2', 'authlib', 'jinja2', 'uvicorn', 'anyio'}\n"
        "ours = {name.split('.')[1] for name in sys.modules if name.startswith('idp.')}\n"
        "print(sorted(heavy & set(sys.modules)), sorted(ours))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['jose', 'verify']"
