"""Thirty rotations with a kill -9 in the middle: no token is refused, and the JWKS never lacks a key that signed.

The provider lives in seconds: keys sign for two, a verifier may keep the JWKS for one. Half of the kills come while an
operator's rotation is under way, half around the moment at which the clock lets the next key sign. The verifiers keep
to the cache rules and to nothing else: three copies of the JWKS of different age, each used for as long as allowed,
and for longer only while the server is down. ``IDP_TEST_SEED`` repeats a run's choices.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fault_installation import Installation, Serving, unused_port
from fault_traffic import settings_of
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from support import App, unverified

from idp.control.calling import call
from idp.control.errors import ControlError

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

KILLS = 30
BOTH = ("RS256", "ES256")
CACHE = 1.0  # seconds a verifier keeps the JWKS, counted from before it asked for them
OPTIONS = {"keys_signs": "2", "keys_longest_cache": "1", "keys_jwks_max_age": "1", "lifetimes_access_token": "2"}
SECRET = "secret-of-a-service-0123456789"
SERVICES = "\n\n".join(
    App(
        alg,
        secret=SECRET,
        method="client_secret_post",
        scope="",
        grant_types=("client_credentials",),
        members={"access_token_signed_response_alg": alg},
    ).toml()
    for alg in BOTH
)


class Verifier:
    """One copy of the JWKS. ``offset`` shortens the first copy's life, so that several do not fetch together."""

    def __init__(self, run: Run, offset: float) -> None:
        self._run = run
        self._keys: KeySet | None = None
        self._asked = -offset

    def refusal(self, token: str) -> str | None:
        if self._keys is None or time.monotonic() - self._asked >= CACHE:
            self._fetch()
        assert self._keys is not None
        try:
            jwt.decode(token, self._keys, algorithms=list(BOTH))
        except (JoseError, ValueError) as error:
            return repr(error)
        return None

    def _fetch(self) -> None:
        asked = time.monotonic()
        found = self._run.key_set()
        if found is not None:  # else the server is down, and the old copy is better than none
            self._keys, self._asked = KeySet.import_key_set(found), asked  # type: ignore[arg-type]


@dataclass(frozen=True)
class Issued:
    token: str
    alg: str
    kid: str
    expires_at: float


@dataclass
class Run:
    port: int
    verifiers: list[Verifier] = field(default_factory=list)
    live: list[Issued] = field(default_factory=list)
    signing: dict[str, str] = field(default_factory=dict)
    rotations: Counter[str] = field(default_factory=Counter)
    issued: int = 0
    checks: int = 0
    refused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def round(self) -> None:
        """One token of each algorithm, checked at once; of those that still live, a third again."""
        for alg in BOTH:
            self.issue(alg)
        self.live = [issued for issued in self.live if issued.expires_at > time.time()]
        for number, verifier in enumerate(self.verifiers):
            for issued in [*self.live[-2:], *self.live[number::3]]:
                reason = verifier.refusal(issued.token)
                self.checks += 1
                if reason is not None and issued.expires_at > time.time():
                    self.refused.append(f"{issued.kid}: {reason}")
        time.sleep(0.03)

    def issue(self, alg: str) -> None:
        form = f"grant_type=client_credentials&client_id={alg}&client_secret={SECRET}"
        answer = self._ask("POST", "/token", form)
        if answer is None:
            return
        assert answer[0] == 200, answer
        token = json.loads(answer[1])["access_token"]
        header, claims = unverified(token)
        if self.signing.setdefault(alg, header["kid"]) != header["kid"]:
            self.signing[alg] = header["kid"]
            self.rotations[alg] += 1
        self.issued += 1
        self.live.append(Issued(token, alg, header["kid"], float(claims["exp"])))

    def key_set(self) -> dict[str, Any] | None:
        wanted = {issued.kid for issued in self.live if issued.expires_at > time.time() + 0.5}
        answer = self._ask("GET", "/.well-known/jwks.json", None)
        if answer is None:
            return None
        found: dict[str, Any] = json.loads(answer[1])
        self.missing += wanted - {key["kid"] for key in found["keys"]}
        return found

    def _ask(self, method: str, path: str, form: str | None) -> tuple[int, bytes] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, form, {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def test_no_token_is_refused_over_thirty_killed_rotations(tmp_path: Path) -> None:
    seed = int(os.environ.get("IDP_TEST_SEED", "20261102"))
    moments, how = random.Random(seed), Counter[str]()
    installation = Installation(tmp_path, unused_port(), None, OPTIONS)
    installation.make(SERVICES)
    run = Run(installation.port)
    run.verifiers = [Verifier(run, offset) for offset in (0.0, 0.33, 0.66)]
    serving = installation.start()
    try:
        for number in range(KILLS):
            kill = _while_an_operator_rotates if number % 2 else _when_the_clock_rotates
            how[kill(run, installation, serving, moments)] += 1
            run.round()  # the verifiers meet a server that is down
            serving = installation.start()
            run.round()
        began = time.monotonic()
        while time.monotonic() - began < 2.5:
            run.round()
    finally:
        serving.kill()
    print(
        f"seed {seed}: {KILLS} kills ({dict(how)}), rotations {dict(run.rotations)}, {run.issued} tokens, "
        f"{run.checks} checks, refused {len(run.refused)}, missing {len(run.missing)}"
    )
    assert (run.refused, run.missing) == ([], []), f"seed {seed}"
    assert min(run.rotations.values()) >= KILLS // 2, "keys really went on"
    assert run.rotations.total() >= KILLS
    assert not [line for line in serving.said().splitlines() if "Traceback" in line or "fault " in line]


def _while_an_operator_rotates(run: Run, installation: Installation, serving: Serving, moments: random.Random) -> str:
    """Somebody asks for a rotation all the time; the kill comes around the first moment at which it is allowed."""
    settings, over = settings_of(installation), threading.Event()
    done: list[bool] = []

    def rotate() -> None:
        while not over.wait(0.02):
            try:
                done.append(call(settings, "keys.rotate")["done"])
            except ControlError:
                return

    operator = threading.Thread(target=rotate)
    allowed = _allowed_at(settings)
    operator.start()
    _rounds_until(run, allowed + moments.uniform(-0.01, 0.25))
    over.set()
    serving.kill()
    operator.join(30)
    return "operator, rotated" if any(done) else "operator, cut off"


def _when_the_clock_rotates(run: Run, installation: Installation, serving: Serving, moments: random.Random) -> str:
    lives = call(settings_of(installation), "keys.list")["keys"]
    begins = max(life["signs_from"] for life in lives)
    _rounds_until(run, begins + moments.uniform(-0.05, 0.3))
    serving.kill()
    return "clock"


def _allowed_at(settings: Any) -> float:
    waiting = [life for life in call(settings, "keys.list")["keys"] if life["state"] == "waiting"]
    return max((life["published_from"] for life in waiting), default=time.time()) + 1.1


def _rounds_until(run: Run, moment: float) -> None:
    while time.time() < moment - 0.1:
        run.round()
    time.sleep(max(0.0, moment - time.time()))
