"""What the verifier is held to: few fetches, no valid token refused, and no long piece of work in the event loop."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio import Handle
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from verify_loopback import as_json
from verify_tokens import AUDIENCE, CLAIMS, ES, ISSUER, NOW, RS, jwks, odd_token, part, token

from idp.jose import LocalSigner
from idp.verify import FetchError, Refused, Response, SyncVerifier, Verifier

LONGEST = 0.005  # seconds of processor time in one piece


class Issuer:
    def __init__(self, *signers: LocalSigner, control: str = "max-age=300") -> None:
        self.now = NOW
        self.keys = jwks(*signers)
        self.control = control
        self.down = False
        self.fetched: list[float] = []

    def fetch(self, url: str, headers: Mapping[str, str]) -> Response:
        self.fetched.append(self.now)
        if self.down:
            raise FetchError("connection refused")
        return Response(200, {"cache-control": self.control}, as_json(self.keys))

    def verifier(self, kind: Any = Verifier, **options: Any) -> Any:
        return kind(ISSUER, AUDIENCE, jwks_uri=f"{ISSUER}/k", fetch=self.fetch, clock=lambda: self.now, **options)


def strange(number: int) -> str:
    """A good token but for a kid that nobody knows."""
    return odd_token({"alg": "ES256", "kid": f"random-{number}", "typ": "at+jwt"})


@pytest.mark.parametrize("kind", [Verifier, SyncVerifier])
def test_a_thousand_random_kids(kind: Any) -> None:
    """At most one fetch in 30 s, and the keys that are known stay."""
    issuer = Issuer(ES)
    verifier, good = issuer.verifier(kind), token(exp=NOW + 900)

    async def ask(text: str) -> str:
        try:
            answer = verifier.verify(text)
            return str((await answer if kind is Verifier else answer).subject)
        except Refused as refused:
            return refused.reason

    async def main() -> None:
        assert await ask(good) == "alice"
        texts = [strange(number) for number in range(1000)]
        for start in range(0, 1000, 100):  # a hundred at a time, ten seconds apart
            issuer.now += 10
            found = await asyncio.gather(*(ask(text) for text in texts[start : start + 100]))
            assert found == ["unknown_key"] * 100
            assert await ask(good) == "alice"

    asyncio.run(main())
    between = [later - earlier for earlier, later in zip(issuer.fetched, issuer.fetched[1:], strict=False)]
    assert min(between) >= 30
    assert len(issuer.fetched) <= 1 + 100 / 30


def test_two_hundred_cold_requests_of_threads_and_of_a_loop() -> None:
    text = token()
    for rounds in range(3):
        cold = Issuer(ES)
        verifier = cold.verifier(SyncVerifier)
        with ThreadPoolExecutor(200) as pool:
            assert {found.subject for found in pool.map(verifier.verify, [text] * 200)} == {"alice"}
        assert len(cold.fetched) == 1, rounds
    lazy = Issuer(ES)

    async def main() -> None:
        one = lazy.verifier()
        await asyncio.gather(*(one.verify(text) for _ in range(200)))

    asyncio.run(main())
    assert len(lazy.fetched) == 1


@pytest.mark.parametrize("control", ["max-age=300", "no-store", "max-age=300, stale-if-error=0", "max-age=0", ""])
@pytest.mark.parametrize("cached", [0, 100])
def test_an_hour_without_the_issuer(control: str, cached: int) -> None:
    issuer = Issuer(ES, control=control)
    verifier = issuer.verifier(SyncVerifier, cached_tokens=cached)
    text = token(exp=NOW + 7200)
    verifier.verify(text)
    issuer.down = True
    for second in range(0, 3600, 20):
        issuer.now = NOW + second
        assert verifier.verify(text).subject == "alice"
    tries = len(issuer.fetched) - 1
    assert 0 < tries <= 3600 / 20, "asked again all the while, and not with every request"


def test_how_long_an_outage_may_be_is_a_setting() -> None:
    for hours in (0, 5, 48):
        issuer = Issuer(ES)
        verifier = issuer.verifier(SyncVerifier, stale_if_error=hours * 3600)
        text = token(exp=NOW + 90 * 3600)
        verifier.verify(text)
        issuer.down = True
        issuer.now = NOW + 300 + hours * 3600 - 1
        assert verifier.verify(text)
        issuer.now += 1
        with pytest.raises(Refused) as refused:
            verifier.verify(text)
        assert (refused.value.reason, refused.value.status) == ("keys_unavailable", 503)


@pytest.mark.parametrize("seconds", [-1, 8 * 86_400, float("nan")])
def test_a_setting_out_of_bounds(seconds: float) -> None:
    with pytest.raises(ValueError, match="stale_if_error"):
        Issuer(ES).verifier(stale_if_error=seconds)


def test_keys_are_renewed_before_they_are_old_and_nobody_waits() -> None:
    issuer = Issuer(ES)
    verifier, text = issuer.verifier(SyncVerifier), token(exp=NOW + 900)
    verifier.verify(text)
    issuer.now += 241  # past four fifths of 300 s
    deadline = time.monotonic() + 10
    while len(issuer.fetched) < 2 and time.monotonic() < deadline:
        verifier.verify(text)
    assert issuer.fetched == [NOW, NOW + 241]


def _filled(head: bytes, unit: bytes, tail: bytes) -> bytes:
    return head + unit * ((11_900 - len(head) - len(tail)) // len(unit)) + tail


PAYLOADS = {
    "numbers": _filled(b'{"a":[1', b",1", b"]}"),
    "objects": _filled(b'{"a":[1', b",{}", b"]}"),
    "brackets": _filled(b'{"a":[', b"[],", b"1]}"),
    "nested": _filled(b'{"a":', b"[", b""),
    "escapes": _filled(b'{"a":"', b"\\ud83d\\ude00", b'"}'),
    "quotes": _filled(b"{", b'"', b""),
    "audiences": _filled(b'{"aud":["x"', b',"x"', b"]}"),
    "claims and numbers": json.dumps({**CLAIMS, "roles": [1] * 3_500}).encode(),
}


@pytest.mark.parametrize("cached", [0, 10])
def test_no_token_is_a_long_piece_of_work(cached: int) -> None:
    verifier = Verifier(ISSUER, AUDIENCE, jwks=jwks(ES, RS), clock=lambda: NOW, cached_tokens=cached)
    header = {"alg": "ES256", "kid": "es-1", "typ": "at+jwt"}
    texts = {name: odd_token(header, payload) for name, payload in PAYLOADS.items()}
    texts |= {"long": "a" * 1_000_000, "dots": "." * 16_384, "good": token()}
    texts["header"] = odd_token({**header, "x": [[1]] * 900})
    texts["signature"] = f"{part(header)}.{part(CLAIMS)}.{'A' * 16_000}"
    for name, text in texts.items():
        assert min(_spent(verifier, text) for _ in range(5)) < LONGEST, name


def _spent(verifier: Verifier, text: str) -> float:
    steps, start = verifier.verify(text), time.thread_time()
    with pytest.raises((StopIteration, Refused)):
        steps.send(None)
    return time.thread_time() - start


def test_the_loop_does_no_long_piece_of_work_while_keys_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred RSA keys are read in the fetching thread; each turn of the loop is timed for itself."""
    issuer = Issuer(RS)
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    many = [dict(LocalSigner(numbers, f"k{n}", "RS256").jwk()) for n in range(99)]
    issuer.keys = {"keys": [*issuer.keys["keys"], *many]}
    turns: list[float] = []
    run = Handle._run

    def timed(handle: Handle) -> None:
        start = time.thread_time()
        run(handle)
        turns.append(time.thread_time() - start)

    text = token(RS)

    async def main() -> None:
        verifier = issuer.verifier()
        await asyncio.sleep(0)
        monkeypatch.setattr(Handle, "_run", timed)
        for _ in range(3):
            await asyncio.gather(*(verifier.verify(text) for _ in range(200)))
        monkeypatch.setattr(Handle, "_run", run)

    asyncio.run(main())
    assert len(turns) > 600
    # Of six hundred pieces one or two may hold another's work: a collection of garbage, a page fault.
    assert sorted(turns)[-3] < LONGEST
