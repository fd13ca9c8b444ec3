"""Verifications a second of ``idp.verify`` against PyJWT with PyJWKClient, in one run: ``make bench-verify``.

Both hold the key already, both check signature, algorithm, issuer, audience, expiry, not-before, issue time and the
presence of the claims; the token is one of ours. Rounds are interleaved, each begins with another contender; a rate is
per second of processor time, and a ratio is the median over the rounds of the two rates of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from idp.jose import LocalSigner, generate_private_key, sign_compact
from idp.verify import Response, SyncVerifier, Verifier

ISSUER, AUDIENCE = "https://id.example.com", "https://api.example.com"
GOALS = {"RS256": 1.3, "ES256": 1.1, "RS256 cached": 10.0, "ES256 cached": 10.0}
# A turn is short, so that what else the machine does falls on both contenders of a round alike.
TURN = 0.15

Turn = Callable[[int], None]


def tokens(signer: LocalSigner) -> str:
    """What our server signs: eleven members."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(uuid.uuid4()),
        "client_id": "shop",
        "iat": now,
        "exp": now + 3600,
        "jti": uuid.uuid4().hex,
        "scope": "openid profile notes:read notes:write",
        "gid": uuid.uuid4().hex,
        "auth_time": now - 60,
        "acr": "urn:idp:acr:pwd",
    }
    return asyncio.run(sign_compact(signer, "at+jwt", claims))


def pyjwt(alg: str, jwks: Mapping[str, Any], token: str, *, bare: bool) -> Turn:
    """PyJWT as its documentation has it, its key set at hand and its parsed key kept; ``bare``: one key for all tokens,
    which nobody who rotates keys can have."""
    client = jwt.PyJWKClient("https://id.example.com/jwks", cache_keys=True, lifespan=3600)
    client.fetch_data = lambda: jwks  # type: ignore[method-assign]
    assert client.jwk_set_cache is not None
    client.jwk_set_cache.put(jwks)  # type: ignore[arg-type]
    options: Any = {"require": ["iss", "aud", "sub", "exp", "iat", "jti", "client_id"]}
    in_hand = client.get_signing_key_from_jwt(token)

    def turn(times: int) -> None:
        for _ in range(times):
            key = in_hand if bare else client.get_signing_key_from_jwt(token)
            jwt.decode(token, key, [alg], options, audience=AUDIENCE, issuer=ISSUER, leeway=30)

    return turn


def ours(kind: str, alg: str, jwks: Mapping[str, Any], token: str) -> Turn:
    answer = Response(200, {"cache-control": "max-age=86400"}, json.dumps(jwks).encode())
    options: dict[str, Any] = {
        "algorithms": [alg],
        "jwks_uri": "https://id.example.com/jwks",
        "fetch": lambda url, headers: answer,
    }
    if kind == "async":
        verifier = Verifier(ISSUER, AUDIENCE, **options)

        async def several(times: int) -> None:
            for _ in range(times):
                await verifier.verify(token)

        loop = asyncio.new_event_loop()
        return lambda times: loop.run_until_complete(several(times))
    options["cached_tokens"] = 1000 if kind == "cached" else 0
    blocking = SyncVerifier(ISSUER, AUDIENCE, **options)

    def turn(times: int) -> None:
        for _ in range(times):
            blocking.verify(token)

    return turn


def calibrated(turn: Turn) -> int:
    """How many verifications make a turn."""
    turn(20)
    start = time.process_time()
    turn(200)
    return max(50, int(200 * TURN / (time.process_time() - start)))


def measured(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Rates by contender, one for each round."""
    names, sizes = list(turns), {name: calibrated(turn) for name, turn in turns.items()}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.process_time()
            turns[name](sizes[name])
            rates[name].append(sizes[name] / (time.process_time() - start))
    return rates


def told(alg: str, name: str, found: list[float], rates: Mapping[str, list[float]]) -> bool:
    """Print one contender's line; whether its goal is reached against PyJWT with its client."""

    def ratio(other: str) -> float:
        return statistics.median(mine / theirs for mine, theirs in zip(found, rates[other], strict=True))

    line = f"{alg}  {name:<8}{statistics.median(found):>10,.0f}/s   {ratio('PyJWT'):6.2f} x PyJWT"
    goal = GOALS.get({"cached": f"{alg} cached", "sync": alg, "async": alg}.get(name, ""))
    if goal is None:
        print(line)
        return True
    reached = ratio("PyJWT") >= goal
    also = f"{ratio('one key'):6.2f} x with one key"
    print(f"{line}   {also}   goal {goal:g}: {'reached' if reached else 'MISSED'}")
    return reached


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--algorithms", default="RS256,ES256")
    chosen = parser.parse_args()
    missed = []
    for alg in chosen.algorithms.split(","):
        signer = LocalSigner(generate_private_key(alg), "key-1", alg)
        jwks, token = {"keys": [dict(signer.jwk())]}, tokens(signer)
        kinds = ("sync", "async", "cached")
        turns = {
            "PyJWT": pyjwt(alg, jwks, token, bare=False),
            "one key": pyjwt(alg, jwks, token, bare=True),
            **{kind: ours(kind, alg, jwks, token) for kind in kinds},
        }
        rates = measured(turns, chosen.rounds)
        for name, found in rates.items():
            missed += [(alg, name)] if not told(alg, name, found, rates) else []
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
