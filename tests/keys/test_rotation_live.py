"""Twenty rotations in real time, over HTTP: no token is refused by anybody before it expires.

The provider runs with lifetimes of seconds. Half of the rotations come from the clock, half from an operator who asks
at every moment and is let at the first one allowed. The verifiers are PyJWT's client and panva's jose, both with their
cool-down of 30 s, so a key they were not told of in time would be refused, and ``idp.verify``.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from foreign_verifiers import SCRIPT, Verifier
from jwt import PyJWKClient
from key_support import BOTH, header

from idp.testing import RunningServer, running_server
from idp.verify import Refused
from idp.verify import Verifier as OwnVerifier

pytestmark = [pytest.mark.node, pytest.mark.timeout(90)]

ROTATIONS = 10  # of each algorithm
SIGNS, LONGEST_CACHE, TOKEN = 3, 2, 3  # seconds, as all below
# What the foreign verifiers keep a set for. The half second to LONGEST_CACHE is for a slow fetch on a busy machine.
CACHE = 1.5
PAUSE = 0.04
CLIENTS = "".join(
    f'[[clients]]\nclient_id = "{alg}"\nclient_secret = "secret-of-a-service-{alg}"\n'
    f'grant_types = ["client_credentials"]\nscope = ""\naccess_token_signed_response_alg = "{alg}"\n'
    for alg in BOTH
)


class RealPyJwt(Verifier):
    name = "PyJWKClient"

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._client = PyJWKClient(f"{issuer}/.well-known/jwks.json", lifespan=CACHE)

    def refusals(self, tokens: list[str]) -> list[str | None]:
        return [self._refusal(token) for token in tokens]

    def _refusal(self, token: str) -> str | None:
        try:
            key = self._client.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=list(BOTH), issuer=self._issuer, audience=self._issuer)
        except jwt.PyJWTError as error:
            return str(error)
        return None


class RealJose(Verifier):
    """A Node.js process with real time and its own fetches."""

    name = "jose"

    def __init__(self, node: Path, issuer: str) -> None:
        command = [str(node), str(SCRIPT), f"{issuer}/.well-known/jwks.json", str(CACHE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.fetches = 0

    def refusals(self, tokens: list[str]) -> list[str | None]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"tokens": tokens}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.fetches = answer["fetches"]
        return list(answer["results"])

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)


class Ours(Verifier):
    name = "idp.verify"

    def __init__(self, issuer: str) -> None:
        self._verifier = OwnVerifier(issuer, issuer, leeway=0)

    def refusals(self, tokens: list[str]) -> list[str | None]:
        return [self._refusal(token) for token in tokens]

    def _refusal(self, token: str) -> str | None:
        try:
            self._verifier.verify_sync(token)
        except Refused as refused:
            return str(refused)
        return None


@dataclass(frozen=True)
class Issued:
    token: str
    alg: str
    kid: str
    expires_at: float


@dataclass
class Run:
    """Tokens come continuously; each is checked at once and then again and again until it expires."""

    server: RunningServer
    http: httpx2.Client
    verifiers: list[Verifier]
    rounds: int = 0
    live: list[Issued] = field(default_factory=list)
    signing: dict[str, str] = field(default_factory=dict)
    rotations: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    outlived: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    closest: float = TOKEN

    def issue(self, alg: str) -> Issued:
        client = (alg, f"secret-of-a-service-{alg}")
        answer = self.http.post("/token", data={"grant_type": "client_credentials"}, auth=client)
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        kid = header(token)["kid"]
        if self.signing.setdefault(alg, kid) != kid:
            self.signing[alg] = kid
            self.rotations[alg] += 1
        claims = jwt.decode(token, options={"verify_signature": False})
        return Issued(token, alg, kid, float(claims["exp"]))

    def round(self, *algorithms: str) -> None:
        """Issue one token each, check them and a quarter of those that still live."""
        self.rounds += 1
        new = [self.issue(alg) for alg in algorithms]
        self.live = [issued for issued in self.live if issued.expires_at > time.time()]
        self.check([*new, *self.live[self.rounds % 4 :: 4]])
        self.live += new
        threading.Event().wait(PAUSE)  # the machine has other tests to run

    def check(self, due: list[Issued]) -> None:
        for verifier in self.verifiers:
            reasons = verifier.refusals([issued.token for issued in due])
            now = time.time()
            for issued, reason in zip(due, reasons, strict=True):
                if reason is None:
                    self.checked[verifier.name] += 1
                    self.outlived[verifier.name] += issued.kid != self.signing[issued.alg]
                    self.closest = min(self.closest, issued.expires_at - now)
                elif issued.expires_at > now:  # else it ran out on the way
                    self.refused.append(f"{verifier.name}, after {self.rotations.total()} rotations: {reason}")


@contextmanager
def running(node: Path) -> Iterator[Run]:
    seconds = running_server(
        keys__signs=SIGNS, keys__longest_cache=LONGEST_CACHE, keys__jwks_max_age=1, lifetimes__access_token=TOKEN
    )
    with ExitStack() as stack:
        server = stack.enter_context(seconds)
        server.apply(CLIENTS)
        http = stack.enter_context(httpx2.Client(base_url=server.issuer, trust_env=False))
        jose = RealJose(node, server.issuer)
        stack.callback(jose.close)
        yield Run(server, http, [RealPyJwt(server.issuer), jose, Ours(server.issuer)])


def test_no_token_is_refused_during_twenty_rotations(node: Path) -> None:
    began = time.monotonic()
    with running(node) as run:
        operator = Counter[bool]()
        while min(run.rotations[alg] for alg in BOTH) < ROTATIONS and time.monotonic() - began < 42:
            run.round(*BOTH)
            if run.rotations["RS256"] % 2:
                operator[run.server.control("keys.rotate")["done"]] += 1
        while run.live:
            run.round()
        assert run.refused == []
        assert min(run.rotations[alg] for alg in BOTH) >= ROTATIONS, run.rotations
        assert operator[True] >= ROTATIONS // 2 - 1
        assert operator[False] > 0, "nobody may make a key sign before every cache can have it"
        assert len(run.checked) == len(run.verifiers)
        assert min(run.checked.values()) > 3000, run.checked
        assert min(run.outlived.values()) > 500, "tokens whose key had been followed by another"
        assert run.closest < 0.5, "tokens are checked until they expire"


def test_control_a_key_that_signs_unannounced_is_refused_by_all(node: Path) -> None:
    """An emergency skips the wait in the JWKS, as it says: the same verifiers refuse until their copy is old."""
    with running(node) as run:
        run.round(*BOTH)
        assert run.refused == []
        report = run.server.control("keys.rotate", emergency=True, fresh=True)
        assert "do not know" in "\n".join(report["lines"])
        run.round(*BOTH)
        assert Counter(line.partition(",")[0] for line in run.refused) == dict.fromkeys(run.checked, 2)
        began = time.monotonic()
        while time.monotonic() - began < CACHE + 0.2:
            run.round(*BOTH)
        told = len(run.refused)
        run.round(*BOTH)
        assert len(run.refused) == told
